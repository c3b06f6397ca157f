"""One chunk in full: each word of its header and links, where it stands, and what of it is of use to nobody."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from engine.libc.chunk import (
    BK,
    BK_NEXTSIZE,
    CHUNK_HDR_SZ,
    FD,
    FD_NEXTSIZE,
    IS_MMAPPED,
    NON_MAIN_ARENA,
    PREV_INUSE,
    SIZE,
    SIZE_SZ,
    protect_pointer,
)
from engine.libc.tcache import KEY
from engine.views.bins import bins_of
from engine.views.heap import ChunkState, ChunkView, chunk_at, heap
from engine.views.libc_words import LibcWords, libc_words
from engine.views.places import Place, address_of

if TYPE_CHECKING:
    from engine.machine import Machine

_LINKED_BOTH_WAYS: Final = (ChunkState.UNSORTED, ChunkState.SMALL, ChunkState.LARGE)


class Field(StrEnum):
    """What a word of a chunk is."""

    PREV_SIZE = "prev_size"
    SIZE = "size"
    FD = "fd"
    BK = "bk"
    FD_NEXTSIZE = "fd_nextsize"
    BK_NEXTSIZE = "bk_nextsize"
    NEXT = "next"
    """tcache_entry.next: to the memory of the next chunk in the tcache."""
    KEY = "key"
    """tcache_entry.key: says that the chunk is in the tcache."""


class Target(StrEnum):
    """What a link leads to."""

    END = "end"
    """NULL: the list ends here."""
    CHUNK = "chunk"
    BIN = "bin"
    """The list's head in the arena."""
    NOWHERE = "nowhere"
    """Neither: the link is damaged."""


@dataclass(frozen=True, slots=True)
class Word:
    """One word as it lies in memory. `meaningful`: glibc would read it now; otherwise the program's data lie there."""

    field: Field
    address: int
    raw: int
    meaningful: bool
    protected: bool = False
    """Mixed with its own address >> 12 (safe-linking)."""
    points_to: int | None = None
    """For links: the pointer, taken apart from what it was mixed with."""
    target: Target | None = None
    target_chunk: int | None = None
    """The chunk that the link leads to."""


@dataclass(frozen=True, slots=True)
class Listed:
    """The free list that a chunk stands on. `position` counts from 0, the one that malloc would take first."""

    kind: str
    index: int
    size: int
    position: int
    length: int
    damaged: bool


@dataclass(frozen=True, slots=True)
class ChunkDetail:
    """One chunk. Sizes in bytes; None where a figure means nothing: a free chunk has no usable bytes."""

    pid: int
    address: int
    mem: int
    size: int
    end: int
    state: ChunkState
    slots: tuple[str, ...]
    head: int
    prev_inuse: bool
    is_mmapped: bool
    non_main_arena: bool
    previous: int | None
    """The chunk before it, where that is free: prev_size leads there."""
    words: tuple[Word, ...]
    listed: Listed | None
    asked: int | None
    """What the program asked for; None for chunks that it did not get from malloc or its kin."""
    usable: int | None
    """malloc_usable_size(): without the header, with the next chunk's prev_size."""
    given: int | None
    """The version that made it a block of the program, the last time."""
    freed: int | None
    """The version that gave it back; None while the program has it."""

    @property
    def overhead(self) -> int:
        """Bytes of the chunk that are glibc's."""
        return self.size - (self.usable or 0)

    @property
    def waste(self) -> int | None:
        """Usable bytes that nobody asked for."""
        return None if self.asked is None or self.usable is None else self.usable - self.asked


def chunk(machine: Machine, address: Place, pid: int = 0) -> ChunkDetail | None:
    """The chunk that holds `address`, a slot or place; None where there is none. CommandError: no such slot; KeyError: no pid."""
    place = address_of(machine, address, "address", pid)
    found = chunk_at(heap(machine, pid), place)
    return None if found is None else chunk_detail(machine, pid, found)


