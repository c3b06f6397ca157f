"""malloc/malloc.c: sysmalloc(): nothing free is large enough: a mapping of its own, a larger heap, or a mapping as heap.

the first time:      brk                    the break moves by the request and top_pad, whole pages;
                      | 8 |   top …  |      then by another page, since the first chunk begins 8 bytes further
after somebody moved the break:
                      | old top | fence | foreign | new top …   two chunks of 8 bytes keep the old top from merging
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.events.libc import SbrkMore, Sysmalloc
from engine.libc.abort import malloc_assert, malloc_printerr
from engine.libc.chunk import (
    CHUNK_HDR_SZ,
    MALLOC_ALIGN_MASK,
    MALLOC_ALIGNMENT,
    MINSIZE,
    PAGE,
    PREV_INUSE,
    SIZE,
    SIZE_MASK,
    WORD,
)
from engine.libc.int_free import int_free
from engine.libc.mmapped import align_up, sysmalloc_mmap
from engine.libc.state import (
    FLAGS,
    MAX_SYSTEM_MEM,
    MMAP_AS_MORECORE_SIZE,
    MMAP_THRESHOLD,
    N_MMAPS,
    N_MMAPS_MAX,
    NONCONTIGUOUS_BIT,
    SBRK_BASE,
    SYSTEM_MEM,
    TOP,
    TOP_PAD,
    UNSORTED,
)
from engine.libc.unistd import ENOMEM, MAP_FAILED

if TYPE_CHECKING:
    from engine.libc.heap import Heap

_TOP_ASSERTION = (
    "(old_top == initial_top (av) && old_size == 0) || ((unsigned long) (old_size) >= MINSIZE && "
    "prev_inuse (old_top) && ((unsigned long) old_end & (pagesize - 1)) == 0)"
)


def _signed(value: int) -> int:
    """A 32-bit word as C's long."""
    value &= WORD
    return value - (1 << 32) if value >> 31 else value


def sysmalloc(heap: Heap, arena: int, wanted: int) -> int:
    """sysmalloc(): a chunk of `wanted` bytes from the kernel, or 0 with errno ENOMEM."""
    heap.trace.emit(Sysmalloc(wanted))
    load32, mp = heap.load32, heap.mp
    if wanted >= load32(mp + MMAP_THRESHOLD) and _signed(load32(mp + N_MMAPS)) < _signed(load32(mp + N_MMAPS_MAX)):
        chunk = sysmalloc_mmap(heap, wanted)
        if chunk:
            return chunk
    _check_old_top(heap, arena, wanted)
    if arena == heap.main_arena:
        _grow(heap, arena, wanted)
    system_mem = load32(arena + SYSTEM_MEM)
    if system_mem > load32(arena + MAX_SYSTEM_MEM):
        heap.store32(arena + MAX_SYSTEM_MEM, system_mem)
    return _from_top(heap, arena, wanted)


def _check_old_top(heap: Heap, arena: int, wanted: int) -> None:
    top = heap.load32(arena + TOP)
    head = heap.load32(top + SIZE)
    size = head & SIZE_MASK
    initial = top == arena + UNSORTED and not size
    if not initial and not (size >= MINSIZE and head & PREV_INUSE and not top + size & PAGE - 1):
        malloc_assert("sysmalloc", _TOP_ASSERTION)
    if size >= wanted + MINSIZE:
        malloc_assert("sysmalloc", "(unsigned long) (old_size) < (unsigned long) (nb + MINSIZE)")


def _from_top(heap: Heap, arena: int, wanted: int) -> int:
    load32, store32 = heap.load32, heap.store32
    top = load32(arena + TOP)
    size = load32(top + SIZE) & SIZE_MASK
    if size < wanted + MINSIZE:
        heap.unistd.errno = ENOMEM
        return 0
    store32(arena + TOP, top + wanted)
    store32(top + SIZE, wanted | heap.in_use_bits(arena))
    store32(top + wanted + SIZE, size - wanted | PREV_INUSE)
    return top


