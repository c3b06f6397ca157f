"""Words of a living process's heap that contradict each other: headers, links and counts that make no sense."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.libc.chunk import BK, FD, PREV_INUSE, SIZE, SIZE_MASK, SIZE_SZ
from engine.libc.state import FASTBINS, TCACHE_ENTRIES, bin_at, csize2tidx
from engine.views.bins import Bin, BinKind, bins
from engine.views.heap import ChunkState, ChunkView, HeapView, heap_of
from engine.views.libc_words import LibcWords, libc_words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.machine import Machine

_BEFORE_A_BREAK: Final = 8
"""Chunks before an impossible one whose sizes may have led there."""
_FILED: Final = (ChunkState.UNSORTED, ChunkState.SMALL, ChunkState.LARGE)


def suspects(machine: Machine, pid: int) -> list[int]:
    """The words, the most telling first; none where the heap of process `pid` makes sense. KeyError: no such pid."""
    lists = bins(machine, pid).bins
    return suspects_of(machine, pid, heap_of(machine, pid, lists), lists)


def suspects_of(machine: Machine, pid: int, seen: HeapView, lists: tuple[Bin, ...]) -> list[int]:
    """The same for who has looked at the heap and the free lists already. KeyError: no such pid."""
    words = libc_words(machine, pid)
    if words is None:
        return []
    found: list[int] = []
    found += _broken(words, seen)
    for chunk in seen.chunks:
        found += _contradictions(words, chunk)
    found += _swallowed(machine, pid, seen)
    for bin_ in lists:
        found += _in_bin(words, bin_)
    return list(dict.fromkeys(found))


def _broken(words: LibcWords, seen: HeapView) -> Iterator[int]:
    """Where the row of chunks leads into nothing."""
    if seen.broken_at is None or seen.broken_at in seen.fences:
        return
    yield seen.broken_at + SIZE
    for chunk in reversed(seen.chunks[-_BEFORE_A_BREAK:]):
        yield chunk.address + SIZE


def _contradictions(words: LibcWords, chunk: ChunkView) -> Iterator[int]:
    if chunk.state is ChunkState.TOP and chunk.size > words.system_mem:
        yield chunk.address + SIZE
    if chunk.state is ChunkState.FREE:
        yield chunk.end + SIZE
        yield chunk.address + SIZE
        yield chunk.address + FD
        yield chunk.address + BK
    if chunk.state in _FILED:
        following = words.probe.word(chunk.end + SIZE)
        if words.probe.word(chunk.end) != chunk.size or following is None or following & PREV_INUSE:
            yield from (chunk.address + SIZE, chunk.end, chunk.end + SIZE)


def _swallowed(machine: Machine, pid: int, seen: HeapView) -> Iterator[int]:
    """Blocks that lie inside another chunk, or do not fit into their own."""
    if seen.broken_at is not None or not seen.chunks:
        return
    chunks = {chunk.mem: chunk for chunk in seen.chunks}
    swallowed = []
    for pointer, block in machine.processes[pid].allocations.live():
        chunk = chunks.get(pointer)
        if chunk is None:
            swallowed.append(pointer)
        elif chunk.size - SIZE_SZ < block.asked:
            yield chunk.address + SIZE
    for pointer in swallowed:
        yield from (chunk.address + SIZE for chunk in seen.chunks if chunk.address <= pointer < chunk.end)


def _in_bin(words: LibcWords, bin_: Bin) -> Iterator[int]:
    """Links that lead astray, and chunks that are not of their list's size."""
    if bin_.kind is BinKind.TCACHE:
        yield from (link.chunk + SIZE for link in bin_.links if csize2tidx(link.size & SIZE_MASK) != bin_.index)
    if not bin_.damaged:
        return
    for link in reversed(bin_.links[-_BEFORE_A_BREAK:]):
        yield link.chunk + FD
        if link.back is not None:
            yield link.chunk + BK
    if bin_.kind is BinKind.TCACHE:
        yield words.tcache + TCACHE_ENTRIES + 4 * bin_.index
        yield words.tcache + (2 * bin_.index & ~3)
    elif bin_.kind is BinKind.FAST:
        yield words.arena + FASTBINS + 4 * bin_.index
    else:
        yield bin_at(words.arena, bin_.index) + BK
