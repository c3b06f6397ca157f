"""Short ways through malloc() for what programs do most: a chunk out of a bin, the rest of the last one, or cut from top.

They do what int_malloc.py says, on frames that the CPU holds ready (`Cpu.write_pages`): no call a word, no page fault. What
is at hand and as it should be is done here. Where a page is not at hand, a check would fail, or anything else is unusual,
they give up before that step has changed anything, and the general way goes on from there: it faults and aborts in glibc's
order. Freeing has its own in lanes_free.py.

A frame's words are indexed by `address >> 2 & 1023`. Chunks lie at 8 mod 16, so that a header is always on one page, and so
are the links behind it, unless the chunk is the last 8 bytes of a page (`STRADDLING`), which is left to the general way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.events.libc import BinGet, BinPut, ChunkSplit, TopSplit
from engine.libc.abort import Endless, counted
from engine.libc.bins import STRADDLING, place_at_hand, unlink_at_hand
from engine.libc.chunk import CHUNK_HDR_SZ, MINSIZE, NON_MAIN_ARENA, PREV_INUSE, PTRDIFF_MAX, SIZE_MASK, request2size
from engine.libc.consolidate import malloc_consolidate
from engine.libc.int_malloc import CACHED, LARGE_REASON, MAX_ITERS, UNSORTED_BIN, int_malloc, use_top
from engine.libc.lanes_exact import FOREIGN, cache, fastbin_at_hand, newest_cached, room_in_tcache, smallbin_at_hand
from engine.libc.state import (
    BINMAP,
    BINMAP_WORDS,
    BINS,
    FASTBINS,
    HAVE_FASTCHUNKS,
    LAST_REMAINDER,
    MIN_LARGE_SIZE,
    SYSTEM_MEM,
    TCACHE_UNSORTED_LIMIT,
    TOP,
    UNSORTED,
    largebin_index,
)

if TYPE_CHECKING:
    from array import array

    from engine.libc.heap import Heap

# struct malloc_state in words from their beginning
_HAVE_FASTCHUNKS: Final = HAVE_FASTCHUNKS >> 2
_FASTBINS: Final = (FASTBINS >> 2) - 2
"""So that a fast bin's word is at _FASTBINS + (size >> 3)."""
_TOP: Final = TOP >> 2
_LAST_REMAINDER: Final = LAST_REMAINDER >> 2
_UNSORTED_FD: Final = BINS >> 2
_UNSORTED_BK: Final = _UNSORTED_FD + 1
_BIN_FD: Final = _UNSORTED_FD - 2
"""Bin i's fd is at _BIN_FD + 2 * i, its bk behind it."""
_BIN_HEADER: Final = BINS - 16
"""Bin i "lies", as a chunk, at main_arena + _BIN_HEADER + 8 * i."""
_BINMAP: Final = BINMAP >> 2
_SYSTEM_MEM: Final = SYSTEM_MEM >> 2
_TCACHE_UNSORTED_LIMIT: Final = TCACHE_UNSORTED_LIMIT >> 2
_UNUSUAL: Final = -1


def allocate(heap: Heap, arena: int, request: int) -> int:
    """int_malloc(), by the short way where there is one."""
    if arena != heap.main_arena or request > PTRDIFF_MAX:
        return int_malloc(heap, arena, request)
    chunk = malloc_at_hand(heap, request2size(request))
    return chunk + CHUNK_HDR_SZ if chunk > 0 else int_malloc(heap, arena, request, -chunk)


