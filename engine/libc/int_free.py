"""malloc/malloc.c: _int_free(): where a freed chunk goes: tcache, fast bin, joined with its neighbours, or back to the kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.events.libc import FastbinPut, TcacheDoubleFree
from engine.libc.abort import malloc_assert, malloc_printerr
from engine.libc.chunk import (
    CHUNK_HDR_SZ,
    FD,
    IS_MMAPPED,
    MALLOC_ALIGN_MASK,
    MINSIZE,
    PREV_INUSE,
    SIZE,
    SIZE_MASK,
    WORD,
    misaligned_chunk,
    protect_pointer,
)
from engine.libc.consolidate import become_top, free_to_unsorted, malloc_consolidate, merge_back
from engine.libc.mmapped import munmap_chunk
from engine.libc.state import (
    FASTBIN_CONSOLIDATION_THRESHOLD,
    FASTBINS,
    HAVE_FASTCHUNKS,
    HEAP_MAX_SIZE,
    SYSTEM_MEM,
    TCACHE_BINS,
    TCACHE_COUNT,
    TCACHE_ENTRIES,
    TOP,
    TOP_PAD,
    TRIM_THRESHOLD,
    csize2tidx,
    fastbin_index,
)
from engine.libc.tcache import KEY, tcache_put
from engine.libc.trim import systrim

if TYPE_CHECKING:
    from engine.libc.heap import Heap


def int_free(heap: Heap, arena: int, chunk: int, *, have_lock: bool) -> None:
    """_int_free(): frees a chunk. Aborts with glibc's sentence where the chunk, or what lies behind it, looks damaged."""
    head = heap.load32(chunk + SIZE)
    size = head & SIZE_MASK
    if chunk > -size & WORD or misaligned_chunk(chunk):
        malloc_printerr("free(): invalid pointer")
    if size < MINSIZE or size & MALLOC_ALIGN_MASK:
        malloc_printerr("free(): invalid size")
    if _to_tcache(heap, chunk, size):
        return
    if size <= heap.load32(heap.global_max_fast):
        _to_fastbin(heap, arena, chunk, size, have_lock=have_lock)
    elif head & IS_MMAPPED:
        munmap_chunk(heap, chunk)
    else:
        _consolidate_and_trim(heap, arena, chunk, head)


def _to_tcache(heap: Heap, chunk: int, size: int) -> bool:
    """Puts the chunk into the tcache if its bin there has room; whether it did."""
    index = csize2tidx(size)
    tcache, mp = heap.tcache, heap.mp
    if not tcache or index >= heap.load32(mp + TCACHE_BINS):
        return False
    mem = chunk + CHUNK_HDR_SZ
    if heap.load32(mem + KEY) == heap.tcache_key:
        _look_for_double_free(heap, mem, index)
    if heap.cpu.load16(tcache + 2 * index) >= heap.load32(mp + TCACHE_COUNT):
        return False
    tcache_put(heap, chunk, index)
    return True


def _look_for_double_free(heap: Heap, mem: int, index: int) -> None:
    """The chunk bears the key: is it in the list, or do its bytes only happen to look so?"""
    heap.trace.emit(TcacheDoubleFree(mem, index))
    at = heap.load32(heap.tcache + TCACHE_ENTRIES + 4 * index)
    seen = 0
    while at:
        if seen >= heap.load32(heap.mp + TCACHE_COUNT):
            malloc_printerr("free(): too many chunks detected in tcache")
        if at & MALLOC_ALIGN_MASK:
            malloc_printerr("free(): unaligned chunk detected in tcache 2")
        if at == mem:
            malloc_printerr("free(): double free detected in tcache 2")
        at = protect_pointer(at, heap.load32(at))
        seen += 1


def _to_fastbin(heap: Heap, arena: int, chunk: int, size: int, *, have_lock: bool) -> None:
    load32, store32 = heap.load32, heap.store32
    behind = load32((chunk + size & WORD) + SIZE)
    if behind <= CHUNK_HDR_SZ or behind & SIZE_MASK >= load32(arena + SYSTEM_MEM):
        malloc_printerr("free(): invalid next size (fast)")
    heap.free_perturb(chunk + CHUNK_HDR_SZ, size - CHUNK_HDR_SZ)
    store32(arena + HAVE_FASTCHUNKS, 1)
    index = fastbin_index(size)
    head = arena + FASTBINS + 4 * index
    old = load32(head)
    if old == chunk:
        malloc_printerr("double free or corruption (fasttop)")
    store32(chunk + FD, protect_pointer(chunk + FD, old))
    store32(head, chunk)
    if have_lock and old and fastbin_index(load32(old + SIZE) & SIZE_MASK) != index:
        malloc_printerr("invalid fastbin entry (free)")
    if heap.trace.on:
        heap.trace.emit(FastbinPut(chunk, size))


def _check_neighbours(heap: Heap, arena: int, chunk: int, next_chunk: int) -> int:
    """What glibc demands before it joins a chunk with its neighbours; gives the size of the one behind."""
    load32 = heap.load32
    top = load32(arena + TOP)
    if chunk == top:
        malloc_printerr("double free or corruption (top)")
    if heap.contiguous(arena) and next_chunk >= top + (load32(top + SIZE) & SIZE_MASK) & WORD:
        malloc_printerr("double free or corruption (out)")
    head = load32(next_chunk + SIZE)
    if not head & PREV_INUSE:
        malloc_printerr("double free or corruption (!prev)")
    if head <= CHUNK_HDR_SZ or head & SIZE_MASK >= load32(arena + SYSTEM_MEM):
        malloc_printerr("free(): invalid next size (normal)")
    return head & SIZE_MASK


def _consolidate_and_trim(heap: Heap, arena: int, chunk: int, head: int) -> None:
    """Joins the chunk with free neighbours; a large result may let the heap shrink."""
    size = head & SIZE_MASK
    next_chunk = chunk + size & WORD
    next_size = _check_neighbours(heap, arena, chunk, next_chunk)
    heap.free_perturb(chunk + CHUNK_HDR_SZ, size - CHUNK_HDR_SZ)
    if not head & PREV_INUSE:
        chunk, size = merge_back(heap, chunk, size, "corrupted size vs. prev_size while consolidating")
    if next_chunk == heap.load32(arena + TOP):
        size = size + next_size & WORD
        become_top(heap, arena, chunk, size)
    else:
        joined = not head & PREV_INUSE
        size = free_to_unsorted(heap, arena, chunk, size, next_chunk, next_size, joined=joined)
    if size >= FASTBIN_CONSOLIDATION_THRESHOLD:
        after_large_free(heap, arena)


def after_large_free(heap: Heap, arena: int) -> None:
    """What follows where a freed chunk has become FASTBIN_CONSOLIDATION_THRESHOLD bytes or more: perhaps the heap shrinks."""
    load32 = heap.load32
    if load32(arena + HAVE_FASTCHUNKS):
        malloc_consolidate(heap, arena, "free: a large free chunk")
    top = load32(arena + TOP)
    if arena != heap.main_arena:
        if load32(top & -HEAP_MAX_SIZE) != arena:
            malloc_assert("_int_free", "heap->ar_ptr == av")
        return
    if load32(top + SIZE) & SIZE_MASK >= load32(heap.mp + TRIM_THRESHOLD):
        systrim(heap, load32(heap.mp + TOP_PAD), arena)
