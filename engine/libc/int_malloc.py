"""malloc/malloc.c: _int_malloc(): looks for a chunk that fits: fast bin, small bin, unsorted bin, larger bins, top.

While it looks, it files what it finds in the unsorted bin, and moves chunks of just this size into the tcache.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from engine.events.libc import BinGet, ChunkSplit, FastbinGet, TopSplit
from engine.libc.abort import counted, malloc_assert, malloc_printerr
from engine.libc.bins import file_chunk, insert_unsorted, unlink_chunk
from engine.libc.chunk import (
    BK,
    BK_NEXTSIZE,
    CHUNK_HDR_SZ,
    FD,
    FD_NEXTSIZE,
    MINSIZE,
    NON_MAIN_ARENA,
    PREV_INUSE,
    PTRDIFF_MAX,
    SIZE,
    SIZE_MASK,
    WORD,
    misaligned_chunk,
    protect_pointer,
    request2size,
)
from engine.libc.consolidate import malloc_consolidate
from engine.libc.state import (
    BINMAP,
    BINMAP_WORDS,
    FASTBINS,
    HAVE_FASTCHUNKS,
    LAST_REMAINDER,
    MIN_LARGE_SIZE,
    SYSTEM_MEM,
    TCACHE_BINS,
    TCACHE_COUNT,
    TCACHE_UNSORTED_LIMIT,
    TOP,
    UNSORTED,
    bin_at,
    bin_index,
    csize2tidx,
    fastbin_index,
    smallbin_index,
)
from engine.libc.sysmalloc import sysmalloc
from engine.libc.tcache import tcache_get, tcache_put
from engine.libc.unistd import ENOMEM

if TYPE_CHECKING:
    from engine.libc.heap import Heap

MAX_ITERS: Final = 10_000
"""Chunks of the unsorted bin that one call files at most before it looks into the bins."""
CACHED: Final = 1 << 16
"""More than MAX_ITERS: added to the count of filed chunks where chunks of the size wanted have gone into the tcache."""
UNSORTED_BIN: Final = 1
_TOP_REASON: Final = "malloc: top is too small"
LARGE_REASON: Final = "malloc: a large request"


class _Found(NamedTuple):
    """What went through the unsorted bin gave: a chunk, or that some of this size are in the tcache now."""

    chunk: int
    cached: bool


def int_malloc(heap: Heap, arena: int, request: int, filed: int = 0) -> int:
    """_int_malloc(): the address of `request` bytes, or 0 with errno ENOMEM. Aborts where a list or a size is damaged.

    `filed` chunks of the unsorted bin have been filed for this request already (lanes.py); CACHED is added where that put
    chunks of just this size into the tcache.
    """
    if request > PTRDIFF_MAX:
        heap.unistd.errno = ENOMEM
        return 0
    size = request2size(request)
    chunk = 0 if filed & CACHED else _from_exact_bin(heap, arena, size)
    if not chunk:
        if size >= MIN_LARGE_SIZE and heap.load32(arena + HAVE_FASTCHUNKS):
            malloc_consolidate(heap, arena, LARGE_REASON)
        chunk = _search(heap, arena, size, filed)
    if not chunk:
        return 0
    heap.alloc_perturb(chunk + CHUNK_HDR_SZ, request)
    return chunk + CHUNK_HDR_SZ


def _from_exact_bin(heap: Heap, arena: int, size: int) -> int:
    """The fast bin and the small bin of just this size; 0 where both are empty."""
    if size <= heap.load32(heap.global_max_fast):
        chunk = _from_fastbin(heap, arena, size)
        if chunk:
            return chunk
    return _from_smallbin(heap, arena, size) if size < MIN_LARGE_SIZE else 0


def _room_in_tcache(heap: Heap, index: int) -> bool:
    """Whether the tcache serves this size and its bin is not full."""
    if not heap.tcache or index >= heap.load32(heap.mp + TCACHE_BINS):
        return False
    return heap.cpu.load16(heap.tcache + 2 * index) < heap.load32(heap.mp + TCACHE_COUNT)


def _from_fastbin(heap: Heap, arena: int, size: int) -> int:
    load32, store32 = heap.load32, heap.store32
    index = fastbin_index(size)
    head = arena + FASTBINS + 4 * index
    chunk = load32(head)
    if not chunk:
        return 0
    if misaligned_chunk(chunk):
        malloc_printerr("malloc(): unaligned fastbin chunk detected 2")
    store32(head, protect_pointer(chunk + FD, load32(chunk + FD)))
    if fastbin_index(load32(chunk + SIZE) & SIZE_MASK) != index:
        malloc_printerr("malloc(): memory corruption (fast)")
    if heap.trace.on:
        heap.trace.emit(FastbinGet(chunk, size))
    fill_tcache_from_fastbin(heap, arena, size)
    return chunk


def fill_tcache_from_fastbin(heap: Heap, arena: int, size: int) -> None:
    """Moves further chunks of this size to the tcache, as long as it has room."""
    load32, store32 = heap.load32, heap.store32
    head, place = arena + FASTBINS + 4 * fastbin_index(size), csize2tidx(size)
    while _room_in_tcache(heap, place):
        other = load32(head)
        if not other:
            return
        if misaligned_chunk(other):
            malloc_printerr("malloc(): unaligned fastbin chunk detected 3")
        store32(head, protect_pointer(other + FD, load32(other + FD)))
        tcache_put(heap, other, place)


def _from_smallbin(heap: Heap, arena: int, size: int) -> int:
    load32 = heap.load32
    index = smallbin_index(size)
    header = bin_at(arena, index)
    chunk = load32(header + BK)
    if chunk == header:
        return 0
    back = load32(chunk + BK)
    if load32(back + FD) != chunk:
        malloc_printerr("malloc(): smallbin double linked list corrupted")
    _take_last(heap, arena, header, chunk, size)
    if heap.trace.on:
        heap.trace.emit(BinGet(index, chunk, size))
    fill_tcache_from_smallbin(heap, arena, size)
    return chunk


def fill_tcache_from_smallbin(heap: Heap, arena: int, size: int) -> None:
    """Moves further chunks of this size to the tcache, as long as it has room."""
    header, place = bin_at(arena, smallbin_index(size)), csize2tidx(size)
    while _room_in_tcache(heap, place):
        other = heap.load32(header + BK)
        if other == header:
            return
        if other:
            _take_last(heap, arena, header, other, size)
            tcache_put(heap, other, place)


def _take_last(heap: Heap, arena: int, header: int, chunk: int, size: int) -> None:
    """Unlinks a small bin's last chunk and marks it as in use."""
    back = heap.load32(chunk + BK)
    heap.set_inuse(chunk, size)
    heap.store32(header + BK, back)
    heap.store32(back + FD, header)
    if arena != heap.main_arena:
        heap.store32(chunk + SIZE, heap.load32(chunk + SIZE) | NON_MAIN_ARENA)


