"""The last command's splits and merges on one block of the largest order, so that they can be drawn step by step.

The picture before the command is found by taking its events back one by one from how the blocks are now; where that does
not come out even, there is no picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from engine.events.page_alloc import (
    BuddyMerge,
    Expand,
    FreeOnePage,
    MmPageAlloc,
    MmPageAllocZoneLocked,
    MmPageFree,
)
from engine.kernel.mmzone import MAX_ORDER, PCP_ORDERS
from engine.views.buddy_tree import StepKind
from engine.views.trace_tree import last_records

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.kernel.mmzone import Zone
    from engine.machine import Machine
    from engine.trace import Record

LARGEST: Final = MAX_ORDER - 1
STEPS_MAXIMUM: Final = 64


class PieceState(StrEnum):
    """What a block is while the page allocator works."""

    FREE = "free"
    """On a free list of its zone."""
    HELD = "held"
    """On the CPU's own list, or in the allocator's hands: taken off a list, or not yet on one."""
    USED = "used"
    RESERVED = "reserved"
    """Taken at boot."""


class Piece(NamedTuple):
    """A block of 2**order frames from `pfn` on."""

    pfn: int
    order: int
    state: PieceState


@dataclass(frozen=True, slots=True)
class BlockStep:
    """One event: the pieces that it ended, and those that it made of them. `seq` is its record's."""

    seq: int
    kind: StepKind
    pfn: int
    order: int
    gone: tuple[Piece, ...]
    come: tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class BuddyStepsView:
    """The `frames` frames from `first` on: how they were in pieces `before` the command, and its steps from there."""

    zone: str
    first: int
    frames: int
    before: tuple[Piece, ...]
    steps: tuple[BlockStep, ...]
    """The first STEPS_MAXIMUM."""
    steps_left_out: int


class _UnevenError(Exception):
    """An event that does not fit the pieces as they are."""


def buddy_steps(machine: Machine, pfn: int | None = None) -> BuddyStepsView | None:
    """The steps in the block that holds frame `pfn`, if the last command moved blocks there; else where it first split or
    merged one, or moved one at all. None where it moved none.
    """
    events = [(record, span) for record in last_records(machine) if (span := _span(record)) is not None]
    if not events:
        return None
    size = 1 << LARGEST
    moved = [place & -size for _, (place, _) in events]
    parted = [place & -size for record, (place, _) in events if isinstance(record.event, Expand | BuddyMerge)]
    first = pfn & -size if pfn is not None and pfn & -size in moved else (parted or moved)[0]
    zone = next(
        each for each in machine.kernel.page_alloc.zones if each.spans_pfn(first) or each.zone_start_pfn > first
    )
    here = [record for record, (place, _) in events if first <= place < first + size]
    try:
        before, steps = _taken_back(pieces(machine, first), here)
    except _UnevenError:
        return None
    return BuddyStepsView(
        zone.name, first, size, before, tuple(steps[:STEPS_MAXIMUM]), max(0, len(steps) - STEPS_MAXIMUM)
    )


def pieces(machine: Machine, first: int) -> tuple[Piece, ...]:
    """How the frames of the largest block from `first` on are in pieces now, lowest first."""
    allocator, end = machine.kernel.page_alloc, first + (1 << LARGEST)
    listed = {piece.pfn: piece for zone in allocator.zones for piece in _listed(zone, first, end)}
    found: list[Piece] = []
    pfn = first
    while pfn < end:
        piece = listed.get(pfn)
        if piece is None:
            page = allocator.mem_map.get(pfn)
            piece = Piece(pfn, 0, PieceState.RESERVED) if page is None else Piece(pfn, page.order, PieceState.USED)
        found.append(piece)
        pfn += 1 << piece.order
    return tuple(found)


