"""The buddy tree around one frame: the largest block that could hold it, halved down to the block that it is in.

Beside each half that holds the frame stands its buddy. And the last command's splits and merges, one after the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from engine.events.page_alloc import (
    BuddyMerge,
    Expand,
    FreeOnePage,
    MmPageAlloc,
    MmPageAllocZoneLocked,
    MmPageFree,
    MmPagePcpuDrain,
)
from engine.kernel.mmzone import MAX_ORDER, PCP_ORDERS
from engine.views.physical_memory import OWNERS, Owner, owner_codes
from engine.views.trace_tree import last_records

if TYPE_CHECKING:
    from engine.kernel.mmzone import Zone
    from engine.machine import Machine
    from engine.trace import Record

STEPS_MAXIMUM: Final = 64


class BlockState(StrEnum):
    """What a block of the tree is."""

    FREE = "free"
    """On a free list, as one block."""
    CPU = "cpu"
    """Free, on the CPU's own list."""
    USED = "used"
    """Allocated, as one block."""
    RESERVED = "reserved"
    """Taken at boot, all of it."""
    SPLIT = "split"
    """In smaller blocks."""
    OUTSIDE = "outside"
    """Beyond the zone."""


class StepKind(StrEnum):
    """What happened to a block."""

    SPLIT = "split"
    """The block of order + 1 at `pfn` was halved; its upper half is free."""
    MERGE = "merge"
    """Two free blocks of `order` became the one at `pfn`, of order + 1."""
    TAKE = "take"
    """The block left the free lists."""
    PUT = "put"
    """The block went on its free list."""
    ALLOC = "alloc"
    """A request was answered with the block."""
    FREE = "free"
    """The block's last reference went."""
    DRAIN = "drain"
    """The block left the CPU's own list."""


@dataclass(frozen=True, slots=True)
class TreeBlock:
    """A block of the tree: 2**order frames from `pfn` on."""

    pfn: int
    order: int
    state: BlockState
    free: int
    """Frames in it that are free, in whatever blocks."""
    chosen: bool
    """Whether it holds the frame that was asked for."""


@dataclass(frozen=True, slots=True)
class BuddyStep:
    """One step of the page allocator's. `here`: inside the tree."""

    seq: int
    kind: StepKind
    pfn: int
    order: int
    here: bool


@dataclass(frozen=True, slots=True)
class BuddyTreeView:
    """`rows`: the largest block, then two halves an order, lower frames first, down to the block that holds the frame."""

    pfn: int
    zone: str
    first: int
    frames: int
    rows: tuple[tuple[TreeBlock, ...], ...]
    steps: tuple[BuddyStep, ...]
    """Of the last command, the first STEPS_MAXIMUM that happened in the tree, or anywhere if none did."""
    steps_left_out: int


def buddy_tree(machine: Machine, pfn: int) -> BuddyTreeView | None:
    """The tree around frame `pfn`; None for a frame of no zone."""
    allocator = machine.kernel.page_alloc
    zone = next((each for each in allocator.zones if each.spans_pfn(pfn)), None)
    if zone is None:
        return None
    codes = owner_codes(machine.kernel)
    order = MAX_ORDER - 1
    first, frames = pfn & -(1 << order), 1 << order
    rows: list[tuple[TreeBlock, ...]] = [(_block(machine, zone, codes, pfn, pfn, order),)]
    while rows[-1][0 if rows[-1][0].chosen else 1].state is BlockState.SPLIT and order:
        order -= 1
        lower = pfn & -(2 << order)
        rows.append(tuple(_block(machine, zone, codes, at, pfn, order) for at in (lower, lower + (1 << order))))
    steps = [step for record in last_records(machine) if (step := _step(record, first, frames)) is not None]
    shown = [step for step in steps if step.here] or steps
    return BuddyTreeView(
        pfn,
        zone.name,
        first,
        frames,
        tuple(rows),
        tuple(shown[:STEPS_MAXIMUM]),
        len(steps) - len(shown[:STEPS_MAXIMUM]),
    )


def _block(machine: Machine, zone: Zone, codes: bytearray, inside: int, chosen: int, order: int) -> TreeBlock:
    pfn = inside & -(1 << order)
    end = pfn + (1 << order)
    free = codes.count(OWNERS.index(Owner.FREE), max(pfn, zone.zone_start_pfn), min(end, zone.zone_end_pfn))
    return TreeBlock(pfn, order, _state(machine, zone, codes, pfn, order), free, pfn <= chosen < end)


def _state(machine: Machine, zone: Zone, codes: bytearray, pfn: int, order: int) -> BlockState:
    end = pfn + (1 << order)
    if end <= zone.zone_start_pfn or pfn >= zone.zone_end_pfn:
        return BlockState.OUTSIDE
    if pfn in zone.free_area[order].blocks:
        return BlockState.FREE
    held = zip(PCP_ORDERS, zone.per_cpu_pageset.lists, strict=True)
    if any(pfn in blocks for each, blocks in held if each == order):
        return BlockState.CPU
    page = machine.kernel.page_alloc.mem_map.get(pfn)
    if page is not None and page.order == order:
        return BlockState.USED
    if codes.count(OWNERS.index(Owner.RESERVED), pfn, end) == end - pfn:
        return BlockState.RESERVED
    return BlockState.SPLIT


def _step(record: Record, first: int, frames: int) -> BuddyStep | None:
    match record.event:
        case Expand(_, upper, order):
            found = StepKind.SPLIT, upper - (1 << order), order
        case BuddyMerge(_, pfn, buddy_pfn, order):
            found = StepKind.MERGE, pfn & buddy_pfn, order
        case FreeOnePage(_, pfn, order):
            found = StepKind.PUT, pfn, order
        case MmPageAllocZoneLocked(pfn, order):
            found = StepKind.TAKE, pfn, order
        case MmPageAlloc(pfn, order) if pfn >= 0:
            found = StepKind.ALLOC, pfn, order
        case MmPageFree(pfn, order):
            found = StepKind.FREE, pfn, order
        case MmPagePcpuDrain(pfn, order):
            found = StepKind.DRAIN, pfn, order
        case _:
            return None
    kind, at, number = found
    return BuddyStep(record.seq, kind, at, number, first <= at < first + frames)
