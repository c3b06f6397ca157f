"""Leaks: blocks that the program has, and that none of its pointer variables leads to any more."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.libc.chunk import CHUNK_HDR_SZ
from engine.views.arena import chunk_size
from engine.views.libc_words import libc_words

if TYPE_CHECKING:
    from engine.machine import Machine


@dataclass(frozen=True, slots=True)
class Leak:
    """One lost block: `pointer` is what the program was given, `asked` bytes; the command that made version `given` did it."""

    pointer: int
    chunk: int
    asked: int
    chunk_bytes: int | None
    """Its chunk's size; None once the process and its memory are gone."""
    given: int


@dataclass(frozen=True, slots=True)
class LeaksView:
    """The lost blocks of one process, oldest first; of one that has ended, those that it had lost when it did."""

    pid: int
    blocks: tuple[Leak, ...]
    asked: int
    """Bytes of all of them together."""
    chunk_bytes: int | None
    held: int
    """How many blocks the program has and did not lose."""


def leaks(machine: Machine, pid: int = 0) -> LeaksView:
    """What process `pid` has lost. A slot that points into a block, not only at its start, holds it. KeyError: no such pid."""
    process = machine.processes[pid]
    words = libc_words(machine, pid)
    slots = sorted(process.slots.values())
    lost, held = [], 0
    for pointer, block in process.allocations.live():
        at = bisect_left(slots, pointer)
        if at < len(slots) and slots[at] < pointer + max(block.asked, 1):
            held += 1
            continue
        size = None if words is None else chunk_size(words, pointer)
        lost.append(Leak(pointer, pointer - CHUNK_HDR_SZ, block.asked, size, block.given))
    lost.sort(key=lambda leak: leak.given)
    return LeaksView(
        pid=pid,
        blocks=tuple(lost),
        asked=sum(leak.asked for leak in lost),
        chunk_bytes=None if words is None else sum(leak.chunk_bytes or 0 for leak in lost),
        held=held,
    )
