"""Short ways through malloc() and free() for what programs do most: cutting from top, and freeing into the unsorted bin or top.

They do what int_malloc.py and int_free.py say, on frames that the CPU holds ready. Where a page is not at hand, a check
would fail, or anything else is unusual, they give up before anything has changed, and the general way is taken: it faults
and aborts in glibc's order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.events.libc import BinPut, ChunkMerged, TopMerged, TopSplit
from engine.libc.bins import insert_unsorted, unlink_chunk
from engine.libc.chunk import CHUNK_HDR_SZ, IS_MMAPPED, MINSIZE, NON_MAIN_ARENA, PREV_INUSE, SIZE_MASK, WORD
from engine.libc.state import (
    BINMAP,
    BINS,
    FASTBINS,
    FLAGS,
    HAVE_FASTCHUNKS,
    MIN_LARGE_SIZE,
    NONCONTIGUOUS_BIT,
    SYSTEM_MEM,
    TCACHE_BINS,
    TCACHE_COUNT,
    TOP,
    UNSORTED,
    largebin_index,
)

if TYPE_CHECKING:
    from array import array

    from engine.libc.heap import Heap

# struct malloc_state and mp_ in words from their beginning
_FLAGS: Final = FLAGS >> 2
_HAVE_FASTCHUNKS: Final = HAVE_FASTCHUNKS >> 2
_FASTBINS: Final = FASTBINS >> 2
_TOP: Final = TOP >> 2
_BINS: Final = BINS >> 2
_BINMAP: Final = BINMAP >> 2
_SYSTEM_MEM: Final = SYSTEM_MEM >> 2
_TCACHE_BINS: Final = TCACHE_BINS >> 2
_TCACHE_COUNT: Final = TCACHE_COUNT >> 2
_UNSORTED_BIN: Final = 1


def _bins_are_empty(heap: Heap, words: array[int], at: int, size: int, max_fast: int) -> bool:
    """Whether nothing free could serve a chunk of `size` bytes: only top is left."""
    if size < MIN_LARGE_SIZE:
        if size <= max_fast and words[at + _FASTBINS + (size >> 3) - 2]:
            return False
        index = (size >> 4) + 1
    elif words[at + _HAVE_FASTCHUNKS]:
        return False
    else:
        index = largebin_index(size)
    bin_words = at + _BINS + 2 * index - 2
    if words[bin_words + 1] != heap.main_arena + BINS + 8 * index - 16:
        return False
    if words[at + _BINS + 1] != heap.main_arena + UNSORTED:
        return False
    block, bit = index + 1 >> 5, index + 1 & 31
    binmap = at + _BINMAP
    return block > 3 or not (words[binmap + block] >> bit or any(words[binmap + block + 1 : binmap + 4]))


def malloc_from_top(heap: Heap, size: int) -> int:
    """A chunk of `size` bytes cut from the main arena's top, or 0 where this is not the whole story."""
    pages = heap.cpu.write_pages
    try:
        words, tuning = pages[heap.arena_page], heap.cpu.read_pages[heap.tuning_page]
        at = heap.arena_at
        if tuning[heap.perturb_at] or not _bins_are_empty(heap, words, at, size, tuning[heap.max_fast_at]):
            return 0
        top = words[at + _TOP]
        head_page, head_at = pages[top + 4 >> 12], top + 4 >> 2 & 1023
        available = head_page[head_at] & SIZE_MASK
        if top & 3 or available > words[at + _SYSTEM_MEM] or available < size + MINSIZE:
            return 0
        remainder = top + size
        pages[remainder + 4 >> 12][remainder + 4 >> 2 & 1023] = available - size | PREV_INUSE
    except KeyError:
        return 0
    head_page[head_at] = size | PREV_INUSE
    words[at + _TOP] = remainder
    if heap.trace.on:
        heap.trace.emit(TopSplit(top, size, available - size))
    return top


def free_large(heap: Heap, chunk: int) -> int:
    """Frees a chunk that neither tcache nor fast bins take, joined with its neighbours; its final size.

    0 where the general way has to be taken.
    """
    pages = heap.cpu.write_pages
    try:
        words, tuning = pages[heap.arena_page], heap.cpu.read_pages[heap.tuning_page]
        head = pages[chunk + 4 >> 12][chunk + 4 >> 2 & 1023]
        size = head & SIZE_MASK
        if chunk & 15 != CHUNK_HDR_SZ or head & (NON_MAIN_ARENA | IS_MMAPPED) or size & 15 or tuning[heap.perturb_at]:
            return 0
        if size <= tuning[heap.max_fast_at] or _tcache_takes(heap, words, pages[chunk + 8 >> 12], chunk, size):
            return 0
        at = heap.arena_at
        top = words[at + _TOP]
        next_chunk = chunk + size
        next_page, next_at = pages[next_chunk + 4 >> 12], next_chunk + 4 >> 2 & 1023
        next_head = next_page[next_at]
        next_size = next_head & SIZE_MASK
        top_end = top + (pages[top + 4 >> 12][top + 4 >> 2 & 1023] & SIZE_MASK)
        if (
            chunk == top
            or words[at + _FLAGS] & NONCONTIGUOUS_BIT
            or next_chunk >= top_end
            or not next_head & PREV_INUSE
            or not next_head > CHUNK_HDR_SZ
            or next_size >= words[at + _SYSTEM_MEM]
        ):
            return 0
        before = 0
        if not head & PREV_INUSE:
            before = pages[chunk >> 12][chunk >> 2 & 1023]
            if pages[chunk - before + 4 >> 12][chunk - before + 4 >> 2 & 1023] & SIZE_MASK != before:
                return 0
        behind = (
            next_chunk != top
            and not pages[next_chunk + next_size + 4 >> 12][next_chunk + next_size + 4 >> 2 & 1023] & 1
        )
    except KeyError:
        return 0
    if before:
        chunk -= before
        unlink_chunk(heap, chunk)
        size += before
    if next_chunk == top:
        size += next_size
        heap.store32(chunk + 4, size | PREV_INUSE)
        words[at + _TOP] = chunk
        if heap.trace.on:
            heap.trace.emit(TopMerged(chunk, size))
        return size
    if behind:
        unlink_chunk(heap, next_chunk)
        size += next_size
    else:
        next_page[next_at] = next_head & ~PREV_INUSE
    insert_unsorted(heap, heap.main_arena + UNSORTED, chunk, size, "free(): corrupted unsorted chunks")
    heap.store32(chunk + 4, size | PREV_INUSE)
    heap.store32(chunk + size & WORD, size)
    if heap.trace.on:
        if before or behind:
            heap.trace.emit(ChunkMerged(chunk, size))
        heap.trace.emit(BinPut(_UNSORTED_BIN, chunk, size))
    return size


def _tcache_takes(heap: Heap, words: array[int], page: array[int], chunk: int, size: int) -> bool:
    """Whether the tcache may take the chunk, or has to look whether it has it already."""
    index = size - 1 >> 4
    mp = heap.mp >> 2 & 1023
    if not heap.tcache:
        return True
    if index >= words[mp + _TCACHE_BINS]:
        return False
    if page[chunk + 12 >> 2 & 1023] == heap.tcache_key:
        return True
    return heap.cpu.load16(heap.tcache + 2 * index) < words[mp + _TCACHE_COUNT]