def _grow(heap: Heap, arena: int, wanted: int) -> None:
    """Moves the break up; where that fails, takes a mapping as heap."""
    load32, store32, mp = heap.load32, heap.store32, heap.mp
    top = load32(arena + TOP)
    old_size = load32(top + SIZE) & SIZE_MASK
    size = wanted + load32(mp + TOP_PAD) + MINSIZE & WORD
    if heap.contiguous(arena):
        size = size - old_size & WORD
    size = _signed(align_up(size, PAGE))
    start, end = 0, 0
    if size > 0:
        start = heap.morecore(size)
        if start:
            heap.trace.emit(SbrkMore(start, size))
    if not start:
        start, size = _mmap_as_morecore(heap, arena, wanted, size, old_size)
        end = start + size if start else 0
    if not start:
        return
    if not load32(mp + SBRK_BASE):
        store32(mp + SBRK_BASE, start)
    store32(arena + SYSTEM_MEM, load32(arena + SYSTEM_MEM) + size & WORD)
    old_end = top + old_size & WORD
    if start == old_end and not end:
        store32(top + SIZE, size + old_size & WORD | PREV_INUSE)
    elif heap.contiguous(arena) and old_size and start < old_end:
        malloc_printerr("break adjusted to free malloc space")
    else:
        _begin_anew(heap, arena, start, size, end)


def _mmap_as_morecore(heap: Heap, arena: int, wanted: int, size: int, old_size: int) -> tuple[int, int]:
    """sysmalloc_mmap_fallback(): a mapping instead of the break, in whole MB; (start, size), or (0, size).

    From then on the arena is no longer contiguous.
    """
    if heap.contiguous(arena):
        size = align_up(size + old_size & WORD, MMAP_AS_MORECORE_SIZE)
    size = max(size & WORD, PAGE)
    if size <= wanted:
        return 0, size
    start = heap.unistd.mmap(size)
    if start == MAP_FAILED:
        return 0, size
    heap.store32(arena + FLAGS, heap.load32(arena + FLAGS) | NONCONTIGUOUS_BIT)
    return start, size


def _begin_anew(heap: Heap, arena: int, start: int, size: int, end: int) -> None:
    """New memory that does not follow the old top: the first of all, behind a foreign sbrk(), or a mapping."""
    load32, store32 = heap.load32, heap.store32
    old_top = load32(arena + TOP)
    old_size = load32(old_top + SIZE) & SIZE_MASK
    aligned, correction = start, 0
    misalignment = start + CHUNK_HDR_SZ & MALLOC_ALIGN_MASK
    if misalignment:
        aligned += MALLOC_ALIGNMENT - misalignment
    if heap.contiguous(arena):
        if old_size:
            foreign = start - (old_top + old_size)
            store32(arena + SYSTEM_MEM, load32(arena + SYSTEM_MEM) + foreign & WORD)
        correction = aligned - start + old_size
        past = start + size + correction & WORD
        correction += align_up(past, PAGE) - past & WORD
        end = heap.morecore(correction)
        if not end:
            correction = 0
            end = heap.morecore(0)
    elif not end:
        end = heap.morecore(0)
    if not end:
        return
    store32(arena + TOP, aligned)
    store32(aligned + SIZE, end - aligned + correction & WORD | PREV_INUSE)
    store32(arena + SYSTEM_MEM, load32(arena + SYSTEM_MEM) + correction & WORD)
    if old_size:
        _fence(heap, arena, old_top, old_size)


def _fence(heap: Heap, arena: int, old_top: int, old_size: int) -> None:
    """Two chunks of 8 bytes, in use for ever, end the old top; the rest of it is freed."""
    store32 = heap.store32
    old_size = old_size - 2 * CHUNK_HDR_SZ & ~MALLOC_ALIGN_MASK & WORD
    store32(old_top + SIZE, old_size | PREV_INUSE)
    store32(old_top + old_size + SIZE, CHUNK_HDR_SZ | PREV_INUSE)
    store32(old_top + old_size + CHUNK_HDR_SZ + SIZE, CHUNK_HDR_SZ | PREV_INUSE)
    if old_size >= MINSIZE:
        int_free(heap, arena, old_top, have_lock=True)
