"""The arena's totals: what glibc says of itself, what is in use and free, and what is lost to fragmentation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from engine.clock import Clock
from engine.image import LIBC_PATH
from engine.libc.abort import Abort, Endless
from engine.libc.chunk import CHUNK_HDR_SZ, SIZE, SIZE_MASK
from engine.libc.state import (
    FLAGS,
    GLOBAL_MAX_FAST_OFFSET,
    MAX_MMAPPED_MEM,
    MAX_N_MMAPS,
    MAX_SYSTEM_MEM,
    MMAP_THRESHOLD,
    MMAPPED_MEM,
    MP_OFFSET,
    N_MMAPS,
    N_MMAPS_MAX,
    NO_DYN_THRESHOLD,
    NONCONTIGUOUS_BIT,
    TCACHE_BINS,
    TCACHE_COUNT,
    TCACHE_MAX_BYTES,
    TOP_PAD,
    TRIM_THRESHOLD,
)
from engine.trace import Trace
from engine.views.heap import ChunkState, ChunkView, HeapView, heap
from engine.views.libc_words import LibcWords, libc_words
from engine.views.shadow import ShadowCpu, Unreadable

if TYPE_CHECKING:
    from engine.libc.tuning import Mallinfo2
    from engine.machine import Machine

_NOT_FREE: Final = (ChunkState.IN_USE, ChunkState.TCACHE_STRUCT, ChunkState.TOP)


@dataclass(frozen=True, slots=True)
class StateTotal:
    """Chunks in one state. Bytes with their headers."""

    state: ChunkState
    chunks: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Blocks:
    """What the program has, mappings of its own included."""

    count: int
    asked: int
    """Bytes that it asked for."""
    chunk_bytes: int
    """Bytes of the chunks that hold them."""
    fragmentation: float
    """Internal: the part of the chunks' bytes that nobody asked for, 0 to 1."""


@dataclass(frozen=True, slots=True)
class FreeSpace:
    """What stands on glibc's lists; top is not counted."""

    chunks: int
    bytes: int
    largest: int
    """Bytes of the largest chunk: the most that one request could get of it."""
    largest_chunk: int | None
    fragmentation: float
    """External: the part of the free bytes that is not in the largest chunk, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """mp_ and its like: where glibc changes its ways. Bytes, but for counts."""

    mmap_threshold: int
    """Requests from here on get a mapping of their own, if top cannot serve them."""
    mmaps_maximum: int
    trim_threshold: int
    """top from here on is given back to the kernel."""
    top_pad: int
    """Asked for beyond what is needed, each time the heap grows."""
    adapting: bool
    """The mmap threshold grows with the mapped chunks that are freed, until mallopt() sets one."""
    max_fast: int
    """Chunks up to this size go into fast bins."""
    tcache_max_bytes: int
    """Requests up to this size may come from the tcache."""
    tcache_bins: int
    tcache_count: int
    """Chunks of each size that the tcache holds at most."""


@dataclass(frozen=True, slots=True)
class ArenaView:
    """The main arena of one process. Sizes in bytes."""

    pid: int
    mallinfo: dict[str, int] | None
    """mallinfo2()'s own figures; None where it would not come back: a list is damaged."""
    system_mem: int
    """Got from the kernel for the heap, and not given back."""
    max_system_mem: int
    contiguous: bool
    """The heap still grows by sbrk alone."""
    top: int
    top_size: int
    mmaps: int
    mmapped_mem: int
    max_mmaps: int
    max_mmapped_mem: int
    states: tuple[StateTotal, ...]
    """The heap's chunks by state, those that there are."""
    blocks: Blocks
    free: FreeSpace
    thresholds: Thresholds


def arena(machine: Machine, pid: int = 0) -> ArenaView | None:
    """The totals of process `pid`; None before its first call of malloc, and once it has ended. KeyError: no such pid."""
    return arena_of(machine, heap(machine, pid))


