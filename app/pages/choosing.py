"""What is chosen on the page: an address, a frame, or what the last command was about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.pages import formats
from app.pages.marks import Chosen
from app.pages.physical_band import NEIGHBOURS
from engine import views
from engine.commands import KERNEL_COMMANDS
from engine.outcome import CommandError

if TYPE_CHECKING:
    from engine.commands import Command
    from engine.machine import Machine
    from engine.outcome import Outcome
    from engine.session import Session
    from engine.views.frame import FrameView


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the address of the page asks for, as it was typed."""

    at: str = ""
    frame: str = ""
    pid: int = 0
    term: str = ""
    """A line for the terminal."""


def choose(session: Session, machine_id: str, wanted: Wanted, pid: int, per_cell: int) -> tuple[Chosen, str]:
    """The selection, and what was wrong with what was typed."""
    machine, error = session.machine, ""
    address: int | None = None
    frame: FrameView | None = None
    if wanted.frame:
        frame = _typed_frame(machine, wanted.frame)
        if frame is None:
            last = views.machine(machine).frames - 1
            error = f"there is no frame {wanted.frame!r}; write a number up to {formats.pfn(last)}"
        if frame is not None and frame.mapped_at:
            here = next((place for place in frame.mapped_at if place.pid == pid), frame.mapped_at[0])
            pid, address = here.pid, here.address
    elif wanted.at:
        try:
            address = machine.processes[pid].resolve(wanted.at.strip(), "at")
        except CommandError as wrong:
            error = str(wrong)
    explicit = address is not None
    if address is None:
        address = _subject(session, pid)
    at = views.at_address(machine, address, pid)
    return Chosen(machine_id, pid, at, frame or at.frame, per_cell, explicit=explicit or frame is not None), error


def _typed_frame(machine: Machine, word: str) -> FrameView | None:
    try:
        number = int(word, 0)
    except ValueError:
        return None
    found: FrameView | None = views.frame(machine, number)
    return found


def _subject(session: Session, pid: int) -> int:
    """What the last command was about; before it, the first page of the program's code."""
    process = session.machine.processes[pid]
    command, outcome = last_step(session)
    if isinstance(command, KERNEL_COMMANDS):
        place = getattr(command, "as_", getattr(command, "ptr", ""))
        if address := session.machine.kernel_slots.get(place):
            return address
    elif command is not None and outcome is not None and command.pid == pid:
        for name in ("as_", "ptr", "address"):
            place = getattr(command, name, None)
            if place is None:
                continue
            try:
                return process.resolve(place, name)
            except CommandError:
                continue
        if outcome.op == "sbrk" and outcome.ret is not None and outcome.errno is None:
            return outcome.ret
    if process.slots:
        return list(process.slots.values())[-1]
    code = next((region for region in session.config.image.mappings if "x" in region.permissions), None)
    return code.start if code is not None else 0


def neighbours(machine: Machine, frame: FrameView | None) -> tuple[FrameView, ...]:
    """The frames around the chosen one, an aligned run."""
    if frame is None:
        return ()
    first = frame.pfn & -NEIGHBOURS
    found = (views.frame(machine, pfn) for pfn in range(first, first + NEIGHBOURS))
    return tuple(one for one in found if one is not None)


def last_step(session: Session) -> tuple[Command | None, Outcome | None]:
    """The command that was performed last, and what it gave."""
    if not session.version:
        return None, None
    return session.commands[session.version - 1], session.outcomes[session.version - 1]
