"""Splits and merges as the page draws them: at each step what is there covers every frame once."""

from __future__ import annotations

import itertools
import re
from xml.etree import ElementTree as ET

from app.pages.block_steps import BlockSteps, block_steps
from engine import views
from engine.commands import AllocPages, FreePages
from engine.config import PRESETS
from engine.machine import Machine
from engine.views.buddy_tree import StepKind


def told(machine: Machine) -> BlockSteps:
    found = block_steps(views.buddy_steps(machine))
    assert found is not None
    return found


def split() -> Machine:
    """A machine whose last command halved blocks."""
    machine = Machine(PRESETS["64mb"])
    while True:
        machine.perform(AllocPages(as_="p", order=5))
        view = views.buddy_steps(machine)
        if view is not None and any(step.kind is StepKind.SPLIT for step in view.steps):
            return machine


def test_at_each_step_the_blocks_that_are_there_fill_the_picture_once() -> None:
    machine = split()
    halved = told(machine)
    machine.perform(FreePages(ptr="p"))
    for steps in (halved, told(machine)):
        groups = [
            (int(group.get("data-from", "0")), int(group.get("data-until", "99")), group[0])
            for group in ET.fromstring(steps.picture).iter("g")
        ]
        for at in range(len(steps.steps) + 1):
            there = [rect for since, until, rect in groups if since <= at < until]
            spans = sorted((float(rect.get("x", "")), float(rect.get("width", ""))) for rect in there)
            assert abs(spans[0][0] - 64) < 0.2
            assert abs(sum(width + 1 for _, width in spans) - 936) < 0.2 * len(spans) + 1
            for (x, width), (following, _) in itertools.pairwise(spans):
                assert abs(x + width + 1 - following) < 0.3


def test_each_step_is_a_sentence_with_the_record_that_it_is_and_what_it_touched() -> None:
    machine = split()
    steps = told(machine)
    assert re.fullmatch(r"The block of \d+ frames at 0x\w+ is halved; the upper half is free\.", steps.steps[0].words)
    assert steps.steps[-1].words.startswith("A request gets the block of 32 frames at ")
    seqs = [step.seq for step in steps.steps]
    assert seqs == sorted(seqs)
    events = {record.seq for record in machine.trace.records(machine.trace.last_command())}
    assert set(seqs) <= events
    assert all("frame:" in step.keys for step in steps.steps)


def test_without_splits_there_is_nothing_to_show() -> None:
    assert block_steps(None) is None
