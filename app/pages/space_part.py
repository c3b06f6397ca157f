"""A part of the address space seen near: its pages in cells, as those of physical memory are drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from app.pages import formats
from app.pages.svg_physical import COLUMNS, SWAPPED, cells_svg
from app.pages.zoom import ZoomBar, href
from app.words import t
from engine import views
from engine.views.address_space import KERNEL_START

if TYPE_CHECKING:
    from markupsafe import Markup

    from app.pages.marks import Chosen
    from engine.machine import Machine

WINDOW: Final = 4 * COLUMNS
"""Cells of the picture."""
NEARER: Final = 8
_END: Final = KERNEL_START >> formats.PAGE_SHIFT
_HALF: Final = WINDOW // 2


class SpacePart(NamedTuple):
    """Cells of `per` pages from page `first` on."""

    first: int
    per: int


def space_part(words: str) -> SpacePart | None:
    """What "0xb7d5b000/2" asks for: cells of 2 pages from there on; None for the whole address space."""
    start, _, per = words.partition("/")
    try:
        first, size = int(start, 16) >> formats.PAGE_SHIFT, int(per)
    except ValueError:
        return None
    if not 0 <= first < _END or size < 1 or size & size - 1 or size * WINDOW >= _END:
        return None
    return _clamped(first, size)


def _clamped(first: int, per: int) -> SpacePart:
    return SpacePart(max(0, min(first, _END - per * WINDOW)) & -per, per)


def _there(first: int, per: int) -> str:
    if per * WINDOW >= _END:
        return href("space", "")
    part = _clamped(first, per)
    return href("space", f"{part.first << formats.PAGE_SHIFT:#010x}/{part.per}")


def space_zoom(part: SpacePart | None, chosen: Chosen) -> ZoomBar:
    """The links from here: from the whole to the chosen region, from a region to its pages."""
    page = chosen.at.walk.linear >> formats.PAGE_SHIFT
    if part is None:
        return ZoomBar("space", "", nearer=_region_href(chosen, page))
    span = part.per * WINDOW
    inside = part.first <= page < part.first + span
    middle = page if inside else part.first + span // 2
    near, far = max(1, part.per // NEARER), part.per * NEARER
    last = part.first + span - 1
    return ZoomBar(
        "space",
        t(
            "space.part",
            first=formats.address(part.first << formats.PAGE_SHIFT),
            last=formats.address((last << formats.PAGE_SHIFT) + formats.PAGE - 1),
            pages=part.per,
        ),
        nearer=_there(middle - near * _HALF, near) if part.per > 1 else "",
        farther=_there(part.first + span // 2 - far * _HALF, far),
        before=_there(part.first - span, part.per) if part.first else "",
        after=_there(part.first + span, part.per) if last + 1 < _END else "",
        whole=href("space", ""),
    )


def _region_href(chosen: Chosen, page: int) -> str:
    region = chosen.at.region
    if region is None:
        return _there(page - _HALF, 1) if page < _END else ""
    per = 1
    while region.pages > per * WINDOW:
        per *= 2
    return _there(region.start >> formats.PAGE_SHIFT, per)


def pages_svg(machine: Machine, part: SpacePart, codes: bytearray, chosen: Chosen, changed: frozenset[int]) -> Markup:
    """The pages, each cell filled as far as they are in memory, in the colours of their frames; or in swap."""
    pages = range(part.first, part.first + part.per * WINDOW)
    start, end = pages.start << formats.PAGE_SHIFT, pages.stop << formats.PAGE_SHIFT
    kinds = bytearray(pages.stop)
    frames = views.resident_frames(machine, chosen.pid, start, end)
    for page, pfn in frames.items():
        kinds[page] = codes[pfn]
    for page in views.swapped_pages(machine, chosen.pid, start, end):
        kinds[page] = SWAPPED
    label = t("space.pages", first=formats.address(start), last=formats.address(end - 1), present=len(frames))
    return cells_svg(kinds, pages, part.per, changed, chosen.at.walk.linear >> formats.PAGE_SHIFT, label, "page")
