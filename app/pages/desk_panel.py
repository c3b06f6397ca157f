"""The desk: what people write themselves. The editor's program, and a line for the terminal."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote_plus

from app.pages import formats, keys
from app.pages.program_panel import Noted
from app.terminal import ask

if TYPE_CHECKING:
    from app.pages.marks import Chosen
    from app.store.branches import Branch
    from app.store.texts import Draft
    from app.terminal_objects import Piece
    from engine.machine import Machine


@dataclass(frozen=True, slots=True)
class OnTheDesk:
    """What a request brings for the desk, or what is kept for it."""

    draft: Draft | None = None
    noted: Noted = field(default_factory=Noted)
    branches: tuple[Branch, ...] = ()
    """The histories that the machine left."""


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


def terminal_panel(machine: Machine, chosen: Chosen, line: str) -> TerminalPanel:
    """What the machine prints for a line, each number of it a link. It only looks."""
    answer = ask(machine, line, chosen.pid)
    return TerminalPanel(line, tuple(_printed(piece, chosen) for piece in answer.pieces), answer.failed)


def _printed(piece: Piece, chosen: Chosen) -> Printed:
    if not piece.kind:
        return Printed(piece.text)
    match piece.kind:
        case "line":
            return Printed(piece.text, f"?line={quote_plus(piece.line)}")
        case "swap":
            return Printed(piece.text, chosen.href_at(f"swap {piece.value}"))
        case "frame":
            return Printed(piece.text, chosen.frame_href(piece.value), keys.frame(piece.value))
        case _:
            return Printed(piece.text, chosen.href(piece.value), keys.page(piece.value >> formats.PAGE_SHIFT))