def arena_of(machine: Machine, seen: HeapView) -> ArenaView | None:
    """The totals of a heap that was looked at already."""
    pid, chunks = seen.pid, seen.chunks
    words = libc_words(machine, pid)
    if words is None:
        return None
    mp = machine.config.image.base_of(LIBC_PATH) + MP_OFFSET
    return ArenaView(
        pid=pid,
        mallinfo=_mallinfo(machine, pid, words),
        system_mem=words.system_mem,
        max_system_mem=_word(words, words.arena + MAX_SYSTEM_MEM),
        contiguous=not _word(words, words.arena + FLAGS) & NONCONTIGUOUS_BIT,
        top=words.top,
        top_size=_word(words, words.top + SIZE) & SIZE_MASK,
        mmaps=_word(words, mp + N_MMAPS),
        mmapped_mem=_word(words, mp + MMAPPED_MEM),
        max_mmaps=_word(words, mp + MAX_N_MMAPS),
        max_mmapped_mem=_word(words, mp + MAX_MMAPPED_MEM),
        states=_states(chunks),
        blocks=_blocks(machine, pid, words),
        free=_free(chunks),
        thresholds=_thresholds(words, mp, machine.config.image.base_of(LIBC_PATH)),
    )


def footprint(machine: Machine, pid: int = 0) -> int:
    """Bytes that process `pid`'s allocator has from the kernel: heap and mapped chunks. KeyError: no such pid."""
    words = libc_words(machine, pid)
    if words is None:
        return 0
    mp = machine.config.image.base_of(LIBC_PATH) + MP_OFFSET
    return words.system_mem + _word(words, mp + MMAPPED_MEM)


def _word(words: LibcWords, address: int) -> int:
    return words.probe.word(address) or 0


def _mallinfo(machine: Machine, pid: int, words: LibcWords) -> dict[str, int] | None:
    """glibc's own code, on a processor that only looks."""
    libc = machine.processes[pid].libc.shadow(ShadowCpu(words.probe), Trace(Clock(), 1))
    try:
        figures: Mallinfo2 = libc.mallinfo2()
    except (Abort, Endless, Unreadable):
        return None
    return figures._asdict()


def _states(chunks: tuple[ChunkView, ...]) -> tuple[StateTotal, ...]:
    found: dict[ChunkState, list[int]] = {}
    for each in chunks:
        found.setdefault(each.state, []).append(each.size)
    return tuple(StateTotal(state, len(found[state]), sum(found[state])) for state in ChunkState if state in found)


def _blocks(machine: Machine, pid: int, words: LibcWords) -> Blocks:
    count = asked = held = 0
    for pointer, block in machine.processes[pid].allocations.live():
        size = chunk_size(words, pointer)
        if size is not None:
            count, asked, held = count + 1, asked + block.asked, held + max(size, block.asked)
    return Blocks(count, asked, held, _part(held - asked, held))


def chunk_size(words: LibcWords, pointer: int) -> int | None:
    """What the header before `pointer` tells of its chunk; None where it cannot be read."""
    head = words.probe.word(pointer - CHUNK_HDR_SZ + SIZE)
    return None if head is None else head & SIZE_MASK


def _free(chunks: tuple[ChunkView, ...]) -> FreeSpace:
    free = [each for each in chunks if each.state not in _NOT_FREE]
    if not free:
        return FreeSpace(0, 0, 0, None, 0.0)
    total, largest = sum(each.size for each in free), max(free, key=lambda each: each.size)
    return FreeSpace(len(free), total, largest.size, largest.address, _part(total - largest.size, total))


def _part(some: int, whole: int) -> float:
    return round(some / whole, 4) if whole else 0.0


def _thresholds(words: LibcWords, mp: int, libc_base: int) -> Thresholds:
    return Thresholds(
        mmap_threshold=_word(words, mp + MMAP_THRESHOLD),
        mmaps_maximum=_word(words, mp + N_MMAPS_MAX),
        trim_threshold=_word(words, mp + TRIM_THRESHOLD),
        top_pad=_word(words, mp + TOP_PAD),
        adapting=not _word(words, mp + NO_DYN_THRESHOLD),
        max_fast=_word(words, libc_base + GLOBAL_MAX_FAST_OFFSET),
        tcache_max_bytes=_word(words, mp + TCACHE_MAX_BYTES),
        tcache_bins=_word(words, mp + TCACHE_BINS),
        tcache_count=_word(words, mp + TCACHE_COUNT),
    )
