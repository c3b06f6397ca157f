"""A session: a machine with its past. Any version of it can be returned to, by replay from a checkpoint.

The commands are the truth; checkpoints only save time. While it runs forward, one is kept every CHECKPOINT_EVERY
commands. The last few commands that stayed in user mode can be taken back one by one (undo.py); for that, stepping back
leaves such stretches and some closer checkpoints behind it.
"""

from __future__ import annotations

import pickle
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from engine.digest import DIGEST_BYTES
from engine.machine import Machine
from engine.outcome import CommandError, Outcome, OutOfHostMemory
from engine.undo import USER_MODE, Stretch

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence

    from engine.commands import Command
    from engine.config import MachineConfig

CHECKPOINT_EVERY: Final = 1000
CLOSE_CHECKPOINT_EVERY: Final = 128
CLOSE_CHECKPOINTS: Final = 2
"""How many closer checkpoints a step back leaves behind it."""
STRETCH: Final = 16
"""Commands that are taken back together, and performed again up to the one that is wanted."""
STRETCH_BEHIND: Final = 4
"""The same where the session has just been taken back: whoever steps back once mostly does so again."""
UNDO_FROM: Final = 256
"""In a session shorter than this, replaying all of it is quick, and nothing is kept for taking commands back."""
STRETCHES_KEPT: Final = 4
STRETCHES_KEPT_IN_THE_PAST: Final = 20
"""How many stretches are kept while the session goes forward, and after it went back."""


class Checkpoint(NamedTuple):
    """A machine as bytes, and its trace's records, which all checkpoints share."""

    frozen: bytes
    records: tuple[Any, ...]


