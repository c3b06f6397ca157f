"""malloc/malloc.c: taking a chunk out of a bin, and filing one by size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.events.libc import BinPut
from engine.libc.abort import counted, malloc_assert, malloc_printerr
from engine.libc.chunk import (
    BK,
    BK_NEXTSIZE,
    CHUNK_HDR_SZ,
    FD,
    FD_NEXTSIZE,
    NON_MAIN_ARENA,
    PREV_INUSE,
    SIZE,
    SIZE_MASK,
    WORD,
)
from engine.libc.state import BINMAP, MIN_LARGE_SIZE, bin_at, largebin_index

if TYPE_CHECKING:
    from array import array

    from engine.libc.heap import Heap

STRADDLING: Final = 0xFF8
"""A chunk at this place in a page has its links on the next one."""


def unlink_chunk(heap: Heap, chunk: int) -> None:
    """unlink_chunk(): takes a free chunk out of its list. Aborts where its size or its neighbours contradict it."""
    if unlink_at_hand(heap.write_pages, chunk):
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


def unlink_at_hand(pages: dict[int, array[int]], chunk: int) -> bool:
    """Unlinks a chunk where all is as it should be and every page is at hand (`Cpu.write_pages`); else changes nothing."""
    if chunk & 0xFFF == STRADDLING or chunk & 3:
        return False
    try:
        page, at = pages[chunk >> 12], chunk >> 2 & 1023
        size = page[at + 1] & SIZE_MASK
        foot = chunk + size & WORD
        return pages[foot >> 12][foot >> 2 & 1023] == size and relink_at_hand(pages, chunk, page, at, size)
    except (KeyError, IndexError):
        return False


def relink_at_hand(pages: dict[int, array[int]], chunk: int, page: array[int], at: int, size: int) -> bool:
    """The same for a chunk, at `at` in `page`, whose size is known to be right, and which does not straddle two pages."""
    try:
        forward, back = page[at + 2], page[at + 3]
        if (forward | back) & 3:
            return False
        forward_page, forward_at = pages[forward + BK >> 12], forward + BK >> 2 & 1023
        back_page, back_at = pages[back + FD >> 12], back + FD >> 2 & 1023
        if forward_page[forward_at] != chunk or back_page[back_at] != chunk:
            return False
        if size >= MIN_LARGE_SIZE and page[at + 4] and not _unlink_nextsize_at_hand(pages, chunk, page, at, forward):
            return False
    except (KeyError, IndexError):
        return False
    forward_page[forward_at] = back
    back_page[back_at] = forward
    return True


def _unlink_nextsize_at_hand(pages: dict[int, array[int]], chunk: int, page: array[int], at: int, forward: int) -> bool:
    """The same for the list of sizes that `chunk`, at `at` in `page`, is linked into. Raises KeyError."""
    following, preceding = page[at + 4], page[at + 5]
    if following & 15 != CHUNK_HDR_SZ or preceding & 15 != CHUNK_HDR_SZ:
        return False
    following_page, following_at = pages[following + BK_NEXTSIZE >> 12], following + BK_NEXTSIZE >> 2 & 1023
    preceding_page, preceding_at = pages[preceding + FD_NEXTSIZE >> 12], preceding + FD_NEXTSIZE >> 2 & 1023
    if following_page[following_at] != chunk or preceding_page[preceding_at] != chunk:
        return False
    heir_page, heir_at = pages[forward + FD_NEXTSIZE >> 12], forward + FD_NEXTSIZE >> 2 & 1023
    if heir_page[heir_at]:
        following_page[following_at] = preceding
        preceding_page[preceding_at] = following
        return True
    if forward & 15 != CHUNK_HDR_SZ:
        return False
    behind_page, behind_at = pages[forward + BK_NEXTSIZE >> 12], forward + BK_NEXTSIZE >> 2 & 1023
    if following == chunk:
        heir_page[heir_at] = behind_page[behind_at] = forward
        return True
    heir_page[heir_at] = following
    behind_page[behind_at] = preceding
    following_page[following_at] = preceding_page[preceding_at] = forward
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
    turns = counted("malloc")
    while size < at:
        next(turns)
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


def place_at_hand(pages: dict[int, array[int]], header: int, victim: int, size: int) -> tuple[int, int] | None:
    """_place_in_large_bin() where all is as it should be and every page is at hand; else None, with nothing changed.

    Every word that the caller has to write for (bk, fd) is at hand too. Raises KeyError in place of None where a page is not.
    """
    page, at = pages[victim >> 12], victim >> 2 & 1023
    header_page, header_at = pages[header + FD >> 12], header + FD >> 2 & 1023
    forward, last = header_page[header_at], header_page[header_at + 1]
    if forward == header:
        page[at + 4] = page[at + 5] = victim
        return header, header
    head = size | PREV_INUSE
    last_head = pages[last + SIZE >> 12][last + SIZE >> 2 & 1023]
    if forward & 15 != CHUNK_HDR_SZ or last & 15 != CHUNK_HDR_SZ or last_head & NON_MAIN_ARENA:
        return None
    if head < last_head:
        smallest_place = forward + BK_NEXTSIZE
        first_page, first_at = pages[smallest_place >> 12], smallest_place >> 2 & 1023
        smallest = first_page[first_at]
        smallest_page = pages[smallest + FD_NEXTSIZE >> 12]
        if smallest & 15 != CHUNK_HDR_SZ or last + FD >> 12 not in pages:
            return None
        page[at + 4], page[at + 5] = forward, smallest
        smallest_page[smallest + FD_NEXTSIZE >> 2 & 1023] = first_page[first_at] = victim
        return last, header
    return _place_among(pages, forward, page, at, victim, head)


def _place_among(
    pages: dict[int, array[int]], forward: int, page: array[int], at: int, victim: int, head: int
) -> tuple[int, int] | None:
    """place_at_hand() for a chunk that is not smaller than all others. `forward` is the largest, `head` the new one's header."""
    found = pages[forward + SIZE >> 12][forward + SIZE >> 2 & 1023]
    turns = counted("malloc")
    while head < found and not found & NON_MAIN_ARENA:
        next(turns)
        forward = pages[forward + FD_NEXTSIZE >> 12][forward + FD_NEXTSIZE >> 2 & 1023]
        if forward & 15 != CHUNK_HDR_SZ:
            return None
        found = pages[forward + SIZE >> 12][forward + SIZE >> 2 & 1023]
    if found & NON_MAIN_ARENA:
        return None
    if head == found:
        forward = pages[forward + FD >> 12][forward + FD >> 2 & 1023]
        if forward & 3:
            return None
    back = pages[forward + BK >> 12][forward + BK >> 2 & 1023]
    if back & 3 or pages[back + FD >> 12][back + FD >> 2 & 1023] != forward:
        return None
    if head != found:
        behind_page, behind_at = pages[forward + BK_NEXTSIZE >> 12], forward + BK_NEXTSIZE >> 2 & 1023
        preceding = behind_page[behind_at]
        place = preceding + FD_NEXTSIZE
        if preceding & 15 != CHUNK_HDR_SZ or pages[place >> 12][place >> 2 & 1023] != forward:
            return None
        page[at + 4], page[at + 5] = forward, preceding
        behind_page[behind_at] = pages[place >> 12][place >> 2 & 1023] = victim
    return back, forward
