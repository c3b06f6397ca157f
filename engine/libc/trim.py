"""malloc/malloc.c: giving memory back to the kernel: systrim() lowers the break, mtrim() also empties pages inside free chunks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.events.libc import SbrkLess
from engine.libc.abort import counted, malloc_assert
from engine.libc.chunk import BK, CHUNK_HDR_SZ, MINSIZE, PAGE, PREV_INUSE, SIZE, SIZE_MASK, SIZEOF_CHUNK, WORD
from engine.libc.consolidate import malloc_consolidate
from engine.libc.state import NBINS, SYSTEM_MEM, TOP, bin_at, bin_index

if TYPE_CHECKING:
    from engine.libc.heap import Heap


def systrim(heap: Heap, pad: int, arena: int) -> bool:
    """systrim(): lowers the break by the whole pages at top's end, but for `pad` bytes; whether it did."""
    load32 = heap.load32
    top = load32(arena + TOP)
    top_size = load32(top + SIZE) & SIZE_MASK
    top_area = top_size - MINSIZE - 1 & WORD
    if top_area <= pad:
        return False
    extra = top_area - pad & -PAGE & WORD
    if not extra:
        return False
    current = heap.morecore(0)
    if current != top + top_size & WORD:
        return False
    heap.morecore(-extra)
    reached = heap.morecore(0)
    heap.trace.emit(SbrkLess(reached, extra))
    released = current - reached
    if not reached or not released:
        return False
    heap.store32(arena + SYSTEM_MEM, load32(arena + SYSTEM_MEM) - released & WORD)
    heap.store32(top + SIZE, top_size - released & WORD | PREV_INUSE)
    return True


def mtrim(heap: Heap, arena: int, pad: int) -> int:
    """mtrim(): also tells the kernel that whole pages inside free chunks hold nothing. 1 where anything was given back."""
    malloc_consolidate(heap, arena, "malloc_trim")
    released = 0
    for index in (1, *range(bin_index(PAGE), NBINS)):
        header = bin_at(arena, index)
        chunk = heap.load32(header + BK)
        turns = counted("malloc_trim")
        while chunk != header:
            next(turns)
            released |= _trim_chunk(heap, chunk)
            chunk = heap.load32(chunk + BK)
    return released | systrim(heap, pad, arena)


def _trim_chunk(heap: Heap, chunk: int) -> int:
    """Discards the whole pages of a free chunk behind its header and links; 1 if there were any."""
    size = heap.load32(chunk + SIZE) & SIZE_MASK
    if size <= PAGE - 1 + SIZEOF_CHUNK:
        return 0
    first = chunk + SIZEOF_CHUNK + PAGE - 1 & -PAGE & WORD
    if chunk + CHUNK_HDR_SZ + 2 * CHUNK_HDR_SZ > first:
        malloc_assert("mtrim", "(char *) chunk2mem (p) + 2 * CHUNK_HDR_SZ <= paligned_mem")
    if chunk + size <= first:
        malloc_assert("mtrim", "(char *) p + size > paligned_mem")
    size -= first - chunk
    if size <= PAGE - 1:
        return 0
    heap.unistd.madvise_dontneed(first, size & -PAGE)
    return 1
