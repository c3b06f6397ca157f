"""malloc/malloc.c: mallopt(), mallinfo2() and malloc_usable_size(): asking the allocator, and setting its thresholds."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

from engine.libc.abort import counted, malloc_printerr
from engine.libc.chunk import (
    BK,
    CHUNK_HDR_SZ,
    FD,
    IS_MMAPPED,
    MALLOC_ALIGN_MASK,
    PREV_INUSE,
    SIZE,
    SIZE_MASK,
    SIZE_SZ,
    WORD,
    misaligned_chunk,
    protect_pointer,
)
from engine.libc.consolidate import malloc_consolidate
from engine.libc.state import (
    ARENA_MAX,
    ARENA_TEST,
    FASTBINS,
    MAX_FAST_SIZE,
    MMAP_THRESHOLD,
    MMAPPED_MEM,
    N_MMAPS,
    N_MMAPS_MAX,
    NBINS,
    NFASTBINS,
    NO_DYN_THRESHOLD,
    SYSTEM_MEM,
    TOP,
    TOP_PAD,
    TRIM_THRESHOLD,
    bin_at,
)

if TYPE_CHECKING:
    from engine.libc.heap import Heap

SMALLEST_MAX_FAST = 8
"""MIN_CHUNK_SIZE / 2: no chunk is so small, so there are no fast bins."""


class MalloptParameter(IntEnum):
    """malloc.h: what mallopt() can set."""

    M_MXFAST = 1
    M_TRIM_THRESHOLD = -1
    M_TOP_PAD = -2
    M_MMAP_THRESHOLD = -3
    M_MMAP_MAX = -4
    M_CHECK_ACTION = -5
    M_PERTURB = -6
    M_ARENA_TEST = -7
    M_ARENA_MAX = -8


_THRESHOLDS = {
    MalloptParameter.M_TRIM_THRESHOLD: TRIM_THRESHOLD,
    MalloptParameter.M_TOP_PAD: TOP_PAD,
    MalloptParameter.M_MMAP_THRESHOLD: MMAP_THRESHOLD,
    MalloptParameter.M_MMAP_MAX: N_MMAPS_MAX,
}
"""Those that end the threshold's adapting by itself."""


class Mallinfo2(NamedTuple):
    """struct mallinfo2, in bytes but for the counts."""

    arena: int
    """Got from the kernel by moving the break."""
    ordblks: int
    """Free chunks, top counted, fast bins not."""
    smblks: int
    """Chunks in fast bins."""
    hblks: int
    """Chunks with mappings of their own."""
    hblkhd: int
    """Bytes of those mappings."""
    usmblks: int
    fsmblks: int
    """Bytes in fast bins."""
    uordblks: int
    """Bytes in use: those in the tcache count as such."""
    fordblks: int
    """Bytes free."""
    keepcost: int
    """Bytes of top."""


def mallopt(heap: Heap, parameter: int, value: int) -> int:
    """mallopt(): 1, or 0 for a value that M_MXFAST cannot have. An unknown parameter is accepted, and nothing set."""
    malloc_consolidate(heap, heap.main_arena, "mallopt")
    store32, word = heap.store32, value & WORD
    if parameter == MalloptParameter.M_MXFAST:
        if word > MAX_FAST_SIZE:
            return 0
        disabled = word <= MALLOC_ALIGN_MASK - SIZE_SZ
        store32(heap.global_max_fast, SMALLEST_MAX_FAST if disabled else word + SIZE_SZ & ~MALLOC_ALIGN_MASK)
    elif parameter in _THRESHOLDS:
        store32(heap.mp + _THRESHOLDS[MalloptParameter(parameter)], word)
        store32(heap.mp + NO_DYN_THRESHOLD, 1)
    elif parameter == MalloptParameter.M_PERTURB:
        store32(heap.perturb_byte, word)
    elif parameter in (MalloptParameter.M_ARENA_TEST, MalloptParameter.M_ARENA_MAX) and value > 0:
        store32(heap.mp + (ARENA_TEST if parameter == MalloptParameter.M_ARENA_TEST else ARENA_MAX), word)
    return 1


def mallinfo2(heap: Heap) -> Mallinfo2:
    """mallinfo2(): walks the bins and adds up."""
    load32, arena = heap.load32, heap.main_arena
    top_size = load32(load32(arena + TOP) + SIZE) & SIZE_MASK
    fast_blocks, fast_bytes = _in_fastbins(heap)
    blocks, free = 1, top_size + fast_bytes
    for index in range(1, NBINS):
        header = bin_at(arena, index)
        chunk = load32(header + BK)
        turns = counted("mallinfo2")
        while chunk != header:
            next(turns)
            blocks += 1
            free += load32(chunk + SIZE) & SIZE_MASK
            chunk = load32(chunk + BK)
    system_mem = load32(arena + SYSTEM_MEM)
    return Mallinfo2(
        arena=system_mem,
        ordblks=blocks,
        smblks=fast_blocks,
        hblks=load32(heap.mp + N_MMAPS),
        hblkhd=load32(heap.mp + MMAPPED_MEM),
        usmblks=0,
        fsmblks=fast_bytes,
        uordblks=system_mem - free & WORD,
        fordblks=free & WORD,
        keepcost=top_size,
    )


def _in_fastbins(heap: Heap) -> tuple[int, int]:
    """Chunks and bytes in the fast bins."""
    load32 = heap.load32
    blocks = total = 0
    for index in range(NFASTBINS):
        chunk = load32(heap.main_arena + FASTBINS + 4 * index)
        turns = counted("mallinfo2")
        while chunk:
            next(turns)
            if misaligned_chunk(chunk):
                malloc_printerr("int_mallinfo(): unaligned fastbin chunk detected")
            blocks += 1
            total += load32(chunk + SIZE) & SIZE_MASK
            chunk = protect_pointer(chunk + FD, load32(chunk + FD))
    return blocks, total


def musable(heap: Heap, mem: int) -> int:
    """malloc_usable_size(): the bytes that the program may use at `mem`; 0 for NULL and for a free chunk."""
    if not mem:
        return 0
    chunk = mem - CHUNK_HDR_SZ & WORD
    head = heap.load32(chunk + SIZE)
    size = head & SIZE_MASK
    if head & IS_MMAPPED:
        return size - CHUNK_HDR_SZ & WORD
    if heap.load32((chunk + size & WORD) + SIZE) & PREV_INUSE:
        return size - SIZE_SZ & WORD
    return 0
