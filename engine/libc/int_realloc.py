"""malloc/malloc.c: _int_realloc() and _int_memalign(): chunks that are resized in place, or cut from a larger one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.libc.abort import malloc_assert, malloc_printerr
from engine.libc.bins import unlink_chunk
from engine.libc.chunk import (
    CHUNK_HDR_SZ,
    IS_MMAPPED,
    MALLOC_ALIGN_MASK,
    MINSIZE,
    NON_MAIN_ARENA,
    PAGE,
    PREV_INUSE,
    PTRDIFF_MAX,
    SIZE,
    SIZE_MASK,
    SIZE_SZ,
    WORD,
    request2size,
)
from engine.libc.int_free import int_free
from engine.libc.lanes import allocate
from engine.libc.state import SYSTEM_MEM, TOP
from engine.libc.unistd import ENOMEM

if TYPE_CHECKING:
    from engine.libc.heap import Heap


def copy(heap: Heap, to: int, source: int, count: int) -> None:
    """memcpy(), a page of the source at a time."""
    while count > 0:
        here = min(count, PAGE - (source & PAGE - 1))
        heap.cpu.store_bytes(to, heap.cpu.load_bytes(source, here))
        to, source, count = to + here, source + here, count - here


def _foreign_bit(heap: Heap, arena: int) -> int:
    return 0 if arena == heap.main_arena else NON_MAIN_ARENA


def _set_head_size(heap: Heap, chunk: int, size: int) -> None:
    """set_head_size(): a new size; whether the chunk before is in use stays as it was."""
    heap.store32(chunk + SIZE, heap.load32(chunk + SIZE) & PREV_INUSE | size)


def int_realloc(heap: Heap, arena: int, chunk: int, size: int, wanted: int) -> int:
    """_int_realloc(): the address of a chunk of at least `wanted` bytes with the old content, or 0 with errno ENOMEM."""
    load32 = heap.load32
    next_chunk, next_head = _check(heap, arena, chunk, size)
    next_size = next_head & SIZE_MASK
    if size >= wanted:
        return _cut(heap, arena, chunk, size, wanted)
    at_top = next_chunk == load32(arena + TOP)
    joint = size + next_size & WORD
    if at_top and joint >= wanted + MINSIZE:
        _set_head_size(heap, chunk, wanted | _foreign_bit(heap, arena))
        heap.store32(arena + TOP, chunk + wanted)
        heap.store32(chunk + wanted + SIZE, joint - wanted | PREV_INUSE)
        return chunk + CHUNK_HDR_SZ
    if not at_top and not load32((next_chunk + next_size & WORD) + SIZE) & PREV_INUSE and joint >= wanted:
        unlink_chunk(heap, next_chunk)
        return _cut(heap, arena, chunk, joint, wanted)
    return _move(heap, arena, chunk, size, wanted)


def _check(heap: Heap, arena: int, chunk: int, size: int) -> tuple[int, int]:
    """What glibc demands of the old chunk and the one behind it; gives the latter and its header."""
    load32 = heap.load32
    head, system_mem = load32(chunk + SIZE), load32(arena + SYSTEM_MEM)
    if head <= CHUNK_HDR_SZ or size >= system_mem:
        malloc_printerr("realloc(): invalid old size")
    if head & IS_MMAPPED:
        malloc_assert("_int_realloc", "!chunk_is_mmapped (oldp)")
    next_chunk = chunk + size & WORD
    next_head = load32(next_chunk + SIZE)
    if next_head <= CHUNK_HDR_SZ or next_head & SIZE_MASK >= system_mem:
        malloc_printerr("realloc(): invalid next size")
    return next_chunk, next_head


def _move(heap: Heap, arena: int, chunk: int, size: int, wanted: int) -> int:
    """A new chunk, the content copied, the old one freed; unless the new one happens to lie right behind."""
    mem = allocate(heap, arena, wanted - MALLOC_ALIGN_MASK)
    if not mem:
        return 0
    new = mem - CHUNK_HDR_SZ
    if new == chunk + size & WORD:
        return _cut(heap, arena, chunk, size + (heap.load32(new + SIZE) & SIZE_MASK), wanted)
    copy(heap, mem, chunk + CHUNK_HDR_SZ, (heap.load32(chunk + SIZE) & SIZE_MASK) - SIZE_SZ)
    int_free(heap, arena, chunk, have_lock=True)
    return mem


def _cut(heap: Heap, arena: int, chunk: int, size: int, wanted: int) -> int:
    """Frees what a chunk of `size` bytes has too much; gives its address."""
    if size < wanted:
        malloc_assert("_int_realloc", "(unsigned long) (newsize) >= (unsigned long) (nb)")
    rest = size - wanted
    foreign = _foreign_bit(heap, arena)
    if rest < MINSIZE:
        _set_head_size(heap, chunk, size | foreign)
        heap.set_inuse(chunk, size)
        return chunk + CHUNK_HDR_SZ
    remainder = chunk + wanted & WORD
    _set_head_size(heap, chunk, wanted | foreign)
    heap.store32(remainder + SIZE, rest | PREV_INUSE | foreign)
    heap.set_inuse(remainder, rest)
    int_free(heap, arena, remainder, have_lock=True)
    return chunk + CHUNK_HDR_SZ


def int_memalign(heap: Heap, arena: int, alignment: int, request: int) -> int:
    """_int_memalign(): memory whose address is a multiple of `alignment`, a power of two; 0 with errno ENOMEM.

    It takes enough for the aligned place to lie inside, and frees what is before and behind it.
    """
    if request > PTRDIFF_MAX or alignment > PTRDIFF_MAX:
        heap.unistd.errno = ENOMEM
        return 0
    wanted = request2size(request)
    mem = allocate(heap, arena, wanted + alignment + MINSIZE & WORD)
    if not mem:
        return 0
    chunk = mem - CHUNK_HDR_SZ
    if mem % alignment:
        chunk = _free_lead(heap, arena, chunk, alignment, wanted)
    head = heap.load32(chunk + SIZE)
    if head & IS_MMAPPED:
        return chunk + CHUNK_HDR_SZ
    size = head & SIZE_MASK
    if size > wanted + MINSIZE:
        remainder = chunk + wanted
        heap.store32(remainder + SIZE, size - wanted | PREV_INUSE | _foreign_bit(heap, arena))
        _set_head_size(heap, chunk, wanted)
        int_free(heap, arena, remainder, have_lock=True)
    return chunk + CHUNK_HDR_SZ


def _free_lead(heap: Heap, arena: int, chunk: int, alignment: int, wanted: int) -> int:
    """Makes a chunk at the aligned place and frees what lies before it; of a mapping only the chunk's offset grows."""
    load32, store32 = heap.load32, heap.store32
    aligned = (chunk + CHUNK_HDR_SZ + alignment - 1 & -alignment) - CHUNK_HDR_SZ
    if aligned - chunk < MINSIZE:
        aligned += alignment
    lead = aligned - chunk
    head = load32(chunk + SIZE)
    size = (head & SIZE_MASK) - lead & WORD
    if head & IS_MMAPPED:
        store32(aligned, load32(chunk) + lead)
        store32(aligned + SIZE, size | IS_MMAPPED)
        return aligned
    foreign = _foreign_bit(heap, arena)
    store32(aligned + SIZE, size | PREV_INUSE | foreign)
    heap.set_inuse(aligned, size)
    _set_head_size(heap, chunk, lead | foreign)
    int_free(heap, arena, chunk, have_lock=True)
    if size < wanted:
        condition = "newsize >= nb && (((unsigned long) (chunk2mem (p))) % alignment) == 0"
        malloc_assert("_int_memalign", condition)
    return aligned
