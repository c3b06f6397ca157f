"""Looking into a session's past: which words a command's libc read, and which command last changed a word.

All of it is replayed on machines of its own; the session stays where it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from engine import commands as c
from engine.libc.chunk import CHUNK_HDR_SZ
from engine.outcome import CommandError
from engine.views.heap import ChunkView, chunk_at, heap
from engine.views.probe import Probe
from engine.views.recording_cpu import RecordingCpu

if TYPE_CHECKING:
    from engine.allocations import Allocation, Allocations
    from engine.commands import Command
    from engine.machine import Machine
    from engine.process import Process
    from engine.session import Session

LOOK_BACK: Final = 10_000
"""Commands that are replayed at most to answer one question, however often it must look again."""
SEGMENT: Final = 1000
"""Commands that are replayed forward in one go; the session keeps a checkpoint every so many."""
LOOKED_AT: Final = 64
WATCHED: Final = 24
"""Words that are watched at once."""
BY_LIBC: Final = (c.Malloc, c.Calloc, c.Realloc, c.Memalign, c.Free, c.Usable, c.Trim, c.Mallopt, c.Mallinfo)
NEAR: Final = 64
"""A store to a plain address belongs to the block that ends so many bytes before it at most."""
_WORD: Final = 4


@dataclass(frozen=True, slots=True)
class Performed:
    """A command of the history, by the version that it made."""

    version: int
    command: Command


@dataclass(frozen=True, slots=True)
class Through:
    """The block that a store went through: the one its slot pointed to, or the nearest below its address."""

    slot: str | None
    pointer: int
    asked: int
    live: bool
    """The program had it then."""
    given: int
    freed: int | None


@dataclass(frozen=True, slots=True)
class Change:
    """The last change of one word. `chunk` is what held the word just before, as far as that can be told."""

    address: int
    before: int | None
    after: int | None
    by: Performed
    chunk: ChunkView | None
    through: Through | None
    owner: int | None
    """The live block whose memory the word was: the program might store there."""

    @property
    def by_libc(self) -> bool:
        """Whether libc did it on the program's behalf."""
        return isinstance(self.by.command, BY_LIBC)

    @property
    def is_damage(self) -> bool:
        """Whether the program changed what was not its own; that a page appears where none was is no damage."""
        return not self.by_libc and self.owner is None and self.before is not None


@dataclass(frozen=True, slots=True)
class DoubleFree:
    """A free() of a block that was free already, which glibc did not notice."""

    pointer: int
    given: Performed
    freed: Performed
    again: Performed


class History:
    """The past of process `pid` in a session, its ancestors' included."""

    def __init__(self, session: Session, pid: int) -> None:
        self._session = session
        self._owners = _owners(session, pid)
        self.double_frees: list[DoubleFree] = []
        """As far back as `last_changes` looked."""
        self._left = LOOK_BACK
        """Commands that may still be replayed."""
        self.looked_from = session.version
        """The earliest version that was looked at."""

    def performed(self, version: int) -> Performed:
        """The command that made `version`."""
        return Performed(version, self._session.commands[version - 1])

    def machine_before(self, version: int) -> Machine:
        """A machine on which the command that made `version` is the next one."""
        return self._session.machine_at(version - 1)

    def process_at(self, machine: Machine) -> Process:
        """The process, or before it was forked its ancestor."""
        return machine.processes[self._owner(machine.version)]

    def looked_at(self, version: int) -> list[int]:
        """The words that libc read last in the command that made `version`, the latest first."""
        machine = self.machine_before(version)
        machine.trace.on = False
        libc = self.process_at(machine).libc
        recorder = RecordingCpu(machine.cpu, LOOKED_AT)
        libc.heap.rebind(recorder, machine.trace)
        machine.perform(self._session.commands[version - 1])
        return recorder.looked_at()

    def last_changes(self, words: list[int], before: int) -> list[Change]:
        """Who last changed each of `words` before version `before`, the latest change first.

        It goes back until each is known, or damage is found, or as many commands were replayed as may be.
        """
        missing, found = words[:WATCHED], list[Change]()
        high = before - 1
        while missing and high and self._left > 0 and not any(change.is_damage for change in found):
            low = (high - 1) // SEGMENT * SEGMENT
            self._left -= high - low
            here = self._scan(missing, low, high)
            found += here.values()
            missing = [word for word in missing if word not in here]
            high = low
        self.looked_from = min(self.looked_from, high)
        return sorted(found, key=lambda change: -change.by.version)

    def _scan(self, words: list[int], low: int, high: int) -> dict[int, Change]:
        """Replays versions `low` to `high`; the last change of each word that changed."""
        machine = self._session.machine_at(low)
        machine.trace.on = False
        values = self._values(machine, words)
        found: dict[int, Change] = {}
        while machine.version < high:
            version = machine.version
            command = self._session.commands[version]
            context = _Context(self.process_at(machine), machine, command, words)
            if context.frees_again is not None and command.pid == self._owner(version):
                self._note_double_free(*context.frees_again, version + 1)
            machine.perform(command)
            after = self._values(machine, words)
            if after != values:
                for word in words:
                    if after[word] != values[word]:
                        found[word] = context.change(word, values[word], after[word], self.performed(version + 1))
                values = after
        return found

    def _note_double_free(self, pointer: int, block: Allocation, version: int) -> None:
        assert block.freed is not None
        given, freed = self.performed(block.given), self.performed(block.freed)
        self.double_frees.append(DoubleFree(pointer, given, freed, self.performed(version)))

    def _values(self, machine: Machine, words: list[int]) -> dict[int, int | None]:
        probe = Probe(machine.kernel, self.process_at(machine).task.mm)
        return {word: probe.word(word) for word in words}

    def _owner(self, version: int) -> int:
        return next(pid for first, pid in self._owners if first <= version)


