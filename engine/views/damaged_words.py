"""Mistakes, told by what they changed: a word of libc's that the program stored into, and what a pointer leads to."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from engine import commands as c
from engine.libc.chunk import CHUNK_HDR_SZ, SIZE
from engine.views.address_space import region_at
from engine.views.chunk import Field
from engine.views.heap import ChunkState, ChunkView, chunk_at, heap
from engine.views.history import Change, Performed, Through, extent

if TYPE_CHECKING:
    from engine.machine import Machine


class Mistake(StrEnum):
    """What the program did wrong."""

    DOUBLE_FREE = "double_free"
    """It freed a block that it had freed before."""
    USE_AFTER_FREE = "use_after_free"
    """It stored into a block that it had freed, or resized one."""
    OVERFLOW = "overflow"
    """It stored behind the end of a block."""
    OVERFLOW_INTO_TOP = "overflow_into_top"
    """It stored behind the end of the last block, where top keeps its size."""
    UNDERFLOW = "underflow"
    """It stored before the start of a block."""
    INVALID_POINTER = "invalid_pointer"
    """It gave libc a pointer that it never got from it."""
    MEMORY_GONE = "memory_gone"
    """It took pages of the heap away, or emptied them, behind libc's back."""
    STRAY_STORE = "stray_store"
    """It stored into libc's memory, far from any block."""
    UNKNOWN = "unknown"
    """No command was found that did it."""


@dataclass(frozen=True, slots=True)
class DamagedWord:
    """One word of libc's that the program changed. None: it could not be read then, or is no field of a chunk."""

    address: int
    before: int | None
    after: int | None
    by: Performed
    field: Field | None
    chunk: int | None
    chunk_state: ChunkState | None
    """What the chunk was just before."""
    through: Through | None
    offset: int | None
    """How far behind the start of the block `through` the word lies; negative: before it."""


@dataclass(frozen=True, slots=True)
class PointsInto:
    """What a pointer leads to: a chunk, and how far into its memory; and the region, None where nothing is mapped."""

    pointer: int
    aligned: bool
    chunk: int | None
    chunk_state: ChunkState | None
    offset: int | None
    block: int | None
    """The start of the block there that the program had, freed or not."""
    asked: int | None
    region: str | None


_BOTH_WAYS: Final = {8: Field.FD, 12: Field.BK}
_LINKS: Final = {
    ChunkState.TCACHE: {8: Field.NEXT, 12: Field.KEY},
    ChunkState.FASTBIN: {8: Field.FD},
    ChunkState.UNSORTED: _BOTH_WAYS,
    ChunkState.SMALL: _BOTH_WAYS,
    ChunkState.LARGE: {**_BOTH_WAYS, 16: Field.FD_NEXTSIZE, 20: Field.BK_NEXTSIZE},
}


def mistake_of(word: DamagedWord) -> Mistake:
    """What sort of mistake the store was."""
    if isinstance(word.by.command, (c.Madvise, c.Munmap, c.Mmap, c.Mremap, c.Brk, c.Sbrk, c.Mprotect)):
        return Mistake.MEMORY_GONE
    if word.through is None or word.offset is None:
        return Mistake.STRAY_STORE
    if word.offset < 0:
        return Mistake.UNDERFLOW
    if word.offset >= extent(word.through.asked):
        return Mistake.OVERFLOW_INTO_TOP if word.chunk_state is ChunkState.TOP else Mistake.OVERFLOW
    return Mistake.STRAY_STORE if word.through.live else Mistake.USE_AFTER_FREE


def damaged_word(change: Change) -> DamagedWord:
    chunk, through = change.chunk, change.through
    return DamagedWord(
        address=change.address,
        before=change.before,
        after=change.after,
        by=change.by,
        field=None if chunk is None else _field(chunk, change.address),
        chunk=None if chunk is None else chunk.address,
        chunk_state=None if chunk is None else chunk.state,
        through=through,
        offset=None if through is None else change.address - through.pointer,
    )


def _field(chunk: ChunkView, address: int) -> Field | None:
    offset = address - chunk.address
    if offset == 0:
        return Field.PREV_SIZE
    if offset == SIZE:
        return Field.SIZE
    return _LINKS.get(chunk.state, {}).get(offset)


def points_into(machine: Machine, pid: int, pointer: int) -> PointsInto:
    chunk = chunk_at(heap(machine, pid), pointer)
    region = region_at(machine, pid, pointer)
    start = pointer if chunk is None else chunk.mem
    block = machine.processes[pid].allocations.at(start)
    return PointsInto(
        pointer=pointer,
        aligned=not pointer % (2 * CHUNK_HDR_SZ),
        chunk=None if chunk is None else chunk.address,
        chunk_state=None if chunk is None else chunk.state,
        offset=None if chunk is None else pointer - chunk.mem,
        block=None if block is None else start,
        asked=None if block is None else block.asked,
        region=None if region is None else region.name or "anonymous",
    )
