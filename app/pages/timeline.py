"""The timeline: the session's commands, where it stands among them, and the histories that it left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from app.command_json import command_from_json
from app.pages import formats
from app.pages.command_words import words_of_command

if TYPE_CHECKING:
    from app.store.branches import Branch
    from engine.session import Session

STEPS_BEFORE: Final = 16
STEPS_AFTER: Final = 12
"""Commands around the present one that have a tick; of a longer history the others are counted."""


@dataclass(frozen=True, slots=True)
class Step:
    """One command of the history."""

    version: int
    words: str
    state: str
    """done, now or later."""


@dataclass(frozen=True, slots=True)
class Left:
    """A history that was left: where it goes off, how long it is, and the command that it begins with."""

    number: int
    base: int
    length: int
    words: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """The foot of the page. `was` is the present command in words, for the form that changes it."""

    id: str
    pid: int
    version: int
    total: int
    time: str
    steps: tuple[Step, ...]
    steps_before: int
    steps_after: int
    was: str
    left: tuple[Left, ...]
    error: str = ""

    @property
    def later(self) -> int:
        """Commands after the present one."""
        return self.total - self.version


def timeline(
    session: Session, machine_id: str, pid: int, branches: tuple[Branch, ...] = (), error: str = ""
) -> Timeline:
    """The timeline of a session as it stands. `error` is why the machine could not go where it was sent."""
    version, commands = session.version, session.commands
    first, last = max(0, version - STEPS_BEFORE), min(len(commands), version + STEPS_AFTER)
    return Timeline(
        id=machine_id,
        pid=pid,
        version=version,
        total=len(commands),
        time=formats.duration(session.machine.time_ns),
        steps=tuple(
            Step(number + 1, words_of_command(commands[number]), _state(number + 1, version))
            for number in range(first, last)
        ),
        steps_before=first,
        steps_after=len(commands) - last,
        was=words_of_command(commands[version - 1]) if version else "",
        left=tuple(
            Left(each.number, each.base, each.length, words_of_command(command_from_json(each.first)))
            for each in reversed(branches)
        ),
        error=error,
    )


def _state(number: int, version: int) -> str:
    if number == version:
        return "now"
    return "done" if number < version else "later"
