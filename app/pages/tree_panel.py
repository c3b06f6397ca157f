"""The buddy tree around the chosen frame, and what the last command did to blocks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from app.pages import formats, keys
from app.pages.svg_kernel import tree_svg
from app.words import t, word
from engine import views
from engine.views.buddy_tree import StepKind

if TYPE_CHECKING:
    from markupsafe import Markup

    from app.pages.marks import Chosen
    from engine.machine import Machine
    from engine.views.buddy_tree import BuddyStep, BuddyTreeView, TreeBlock

STEPS_SHOWN: Final = 24


@dataclass(frozen=True, slots=True)
class StepRow:
    """One split or merge."""

    key: str
    kind: str
    words: str
    order: int


@dataclass(frozen=True, slots=True)
class TreePanel:
    """The tree; None where the chosen address has no frame, or none of a zone."""

    words: str
    tree: Markup | None
    halves: tuple[str, ...]
    steps: tuple[StepRow, ...]
    steps_left_out: int


def tree_panel(machine: Machine, chosen: Chosen) -> TreePanel:
    """The panel."""
    tree = None if chosen.frame is None else views.buddy_tree(machine, chosen.frame.pfn)
    if tree is None:
        return TreePanel(tree_summary(chosen), None, (), (), 0)
    steps = tree.steps[:STEPS_SHOWN]
    return TreePanel(
        words=_tree_words(tree),
        tree=tree_svg(tree, _tree_said(tree)),
        halves=_halves(tree),
        steps=tuple(_step(step) for step in steps),
        steps_left_out=len(tree.steps) - len(steps) + tree.steps_left_out,
    )


def tree_summary(chosen: Chosen) -> str:
    """The block of the chosen frame."""
    if chosen.frame is None:
        return t("memory.no_frame")
    block = chosen.frame.block
    if block is None:
        return t("tree.never")
    return t("tree.free" if block.migratetype else "tree.allocated", frames=1 << block.order)


def _tree_words(tree: BuddyTreeView) -> str:
    block = next(block for block in tree.rows[-1] if block.chosen)
    state = word("tree.state", block.state)
    return t("tree.is_in", pfn=formats.pfn(tree.pfn), frames=1 << block.order, state=state)


def _halves(tree: BuddyTreeView) -> tuple[str, ...]:
    return tuple(
        t("tree.row", order=row[0].order, halves=t("page.semicolon").join(_half(block) for block in row))
        for row in tree.rows
    )


def _half(block: TreeBlock) -> str:
    state = word("tree.state", block.state)
    return t("tree.half", pfn=formats.pfn(block.pfn), state=state, free=block.free, frames=1 << block.order)


def _tree_said(tree: BuddyTreeView) -> str:
    return t("tree.said", pfn=formats.pfn(tree.pfn), rows=". ".join(_halves(tree)))


def _step(step: BuddyStep) -> StepRow:
    return StepRow(keys.frame(step.pfn), step.kind.value, _step_words(step), step.order)


def _step_words(step: BuddyStep) -> str:
    frames, pfn = 1 << step.order, formats.pfn(step.pfn)
    match step.kind:
        case StepKind.SPLIT:
            return t("tree.split", double=2 << step.order, pfn=pfn)
        case StepKind.MERGE:
            return t("tree.merge", frames=frames, pfn=pfn)
        case StepKind.TAKE:
            return t("tree.take", frames=frames, pfn=pfn)
        case StepKind.PUT:
            return t("tree.put", frames=frames, pfn=pfn)
        case StepKind.ALLOC:
            return t("tree.alloc", frames=frames, pfn=pfn)
        case StepKind.FREE:
            return t("tree.given_back", frames=frames, pfn=pfn)
        case StepKind.DRAIN:
            return t("tree.drain", frames=frames, pfn=pfn)
