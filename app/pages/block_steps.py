"""A command's splits and merges on the buddy tree, step by step: one picture whose parts come and go, and a sentence a step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from markupsafe import Markup, escape

from app.pages import formats, keys
from app.words import t, word
from engine.views.buddy_steps import PieceState
from engine.views.buddy_tree import StepKind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.views.buddy_steps import BlockStep, BuddyStepsView, Piece

_LEFT: Final = 64
_WIDTH: Final = 936
"""Of all frames that are drawn; the orders stand to the left of them."""
_ROW: Final = 24
_BAR: Final = 18
_LEAST: Final = 3.0
_WORDS_FROM: Final = 70
"""How wide a block must be to hold its size in words."""
_LETTER_FROM: Final = 12
_NEVER: Final = 9999
"""A step that no command has."""


@dataclass(frozen=True, slots=True)
class BlockStepRow:
    """One step: `seq` is the record of the trace that it is."""

    seq: int
    kind: str
    order: int
    keys: str
    words: str


@dataclass(frozen=True, slots=True)
class BlockSteps:
    """The picture and its steps."""

    picture: Markup
    about: str
    steps: tuple[BlockStepRow, ...]
    left_out: int


@dataclass(frozen=True, slots=True)
class _Life:
    """A piece, and from which step on and until which it is there (0: before the first; None: to the end)."""

    piece: Piece
    since: int
    until: int | None

    @property
    def always(self) -> bool:
        return self.since == 0 and self.until is None


def block_steps(view: BuddyStepsView | None) -> BlockSteps | None:
    """What is drawn of a command's splits and merges; None where there were none."""
    if view is None:
        return None
    first, order = _focus(view)
    end = first + (1 << order)
    inside = [life for life in _lives(view) if first <= life.piece.pfn < end]
    about = t(
        "block_steps.about", frames=1 << order, first=formats.pfn(first), last=formats.pfn(end - 1), zone=view.zone
    )
    return BlockSteps(
        picture=_svg(inside, first, order, t("block_steps.picture", about=about, steps=len(view.steps))),
        about=about,
        steps=tuple(_row(step, view.zone) for step in view.steps),
        left_out=view.steps_left_out,
    )


def _focus(view: BuddyStepsView) -> tuple[int, int]:
    """The smallest block that holds all that any step touches: its first frame and its order."""
    touched = [piece for step in view.steps for piece in (*step.gone, *step.come)]
    low = min(piece.pfn for piece in touched)
    high = max(piece.pfn + (1 << piece.order) for piece in touched) - 1
    order = max((low ^ high).bit_length(), *(piece.order for piece in touched))
    return low & -(1 << order), order


def _lives(view: BuddyStepsView) -> list[_Life]:
    since = dict.fromkeys(view.before, 0)
    found: list[_Life] = []
    for number, step in enumerate(view.steps, 1):
        found += (_Life(piece, since.pop(piece), number) for piece in step.gone)
        since.update((piece, number) for piece in step.come)
    found += (_Life(piece, number, None) for piece, number in since.items())
    return sorted(found, key=lambda life: (life.piece.pfn, -life.piece.order, life.since))


def _row(step: BlockStep, zone: str) -> BlockStepRow:
    size = 1 << step.order
    frame = formats.pfn(step.pfn)
    match step.kind:
        case StepKind.SPLIT:
            words = t("tree.split", double=2 * size, pfn=frame)
        case StepKind.MERGE:
            words = t("tree.merge", frames=size, pfn=frame)
        case StepKind.TAKE:
            words = t("tree.take", frames=size, pfn=frame)
        case StepKind.PUT:
            words = t("tree.put", frames=size, pfn=frame)
        case StepKind.ALLOC:
            words = t("tree.alloc", frames=size, pfn=frame)
        case _:
            words = t("tree.given_back", frames=size, pfn=frame)
    touched = [keys.frame(piece.pfn) for piece in (*step.gone, *step.come)]
    lists = [keys.order(zone, piece.order) for piece in (*step.gone, *step.come) if piece.state is PieceState.FREE]
    return BlockStepRow(step.seq, step.kind.value, step.order, keys.join(*touched, *lists), words)


# --- the picture -----------------------------------------------------------------------------------------------------


def _svg(lives: list[_Life], first: int, order: int, label: str) -> Markup:
    least = min(life.piece.order for life in lives)
    parts = [
        f'<text class="order" x="0" y="{(order - number) * _ROW + 13}">{escape(t("block_steps.order", order=number))}</text>'
        for number in range(least, order + 1)
    ]
    scale = _WIDTH / (1 << order)
    for life, frames in _runs(lives):
        x = _LEFT + (life.piece.pfn - first) * scale
        parts.append(_block(life, x, frames * scale, (order - life.piece.order) * _ROW, frames))
    return Markup(  # noqa: S704 - numbers and our own names; all text is escaped
        f'<svg class="tree moving" viewBox="-1 -1 {_LEFT + _WIDTH + 2} {(order - least + 1) * _ROW}" role="img"'
        f' aria-label="{escape(label)}">{"".join(parts)}</svg>'
    )


def _runs(lives: list[_Life]) -> Iterable[tuple[_Life, int]]:
    """Each piece with its frames; neighbours of one state and order that no step touches are drawn as one."""
    run: _Life | None = None
    frames = 0
    for life in lives:
        piece, size = life.piece, 1 << life.piece.order
        joins = (
            run is not None
            and life.always
            and (run.piece.state, run.piece.order, run.piece.pfn + frames) == (piece.state, piece.order, piece.pfn)
        )
        if joins:
            frames += size
            continue
        if run is not None:
            yield run, frames
        if life.always:
            run, frames = life, size
        else:
            run = None
            yield life, size
    if run is not None:
        yield run, frames


def _block(life: _Life, x: float, width: float, y: int, frames: int) -> str:
    state = life.piece.state
    text = ""
    if width >= _LETTER_FROM:
        said = word("block_steps.letters", state.value)
        if width >= _WORDS_FROM:
            said = t("block_steps.frames", letter=said, frames=frames)
        text = f'<text x="{x + width / 2:.1f}" y="{y + 13}" class="on-{state}">{escape(said)}</text>'
    shape = f'<rect class="t-{state}" x="{x:.1f}" y="{y}" width="{max(_LEAST, width - 1):.1f}" height="{_BAR}"/>'
    if life.always:
        return f"<g>{shape}{text}</g>"
    gone = "off" if life.until else "there"
    return f'<g class="{gone}" data-from="{life.since}" data-until="{life.until or _NEVER}">{shape}{text}</g>'
