"""The desk: what people write themselves. The editor's program, and a line for the terminal."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from app.pages import formats, keys
from app.pages.program_panel import Noted, ProgramPanel, program_panel
from app.terminal import Piece, ask

if TYPE_CHECKING:
    from app.store.texts import Draft
    from engine.session import Session


@dataclass(frozen=True, slots=True)
class OnTheDesk:
    """What a request brings for the desk, or what is kept for it."""

    draft: Draft | None = None
    noted: Noted = field(default_factory=Noted)
    term: str = ""


@dataclass(frozen=True, slots=True)
class Printed:
    """A stretch of the terminal's output; with an address of the page that tells everything about it, and its key."""

    text: str
    href: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class TerminalPanel:
    """The line that was typed, and what it printed."""

    line: str
    output: tuple[Printed, ...]
    failed: bool


@dataclass(frozen=True, slots=True)
class Desk:
    """Both panels."""

    program: ProgramPanel
    terminal: TerminalPanel


def desk(session: Session, machine_id: str, pid: int, brought: OnTheDesk) -> Desk:
    """The desk of a machine whose process `pid` is shown. It only looks."""
    return Desk(
        program=program_panel(session, brought.draft, brought.noted),
        terminal=_terminal(session, machine_id, pid, brought.term),
    )


def _terminal(session: Session, machine_id: str, pid: int, line: str) -> TerminalPanel:
    answer = ask(session.machine, line, pid)
    output = tuple(_printed(piece, machine_id, pid, line) for piece in answer.pieces)
    return TerminalPanel(line, output, answer.failed)


def _printed(piece: Piece, machine_id: str, pid: int, line: str) -> Printed:
    if not piece.kind:
        return Printed(piece.text)
    if piece.kind == "frame":
        chosen, key = {"frame": formats.pfn(piece.value)}, keys.frame(piece.value)
    else:
        chosen, key = {"at": formats.address(piece.value)}, keys.page(piece.value >> formats.PAGE_SHIFT)
    return Printed(piece.text, f"/m/{machine_id}?" + urlencode({**chosen, "pid": pid, "term": line}), key)
