"""The splits and merges of a command, step by step: the picture before it is what was there before it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from engine import views
from engine.commands import AllocPages, Command, FreePages, Kmalloc, Malloc, Mmap, Munmap, Touch, Trim
from engine.config import PRESETS
from engine.events.page_alloc import BuddyMerge, Expand
from engine.machine import Machine
from engine.views.buddy_steps import LARGEST, PieceState, pieces
from engine.views.buddy_tree import StepKind
from engine.views.trace_tree import last_records

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.views.buddy_steps import BuddyStepsView, Piece

STORY: tuple[Command, ...] = (
    Malloc(as_="a", size=100),
    Mmap(as_="m", length=256 << 10),
    Touch(ptr="m", length=256 << 10),
    AllocPages(as_="p", order=4),
    AllocPages(as_="q", order=0),
    AllocPages(as_="r", order=9),
    FreePages(ptr="q"),
    FreePages(ptr="p"),
    FreePages(ptr="r"),
    Kmalloc(as_="k", size=3000),
    Touch(ptr="m", length=256 << 10),
    Munmap(ptr="m", length=256 << 10),
    Malloc(as_="b", size=100_000),
    Trim(pad=0),
)


def areas(machine: Machine) -> dict[int, tuple[Piece, ...]]:
    return {first: pieces(machine, first) for first in range(0, machine.kernel.ram.size, 1 << LARGEST)}


def told(preset: str = "64mb") -> Iterator[tuple[tuple[Piece, ...], Machine, BuddyStepsView]]:
    """Wherever a command of the story split or merged blocks: the pieces as they were before it, and its steps."""
    machine = Machine(PRESETS[preset])
    for command in STORY:
        before = areas(machine)
        machine.perform(command)
        for first in parted(machine):
            view = views.buddy_steps(machine, first)
            assert view is not None
            assert view.first == first
            yield before[first], machine, view


def parted(machine: Machine) -> set[int]:
    """Where the last command split or merged blocks."""
    events = [record.event for record in last_records(machine)]
    return {event.pfn & -(1 << LARGEST) for event in events if isinstance(event, Expand | BuddyMerge)}


@pytest.mark.parametrize("preset", ["16mb", "64mb", "1gb"])
def test_the_picture_before_the_command_is_what_was_there(preset: str) -> None:
    seen = 0
    for before, _, view in told(preset):
        assert view.before == before
        seen += 1
    assert seen >= 3


def test_the_steps_lead_from_before_the_command_to_now() -> None:
    for _, machine, view in told():
        if view.steps_left_out:
            continue
        now = {piece.pfn: piece for piece in view.before}
        for step in view.steps:
            for piece in step.gone:
                assert now.pop(piece.pfn) == piece
            now.update((piece.pfn, piece) for piece in step.come)
        assert tuple(sorted(now.values())) == pieces(machine, view.first)


def test_no_step_makes_or_loses_a_frame() -> None:
    for _, _, view in told():
        assert sum(1 << piece.order for piece in view.before) == view.frames
        for step in view.steps:
            assert sum(1 << piece.order for piece in step.gone) == sum(1 << piece.order for piece in step.come)


def test_a_request_splits_a_large_block_again_and_again_and_its_return_merges_the_halves() -> None:
    machine = Machine(PRESETS["64mb"])
    while not parted(machine):
        machine.perform(AllocPages(as_="p", order=5))
    view = views.buddy_steps(machine)
    assert view is not None
    splits = [step for step in view.steps if step.kind is StepKind.SPLIT]
    assert [step.order for step in splits] == list(range(splits[0].order, 4, -1))
    assert [(piece.order, piece.state) for piece in splits[-1].come] == [(5, PieceState.HELD), (5, PieceState.FREE)]
    assert view.steps[-1].kind is StepKind.ALLOC
    machine.perform(FreePages(ptr="p"))
    back = views.buddy_steps(machine)
    assert back is not None
    merges = [step.order for step in back.steps if step.kind is StepKind.MERGE]
    assert merges == sorted(step.order for step in splits)
    assert back.steps[-1].kind is StepKind.PUT


def test_a_command_that_only_takes_what_the_cpu_has_splits_nothing() -> None:
    machine = Machine(PRESETS["64mb"])
    machine.perform(AllocPages(as_="p", order=0))
    machine.perform(FreePages(ptr="p"))
    machine.perform(AllocPages(as_="p", order=0))
    view = views.buddy_steps(machine)
    assert view is not None
    assert [step.kind for step in view.steps] == [StepKind.ALLOC]


def test_a_command_that_moves_no_block_has_no_steps() -> None:
    machine = Machine(PRESETS["64mb"])
    machine.perform(Malloc(as_="a", size=100))
    machine.perform(Malloc(as_="b", size=100))
    assert views.buddy_steps(machine) is None
