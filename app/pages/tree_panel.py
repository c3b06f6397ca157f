"""The buddy tree around the chosen frame, and what the last command did to blocks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from app.pages import formats, keys
from app.pages.svg_kernel import tree_svg
from engine import views
from engine.views.buddy_tree import BlockState, StepKind

if TYPE_CHECKING:
    from markupsafe import Markup

    from app.pages.marks import Chosen
    from engine.machine import Machine
    from engine.views.buddy_tree import BuddyStep, BuddyTreeView

STEPS_SHOWN: Final = 24
_STEP_WORDS: Final = {
    StepKind.SPLIT: "The block of {double} frames at {pfn} is halved; the upper half is free.",
    StepKind.MERGE: "Two free blocks of {size} frames become the block at {pfn}.",
    StepKind.TAKE: "The block of {size} frames at {pfn} leaves the free lists.",
    StepKind.PUT: "The block of {size} frames at {pfn} goes on its free list.",
    StepKind.ALLOC: "A request gets the block of {size} frames at {pfn}.",
    StepKind.FREE: "The block of {size} frames at {pfn} is given back.",
    StepKind.DRAIN: "The CPU's own list gives the block of {size} frames at {pfn} back to the zone.",
}
_STATE_WORDS: Final = {
    BlockState.FREE: "free, as one block",
    BlockState.CPU: "free, on the CPU's own list",
    BlockState.USED: "allocated",
    BlockState.RESERVED: "reserved at boot",
    BlockState.SPLIT: "in smaller blocks",
    BlockState.OUTSIDE: "outside the zone",
}


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
        return "the chosen address has no frame"
    block = chosen.frame.block
    if block is None:
        return f"frame {formats.pfn(chosen.frame.pfn)} was never the allocator's"
    state = "free" if block.migratetype else "allocated"
    return f"frame {formats.pfn(chosen.frame.pfn)} is in a block of {formats.times(1 << block.order, 'frame')}, {state}"


def _tree_words(tree: BuddyTreeView) -> str:
    block = next(block for block in tree.rows[-1] if block.chosen)
    size = formats.times(1 << block.order, "frame")
    return f"frame {formats.pfn(tree.pfn)} is in a block of {size}, {_STATE_WORDS[block.state]}"


def _halves(tree: BuddyTreeView) -> tuple[str, ...]:
    return tuple(
        f"order {row[0].order}: "
        + "; ".join(
            f"{formats.pfn(block.pfn)} {_STATE_WORDS[block.state]}, {block.free} of {1 << block.order} free"
            for block in row
        )
        for row in tree.rows
    )


def _tree_said(tree: BuddyTreeView) -> str:
    return f"The buddy tree of frame {formats.pfn(tree.pfn)}. " + ". ".join(_halves(tree))


def _step(step: BuddyStep) -> StepRow:
    words = _STEP_WORDS[step.kind].format(size=1 << step.order, double=2 << step.order, pfn=formats.pfn(step.pfn))
    words = words.replace(" 1 frames", " 1 frame")
    return StepRow(keys.frame(step.pfn), step.kind.value, words, step.order)
