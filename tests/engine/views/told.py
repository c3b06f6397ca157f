"""Machines and sessions that a few typed lines were performed on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.pages.command_words import command_of_words
from engine.config import PRESETS, MachineConfig
from engine.machine import Machine
from engine.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.commands import Command

FIRST = 0x0804E1A0
"""What the first malloc gives: the tcache's own chunk, 0x190 bytes, lies before it."""


def machine(*lines: str, config: MachineConfig = PRESETS["64mb"]) -> Machine:
    """A machine on which `lines` were performed."""
    made = Machine(config)
    for line in lines:
        made.perform(_command(made, line))
    return made


def session(*lines: str, config: MachineConfig = PRESETS["64mb"]) -> Session:
    """A session whose commands are `lines`."""
    made = Session(config)
    go_on(made, lines)
    return made


def go_on(with_it: Session, lines: Iterable[str]) -> None:
    """Performs `lines` on a session."""
    for line in lines:
        with_it.perform(_command(with_it.machine, line))


def _command(on: Machine, line: str) -> Command:
    return command_of_words(line, 0, frozenset(on.processes[0].slots))