def malloc_at_hand(heap: Heap, wanted: int) -> int:
    """A chunk of the main arena of `wanted` bytes; or -n: the general way must go on, after n unsorted chunks were filed.

    n has CACHED in it where chunks of this size have gone into the tcache.
    """
    pages = heap.write_pages
    filed = room = 0
    if wanted >= MIN_LARGE_SIZE:
        arena_words, tuning = pages.get(heap.arena_page), heap.read_pages.get(heap.tuning_page)
        if arena_words and tuning and arena_words[heap.arena_at + _HAVE_FASTCHUNKS] and not tuning[heap.perturb_at]:
            malloc_consolidate(heap, heap.main_arena, LARGE_REASON)
    try:
        words, tuning = pages[heap.arena_page], heap.read_pages[heap.tuning_page]
        at, arena = heap.arena_at, heap.main_arena
        if tuning[heap.perturb_at]:
            return 0
        if wanted < MIN_LARGE_SIZE:
            if wanted <= tuning[heap.max_fast_at] and words[at + _FASTBINS + (wanted >> 3)]:
                return fastbin_at_hand(heap, pages, words, at + _FASTBINS + (wanted >> 3), wanted)
            index = (wanted >> 4) + 1
            last, header = at + _BIN_FD + 2 * index + 1, arena + _BIN_HEADER + 8 * index
            if words[last] != header:
                return smallbin_at_hand(heap, pages, words, header, last, wanted)
        elif words[at + _HAVE_FASTCHUNKS]:
            return 0
        else:
            index = largebin_index(wanted)
        unsorted = arena + UNSORTED
        while (victim := words[at + _UNSORTED_BK]) != unsorted:
            size = _sound(pages, words, at, victim, unsorted)
            if not size or filed & ~CACHED == MAX_ITERS:
                return -filed
            if size == wanted:
                if not filed & CACHED:
                    room = room_in_tcache(heap, pages, words, wanted)
                if room < 0 or not _take_exact(heap, pages, words, victim, size, given=not room):
                    return -filed
                if not room:
                    return victim
                cache(heap, pages, pages[victim >> 12], victim >> 2 & 1023, victim + CHUNK_HDR_SZ, wanted - 1 >> 4)
                room -= 1
                filed |= CACHED
                continue
            if (
                victim == words[at + _LAST_REMAINDER]
                and wanted < MIN_LARGE_SIZE
                and size > wanted + MINSIZE
                and pages[victim >> 12][(victim >> 2 & 1023) + 3] == unsorted
            ):
                return _split_last_remainder(heap, pages, words, victim, size, wanted) or -filed
            if filed & CACHED and words[(heap.mp >> 2 & 1023) + _TCACHE_UNSORTED_LIMIT]:
                return -filed
            if not _file(heap, pages, words, victim, size):
                return -filed
            filed += 1
        if filed & CACHED:
            return newest_cached(heap, pages, wanted - 1 >> 4) or -filed
        if wanted >= MIN_LARGE_SIZE:
            victim = _best_of_large_bin(pages, words[at + _BIN_FD + 2 * index], arena + _BIN_HEADER + 8 * index, wanted)
            if victim:
                return victim if _carve(heap, pages, words, victim, wanted, index) >= 0 else -filed
        index += 1
        block = index >> 5
        bits = words[at + _BINMAP + block] >> (index & 31) << (index & 31) if block < BINMAP_WORDS else 0
        while True:
            while not bits:
                block += 1
                if block >= BINMAP_WORDS:
                    return _use_top(heap, pages, words, wanted) or use_top(heap, arena, wanted) or -filed
                bits = words[at + _BINMAP + block]
            bit = bits & -bits
            index = (block << 5) + bit.bit_length() - 1
            victim = words[at + _BIN_FD + 2 * index + 1]
            if victim != arena + _BIN_HEADER + 8 * index:
                break
            words[at + _BINMAP + block] &= ~bit
            bits ^= bit
        rest = _carve(heap, pages, words, victim, wanted, index)
        if rest >= MINSIZE and wanted < MIN_LARGE_SIZE:
            words[at + _LAST_REMAINDER] = victim + wanted
    except (KeyError, IndexError, Endless):
        return -filed
    return victim if rest >= 0 else -filed


def _sound(pages: dict[int, array[int]], words: array[int], at: int, victim: int, unsorted: int) -> int:
    """The size of the oldest unsorted chunk where glibc has nothing to say against it; else 0. Raises KeyError."""
    if victim & 15 != CHUNK_HDR_SZ or victim & 0xFFF == STRADDLING:
        return 0
    page, place = pages[victim >> 12], victim >> 2 & 1023
    size = page[place + 1] & SIZE_MASK
    back = page[place + 3]
    following = victim + size
    following_page, following_place = pages[following >> 12], following >> 2 & 1023
    head = following_page[following_place + 1]
    system_mem = words[at + _SYSTEM_MEM]
    if (
        size & 15
        or not MINSIZE <= size <= system_mem
        or not CHUNK_HDR_SZ <= head <= system_mem
        or following_page[following_place] & SIZE_MASK != size
        or head & PREV_INUSE
        or page[place + 2] != unsorted
        or back & 3
        or pages[back + 8 >> 12][back + 8 >> 2 & 1023] != victim
    ):
        return 0
    return size


