"""The main heap as a row of chunks, read from their headers as glibc itself would."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from engine.libc.chunk import (
    CHUNK_HDR_SZ,
    IS_MMAPPED,
    MINSIZE,
    NON_MAIN_ARENA,
    PREV_INUSE,
    SIZE,
    SIZE_BITS,
    SIZE_MASK,
)
from engine.views.bins import Bin, BinKind, bins_of
from engine.views.libc_words import LibcWords, libc_words
from engine.views.probe import Probe

if TYPE_CHECKING:
    from engine.machine import Machine

CHUNKS_MAXIMUM: Final = 65536
_FLAG_NAMES: Final = ((PREV_INUSE, "P"), (IS_MMAPPED, "M"), (NON_MAIN_ARENA, "A"))


class ChunkState(StrEnum):
    """What a chunk is to glibc."""

    IN_USE = "in_use"
    TCACHE_STRUCT = "tcache_struct"
    """The first chunk: it holds the thread's cache itself."""
    TCACHE = "tcache"
    FASTBIN = "fastbin"
    UNSORTED = "unsorted"
    SMALL = "small"
    LARGE = "large"
    FREE = "free"
    """Free by its neighbour's P bit, but on no list: something is damaged."""
    TOP = "top"


_STATE_OF_BIN: Final = {
    BinKind.TCACHE: ChunkState.TCACHE,
    BinKind.FAST: ChunkState.FASTBIN,
    BinKind.UNSORTED: ChunkState.UNSORTED,
    BinKind.SMALL: ChunkState.SMALL,
    BinKind.LARGE: ChunkState.LARGE,
}


@dataclass(frozen=True, slots=True)
class ChunkView:
    """One chunk: sizes in bytes, header included. `head` is its size word as it lies in memory."""

    address: int
    size: int
    head: int
    prev_size: int
    flags: tuple[str, ...]
    state: ChunkState
    bin_index: int | None
    slots: tuple[str, ...]
    """Pointer variables that point to its memory, freed or not."""

    @property
    def mem(self) -> int:
        """What malloc gave for it."""
        return self.address + CHUNK_HDR_SZ

    @property
    def end(self) -> int:
        """Where the next chunk begins."""
        return self.address + self.size

    @property
    def in_use(self) -> bool:
        """Whether the program has it (the tcache's own chunk is glibc's)."""
        return self.state is ChunkState.IN_USE


@dataclass(frozen=True, slots=True)
class HeapView:
    """The main arena's heap, from its first chunk to top. Empty before the first malloc."""

    pid: int
    start: int
    end: int
    """The break: where top ends."""
    chunks: tuple[ChunkView, ...]
    mapped: tuple[ChunkView, ...]
    """Chunks with a mapping of their own (M) that the program has, or that a pointer variable leads to."""
    broken_at: int | None
    """Where a header makes no sense, so that nothing behind it can be told: an overflow, or a page that cannot be read."""
    fences: tuple[int, ...] = ()
    """Where a part of the heap ends because somebody else had moved the break; what follows is theirs, then the next part."""

    @property
    def used(self) -> int:
        """Bytes in chunks that the program has."""
        return sum(chunk.size for chunk in self.chunks if chunk.in_use)

    @property
    def free(self) -> int:
        """Bytes in chunks on glibc's lists; top is not counted."""
        outside = (ChunkState.IN_USE, ChunkState.TOP, ChunkState.TCACHE_STRUCT)
        return sum(chunk.size for chunk in self.chunks if chunk.state not in outside)

    @property
    def top(self) -> int:
        """Bytes in top."""
        return sum(chunk.size for chunk in self.chunks if chunk.state is ChunkState.TOP)


def heap(machine: Machine, pid: int = 0) -> HeapView:
    """The heap of process `pid`. Raises KeyError for an unknown pid."""
    return _heap(machine, pid, None)


def heap_of(machine: Machine, pid: int, lists: tuple[Bin, ...]) -> HeapView:
    """The same for who has read the free lists already. Raises KeyError for an unknown pid."""
    return _heap(machine, pid, lists)


def _heap(machine: Machine, pid: int, lists: tuple[Bin, ...] | None) -> HeapView:
    words = libc_words(machine, pid)
    brk = machine.processes[pid].task.mm.brk
    if words is None:
        return HeapView(pid, 0, brk, (), _mapped_without_a_heap(machine, pid), None)
    listed = _listed(bins_of(words) if lists is None else lists)
    slots = _slots(machine, pid)
    mapped = _mapped(machine, pid, words.probe, range(words.first_chunk, words.top))
    chunks, broken_at = _walk(words, words.first_chunk, listed, slots)
    fences: list[int] = []
    while broken_at is not None and _is_fence(words, broken_at):
        fences.append(broken_at)
        following = _next_part(machine, pid, broken_at)
        if following is None:
            break
        more, broken_at = _walk(words, following, listed, slots)
        chunks += more
    return HeapView(pid, words.first_chunk, brk, tuple(chunks), mapped, broken_at, tuple(fences))