def _listed(zone: Zone, first: int, end: int) -> Iterator[Piece]:
    """The blocks on the zone's lists and on the CPU's."""
    if end <= zone.zone_start_pfn or zone.zone_end_pfn <= first:
        return
    for order, area in enumerate(zone.free_area):
        for pfn in range(first, end, 1 << order):
            if pfn in area.blocks:
                yield Piece(pfn, order, PieceState.FREE)
    for order, blocks in zip(PCP_ORDERS, zone.per_cpu_pageset.lists, strict=True):
        for pfn in blocks:
            if first <= pfn < end:
                yield Piece(pfn, order, PieceState.HELD)


def _span(record: Record) -> tuple[int, int] | None:
    """The block that an event is about; None for events that move no block."""
    match record.event:
        case Expand(_, upper, order):
            return upper - (1 << order), order + 1
        case BuddyMerge(_, pfn, buddy_pfn, order):
            return pfn & buddy_pfn, order + 1
        case FreeOnePage(_, pfn, order) | MmPageAllocZoneLocked(pfn, order) | MmPageFree(pfn, order):
            return pfn, order
        case MmPageAlloc(pfn, order) if pfn >= 0:
            return pfn, order
        case _:
            return None


def _taken_back(now: tuple[Piece, ...], records: list[Record]) -> tuple[tuple[Piece, ...], list[BlockStep]]:
    """The pieces before the records, and the records as steps. Raises _UnevenError."""
    known = {piece.pfn: piece for piece in now}
    steps: list[BlockStep] = []
    for at in range(len(records) - 1, -1, -1):
        split = at > 0 and _lower_half(records[at - 1]) == _span(records[at])
        kind, gone, come = _change(known, records[at], in_hand=split)
        for piece in come:
            if known.pop(piece.pfn, None) != piece:
                raise _UnevenError
        known.update((piece.pfn, piece) for piece in gone)
        pfn, order = _span(records[at]) or (0, 0)
        if kind in (StepKind.SPLIT, StepKind.MERGE):
            order -= 1
        steps.append(BlockStep(records[at].seq, kind, pfn, order, gone, come))
    steps.reverse()
    return tuple(sorted(known.values())), steps


def _lower_half(record: Record) -> tuple[int, int] | None:
    """Of a split, the half that the allocator goes on with."""
    match record.event:
        case Expand(_, upper, order):
            return upper - (1 << order), order
        case _:
            return None


def _change(
    known: dict[int, Piece], record: Record, *, in_hand: bool
) -> tuple[StepKind, tuple[Piece, ...], tuple[Piece, ...]]:
    """What an event made of what. `in_hand`: the block had just been cut off a larger one."""
    free, held, used = PieceState.FREE, PieceState.HELD, PieceState.USED
    was = held if in_hand else free
    match record.event:
        case Expand(_, upper, order):
            lower = upper - (1 << order)
            halves = Piece(lower, order, held), Piece(upper, order, free)
            return StepKind.SPLIT, (Piece(lower, order + 1, was),), halves
        case BuddyMerge(_, pfn, buddy_pfn, order):
            both = Piece(pfn, order, held), Piece(buddy_pfn, order, free)
            return StepKind.MERGE, both, (Piece(pfn & buddy_pfn, order + 1, held),)
        case FreeOnePage(_, pfn, order):
            return StepKind.PUT, (Piece(pfn, order, held),), (Piece(pfn, order, free),)
        case MmPageAllocZoneLocked(pfn, order):
            return StepKind.TAKE, (Piece(pfn, order, was),), (Piece(pfn, order, held),)
        case MmPageAlloc(pfn, order):
            return StepKind.ALLOC, (Piece(pfn, order, held),), _used(known, pfn, order)
        case MmPageFree(pfn, order):
            return StepKind.FREE, (Piece(pfn, order, used),), (Piece(pfn, order, held),)
        case _:
            raise _UnevenError


def _used(known: dict[int, Piece], pfn: int, order: int) -> tuple[Piece, ...]:
    """The pieces that an allocated block is in by now: one, or its pages, where it was split for its owner."""
    found = [known[at] for at in range(pfn, pfn + (1 << order)) if at in known]
    if any(piece.state is not PieceState.USED for piece in found):
        raise _UnevenError
    return tuple(found)