def _search(heap: Heap, arena: int, size: int, filed: int) -> int:
    """The rest of _int_malloc(): a chunk, or 0 where even the kernel gave nothing."""
    index = bin_index(size)
    while True:
        found = _sort_unsorted(heap, arena, size, filed)
        if found.cached:
            return tcache_get(heap, csize2tidx(size)) - CHUNK_HDR_SZ
        chunk = found.chunk
        if not chunk and size >= MIN_LARGE_SIZE:
            chunk = _best_of_large_bin(heap, arena, size, index)
        if not chunk:
            chunk = _from_larger_bin(heap, arena, size, index + 1)
        if not chunk:
            chunk = use_top(heap, arena, size)
        if chunk:
            return chunk
        if not heap.load32(arena + HAVE_FASTCHUNKS):
            return sysmalloc(heap, arena, size)
        malloc_consolidate(heap, arena, _TOP_REASON)
        filed = 0


def _sort_unsorted(heap: Heap, arena: int, wanted: int, filed: int) -> _Found:
    """Empties the unsorted bin into the other bins, oldest first, until a chunk is found that does."""
    load32, store32 = heap.load32, heap.store32
    unsorted = arena + UNSORTED
    place = csize2tidx(wanted)
    cached = bool(filed & CACHED)
    filed &= ~CACHED
    caching = bool(heap.tcache) and place < load32(heap.mp + TCACHE_BINS)
    while filed < MAX_ITERS:
        victim = load32(unsorted + BK)
        if victim == unsorted:
            break
        back = load32(victim + BK)
        size = _checked_unsorted(heap, arena, victim, back)
        if wanted < MIN_LARGE_SIZE and back == unsorted and _serves_as_remainder(heap, arena, victim, size, wanted):
            return _Found(_split_last_remainder(heap, arena, victim, size, wanted), False)
        store32(unsorted + BK, back)
        store32(back + FD, unsorted)
        if size != wanted:
            file_chunk(heap, arena, victim, size)
            filed += 1
            limit = load32(heap.mp + TCACHE_UNSORTED_LIMIT)
            if cached and limit and filed > limit:
                break
            continue
        heap.set_inuse(victim, size)
        if arena != heap.main_arena:
            store32(victim + SIZE, load32(victim + SIZE) | NON_MAIN_ARENA)
        if not (caching and _room_in_tcache(heap, place)):
            if heap.trace.on:
                heap.trace.emit(BinGet(UNSORTED_BIN, victim, size))
            return _Found(victim, False)
        tcache_put(heap, victim, place)
        cached = True
    return _Found(0, cached)