def chunk_detail(machine: Machine, pid: int, found: ChunkView) -> ChunkDetail:
    """All of a chunk that is known from the heap's row already."""
    words = libc_words(machine, pid)
    known = machine.processes[pid].allocations.at(found.mem)
    in_use = found.state is ChunkState.IN_USE
    mmapped = bool(found.head & IS_MMAPPED)
    free_before = not found.head & PREV_INUSE and not mmapped
    return ChunkDetail(
        pid=pid,
        address=found.address,
        mem=found.mem,
        size=found.size,
        end=found.end,
        state=found.state,
        slots=found.slots,
        head=found.head,
        prev_inuse=bool(found.head & PREV_INUSE),
        is_mmapped=mmapped,
        non_main_arena=bool(found.head & NON_MAIN_ARENA),
        previous=found.address - found.prev_size if free_before else None,
        words=(*_header(found, meaningful=free_before or mmapped), *_links(words, found)),
        listed=None if words is None else _listed(words, found.address),
        asked=known.asked if known is not None else None,
        usable=found.size - (CHUNK_HDR_SZ if mmapped else SIZE_SZ) if in_use else None,
        given=known.given if known is not None else None,
        freed=known.freed if known is not None else None,
    )


def _header(found: ChunkView, *, meaningful: bool) -> tuple[Word, Word]:
    return (
        Word(Field.PREV_SIZE, found.address, found.prev_size, meaningful),
        Word(Field.SIZE, found.address + SIZE, found.head, meaningful=True),
    )


def _listed(words: LibcWords, address: int) -> Listed | None:
    for bin_ in bins_of(words):
        for position, link in enumerate(bin_.links):
            if link.chunk == address:
                return Listed(bin_.kind, bin_.index, bin_.size, position, len(bin_.links), bin_.damaged)
    return None


def _links(words: LibcWords | None, found: ChunkView) -> list[Word]:
    """The words that a free chunk keeps in what was the program's memory. `words` is None before there is a heap."""
    if words is None:
        return []
    if found.state is ChunkState.TCACHE:
        key = words.probe.word(found.mem + KEY) or 0
        return [
            _protected(words, found, Field.NEXT, CHUNK_HDR_SZ),
            Word(Field.KEY, found.mem + KEY, key, meaningful=True),
        ]
    if found.state is ChunkState.FASTBIN:
        return [_protected(words, found, Field.FD, 0)]
    if found.state not in _LINKED_BOTH_WAYS:
        return []
    fields = [(Field.FD, FD), (Field.BK, BK)]
    if found.state is ChunkState.LARGE:
        fields += [(Field.FD_NEXTSIZE, FD_NEXTSIZE), (Field.BK_NEXTSIZE, BK_NEXTSIZE)]
    return [_plain(words, found, field, offset) for field, offset in fields]


def _protected(words: LibcWords, found: ChunkView, field: Field, offset: int) -> Word:
    """A safe-linked pointer; `offset` is how far behind its chunk's address it points."""
    raw = words.probe.word(found.mem) or 0
    pointer = protect_pointer(found.mem, raw)
    target = _target(words, pointer - offset) if pointer else Target.END
    led_to = pointer - offset if target is Target.CHUNK else None
    return Word(field, found.mem, raw, True, True, pointer, target, led_to)


def _plain(words: LibcWords, found: ChunkView, field: Field, offset: int) -> Word:
    pointer = words.probe.word(found.address + offset) or 0
    target = _target(words, pointer) if pointer else Target.END
    led_to = pointer if target is Target.CHUNK else None
    return Word(field, found.address + offset, pointer, True, False, pointer, target, led_to)


def _target(words: LibcWords, address: int) -> Target:
    if words.is_bin(address):
        return Target.BIN
    inside = words.first_chunk <= address < words.top and not address + CHUNK_HDR_SZ & 15
    return Target.CHUNK if inside and words.probe.word(address + SIZE) is not None else Target.NOWHERE