def _split_last_remainder(
    heap: Heap, pages: dict[int, array[int]], words: array[int], victim: int, size: int, wanted: int
) -> int:
    """Small requests in a row lie side by side: cuts the chunk off what the last one left."""
    remainder, rest = victim + wanted, size - wanted
    if remainder & 0xFFF == STRADDLING:
        return 0
    at, unsorted = heap.arena_at, heap.main_arena + UNSORTED
    page, place = pages[remainder >> 12], remainder >> 2 & 1023
    words[at + _UNSORTED_FD] = words[at + _UNSORTED_BK] = words[at + _LAST_REMAINDER] = remainder
    page[place + 2] = page[place + 3] = unsorted
    if rest >= MIN_LARGE_SIZE:
        page[place + 4] = page[place + 5] = 0
    pages[victim >> 12][(victim >> 2 & 1023) + 1] = wanted | PREV_INUSE
    page[place + 1] = rest | PREV_INUSE
    pages[victim + size >> 12][victim + size >> 2 & 1023] = rest
    trace = heap.trace
    if trace.on:
        trace.ring.append((trace.clock.ns, trace.cause, ChunkSplit, victim, wanted, remainder, rest))
    return victim


def _file(heap: Heap, pages: dict[int, array[int]], words: array[int], victim: int, size: int) -> bool:
    """Moves the oldest unsorted chunk, which is sound, into the bin of its size; whether it did."""
    at, arena = heap.arena_at, heap.main_arena
    page, place = pages[victim >> 12], victim >> 2 & 1023
    unsorted_back = page[place + 3]
    if unsorted_back >> 12 == heap.arena_page and unsorted_back != arena + UNSORTED:
        return False
    if size < MIN_LARGE_SIZE:
        index = (size >> 4) + 1
        back = arena + _BIN_HEADER + 8 * index
        forward = words[at + _BIN_FD + 2 * index]
        if forward & 3:
            return False
        forward_page = pages[forward + 12 >> 12]
    else:
        index = largebin_index(size)
        found = place_at_hand(pages, arena + _BIN_HEADER + 8 * index, victim, size)
        if found is None:
            return False
        back, forward = found
        forward_page = pages[forward + 12 >> 12]
    words[at + _UNSORTED_BK] = unsorted_back
    pages[unsorted_back + 8 >> 12][unsorted_back + 8 >> 2 & 1023] = arena + UNSORTED
    words[at + _BINMAP + (index >> 5)] |= 1 << (index & 31)
    page[place + 3] = back
    page[place + 2] = forward
    forward_page[forward + 12 >> 2 & 1023] = victim
    pages[back + 8 >> 12][back + 8 >> 2 & 1023] = victim
    trace = heap.trace
    if trace.on:
        trace.ring.append((trace.clock.ns, trace.cause, BinPut, index, victim, size))
    return True


def _take_exact(
    heap: Heap, pages: dict[int, array[int]], words: array[int], victim: int, size: int, *, given: bool
) -> bool:
    """Takes the oldest unsorted chunk, which is sound and has the size wanted, and marks it as in use; whether it did.

    `given`: it is what malloc() gives, so that the trace tells of it.
    """
    page, place = pages[victim >> 12], victim >> 2 & 1023
    back, unsorted, following = page[place + 3], heap.main_arena + UNSORTED, victim + size
    if page[place + 1] & FOREIGN or (back >> 12 == heap.arena_page and back != unsorted):
        return False
    words[heap.arena_at + _UNSORTED_BK] = back
    pages[back + 8 >> 12][back + 8 >> 2 & 1023] = unsorted
    pages[following >> 12][(following >> 2 & 1023) + 1] |= PREV_INUSE
    trace = heap.trace
    if given and trace.on:
        trace.ring.append((trace.clock.ns, trace.cause, BinGet, UNSORTED_BIN, victim, size))
    return True