def chunk_at(view: HeapView, address: int) -> ChunkView | None:
    """The chunk that holds `address`, header included."""
    return next((chunk for chunk in view.chunks + view.mapped if chunk.address <= address < chunk.end), None)


def _listed(lists: tuple[Bin, ...]) -> dict[int, Bin]:
    return {link.chunk: found for found in lists for link in found.links}


def _slots(machine: Machine, pid: int) -> dict[int, tuple[str, ...]]:
    found: dict[int, tuple[str, ...]] = {}
    for name, pointer in machine.processes[pid].slots.items():
        found[pointer] = (*found.get(pointer, ()), name)
    return found


def _is_fence(words: LibcWords, address: int) -> bool:
    """Whether here lie the two chunks of 8 bytes, in use for ever, that end a part of the heap."""
    first, second = words.probe.word(address + SIZE), words.probe.word(address + CHUNK_HDR_SZ + SIZE)
    return first is not None and first & SIZE_MASK == CHUNK_HDR_SZ and second == CHUNK_HDR_SZ | PREV_INUSE


def _next_part(machine: Machine, pid: int, fence: int) -> int | None:
    """The first chunk behind a fence: the first block of a new part goes to who asked for more than the old one had."""
    given, _ = machine.processes[pid].allocations.all()
    pointer = min((at for at in given if at > fence), default=None)
    return None if pointer is None else pointer - CHUNK_HDR_SZ


def _walk(
    words: LibcWords, first: int, listed: dict[int, Bin], slots: dict[int, tuple[str, ...]]
) -> tuple[list[ChunkView], int | None]:
    chunks: list[ChunkView] = []
    address = first
    while len(chunks) < CHUNKS_MAXIMUM:
        chunk = _chunk(words, address, listed.get(address), slots)
        if chunk is None:
            return chunks, address
        chunks.append(chunk)
        if address == words.top:
            return chunks, None
        address = chunk.end
        if address > words.top:
            return chunks, chunk.address
    return chunks, address


def _chunk(words: LibcWords, address: int, bin_: Bin | None, slots: dict[int, tuple[str, ...]]) -> ChunkView | None:
    head = words.probe.word(address + SIZE)
    if head is None or head & SIZE_MASK < MINSIZE or (head & SIZE_MASK) % 8:
        return None
    size = head & SIZE_MASK
    return ChunkView(
        address=address,
        size=size,
        head=head,
        prev_size=words.probe.word(address) or 0,
        flags=tuple(name for bit, name in _FLAG_NAMES if head & bit),
        state=_state(words, address, size, bin_),
        bin_index=None if bin_ is None else bin_.index,
        slots=slots.get(address + CHUNK_HDR_SZ, ()),
    )


def _state(words: LibcWords, address: int, size: int, bin_: Bin | None) -> ChunkState:
    if address == words.top:
        return ChunkState.TOP
    if address + CHUNK_HDR_SZ == words.tcache:
        return ChunkState.TCACHE_STRUCT
    if bin_ is not None:
        return _STATE_OF_BIN[bin_.kind]
    following = words.probe.word(address + size + SIZE)
    return ChunkState.IN_USE if following is None or following & PREV_INUSE else ChunkState.FREE


def _mapped_without_a_heap(machine: Machine, pid: int) -> tuple[ChunkView, ...]:
    """Mappings that a process has before its heap begins: memalign() makes no tcache."""
    process = machine.processes[pid]
    if process.ended is not None:
        return ()
    return _mapped(machine, pid, Probe(machine.kernel, process.task.mm), range(0))


def _mapped(machine: Machine, pid: int, probe: Probe, inside: range) -> tuple[ChunkView, ...]:
    """Chunks with a mapping of their own that a slot or a block of the program leads to; `inside` is the heap."""
    slots = _slots(machine, pid)
    outside = {pointer for pointer, _ in machine.processes[pid].allocations.live() if pointer not in inside}
    found = []
    for pointer in sorted(outside | set(slots)):
        head = None if pointer % 8 else probe.word(pointer - CHUNK_HDR_SZ + SIZE)
        if head is None or head & SIZE_BITS != IS_MMAPPED or (head & SIZE_MASK) < MINSIZE:
            continue
        prev_size = probe.word(pointer - CHUNK_HDR_SZ) or 0
        address, size = pointer - CHUNK_HDR_SZ, head & SIZE_MASK
        found.append(ChunkView(address, size, head, prev_size, ("M",), ChunkState.IN_USE, None, slots.get(pointer, ())))
    return tuple(found)