def _checked_unsorted(heap: Heap, arena: int, victim: int, back: int) -> int:
    """The size of a chunk in the unsorted bin, after all that glibc checks there."""
    load32 = heap.load32
    size = load32(victim + SIZE) & SIZE_MASK
    following = victim + size & WORD
    system_mem = load32(arena + SYSTEM_MEM)
    if size <= CHUNK_HDR_SZ or size > system_mem:
        malloc_printerr("malloc(): invalid size (unsorted)")
    head = load32(following + SIZE)
    if head < CHUNK_HDR_SZ or head > system_mem:
        malloc_printerr("malloc(): invalid next size (unsorted)")
    if load32(following) & SIZE_MASK != size:
        malloc_printerr("malloc(): mismatching next->prev_size (unsorted)")
    if load32(back + FD) != victim or load32(victim + FD) != arena + UNSORTED:
        malloc_printerr("malloc(): unsorted double linked list corrupted")
    if head & PREV_INUSE:
        malloc_printerr("malloc(): invalid next->prev_inuse (unsorted)")
    return size


def _serves_as_remainder(heap: Heap, arena: int, victim: int, size: int, wanted: int) -> bool:
    """Whether the only unsorted chunk is what the last small request left: small requests in a row lie side by side."""
    return victim == heap.load32(arena + LAST_REMAINDER) and size > wanted + MINSIZE


def _split_last_remainder(heap: Heap, arena: int, victim: int, size: int, wanted: int) -> int:
    store32, unsorted = heap.store32, arena + UNSORTED
    remainder, rest = victim + wanted, size - wanted
    store32(unsorted + FD, remainder)
    store32(unsorted + BK, remainder)
    store32(arena + LAST_REMAINDER, remainder)
    store32(remainder + FD, unsorted)
    store32(remainder + BK, unsorted)
    if rest >= MIN_LARGE_SIZE:
        store32(remainder + FD_NEXTSIZE, 0)
        store32(remainder + BK_NEXTSIZE, 0)
    _set_split_heads(heap, arena, victim, wanted, remainder, rest)
    return victim


def _set_split_heads(heap: Heap, arena: int, victim: int, wanted: int, remainder: int, rest: int) -> None:
    """Headers of the two parts, and the free one's foot."""
    store32 = heap.store32
    store32(victim + SIZE, wanted | heap.in_use_bits(arena))
    store32(remainder + SIZE, rest | PREV_INUSE)
    store32(remainder + rest & WORD, rest)
    if heap.trace.on:
        heap.trace.emit(ChunkSplit(victim, wanted, remainder, rest))