class Session:
    """A machine at one version of its history. Performing a command at an earlier version drops the later ones."""

    __slots__ = ("_chains", "_checkpoints", "_looked_at", "_outcomes", "_stretches", "commands", "config", "machine")

    def __init__(self, config: MachineConfig) -> None:
        self.config = config
        self.machine = Machine(config)
        self.commands: list[Command] = []
        self._outcomes: list[Outcome] = []
        self._chains = bytearray(blake2b(repr(config).encode(), digest_size=DIGEST_BYTES).digest())
        """The chain at each version, DIGEST_BYTES of each, one behind the other."""
        self._checkpoints: dict[int, Checkpoint] = {}
        self._stretches: list[Stretch] = []
        """What can be taken back, oldest first: each begins where the one before ends, the last ends at this version."""
        self._looked_at: tuple[int, bytes, int] = (0, bytes(self._chains), 0)
        """A version, its chain, and the last command up to it that was no user mode's: see kernel_mark()."""

    @property
    def version(self) -> int:
        """How many of the commands have been performed on the machine as it stands."""
        return self.machine.version

    @property
    def chain(self) -> str:
        """A digest over everything that was seen so far: each command's outcome and its time. Cheap, unlike the state's."""
        return self.chain_at(self.version)

    def chain_at(self, version: int) -> str:
        """The chain as it was after `version` commands of the history that is kept."""
        return self._link_at(version).hex()

    def _link_at(self, version: int) -> bytes:
        return bytes(self._chains[version * DIGEST_BYTES : (version + 1) * DIGEST_BYTES])

    @property
    def outcomes(self) -> Sequence[Outcome]:
        """What each command of the history gave."""
        return self._outcomes

    def kernel_mark(self) -> tuple[int, int, int]:
        """Something that is equal at two moments only if `machine`, the same object at both, has the same kernel.

        The same free lists and owners of frames, page tables but for their accessed and dirty bits, regions, lists of
        reclaim, files, counters. What the kernel holds is never taken back on one machine object (see undo.py): it was
        entered no more often, and no command came that works on it without being counted as an entry.
        """
        version = self.version
        at, chain, last = self._looked_at
        if at > version or self._link_at(at) != chain:
            at = last = 0
        for number in range(version, at, -1):
            if type(self.commands[number - 1]) not in USER_MODE or self._outcomes[number - 1].ended is not None:
                last = number
                break
        self._looked_at = (version, self._link_at(version), last)
        kernel = self.machine.kernel
        return kernel.entries, last, kernel.current.pid

    def perform(self, command: Command) -> Outcome:
        """Performs one command at this version. Raises CommandError with nothing changed, also where the host's memory ends."""
        version = self.version
        try:
            outcome = self._advance(command, STRETCHES_KEPT)
        except OutOfHostMemory:
            self._forget_stretches()
            self._rewind_to_checkpoint(version)
            raise
        self._forget_after(self.version - 1)
        self.commands.append(command)
        self._outcomes.append(outcome)
        self._chains += _link(self._chains[-DIGEST_BYTES:], outcome, self.machine.time_ns)
        if self.version % CHECKPOINT_EVERY == 0:
            self._keep()
        return outcome

    def perform_all(self, commands: Iterable[Command]) -> list[Outcome]:
        """Performs all, or none: a CommandError, its `index` set, leaves the session as it was."""
        return list(self.performing(commands))

    def performing(self, commands: Iterable[Command]) -> Generator[Outcome, None, None]:
        """Performs all, or none, one command at each step. Closed before its end, it takes back what it did.

        A CommandError has its `index` set.
        """
        start, later = self.version, self.commands[self.version :]
        index = 0
        try:
            for index, command in enumerate(commands):  # noqa: B007 - told when a command is refused
                yield self.perform(command)
        except BaseException as error:
            if isinstance(error, CommandError):
                error.index = index
            self._restore(start, later)
            raise

    def go_to(self, version: int) -> None:
        """Makes the machine what it was after `version` commands. Raises CommandError for a version that never was."""
        if not 0 <= version <= len(self.commands):
            raise CommandError("version", f"version is {version}; it can be 0 to {len(self.commands)}")
        if version < self.version:
            self._rewind(version)
        while self.version < version:
            self._advance(self.commands[self.version], STRETCHES_KEPT_IN_THE_PAST)

    def machine_at(self, version: int) -> Machine:
        """Another machine, as this session's was or will be after `version` commands; the session stays where it is.

        Raises CommandError for a version that never was.
        """
        if not 0 <= version <= len(self.commands):
            raise CommandError("version", f"version is {version}; it can be 0 to {len(self.commands)}")
        nearest = max((at for at in self._checkpoints if at <= version), default=None)
        machine = Machine(self.config) if nearest is None else _thaw(self._checkpoints[nearest])
        while machine.version < version:
            machine.perform(self.commands[machine.version])
        return machine

    def _advance(self, command: Command, keep: int, stretch: int = STRETCH) -> Outcome:
        """Performs a command so that it can be taken back, if it stays in user mode. Raises CommandError.

        `keep`: how many stretches, of `stretch` commands each, are held for it.
        """
        machine, stretches = self.machine, self._stretches
        process = machine.processes.get(command.pid) if machine.version >= UNDO_FROM else None
        if not stretches or stretches[-1].over or machine.version - stretches[-1].version >= stretch:
            if stretches:
                stretches[-1].end(machine)
                del stretches[: -keep + 1]
            if process is not None:
                stretches.append(Stretch(machine, process))
        if stretches:
            stretches[-1].note(command)
        outcome = machine.perform(command)
        if stretches and not stretches[-1].holds_after(machine, command, outcome):
            self._forget_stretches()
        return outcome

    def _forget_stretches(self) -> None:
        self._stretches.clear()
        self.machine.kernel.ram.undo = None

    def _rewind(self, version: int) -> None:
        """Goes back: by taking stretches back as far as they reach, or else from the nearest checkpoint."""
        while self._stretches and self.version > version:
            self._stretches.pop().take_back(self.machine)
        if self.version > version:
            self._forget_stretches()
            self._rewind_to_checkpoint(version)
        while self.version < version:
            self._advance(self.commands[self.version], STRETCHES_KEPT_IN_THE_PAST, STRETCH_BEHIND)

    def _rewind_to_checkpoint(self, version: int) -> None:
        """Goes back to the nearest checkpoint and forward again, leaving closer checkpoints on the way."""
        nearest = max((at for at in self._checkpoints if at <= version), default=None)
        self.machine = Machine(self.config) if nearest is None else _thaw(self._checkpoints[nearest])
        first_close = version - CLOSE_CHECKPOINT_EVERY * CLOSE_CHECKPOINTS
        self._checkpoints = {
            at: kept for at, kept in self._checkpoints.items() if at % CHECKPOINT_EVERY == 0 or at > first_close
        }
        while self.version < first_close:
            self.machine.perform(self.commands[self.version])
        while self.version < version:
            self._advance(self.commands[self.version], STRETCHES_KEPT_IN_THE_PAST)
            if self.version > first_close and self.version % CLOSE_CHECKPOINT_EVERY == 0:
                self._keep()

    def _restore(self, version: int, later: list[Command]) -> None:
        """Undoes what came after `version`, and puts back the commands that had been dropped for it."""
        if self.version > version:
            self._rewind(version)
            self._forget_after(version)
            for command in later:
                self.perform(command)
            self.go_to(version)

    def _forget_after(self, version: int) -> None:
        if len(self.commands) > version:
            del self.commands[version:], self._outcomes[version:]
            del self._chains[(version + 1) * DIGEST_BYTES :]
            self._checkpoints = {at: kept for at, kept in self._checkpoints.items() if at <= version}

    def _keep(self) -> None:
        if self.version not in self._checkpoints:
            ram = self.machine.kernel.ram
            undo, ram.undo = ram.undo, None
            frozen = pickle.dumps(self.machine, pickle.HIGHEST_PROTOCOL)
            ram.undo = undo
            self._checkpoints[self.version] = Checkpoint(frozen, self.machine.trace.take())


def _thaw(checkpoint: Checkpoint) -> Machine:
    machine = pickle.loads(checkpoint.frozen)  # noqa: S301 - our own memory, never from outside
    assert isinstance(machine, Machine)
    machine.trace.put(checkpoint.records)
    return machine


def _link(chain: bytearray, outcome: Outcome, time_ns: int) -> bytes:
    return blake2b(f"{chain.hex()}{outcome!r}{time_ns}".encode(), digest_size=DIGEST_BYTES).digest()
