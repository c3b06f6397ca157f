"""Short ways to a chunk of just the size wanted: from its fast bin or its small bin, the tcache filled with others on the way.

They do what int_malloc.py says, on frames that the CPU holds ready; lanes.py tells how, and when they give up. Where only the
filling finds something unusual, the general way does the rest of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.events.libc import BinGet, FastbinGet
from engine.libc.bins import STRADDLING
from engine.libc.chunk import CHUNK_HDR_SZ, IS_MMAPPED, NON_MAIN_ARENA, PREV_INUSE, SIZE_MASK
from engine.libc.int_malloc import fill_tcache_from_fastbin, fill_tcache_from_smallbin
from engine.libc.state import SIZEOF_TCACHE, TCACHE_BINS, TCACHE_COUNT
from engine.libc.tcache import GET_EVENTS, PUT_EVENTS

if TYPE_CHECKING:
    from array import array

    from engine.libc.heap import Heap

_TCACHE_BINS: Final = TCACHE_BINS >> 2
_TCACHE_COUNT: Final = TCACHE_COUNT >> 2
_TCACHE_WORDS: Final = SIZEOF_TCACHE >> 2
FOREIGN: Final = NON_MAIN_ARENA | IS_MMAPPED
"""Bits of a header for which glibc asks further before it gives the chunk out."""
_ENTRIES: Final = 32
"""Words from the tcache's beginning to its entries."""


def fastbin_at_hand(heap: Heap, pages: dict[int, array[int]], words: array[int], head: int, wanted: int) -> int:
    """The first chunk of the fast bin whose word is `words[head]`; 0 where the general way has to be taken. Raises KeyError."""
    chunk = words[head]
    if chunk & 15 != CHUNK_HDR_SZ or chunk & 0xFFF == STRADDLING:
        return 0
    page, at = pages[chunk >> 12], chunk >> 2 & 1023
    if (page[at + 1] & SIZE_MASK) >> 3 != wanted >> 3 or page[at + 1] & FOREIGN:
        return 0
    words[head] = page[at + 2] ^ chunk >> 12
    trace = heap.trace
    if trace.on:
        trace.ring.append((trace.clock.ns, trace.cause, FastbinGet, chunk, wanted))
    room = room_in_tcache(heap, pages, words, wanted)
    while room > 0:
        other = words[head]
        if not other:
            return chunk
        other_page, at = pages.get(other >> 12), other >> 2 & 1023
        if other_page is None or other & 15 != CHUNK_HDR_SZ or other & 0xFFF == STRADDLING:
            break
        words[head] = other_page[at + 2] ^ other >> 12
        cache(heap, pages, other_page, at, other + CHUNK_HDR_SZ, wanted - 1 >> 4)
        room -= 1
    if room:
        fill_tcache_from_fastbin(heap, heap.main_arena, wanted)
    return chunk


def smallbin_at_hand(
    heap: Heap, pages: dict[int, array[int]], words: array[int], header: int, last: int, wanted: int
) -> int:
    """The last chunk of the small bin at `header`, whose bk is `words[last]`; 0 for the general way. Raises KeyError."""
    chunk = words[last]
    if chunk & 3 or pages[chunk + 4 >> 12][chunk + 4 >> 2 & 1023] & FOREIGN:
        return 0
    back = _take_last(pages, words, header, last, wanted, check=True)
    if not back:
        return 0
    trace = heap.trace
    if trace.on:
        trace.ring.append((trace.clock.ns, trace.cause, BinGet, (wanted >> 4) + 1, chunk, wanted))
    room = room_in_tcache(heap, pages, words, wanted)
    while room > 0:
        other = words[last]
        if other == header:
            return chunk
        try:
            if not _take_last(pages, words, header, last, wanted, check=False):
                break
        except KeyError:
            break
        cache(heap, pages, pages[other >> 12], other >> 2 & 1023, other + CHUNK_HDR_SZ, wanted - 1 >> 4)
        room -= 1
    if room:
        fill_tcache_from_smallbin(heap, heap.main_arena, wanted)
    return chunk


def _take_last(
    pages: dict[int, array[int]], words: array[int], header: int, last: int, size: int, *, check: bool
) -> int:
    """Takes the bin's last chunk and marks it as in use; gives the one before, or 0 with nothing changed. Raises KeyError.

    `check`: glibc looks whether the one before points to it, as it does for the chunk that it gives out.
    """
    chunk = words[last]
    if chunk & 15 != CHUNK_HDR_SZ or chunk & 0xFFF == STRADDLING:
        return 0
    back, following = pages[chunk >> 12][(chunk >> 2 & 1023) + 3], chunk + size
    if back & 3 or (back != header and back & 15 != CHUNK_HDR_SZ):
        return 0
    back_page, back_at = pages[back + 8 >> 12], back + 8 >> 2 & 1023
    if check and back_page[back_at] != chunk:
        return 0
    pages[following >> 12][(following >> 2 & 1023) + 1] |= PREV_INUSE
    words[last] = back
    back_page[back_at] = header
    return back


def room_in_tcache(heap: Heap, pages: dict[int, array[int]], words: array[int], size: int) -> int:
    """How many chunks the tcache's bin for this size still takes; -1 where the general way has to see to it."""
    index, mp = size - 1 >> 4, heap.mp >> 2 & 1023
    page, at = pages.get(heap.tcache >> 12), heap.tcache >> 2 & 1023
    if not heap.tcache or index >= words[mp + _TCACHE_BINS]:
        return 0
    if page is None or at + _TCACHE_WORDS > 1024:
        return -1
    return max(words[mp + _TCACHE_COUNT] - (page[at + (index >> 1)] >> ((index & 1) << 4) & 0xFFFF), 0)


def cache(heap: Heap, pages: dict[int, array[int]], page: array[int], at: int, mem: int, index: int) -> None:
    """tcache_put() of the chunk at `at` in `page`; the tcache is at hand."""
    tcache, base = pages[heap.tcache >> 12], heap.tcache >> 2 & 1023
    entry = base + _ENTRIES + index
    page[at + 3] = heap.tcache_key
    page[at + 2] = mem >> 12 ^ tcache[entry]
    tcache[entry] = mem
    tcache[base + (index >> 1)] += 1 << ((index & 1) << 4)
    trace = heap.trace
    if trace.on:
        trace.ring.append((trace.clock.ns, trace.cause, PUT_EVENTS[index]))


def newest_cached(heap: Heap, pages: dict[int, array[int]], index: int) -> int:
    """tcache_get() of a chunk that cache() has just put there; 0, with nothing changed, for the general way. Raises KeyError."""
    tcache, base = pages[heap.tcache >> 12], heap.tcache >> 2 & 1023
    entry = base + _ENTRIES + index
    mem = tcache[entry]
    page, at = pages[mem >> 12], mem >> 2 & 1023
    if mem & 15 or not at or page[at - 1] & FOREIGN:
        return 0
    tcache[entry] = mem >> 12 ^ page[at]
    tcache[base + (index >> 1)] -= 1 << ((index & 1) << 4)
    page[at + 1] = 0
    trace = heap.trace
    if trace.on:
        trace.ring.append((trace.clock.ns, trace.cause, GET_EVENTS[index]))
    return mem - CHUNK_HDR_SZ
