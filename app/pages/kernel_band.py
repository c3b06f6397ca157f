"""The kernel's own memory: the ledger, fragmentation, the buddy tree of the chosen frame, slabs, the kernel's pointers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from app.pages import formats, keys
from app.pages.svg_kernel import account_class, free_list_words, ledger_svg, slab_svg, tree_svg
from engine import views
from engine.events.slab import KmemCacheAlloc
from engine.views.buddy_tree import BlockState, StepKind
from engine.views.slab import cache_of_frame
from engine.views.trace_tree import last_records

if TYPE_CHECKING:
    from markupsafe import Markup

    from app.pages.marks import Chosen
    from engine.machine import Machine
    from engine.views.buddy_tree import BuddyStep, BuddyTreeView
    from engine.views.fragmentation import ZoneFragmentation
    from engine.views.ledger import LedgerAccount
    from engine.views.slab import CacheRow, KmallocClass, SlabsView

STEPS_SHOWN: Final = 24
SLABS_SHOWN: Final = 4
POINTERS_SHOWN: Final = 24
_DEFAULT_CACHE: Final = "vm_area_struct"
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
class AccountRow:
    """One account of the ledger."""

    css: str
    name: str
    size: str
    frames: str
    details: str


@dataclass(frozen=True, slots=True)
class IndexCell:
    """One zone and order: free blocks, and what the two indexes say."""

    blocks: str
    index: str
    unusable: str
    bad: bool


@dataclass(frozen=True, slots=True)
class IndexRow:
    """One order, across the zones."""

    order: int
    size: str
    cells: tuple[IndexCell, ...]


@dataclass(frozen=True, slots=True)
class StepRow:
    """One split or merge."""

    key: str
    kind: str
    words: str
    order: int


@dataclass(frozen=True, slots=True)
class CacheLine:
    """One cache, with a link to one of its slabs."""

    name: str
    href: str
    current: bool
    objects: str
    size: str
    slab: str
    slabs: str
    waste: str


@dataclass(frozen=True, slots=True)
class SlabPart:
    """One slab of the chosen cache."""

    href: str
    key: str
    title: str
    picture: Markup
    free_list: str


@dataclass(frozen=True, slots=True)
class ClassLine:
    """One kmalloc class."""

    name: str
    serves: str
    worst: str
    asked: str


@dataclass(frozen=True, slots=True)
class KernelPointer:
    """A pointer of the kernel's commands."""

    name: str
    href: str
    address: str


@dataclass(frozen=True, slots=True)
class KernelBand:
    """What the kernel has for itself, and what is left."""

    ledger: Markup
    accounts: tuple[AccountRow, ...]
    fragmentation: str
    zones: tuple[str, ...]
    orders: tuple[IndexRow, ...]
    tree: Markup | None
    tree_words: str
    halves: tuple[str, ...]
    steps: tuple[StepRow, ...]
    steps_left_out: int
    caches: tuple[CacheLine, ...]
    cache_words: str
    slabs: tuple[SlabPart, ...]
    slabs_left_out: int
    classes: tuple[ClassLine, ...]
    pointers: tuple[KernelPointer, ...]


def kernel_band(machine: Machine, chosen: Chosen) -> KernelBand:
    """The bands of the kernel's memory."""
    ledger = views.ledger(machine)
    zones = views.fragmentation(machine)
    tree = None if chosen.frame is None else views.buddy_tree(machine, chosen.frame.pfn)
    cache = _cache(machine, chosen)
    slabs: SlabsView = views.slab(machine, cache)
    spoken = ", ".join(f"{each.account} {formats.pages(each.frames)}" for each in ledger.accounts)
    steps = () if tree is None else tree.steps[:STEPS_SHOWN]
    return KernelBand(
        ledger=ledger_svg(ledger, f"All of RAM by account: {spoken}"),
        accounts=tuple(_account(each) for each in ledger.accounts),
        fragmentation=_largest(zones),
        zones=tuple(zone.zone for zone in zones),
        orders=_orders(zones),
        tree=None if tree is None else tree_svg(tree, _tree_said(tree)),
        tree_words="the chosen address has no frame" if tree is None else _tree_words(tree),
        halves=() if tree is None else _halves(tree),
        steps=tuple(_step(step) for step in steps),
        steps_left_out=0 if tree is None else len(tree.steps) - len(steps) + tree.steps_left_out,
        caches=tuple(_line(each, cache, chosen) for each in slabs.caches),
        cache_words=_cache_words(slabs),
        slabs=_slabs(slabs, chosen),
        slabs_left_out=slabs.slabs_left_out + max(0, len(slabs.slabs) - SLABS_SHOWN),
        classes=tuple(_class(each) for each in slabs.kmalloc),
        pointers=tuple(
            KernelPointer(name, chosen.href(address), formats.address(address) if address else "NULL")
            for name, address in list(machine.kernel_slots.items())[-POINTERS_SHOWN:]
        ),
    )


