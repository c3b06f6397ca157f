"""The buddy tree around the chosen frame, and what the last command did to blocks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.pages import formats
from app.pages.block_steps import BlockSteps, block_steps
from app.pages.svg_kernel import tree_svg
from app.words import t, word
from engine import views

if TYPE_CHECKING:
    from markupsafe import Markup

    from app.pages.marks import Chosen
    from engine.machine import Machine
    from engine.views.buddy_tree import BuddyTreeView, TreeBlock


@dataclass(frozen=True, slots=True)
class TreePanel:
    """The tree; None where the chosen address has no frame, or none of a zone."""

    words: str
    tree: Markup | None
    halves: tuple[str, ...]
    moves: BlockSteps | None
    """What the last command did to blocks."""


def tree_panel(machine: Machine, chosen: Chosen) -> TreePanel:
    """The panel."""
    pfn = None if chosen.frame is None else chosen.frame.pfn
    moves = block_steps(views.buddy_steps(machine, pfn))
    tree = None if pfn is None else views.buddy_tree(machine, pfn)
    if tree is None:
        return TreePanel(tree_summary(chosen), None, (), moves)
    return TreePanel(_tree_words(tree), tree_svg(tree, _tree_said(tree)), _halves(tree), moves)


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