def _best_of_large_bin(pages: dict[int, array[int]], first: int, header: int, wanted: int) -> int:
    """The smallest chunk that fits of the request's own large bin, whose largest is `first`; 0 where none does."""
    if first == header or pages[first + 4 >> 12][first + 4 >> 2 & 1023] < wanted:
        return 0
    victim, size = first, 0
    turns = counted("malloc")
    while size < wanted:
        next(turns)
        victim = pages[victim + 20 >> 12][victim + 20 >> 2 & 1023]
        if victim & 15 != CHUNK_HDR_SZ:
            return victim
        size = pages[victim + 4 >> 12][victim + 4 >> 2 & 1023] & SIZE_MASK
    if victim != pages[header + 12 >> 12][header + 12 >> 2 & 1023]:
        following = pages[victim + 8 >> 12][victim + 8 >> 2 & 1023]
        if pages[victim >> 12][(victim >> 2 & 1023) + 1] == pages[following + 4 >> 12][following + 4 >> 2 & 1023]:
            return following
    return victim


def _carve(heap: Heap, pages: dict[int, array[int]], words: array[int], victim: int, wanted: int, index: int) -> int:
    """Takes `victim` out of bin `index`; what is left over goes to the unsorted bin, which is empty.

    The bytes left over; -1 where the general way has to be taken.
    """
    at, unsorted = heap.arena_at, heap.main_arena + UNSORTED
    if victim & 15 != CHUNK_HDR_SZ or words[at + _UNSORTED_FD] != unsorted:
        return _UNUSUAL
    page, place = pages[victim >> 12], victim >> 2 & 1023
    size = page[place + 1] & SIZE_MASK
    rest, following = size - wanted, victim + size
    following_page = pages[following >> 12]
    if rest < 0 or size & 15:
        return _UNUSUAL
    if rest < MINSIZE:
        if page[place + 1] & NON_MAIN_ARENA or not unlink_at_hand(pages, victim):
            return _UNUSUAL
        following_page[(following >> 2 & 1023) + 1] |= PREV_INUSE
        trace = heap.trace
        if trace.on:
            trace.ring.append((trace.clock.ns, trace.cause, BinGet, index, victim, size))
        return rest
    remainder = victim + wanted
    remainder_page, remainder_place = pages[remainder >> 12], remainder >> 2 & 1023
    if remainder & 0xFFF == STRADDLING or not unlink_at_hand(pages, victim):
        return _UNUSUAL
    words[at + _UNSORTED_FD] = words[at + _UNSORTED_BK] = remainder
    remainder_page[remainder_place + 3] = remainder_page[remainder_place + 2] = unsorted
    if rest >= MIN_LARGE_SIZE:
        remainder_page[remainder_place + 4] = remainder_page[remainder_place + 5] = 0
    page[place + 1] = wanted | PREV_INUSE
    remainder_page[remainder_place + 1] = rest | PREV_INUSE
    following_page[following >> 2 & 1023] = rest
    trace = heap.trace
    if trace.on:
        now, cause = trace.clock.ns, trace.cause
        trace.ring.append((now, cause, BinGet, index, victim, size))
        trace.ring.append((now, cause, ChunkSplit, victim, wanted, remainder, rest))
    return rest


def _use_top(heap: Heap, pages: dict[int, array[int]], words: array[int], wanted: int) -> int:
    """use_top() where it is at hand: the chunk cut off top; 0 where top is too small or not as it should be."""
    at = heap.arena_at
    top = words[at + _TOP]
    page, place = pages.get(top >> 12), (top >> 2 & 1023) + 1
    remainder = top + wanted
    rest_page = pages.get(remainder >> 12)
    if page is None or rest_page is None or top & 15 != CHUNK_HDR_SZ:
        return 0
    available = page[place] & SIZE_MASK
    if available > words[at + _SYSTEM_MEM] or available < wanted + MINSIZE:
        return 0
    rest_page[(remainder >> 2 & 1023) + 1] = available - wanted | PREV_INUSE
    page[place] = wanted | PREV_INUSE
    words[at + _TOP] = remainder
    trace = heap.trace
    if trace.on:
        trace.ring.append((trace.clock.ns, trace.cause, TopSplit, top, wanted, available - wanted))
    return top
