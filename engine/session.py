"""A session: a machine with its past. Any version of it can be returned to, by replay from a checkpoint.

The commands are the truth; checkpoints only save time. While it runs forward, one is kept every CHECKPOINT_EVERY
commands; stepping back leaves some closer ones behind, so that the next steps back are short.
"""

from __future__ import annotations

import pickle
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from engine.digest import DIGEST_BYTES
from engine.machine import Machine
from engine.outcome import CommandError, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from engine.commands import Command
    from engine.config import MachineConfig

CHECKPOINT_EVERY: Final = 1000
CLOSE_CHECKPOINT_EVERY: Final = 16
CLOSE_CHECKPOINTS: Final = 8
"""How many closer checkpoints a step back leaves behind it."""


class Session:
    """A machine at one version of its history. Performing a command at an earlier version drops the later ones."""

    __slots__ = ("_chains", "_checkpoints", "_outcomes", "commands", "config", "machine")

    def __init__(self, config: MachineConfig) -> None:
        self.config = config
        self.machine = Machine(config)
        self.commands: list[Command] = []
        self._outcomes: list[Outcome] = []
        self._chains: list[str] = [blake2b(repr(config).encode(), digest_size=DIGEST_BYTES).hexdigest()]
        self._checkpoints: dict[int, bytes] = {}

    @property
    def version(self) -> int:
        """How many of the commands have been performed on the machine as it stands."""
        return self.machine.version

    @property
    def chain(self) -> str:
        """A digest over everything that was seen so far: each command's outcome and its time. Cheap, unlike the state's."""
        return self._chains[self.version]

    def chain_at(self, version: int) -> str:
        """The chain as it was after `version` commands of the history that is kept."""
        return self._chains[version]

    @property
    def outcomes(self) -> Sequence[Outcome]:
        """What each command of the history gave."""
        return self._outcomes

    def perform(self, command: Command) -> Outcome:
        """Performs one command at this version. Raises CommandError with nothing changed."""
        outcome = self.machine.perform(command)
        self._forget_after(self.version - 1)
        self.commands.append(command)
        self._outcomes.append(outcome)
        self._chains.append(_link(self._chains[-1], outcome, self.machine.time_ns))
        if self.version % CHECKPOINT_EVERY == 0:
            self._keep()
        return outcome

    def perform_all(self, commands: Iterable[Command]) -> list[Outcome]:
        """Performs all, or none: a CommandError, its `index` set, leaves the session as it was."""
        start, later = self.version, self.commands[self.version :]
        outcomes = []
        for index, command in enumerate(commands):
            try:
                outcomes.append(self.perform(command))
            except CommandError as error:
                error.index = index
                self._restore(start, later)
                raise
        return outcomes

    def go_to(self, version: int) -> None:
        """Makes the machine what it was after `version` commands. Raises CommandError for a version that never was."""
        if not 0 <= version <= len(self.commands):
            raise CommandError("version", f"version is {version}; it can be 0 to {len(self.commands)}")
        if version < self.version:
            self._rewind(version)
        while self.version < version:
            self.machine.perform(self.commands[self.version])

    def _rewind(self, version: int) -> None:
        """Goes back to the nearest checkpoint and forward again, leaving closer checkpoints on the way."""
        nearest = max((at for at in self._checkpoints if at <= version), default=None)
        self.machine = Machine(self.config) if nearest is None else _thaw(self._checkpoints[nearest])
        first_close = version - CLOSE_CHECKPOINT_EVERY * CLOSE_CHECKPOINTS
        self._checkpoints = {
            at: kept for at, kept in self._checkpoints.items() if at % CHECKPOINT_EVERY == 0 or at > first_close
        }
        while self.version < version:
            self.machine.perform(self.commands[self.version])
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
            del self.commands[version:], self._outcomes[version:], self._chains[version + 1 :]
            self._checkpoints = {at: kept for at, kept in self._checkpoints.items() if at <= version}

    def _keep(self) -> None:
        if self.version not in self._checkpoints:
            self._checkpoints[self.version] = pickle.dumps(self.machine, pickle.HIGHEST_PROTOCOL)


def _thaw(frozen: bytes) -> Machine:
    machine = pickle.loads(frozen)  # noqa: S301 - our own memory, never from outside
    assert isinstance(machine, Machine)
    return machine


def _link(chain: str, outcome: Outcome, time_ns: int) -> str:
    return blake2b(f"{chain}{outcome!r}{time_ns}".encode(), digest_size=DIGEST_BYTES).hexdigest()
