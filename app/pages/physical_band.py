"""Physical memory: zones with their frames and watermarks, near or from far away, and the buddy lists."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from app.pages import formats, keys
from app.pages.names import frame_kind, frame_owner, listed
from app.pages.svg_physical import COLUMNS, bar, cells_svg, marks_svg
from app.pages.zoom import ZoomBar, href
from app.words import t
from engine import views
from engine.views.physical_memory import Owner

if TYPE_CHECKING:
    from markupsafe import Markup

    from app.pages.looking import Looking
    from app.pages.marks import Chosen, Mark, Marks
    from engine.machine import Machine
    from engine.views.buddy import ZoneBuddy
    from engine.views.frame import FrameView
    from engine.views.physical_memory import PhysicalMemoryView, ZoneView

NEIGHBOURS: Final = 16
"""Frames that are drawn one by one around the chosen one."""


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


WINDOW: Final = 16 * COLUMNS
"""Cells of the picture when one has gone near."""
NEARER: Final = 8
"""So many times fewer frames are in a cell one step nearer."""


@dataclass(frozen=True, slots=True)
class ZonePart:
    """One zone. Without cells when the picture is nearer than that."""

    mark: Mark
    name: str
    size: str
    span: str
    cells: Markup | None
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


@dataclass(frozen=True, slots=True)
class OrderRow:
    """One order, across the zones."""

    order: int
    size: str
    cells: tuple[OrderCell, ...]


@dataclass(frozen=True, slots=True)
class BlockRow:
    """The free blocks of one order and migrate type of a zone, the next to be taken first."""

    zone: str
    order: int
    migratetype: str
    blocks: int
    first: tuple[FrameLink, ...]


@dataclass(frozen=True, slots=True)
class FrameLink:
    """A frame to go to."""

    mark: Mark
    href: str
    words: str


@dataclass(frozen=True, slots=True)
class BlocksPanel:
    """The free lists in full."""

    rows: tuple[BlockRow, ...]
    cpu_lists: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ZonesPart:
    """The zones with their frames. `near` is the picture of a part, where one has gone near."""

    cell_words: str
    near: Markup | None
    zones: tuple[ZonePart, ...]


@dataclass(frozen=True, slots=True)
class OrdersPart:
    """The free blocks, by order."""

    zones: tuple[str, ...]
    orders: tuple[OrderRow, ...]


@dataclass(frozen=True, slots=True)
class AroundPart:
    """The chosen frame among its neighbours."""

    summary: str
    neighbours: tuple[FrameBox, ...]
    neighbours_words: str


@dataclass(frozen=True, slots=True)
class PhysicalBand:
    """What there is."""

    zoom: ZoomBar
    zones: ZonesPart
    orders: OrdersPart
    around: AroundPart


@dataclass(frozen=True, slots=True)
class FramePart:
    """What is drawn of physical memory: cells of `per` frames from `first` on, or everything."""

    first: int
    per: int
    whole: bool


def frame_part(words: str, memory: PhysicalMemoryView) -> FramePart:
    """What "0x1000/8" asks for: cells of 8 frames from there on. Everything, where it asks for nothing that is there."""
    first, _, per = words.partition("/")
    try:
        start, size = int(first, 16), int(per)
    except ValueError:
        return FramePart(0, memory.frames_per_cell, whole=True)
    if not 0 <= start < memory.frames or size < 1 or size & size - 1 or size * WINDOW >= memory.frames:
        return FramePart(0, memory.frames_per_cell, whole=True)
    return FramePart(_clamped(start, size, memory.frames), size, whole=False)


def _clamped(first: int, per: int, frames: int) -> int:
    """Where a picture begins so that it is full: at the start of a row."""
    row = per * COLUMNS
    return max(0, min(first, frames - per * WINDOW)) // row * row


def physical_band(look: Looking, part: FramePart, chosen: Chosen, marks: Marks) -> PhysicalBand:
    """The band."""
    pfn = None if chosen.frame is None else chosen.frame.pfn
    changed = marks.changed_frames
    kept, buddy, frames = look.kept, look.buddy, marks.among("frame:")
    return PhysicalBand(
        zoom=_zoom(part, look.memory, pfn),
        zones=kept.part(
            ("zones", part, pfn, changed, marks.among("zone:")),
            lambda: _zones(look.codes, look.memory, part, pfn, marks),
        ),
        orders=kept.part(
            ("orders", marks.among("order:")),
            lambda: OrdersPart(tuple(zone.zone for zone in buddy), _orders(buddy, marks)),
        ),
        around=kept.part(("around", chosen.frame, chosen.pid, frames), lambda: _around(look.machine, chosen, marks)),
    )


def _around(machine: Machine, chosen: Chosen, marks: Marks) -> AroundPart:
    neighbours = _neighbours(machine, chosen.frame)
    return AroundPart(
        summary=_summary(chosen),
        neighbours=tuple(_frame_box(frame, chosen, marks) for frame in neighbours),
        neighbours_words="" if not neighbours else _frames_to(neighbours[0].pfn, neighbours[-1].pfn),
    )


def _neighbours(machine: Machine, frame: FrameView | None) -> tuple[FrameView, ...]:
    """The frames around the chosen one, an aligned run."""
    if frame is None:
        return ()
    first = frame.pfn & -NEIGHBOURS
    found = (views.frame(machine, pfn) for pfn in range(first, first + NEIGHBOURS))
    return tuple(one for one in found if one is not None)


def _zones(codes: bytearray, memory: PhysicalMemoryView, part: FramePart, pfn: int | None, marks: Marks) -> ZonesPart:
    near = None
    if not part.whole:
        frames = range(part.first, min(part.first + part.per * WINDOW, memory.frames))
        label = t("memory.picture", first=formats.pfn(frames.start), last=formats.pfn(frames.stop - 1))
        near = cells_svg(codes, frames, part.per, marks.changed_frames, pfn, label)
    return ZonesPart(
        cell_words=t("memory.cell", frames=part.per, size=formats.pages(part.per)),
        near=near,
        zones=tuple(_zone(zone, memory, marks, pfn, codes if part.whole else None) for zone in memory.zones),
    )


def blocks_panel(buddy: tuple[ZoneBuddy, ...], chosen: Chosen, marks: Marks) -> BlocksPanel:
    """The free lists: each migrate type's, and the CPU's own."""
    rows = tuple(
        BlockRow(
            zone.zone,
            order.order,
            found.migratetype,
            found.blocks,
            tuple(
                FrameLink(
                    marks.of(keys.frame(pfn), keys.block(pfn, order.order), keys.order(zone.zone, order.order)),
                    chosen.frame_href(pfn),
                    formats.pfn(pfn),
                )
                for pfn in found.first
            ),
        )
        for zone in buddy
        for order in zone.orders
        for found in order.lists
    )
    return BlocksPanel(rows, tuple(_cpu_list(zone) for zone in buddy))


def _zoom(part: FramePart, memory: PhysicalMemoryView, chosen: int | None) -> ZoomBar:
    def there(first: int, per: int) -> str:
        if per * WINDOW >= memory.frames:
            return href("frames", "")
        return href("frames", f"{_clamped(first, per, memory.frames):#x}/{per}")

    span = memory.frames if part.whole else part.per * WINDOW
    inside = chosen is not None and part.first <= chosen < part.first + span
    middle = chosen if inside and chosen is not None else part.first + span // 2
    near = max(1, part.per // NEARER)
    while near > 1 and near * WINDOW >= memory.frames:
        near //= NEARER
    far = part.per * NEARER
    end = part.first + span
    return ZoomBar(
        "frames",
        t("zoom.all_frames") if part.whole else _frames_to(part.first, end - 1),
        nearer=there(middle - near * WINDOW // 2, near) if part.per > 1 and near * WINDOW < memory.frames else "",
        farther="" if part.whole else there(part.first + span // 2 - far * WINDOW // 2, far),
        before=there(part.first - span, part.per) if part.first else "",
        after=there(end, part.per) if end < memory.frames else "",
        whole="" if part.whole else href("frames", ""),
    )


def _summary(chosen: Chosen) -> str:
    frame = chosen.frame
    if frame is None:
        return t("memory.no_frame")
    pfn, owner = formats.pfn(frame.pfn), frame_kind(frame)
    if not frame.zone:
        return t("memory.frame_is_outside", pfn=pfn, owner=owner)
    return t("memory.frame_is", pfn=pfn, owner=owner, zone=frame.zone)


def _frames_to(first: int, last: int) -> str:
    return t("memory.frames_to", first=formats.pfn(first), last=formats.pfn(last))


def _zone(
    zone: ZoneView, memory: PhysicalMemoryView, marks: Marks, chosen: int | None, codes: bytearray | None
) -> ZonePart:
    owners = listed(f"{frame_owner(owner)} {formats.pages(count)}" for owner, count in zone.owners)
    state, short = _state(zone)
    watermarks = (("min", zone.min_mark), ("low", zone.low_mark), ("high", zone.high_mark))
    levels = listed(f"{name} {pages}" for name, pages in watermarks)
    spoken = t("memory.zone_said", zone=zone.name, free=zone.free, marks=levels)
    label = t("memory.zone_frames", zone=zone.name, owners=owners)
    return ZonePart(
        mark=marks.of(keys.zone(zone.name)),
        name=zone.name,
        size=formats.pages(zone.present),
        span=_frames_to(zone.start, zone.end),
        cells=None
        if codes is None
        else cells_svg(codes, range(zone.start, zone.end), memory.frames_per_cell, marks.changed_frames, chosen, label),
        gauge=marks_svg(zone, spoken),
        free=formats.count(zone.free),
        watermarks=tuple((name, formats.count(pages)) for name, pages in watermarks),
        state=state,
        short=short,
    )


def _state(zone: ZoneView) -> tuple[str, bool]:
    if zone.free <= zone.min_mark:
        return t("memory.below_min"), True
    if zone.free <= zone.low_mark:
        return t("memory.below_low"), True
    if zone.free <= zone.high_mark:
        return t("memory.below_high"), False
    return "", False


def _frame_box(frame: FrameView, chosen: Chosen, marks: Marks) -> FrameBox:
    block = frame.block
    order = () if block is None or not block.migratetype or not frame.zone else (keys.order(frame.zone, block.order),)
    slot = () if frame.slot is None else (keys.swap(frame.slot),)
    pages = (keys.page(place.address >> 12) for place in frame.mapped_at)
    mark = marks.of(keys.frame(frame.pfn), *pages, *order, *slot)
    where = "".join(
        t("memory.has_it", pid=place.pid, address=formats.address(place.address)) for place in frame.mapped_at[:3]
    )
    owner = frame_kind(frame)
    return FrameBox(
        mark=mark,
        href=chosen.frame_href(frame.pfn),
        owner=frame.owner.value,
        letter=OWNER_LETTERS[frame.owner],
        said=t("memory.frame_said", pfn=formats.pfn(frame.pfn), owner=owner) + where + mark.said,
    )


def _orders(buddy: tuple[ZoneBuddy, ...], marks: Marks) -> tuple[OrderRow, ...]:
    largest = max((order.free for zone in buddy for order in zone.orders), default=0)
    rows = []
    for number in range(len(buddy[0].orders)):
        cells = []
        for zone in buddy:
            order = zone.orders[number]
            cells.append(
                OrderCell(
                    marks.of(
                        keys.order(zone.zone, number),
                        keys.zone(zone.zone),
                        *(keys.block(pfn, number) for found in order.lists for pfn in found.first[:1]),
                    ),
                    order.free,
                    bar(order.free, largest),
                )
            )
        rows.append(OrderRow(number, formats.pages(1 << number), tuple(cells)))
    return tuple(rows)


def _cpu_list(zone: ZoneBuddy) -> str:
    blocks = listed(t("blocks.of_order", count=count, order=order) for order, count in zone.cpu_blocks)
    if blocks:
        return t("blocks.cpu_zone_blocks", zone=zone.zone, pages=zone.cpu_pages, blocks=blocks)
    return t("blocks.cpu_zone", zone=zone.zone, pages=zone.cpu_pages)