def _owners(session: Session, pid: int) -> list[tuple[int, int]]:
    """(version, pid): from that version on, the process's memory is that of `pid`; the latest first."""
    found = []
    for version in range(session.version, 0, -1):
        command = session.commands[version - 1]
        if isinstance(command, c.Fork) and command.child == pid and session.outcomes[version - 1].errno is None:
            found.append((version, pid))
            pid = command.pid
    return [*found, (0, pid)]


class _Context:
    """What must be known of a command before it is performed, to tell later what it did."""

    def __init__(self, process: Process, machine: Machine, command: Command, words: list[int]) -> None:
        self._allocations = process.allocations
        self._chunks: dict[int, ChunkView | None] = {}
        self.frees_again: tuple[int, Allocation] | None = None
        """The pointer and block of a free() whose block is free already."""
        self._through: Through | None = None
        if isinstance(command, c.Free):
            block = _block_at(process, command)
            if block is not None and block[1].freed is not None:
                self.frees_again = block
        elif not isinstance(command, BY_LIBC):
            self._look(process, machine, command, words)

    def _look(self, process: Process, machine: Machine, command: Command, words: list[int]) -> None:
        stored = stored_by(process, command)
        touched = [word for word in words if stored is not None and stored[0] - _WORD < word < sum(stored)]
        if stored is None or not touched:
            return
        seen = heap(machine, process.pid)
        self._chunks = {word: chunk_at(seen, word) for word in touched}
        self._through = through(process, command, stored[0])

    def change(self, word: int, before: int | None, after: int | None, by: Performed) -> Change:
        """The change of `word` by the command."""
        owner = None if isinstance(by.command, BY_LIBC) else owner_of(self._allocations, word)
        return Change(word, before, after, by, self._chunks.get(word), self._through, owner)


def stored_by(process: Process, command: Command) -> tuple[int, int] | None:
    """(start, length) of what a command that names a place stores or takes away; None for those that do neither."""
    match command:
        case c.Write():
            length = 1
        case c.Write32():
            length = _WORD
        case c.Fill() | c.Madvise() | c.Munmap():
            length = command.length
        case c.Touch() if command.access == "w":
            length = command.length
        case _:
            return None
    try:
        return process.resolve(command.ptr, "ptr"), length
    except CommandError:
        return None


def through(process: Process, command: Command, start: int) -> Through | None:
    """The block that a store at `start` went through; None where the program never had one at or below it."""
    place = getattr(command, "ptr", None)
    name = place.partition("+")[0].partition("-")[0] if isinstance(place, str) else None
    pointer = process.slots.get(name) if name is not None else None
    if pointer is None or process.allocations.at(pointer) is None:
        pointer, name = _near(process, start), None
    block = None if pointer is None else process.allocations.at(pointer)
    if pointer is None or block is None:
        return None
    return Through(name, pointer, block.asked, block.freed is None, block.given, block.freed)


def _near(process: Process, start: int) -> int | None:
    """The pointer of the block at or just before which `start` lies."""
    given, _ = process.allocations.all()
    after, before = (
        max((at for at in given if at <= start), default=None),
        min((at for at in given if at > start), default=None),
    )
    block = None if after is None else process.allocations.at(after)
    if after is not None and block is not None and start < after + extent(block.asked) + NEAR:
        return after
    return before if before is not None and before - start <= CHUNK_HDR_SZ else None


def _block_at(process: Process, command: c.Free) -> tuple[int, Allocation] | None:
    try:
        pointer = process.resolve(command.ptr, "ptr")
    except CommandError:
        return None
    block = process.allocations.at(pointer)
    return None if block is None else (pointer, block)


def owner_of(allocations: Allocations, word: int) -> int | None:
    """The live block that `word` belongs to, the last word of its chunk included, which is the next one's prev_size."""
    below = max((at for at, block in allocations.live() if at <= word), default=None)
    block = None if below is None else allocations.at(below)
    if below is None or block is None:
        return None
    return below if word < below + extent(block.asked) else None


def extent(asked: int) -> int:
    """Usable bytes of a block for which `asked` bytes were asked."""
    return (asked + _WORD + 15 & ~15) - _WORD
