"""Short ways through free(): a chunk into its fast bin, or joined with its neighbours and into the unsorted bin or top.

They do what int_free.py says, on frames that the CPU holds ready; lanes.py tells how, and when they give up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.events.libc import BinPut, ChunkMerged, FastbinPut, TopMerged
from engine.libc.bins import STRADDLING, relink_at_hand
from engine.libc.chunk import CHUNK_HDR_SZ, MINSIZE, PAGE, PREV_INUSE, SIZE_MASK
from engine.libc.consolidate import free_to_unsorted, insert_and_tell
from engine.libc.state import (
    BINS,
    FASTBINS,
    FLAGS,
    HAVE_FASTCHUNKS,
    MIN_LARGE_SIZE,
    NONCONTIGUOUS_BIT,
    SYSTEM_MEM,
    TOP,
    TOP_PAD,
    TRIM_THRESHOLD,
    UNSORTED,
)

if TYPE_CHECKING:
    from array import array

    from engine.libc.heap import Heap

# struct malloc_state and mp_ in words from their beginning
_FLAGS: Final = FLAGS >> 2
_HAVE_FASTCHUNKS: Final = HAVE_FASTCHUNKS >> 2
_FASTBINS: Final = (FASTBINS >> 2) - 2
"""So that a fast bin's word is at _FASTBINS + (size >> 3)."""
_TOP: Final = TOP >> 2
_UNSORTED_FD: Final = BINS >> 2
_SYSTEM_MEM: Final = SYSTEM_MEM >> 2
_TRIM_THRESHOLD: Final = TRIM_THRESHOLD >> 2
_TOP_PAD: Final = TOP_PAD >> 2
_UNSORTED_BIN: Final = 1


def free_at_hand(heap: Heap, page: array[int], chunk: int, head: int) -> int:
    """Frees a chunk, with header `head`, that the tcache does not take, joined with its neighbours where no fast bin takes it.

    `page` is the frame that all of the header lies in. Its final size; 0, with nothing changed, where the general way has to
    be taken.
    """
    pages = heap.write_pages
    try:
        words, tuning = pages[heap.arena_page], heap.read_pages[heap.tuning_page]
        at = heap.arena_at
        size = head & SIZE_MASK
        next_chunk = chunk + size
        next_page, next_at = pages[next_chunk >> 12], next_chunk >> 2 & 1023
        next_head = next_page[next_at + 1]
        next_size = next_head & SIZE_MASK
        if next_head <= CHUNK_HDR_SZ or next_size >= words[at + _SYSTEM_MEM] or tuning[heap.perturb_at]:
            return 0
        if size <= tuning[heap.max_fast_at]:
            return _to_fastbin(heap, page, words, chunk, size)
        top = words[at + _TOP]
        if (
            chunk == top
            or words[at + _FLAGS] & NONCONTIGUOUS_BIT
            or next_chunk >= top + (pages[top + 4 >> 12][top + 4 >> 2 & 1023] & SIZE_MASK)
            or not next_head & PREV_INUSE
        ):
            return 0
        join = False
        if next_chunk != top:
            behind = next_chunk + next_size
            behind_page, behind_at = pages[behind + 4 >> 12], behind + 4 >> 2 & 1023
            join = not behind_page[behind_at] & PREV_INUSE
        place = chunk >> 2 & 1023
        if not head & PREV_INUSE:
            before = page[place]
            chunk -= before
            page, place = pages[chunk >> 12], chunk >> 2 & 1023
            if page[place + 1] & SIZE_MASK != before or chunk & 0xFFF == STRADDLING or chunk & 15 != CHUNK_HDR_SZ:
                return 0
            if not relink_at_hand(pages, chunk, page, place, before):
                return 0
            size += before
    except (KeyError, IndexError):
        return 0
    joined = not head & PREV_INUSE
    if next_chunk == top:
        size += next_size
        page[place + 1] = size | PREV_INUSE
        words[at + _TOP] = chunk
        trace = heap.trace
        if trace.on:
            trace.ring.append((trace.clock.ns, trace.cause, TopMerged, chunk, size))
        return size
    if not join:
        next_page[next_at + 1] = next_head & ~PREV_INUSE
    elif (
        next_chunk & 0xFFF != STRADDLING
        and next_page[next_at + 1] == next_head
        and behind_page[behind_at - 1] == next_size
        and relink_at_hand(pages, next_chunk, next_page, next_at, next_size)
    ):
        size += next_size
        joined = True
    else:
        return free_to_unsorted(heap, heap.main_arena, chunk, size, next_chunk, next_size, joined=joined)
    unsorted, first = heap.main_arena + UNSORTED, words[at + _UNSORTED_FD]
    first_page = pages.get(first + 12 >> 12)
    if first_page is None or first & 3 or first_page[first + 12 >> 2 & 1023] != unsorted or chunk & 0xFFF == STRADDLING:
        insert_and_tell(heap, unsorted, chunk, size, joined=joined)
        return size
    page[place + 3] = unsorted
    page[place + 2] = first
    words[at + _UNSORTED_FD] = chunk
    first_page[first + 12 >> 2 & 1023] = chunk
    if size >= MIN_LARGE_SIZE:
        page[place + 4] = page[place + 5] = 0
    page[place + 1] = size | PREV_INUSE
    pages[chunk + size >> 12][chunk + size >> 2 & 1023] = size
    trace = heap.trace
    if trace.on:
        now, cause = trace.clock.ns, trace.cause
        if joined:
            trace.ring.append((now, cause, ChunkMerged, chunk, size))
        trace.ring.append((now, cause, BinPut, _UNSORTED_BIN, chunk, size))
    return size


def nothing_to_give_back(heap: Heap, pages: dict[int, array[int]]) -> bool:
    """Whether after_large_free() would find nothing to do: no fast chunk to join, and top not a page beyond what it keeps."""
    words = pages.get(heap.arena_page)
    if words is None or words[heap.arena_at + _HAVE_FASTCHUNKS]:
        return False
    top = words[heap.arena_at + _TOP]
    page = pages.get(top + 4 >> 12)
    if page is None or top & 3:
        return False
    size = page[top + 4 >> 2 & 1023] & SIZE_MASK
    mp = heap.mp >> 2 & 1023
    return size < words[mp + _TRIM_THRESHOLD] or MINSIZE < size < words[mp + _TOP_PAD] + MINSIZE + 1 + PAGE


def _to_fastbin(heap: Heap, page: array[int], words: array[int], chunk: int, size: int) -> int:
    """The chunk, which begins in `page`, becomes the first of its fast bin; 0 where it is that already."""
    place = heap.arena_at + _FASTBINS + (size >> 3)
    first = words[place]
    if first == chunk:
        return 0
    mem = chunk + CHUNK_HDR_SZ
    page[mem >> 2 & 1023] = mem >> 12 ^ first
    words[heap.arena_at + _HAVE_FASTCHUNKS] = 1
    words[place] = chunk
    trace = heap.trace
    if trace.on:
        trace.ring.append((trace.clock.ns, trace.cause, FastbinPut, chunk, size))
    return size
