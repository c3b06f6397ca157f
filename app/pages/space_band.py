"""The address space as a row of regions with the holes between them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Final

from app.pages import formats, keys
from app.pages.marks import Chosen, Mark, Marks
from app.words import t
from engine.views.address_space import KERNEL_START, RegionKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from markupsafe import Markup

    from app.pages.zoom import ZoomBar
    from engine.views.address_space import AddressSpaceView, Region

_WIDTH_MAXIMUM: Final = 12
_SMALL_HOLE: Final = 16 << 20


@dataclass(frozen=True, slots=True)
class RegionBox:
    """Regions of one name that touch, drawn as one."""

    mark: Mark
    href: str
    kind: str
    width: int
    name: str
    rights: str
    size: str
    start: str
    said: str


@dataclass(frozen=True, slots=True)
class Hole:
    """Addresses where nothing is mapped. `words` is their size, if they are many."""

    words: str


@dataclass(frozen=True, slots=True)
class SpaceBand:
    """What the process believes."""

    summary: str
    zoom: ZoomBar
    near: Markup | None
    """The pages of a part, where one has gone near."""
    parts: tuple[RegionBox | Hole, ...]
    kernel_href: str
    in_kernel: bool


def space_band(
    space: AddressSpaceView, zoom: ZoomBar, near: Markup | None, chosen: Chosen, marks: Marks, frames: dict[int, int]
) -> SpaceBand:
    """The band. `frames` gives the frame behind pages of the regions."""
    parts: list[RegionBox | Hole] = []
    end = 0
    for _, group in groupby(_with_neighbours(space.regions), key=lambda pair: pair[0]):
        regions = [region for _, region in group]
        start = regions[0].start
        if start > end:
            wide = start - end > _SMALL_HOLE
            parts.append(Hole(formats.size(start - end) if wide else ""))
        parts.append(_box(regions, chosen, marks, frames))
        end = regions[-1].end
    if end and end < KERNEL_START:
        parts.append(Hole(""))
    return SpaceBand(
        summary=t("space.summary", virtual=formats.pages(space.total_vm), resident=formats.pages(space.rss)),
        zoom=zoom,
        near=near,
        parts=tuple(parts),
        kernel_href=chosen.href(KERNEL_START),
        in_kernel=chosen.at.address >= KERNEL_START,
    )


def _with_neighbours(regions: tuple[Region, ...]) -> list[tuple[int, Region]]:
    """Each region with the number of its group: regions that touch and have the same name."""
    found: list[tuple[int, Region]] = []
    number = 0
    for region in regions:
        before = found[-1][1] if found else None
        if before is None or before.end != region.start or _name(before) != _name(region):
            number += 1
        found.append((number, region))
    return found


def _name(region: Region) -> str:
    if region.kind is RegionKind.SPECIAL:
        return "vdso"
    return region.name.strip("[]").rsplit("/", 1)[-1].partition(".so")[0] or "anon"


def _rights(regions: list[Region]) -> str:
    return regions[0].permissions[:3] if len(regions) == 1 else t("space.parts", count=len(regions))


def _frames(frames: dict[int, int], low: int, high: int) -> Iterator[int]:
    """The frames of the pages [low, high), by page."""
    if high - low > len(frames):
        return (pfn for vpn, pfn in frames.items() if low <= vpn < high)
    return (frames[vpn] for vpn in range(low, high) if vpn in frames)


def _box(regions: list[Region], chosen: Chosen, marks: Marks, frames: dict[int, int]) -> RegionBox:
    first, last = regions[0], regions[-1]
    held = next((region for region in regions if keys.region(region.start) in marks.selected), first)
    mentioned = [keys.region(region.start) for region in regions if region is not held]
    low, high = first.start >> formats.PAGE_SHIFT, last.end >> formats.PAGE_SHIFT
    mentioned.append(keys.pages(low, high - 1))
    mentioned += keys.frames(_frames(frames, low, high))
    mark = marks.of(keys.region(held.start), *mentioned)
    changed = any(keys.region(region.start) in marks.changed for region in regions)
    mark = Mark(mark.key, mark.keys, mark.selected, changed)
    pages = sum(region.pages for region in regions)
    resident = sum(region.resident for region in regions)
    name = _name(first)
    said = t(
        "space.said",
        name=name,
        rights=_rights(regions),
        start=formats.address(first.start),
        end=formats.address(last.end),
        size=formats.pages(pages),
        resident=formats.pages(resident),
    )
    return RegionBox(
        mark=mark,
        href=chosen.href(held.start),
        kind=first.kind.value,
        width=min(_WIDTH_MAXIMUM, max(2, pages.bit_length())),
        name=name,
        rights=_rights(regions),
        size=formats.pages(pages),
        start=f"{first.start:08x}",
        said=said + mark.said,
    )