def _best_of_large_bin(heap: Heap, arena: int, wanted: int, index: int) -> int:
    """The smallest chunk that fits of the request's own large bin; 0 where none does."""
    load32 = heap.load32
    header = bin_at(arena, index)
    victim = load32(header + FD)
    if victim == header or load32(victim + SIZE) < wanted:
        return 0
    victim = load32(victim + BK_NEXTSIZE)
    size = load32(victim + SIZE) & SIZE_MASK
    turns = counted("malloc")
    while size < wanted:
        next(turns)
        victim = load32(victim + BK_NEXTSIZE)
        size = load32(victim + SIZE) & SIZE_MASK
    if victim != load32(header + BK):
        following = load32(victim + FD)
        if load32(victim + SIZE) == load32(following + SIZE):
            victim = following
    _carve(heap, arena, victim, size, wanted, index, "malloc(): corrupted unsorted chunks")
    return victim


def _carve(heap: Heap, arena: int, victim: int, size: int, wanted: int, index: int, complaint: str) -> bool:
    """Takes `victim` out of its bin; what is left over goes to the unsorted bin. Whether something was left."""
    rest = size - wanted & WORD
    unlink_chunk(heap, victim)
    if heap.trace.on:
        heap.trace.emit(BinGet(index, victim, size))
    if rest < MINSIZE:
        heap.set_inuse(victim, size)
        if arena != heap.main_arena:
            heap.store32(victim + SIZE, heap.load32(victim + SIZE) | NON_MAIN_ARENA)
        return False
    remainder = victim + wanted
    insert_unsorted(heap, arena + UNSORTED, remainder, rest, complaint)
    _set_split_heads(heap, arena, victim, wanted, remainder, rest)
    return True


def _from_larger_bin(heap: Heap, arena: int, wanted: int, index: int) -> int:
    """The last chunk of the first bin from `index` on that has one, found by the bin map; 0 where all are empty."""
    load32, store32 = heap.load32, heap.store32
    block = index >> 5
    if block >= BINMAP_WORDS:
        return 0
    bits = load32(arena + BINMAP + 4 * block) & WORD << (index & 31)
    while True:
        while not bits:
            block += 1
            if block >= BINMAP_WORDS:
                return 0
            bits = load32(arena + BINMAP + 4 * block)
        bit = bits & -bits
        index = (block << 5) + bit.bit_length() - 1
        header = bin_at(arena, index)
        victim = load32(header + BK)
        if victim != header:
            break
        place = arena + BINMAP + 4 * block
        store32(place, load32(place) & ~bit)
        bits ^= bit
    size = load32(victim + SIZE) & SIZE_MASK
    if size < wanted:
        malloc_assert("_int_malloc", "(unsigned long) (size) >= (unsigned long) (nb)")
    complaint = "malloc(): corrupted unsorted chunks 2"
    if _carve(heap, arena, victim, size, wanted, index, complaint) and wanted < MIN_LARGE_SIZE:
        store32(arena + LAST_REMAINDER, victim + wanted)
    return victim


def use_top(heap: Heap, arena: int, wanted: int) -> int:
    """Cuts the chunk off top; 0 where top is too small."""
    load32, store32 = heap.load32, heap.store32
    victim = load32(arena + TOP)
    size = load32(victim + SIZE) & SIZE_MASK
    if size > load32(arena + SYSTEM_MEM):
        malloc_printerr("malloc(): corrupted top size")
    if size < wanted + MINSIZE:
        return 0
    remainder = victim + wanted
    store32(arena + TOP, remainder)
    store32(victim + SIZE, wanted | heap.in_use_bits(arena))
    store32(remainder + SIZE, size - wanted | PREV_INUSE)
    if heap.trace.on:
        heap.trace.emit(TopSplit(victim, wanted, size - wanted))
    return victim