# --- the ledger ------------------------------------------------------------------------------------------------------


def _account(each: LedgerAccount) -> AccountRow:
    details = ", ".join(f"{detail.name} {formats.pages(detail.frames)}" for detail in each.details)
    css = account_class(each.account)
    return AccountRow(css, each.account.value, formats.pages(each.frames), formats.count(each.frames), details)


# --- fragmentation ---------------------------------------------------------------------------------------------------


def _largest(zones: tuple[ZoneFragmentation, ...]) -> str:
    return " · ".join(
        f"{zone.zone}: {formats.pages(zone.free_pages)} free, "
        + (f"the largest block has {formats.pages(1 << zone.largest_order)}" if zone.largest_order >= 0 else "no block")
        for zone in zones
    )


def _orders(zones: tuple[ZoneFragmentation, ...]) -> tuple[IndexRow, ...]:
    rows = []
    for number in range(len(zones[0].orders)):
        cells = []
        for zone in zones:
            order = zone.orders[number]
            index = order.fragmentation_index
            said = "succeeds" if index is None else f"fails: {index / 1000:.3f}"
            cells.append(
                IndexCell(formats.count(order.blocks), said, f"{order.unusable_index / 1000:.3f}", index is not None)
            )
        rows.append(IndexRow(number, formats.pages(1 << number), tuple(cells)))
    return tuple(rows)


# --- the buddy tree --------------------------------------------------------------------------------------------------


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


# --- slabs -----------------------------------------------------------------------------------------------------------


def _cache(machine: Machine, chosen: Chosen) -> str:
    """The cache to look into: that of the chosen frame, or of the last command's last object, or one that is always there."""
    if chosen.frame is not None and (found := cache_of_frame(machine, chosen.frame.pfn)) is not None:
        return found
    for record in reversed(last_records(machine)):
        if isinstance(record.event, KmemCacheAlloc):
            return record.event.cache
    return _DEFAULT_CACHE


def _line(row: CacheRow, cache: str, chosen: Chosen) -> CacheLine:
    return CacheLine(
        name=row.name,
        href="" if row.first_slab is None else chosen.frame_href(row.first_slab),
        current=row.name == cache,
        objects=f"{formats.count(row.in_use)} of {formats.count(row.objects)}",
        size=f"{row.size} B",
        slab=f"{formats.times(row.objects_per_slab, 'object')} in {formats.pages(1 << row.order)}",
        slabs=formats.count(row.slabs),
        waste=formats.size(row.waste),
    )


def _cache_words(slabs: SlabsView) -> str:
    row = slabs.cache
    if row is None:
        return ""
    gap = f", {row.size - row.object_size} B between them" if row.size > row.object_size else ""
    return f"{row.name}: objects of {row.object_size} B{gap}"


def _slabs(slabs: SlabsView, chosen: Chosen) -> tuple[SlabPart, ...]:
    parts = []
    for each in slabs.slabs[-SLABS_SHOWN:]:
        used = f"{each.in_use} of {len(each.objects)} in use"
        title = f"slab {formats.pfn(each.pfn)}, {each.place}: {used}" + (
            f", {each.tail} B left over" if each.tail else ""
        )
        free = free_list_words(each)
        label = f"Objects of {title}. Free list: {free or 'empty'}"
        parts.append(
            SlabPart(chosen.frame_href(each.pfn), keys.frame(each.pfn), title, slab_svg(each, label), free or "empty")
        )
    return tuple(parts)


def _class(each: KmallocClass) -> ClassLine:
    given = each.asked_objects * each.size
    asked = f"{formats.size(each.asked)} of {formats.size(given)} asked for" if each.asked_objects else ""
    worst = f"{each.worst_waste} B ({100 * each.worst_waste // each.size} %)"
    return ClassLine(each.name, f"{each.least} to {each.size} B", worst, asked)
