"""What glibc knows and what it does not: the chosen chunk, the arena, the leaks, and what went wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.pages.arena_panel import ArenaPanel, arena_panel
from app.pages.chunk_panel import ChunkPanel, chunk_panel
from app.pages.damage_panel import DamagePanel, damage_panel

if TYPE_CHECKING:
    from app.pages.marks import Chosen, Marks
    from engine.session import Session
    from engine.views.bins import BinsView
    from engine.views.heap import HeapView


@dataclass(frozen=True, slots=True)
class Books:
    """Each panel is None where there is nothing to show."""

    chunk: ChunkPanel | None
    arena: ArenaPanel | None
    damage: DamagePanel | None


def books(session: Session, heap: HeapView, bins: BinsView, chosen: Chosen, marks: Marks) -> Books:
    """The panels of one page. It only looks."""
    return Books(
        chunk=chunk_panel(session.machine, chosen),
        arena=arena_panel(session, heap, bins, chosen, marks),
        damage=damage_panel(session, heap, bins, chosen.pid),
    )
