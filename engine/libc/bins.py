"""malloc/malloc.c: taking a chunk out of a bin, and filing one by size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.events.libc import BinPut
from engine.libc.abort import malloc_assert, malloc_printerr
from engine.libc.chunk import BK, BK_NEXTSIZE, FD, FD_NEXTSIZE, NON_MAIN_ARENA, PREV_INUSE, SIZE, SIZE_MASK, WORD
from engine.libc.state import BINMAP, MIN_LARGE_SIZE, bin_at, largebin_index

if TYPE_CHECKING:
    from engine.libc.heap import Heap

_STRADDLING: Final = 0xFF8
"""A chunk at this place in a page has its links on the next one."""


def unlink_chunk(heap: Heap, chunk: int) -> None:
    """unlink_chunk(): takes a free chunk out of its list. Aborts where its size or its neighbours contradict it."""
    if _unlink_at_hand(heap, chunk):
        return
    load32, store32 = heap.load32, heap.store32
    head = load32(chunk + SIZE)
    if head & SIZE_MASK != load32(chunk + (head & SIZE_MASK)):
        malloc_printerr("corrupted size vs. prev_size")
    forward, back = load32(chunk + FD), load32(chunk + BK)
    if load32(forward + BK) != chunk or load32(back + FD) != chunk:
        malloc_printerr("corrupted double-linked list")
    store32(forward + BK, back)
    store32(back + FD, forward)
    if head >= MIN_LARGE_SIZE and load32(chunk + FD_NEXTSIZE):
        _unlink_nextsize(heap, chunk, forward)


def _unlink_at_hand(heap: Heap, chunk: int) -> bool:
    """Unlinks a chunk of a small size where all is as it should be and every page is at hand; else changes nothing."""
    if chunk & 0xFFF == _STRADDLING or chunk & 3:
        return False
    pages = heap.cpu.write_pages
    try:
        page, at = pages[chunk >> 12], chunk >> 2 & 1023
        size = page[at + 1] & SIZE_MASK
        foot = chunk + size & WORD
        forward, back = page[at + 2], page[at + 3]
        if pages[foot >> 12][foot >> 2 & 1023] != size or (forward | back) & 3:
            return False
        forward_page, forward_at = pages[forward + BK >> 12], forward + BK >> 2 & 1023
        back_page, back_at = pages[back + FD >> 12], back + FD >> 2 & 1023
        if forward_page[forward_at] != chunk or back_page[back_at] != chunk:
            return False
        if size >= MIN_LARGE_SIZE and page[at + 4]:
            return False
    except (KeyError, IndexError):
        return False
    forward_page[forward_at] = back
    back_page[back_at] = forward
    return True


def _unlink_nextsize(heap: Heap, chunk: int, forward: int) -> None:
    """The second list of a large bin, which links the first chunk of each size."""
    load32, store32 = heap.load32, heap.store32
    following, preceding = load32(chunk + FD_NEXTSIZE), load32(chunk + BK_NEXTSIZE)
    if load32(following + BK_NEXTSIZE) != chunk or load32(preceding + FD_NEXTSIZE) != chunk:
        malloc_printerr("corrupted double-linked list (not small)")
    if load32(forward + FD_NEXTSIZE):
        store32(following + BK_NEXTSIZE, preceding)
        store32(preceding + FD_NEXTSIZE, following)
    elif following == chunk:
        store32(forward + BK_NEXTSIZE, forward)
        store32(forward + FD_NEXTSIZE, forward)
    else:
        store32(forward + FD_NEXTSIZE, following)
        store32(forward + BK_NEXTSIZE, preceding)
        store32(following + BK_NEXTSIZE, forward)
        store32(preceding + FD_NEXTSIZE, forward)


def insert_unsorted(heap: Heap, arena_unsorted: int, chunk: int, size: int, complaint: str) -> None:
    """Puts a free chunk at the front of the unsorted bin. `complaint` is what glibc says if that list is damaged."""
    load32, store32 = heap.load32, heap.store32
    forward = load32(arena_unsorted + FD)
    if load32(forward + BK) != arena_unsorted:
        malloc_printerr(complaint)
    store32(chunk + BK, arena_unsorted)
    store32(chunk + FD, forward)
    store32(arena_unsorted + FD, chunk)
    store32(forward + BK, chunk)
    if size >= MIN_LARGE_SIZE:
        store32(chunk + FD_NEXTSIZE, 0)
        store32(chunk + BK_NEXTSIZE, 0)


def file_chunk(heap: Heap, arena: int, victim: int, size: int) -> None:
    """Moves a chunk that left the unsorted bin into the bin of its size, large ones sorted, largest first."""
    load32, store32 = heap.load32, heap.store32
    if size < MIN_LARGE_SIZE:
        index = (size >> 4) + 1
        back = bin_at(arena, index)
        forward = load32(back + FD)
    else:
        index = largebin_index(size)
        back, forward = _place_in_large_bin(heap, bin_at(arena, index), victim, size)
    place = arena + BINMAP + (index >> 5) * 4
    store32(place, load32(place) | 1 << (index & 31))
    store32(victim + BK, back)
    store32(victim + FD, forward)
    store32(forward + BK, victim)
    store32(back + FD, victim)
    if heap.trace.on:
        heap.trace.emit(BinPut(index, victim, size))


def _place_in_large_bin(heap: Heap, header: int, victim: int, size: int) -> tuple[int, int]:
    """(bk, fd) for `victim` in the large bin at `header`; links it into the list of sizes."""
    load32, store32 = heap.load32, heap.store32
    back, forward = header, load32(header + FD)
    if forward == header:
        store32(victim + BK_NEXTSIZE, victim)
        store32(victim + FD_NEXTSIZE, victim)
        return back, forward
    size |= PREV_INUSE
    last = load32(header + BK)
    last_size = load32(last + SIZE)
    if last_size & NON_MAIN_ARENA:
        malloc_assert("_int_malloc", "chunk_main_arena (bck->bk)")
    if size < last_size:
        first = forward
        store32(victim + FD_NEXTSIZE, first)
        smallest = load32(first + BK_NEXTSIZE)
        store32(victim + BK_NEXTSIZE, smallest)
        store32(smallest + FD_NEXTSIZE, victim)
        store32(first + BK_NEXTSIZE, victim)
        return last, header
    at = load32(forward + SIZE)
    if at & NON_MAIN_ARENA:
        malloc_assert("_int_malloc", "chunk_main_arena (fwd)")
    while size < at:
        forward = load32(forward + FD_NEXTSIZE)
        at = load32(forward + SIZE)
        if at & NON_MAIN_ARENA:
            malloc_assert("_int_malloc", "chunk_main_arena (fwd)")
    if size == at:
        forward = load32(forward + FD)
    else:
        store32(victim + FD_NEXTSIZE, forward)
        preceding = load32(forward + BK_NEXTSIZE)
        store32(victim + BK_NEXTSIZE, preceding)
        if load32(preceding + FD_NEXTSIZE) != forward:
            malloc_printerr("malloc(): largebin double linked list corrupted (nextsize)")
        store32(forward + BK_NEXTSIZE, victim)
        store32(preceding + FD_NEXTSIZE, victim)
    back = load32(forward + BK)
    if load32(back + FD) != forward:
        malloc_printerr("malloc(): largebin double linked list corrupted (bk)")
    return back, forward
