"""Physical memory: zones with their frames and watermarks, the buddy lists, reclaim's lists, and the ledger."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from app.pages import formats, keys
from app.pages.svg_physical import bar_svg, marks_svg, zone_svg
from engine.views.physical_memory import Owner

if TYPE_CHECKING:
    from markupsafe import Markup

    from app.pages.marks import Chosen, Mark, Marks
    from engine.views.buddy import ZoneBuddy
    from engine.views.frame import FrameView
    from engine.views.physical_memory import PhysicalMemoryView, ZoneView
    from engine.views.reclaim import ReclaimView

NEIGHBOURS: Final = 32
"""Frames that are drawn one by one around the chosen one."""

OWNER_WORDS: Final = {
    Owner.FREE: "free",
    Owner.RESERVED: "reserved at boot",
    Owner.KERNEL: "kernel",
    Owner.SLAB: "slab",
    Owner.PAGE_TABLE: "page tables",
    Owner.FILE: "file cache",
    Owner.SHMEM: "shared memory",
    Owner.ANONYMOUS: "anonymous",
}
OWNER_LETTERS: Final = {
    Owner.FREE: "·",
    Owner.RESERVED: "R",
    Owner.KERNEL: "K",
    Owner.SLAB: "S",
    Owner.PAGE_TABLE: "T",
    Owner.FILE: "F",
    Owner.SHMEM: "M",
    Owner.ANONYMOUS: "A",
}


@dataclass(frozen=True, slots=True)
class ZonePart:
    """One zone."""

    mark: Mark
    name: str
    span: str
    cells: Markup
    gauge: Markup
    free: str
    watermarks: tuple[tuple[str, str], ...]
    state: str
    short: bool


@dataclass(frozen=True, slots=True)
class FrameBox:
    """One frame among its neighbours."""

    mark: Mark
    href: str
    owner: str
    letter: str
    said: str


@dataclass(frozen=True, slots=True)
class OrderCell:
    """How many free blocks of one order a zone has."""

    mark: Mark
    blocks: int
    bar: Markup
    first: str


@dataclass(frozen=True, slots=True)
class OrderRow:
    """One order, across the zones."""

    order: int
    size: str
    cells: tuple[OrderCell, ...]


@dataclass(frozen=True, slots=True)
class OwnerRow:
    """One line of the ledger, which is also the legend."""

    owner: str
    letter: str
    words: str
    frames: str
    size: str
    by_zone: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PhysicalBand:
    """What there is."""

    summary: str
    cell_words: str
    zones: tuple[ZonePart, ...]
    neighbours: tuple[FrameBox, ...]
    neighbours_words: str
    orders: tuple[OrderRow, ...]
    cpu_lists: tuple[str, ...]
    reclaim_words: str
    owners: tuple[OwnerRow, ...]
    ledger_words: str


def physical_band(
    memory: PhysicalMemoryView,
    buddy: tuple[ZoneBuddy, ...],
    reclaim: ReclaimView,
    neighbours: tuple[FrameView, ...],
    chosen: Chosen,
    marks: Marks,
) -> PhysicalBand:
    """The band."""
    total = sum(count for _, count in memory.owners)
    owners = tuple(_owner_row(owner, count, memory) for owner, count in memory.owners)
    return PhysicalBand(
        summary=_summary(chosen),
        cell_words=f"1 cell = {formats.times(memory.frames_per_cell, 'frame')} = {formats.pages(memory.frames_per_cell)}",
        zones=tuple(_zone(zone, memory, marks) for zone in memory.zones),
        neighbours=tuple(_frame_box(frame, chosen, marks) for frame in neighbours),
        neighbours_words=""
        if not neighbours
        else f"frames {formats.pfn(neighbours[0].pfn)} to {formats.pfn(neighbours[-1].pfn)}",
        orders=_orders(buddy, marks),
        cpu_lists=tuple(_cpu_list(zone) for zone in buddy),
        reclaim_words=_reclaim_words(reclaim),
        owners=owners,
        ledger_words=f"{formats.count(total * 4)} KB = {formats.count(memory.frames * 4)} KB",
    )


def _summary(chosen: Chosen) -> str:
    frame = chosen.frame
    if frame is None:
        return "the chosen address has no frame"
    owner = frame.detail or OWNER_WORDS[frame.owner]
    zone = f"zone {frame.zone}" if frame.zone else "no zone"
    return f"frame {formats.pfn(frame.pfn)}: {owner}, {zone}"


def _zone(zone: ZoneView, memory: PhysicalMemoryView, marks: Marks) -> ZonePart:
    owners = ", ".join(f"{OWNER_WORDS[owner]} {formats.pages(count)}" for owner, count in zone.owners)
    span = f"{formats.pfn(zone.start)} to {formats.pfn(zone.end)}"
    state, short = _state(zone)
    watermarks = (("min", zone.min_mark), ("low", zone.low_mark), ("high", zone.high_mark))
    spoken = f"Zone {zone.name}: {zone.free} free pages; " + ", ".join(f"{name} {pages}" for name, pages in watermarks)
    return ZonePart(
        mark=marks.of(keys.zone(zone.name)),
        name=zone.name,
        span=f"{formats.pages(zone.present)}, frames {span}",
        cells=zone_svg(zone, marks, memory.frames_per_cell, f"Frames of zone {zone.name}: {owners}"),
        gauge=marks_svg(zone, spoken),
        free=formats.count(zone.free),
        watermarks=tuple((name, formats.count(pages)) for name, pages in watermarks),
        state=state,
        short=short,
    )


def _state(zone: ZoneView) -> tuple[str, bool]:
    if zone.free <= zone.min_mark:
        return "below min: who allocates must reclaim", True
    if zone.free <= zone.low_mark:
        return "below low: kswapd is woken", True
    if zone.free <= zone.high_mark:
        return "below high: kswapd goes on if it runs", False
    return "above high: nobody reclaims", False


def _frame_box(frame: FrameView, chosen: Chosen, marks: Marks) -> FrameBox:
    mark = marks.of(keys.frame(frame.pfn), *(keys.page(place.address >> 12) for place in frame.mapped_at))
    where = "".join(
        f", process {place.pid} has it at {formats.address(place.address)}" for place in frame.mapped_at[:3]
    )
    return FrameBox(
        mark=mark,
        href=chosen.frame_href(frame.pfn),
        owner=frame.owner.value,
        letter=OWNER_LETTERS[frame.owner],
        said=f"frame {formats.pfn(frame.pfn)}, {frame.detail or OWNER_WORDS[frame.owner]}{where}{mark.said}",
    )


def _orders(buddy: tuple[ZoneBuddy, ...], marks: Marks) -> tuple[OrderRow, ...]:
    largest = max((order.free for zone in buddy for order in zone.orders), default=0)
    rows = []
    for number in range(len(buddy[0].orders)):
        cells = []
        for zone in buddy:
            order = zone.orders[number]
            first = "; ".join(
                f"{found.migratetype}: {', '.join(formats.pfn(pfn) for pfn in found.first)}"
                + ("…" if found.blocks > len(found.first) else "")
                for found in order.lists
            )
            cells.append(
                OrderCell(
                    marks.of(keys.order(zone.zone, number), keys.zone(zone.zone)),
                    order.free,
                    bar_svg(order.free, largest),
                    first,
                )
            )
        rows.append(OrderRow(number, formats.pages(1 << number), tuple(cells)))
    return tuple(rows)


def _cpu_list(zone: ZoneBuddy) -> str:
    blocks = ", ".join(f"{count} of order {order}" for order, count in zone.cpu_blocks)
    return f"{zone.zone}: {formats.times(zone.cpu_pages, 'page')}" + (f" ({blocks})" if blocks else "")


def _reclaim_words(reclaim: ReclaimView) -> str:
    swap = (
        f"swap {formats.pages(reclaim.swap_used)} of {formats.pages(reclaim.swap_pages)} used"
        if reclaim.swap_pages
        else "no swap"
    )
    runs = "kswapd never ran" if not reclaim.kswapd_runs else f"kswapd ran {formats.times(reclaim.kswapd_runs, 'time')}"
    return f"{swap} · {runs} · {formats.times(reclaim.stolen, 'page')} reclaimed"


def _owner_row(owner: Owner, count: int, memory: PhysicalMemoryView) -> OwnerRow:
    by_zone = (dict(zone.owners).get(owner, 0) for zone in memory.zones)
    return OwnerRow(
        owner=owner.value,
        letter=OWNER_LETTERS[owner],
        words=OWNER_WORDS[owner],
        frames=formats.count(count),
        size=formats.pages(count),
        by_zone=tuple(formats.count(found) for found in by_zone),
    )
