"""What is chosen on the page: an address, a frame, or what the last command was about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.pages import formats
from app.pages.marks import Chosen
from app.words import refusal
from engine import views
from engine.commands import KERNEL_COMMANDS
from engine.outcome import CommandError
from engine.views.at import AtView, ElsewhereView

if TYPE_CHECKING:
    from app.pages.shown import Shown
    from engine.commands import Command
    from engine.machine import Machine
    from engine.outcome import Outcome
    from engine.session import Session
    from engine.views.at import HeapOf
    from engine.views.frame import FrameView


def choose(session: Session, wanted: Shown, pid: int, heap_of: HeapOf) -> tuple[Chosen, str]:
    """The selection, and what was wrong with what was typed."""
    machine, error, words = session.machine, "", wanted.at.strip()
    found: AtView | ElsewhereView | None = None
    frame: FrameView | None = None
    try:
        if wanted.frame:
            found = views.at_frame(machine, _frame_number(machine, wanted.frame), pid, heap_of)
            frame = views.frame(machine, int(wanted.frame, 0))
        elif words:
            found = _named(machine, words, pid, heap_of)
    except CommandError as wrong:
        error = refusal(wrong)
    at = found if isinstance(found, AtView) else views.at_address(machine, _subject(session, pid), pid, heap_of)
    elsewhere = found if isinstance(found, ElsewhereView) else None
    if elsewhere is not None:
        frame = elsewhere.frame
    named = words if not wanted.frame and found is not None and words.partition(" ")[0] in _NAMED else ""
    chosen = Chosen(
        at.pid,
        at,
        frame or (at.frame if elsewhere is None else None),
        explicit=found is not None,
        elsewhere=elsewhere,
        words=named,
    )
    return chosen, error


_NAMED: Final = ("frame", "swap", "file")
"""The first words that choose something else than an address."""


def _named(machine: Machine, words: str, pid: int, heap_of: HeapOf) -> AtView | ElsewhereView:
    """What "a+16", "0x0804e1a0", "frame 0x1d72", "swap 12" or "file /bin/student 3" name. Raises CommandError."""
    kind, _, rest = words.partition(" ")
    if kind not in _NAMED or not rest:
        return views.at_address(machine, machine.processes[pid].resolve(words, "at"), pid, heap_of)
    if kind == "frame":
        return views.at_frame(machine, _frame_number(machine, rest), pid, heap_of)
    if kind == "swap":
        return views.at_swap_slot(machine, _number(rest, "write a number, such as: swap 12"), pid, heap_of)
    path, _, page = rest.rpartition(" ") if " " in rest else (rest, "", "0")
    index = _number(page, "write the page's number: file /bin/student 3")
    return views.at_file_page(machine, path, index, pid, heap_of)


def _frame_number(machine: Machine, word: str) -> int:
    last = views.machine(machine).frames - 1
    refusal = f"there is no frame {word!r}; write a number up to {formats.pfn(last)}"
    number = _number(word, refusal)
    if not 0 <= number <= last:
        raise CommandError("frame", refusal)
    return number


def _number(word: str, refusal: str) -> int:
    try:
        return int(word, 0)
    except ValueError:
        raise CommandError("at", refusal) from None


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


def last_step(session: Session) -> tuple[Command | None, Outcome | None]:
    """The command that was performed last, and what it gave."""
    if not session.version:
        return None, None
    return session.commands[session.version - 1], session.outcomes[session.version - 1]
