"""Pictures of physical memory, as SVG: frames in cells, a zone's watermarks, a bar beside a number.

A cell is no element of its own: a thousand of them would weigh more than the rest of the page. Cells of one owner are one
path, and the page's script finds from data-first, data-per and data-cells what is under the pointer.
"""

from __future__ import annotations

from math import log2
from typing import TYPE_CHECKING, Final

from markupsafe import Markup, escape

from engine.views.physical_memory import Owner

if TYPE_CHECKING:
    from app.pages.marks import Marks
    from engine.views.physical_memory import Cell, ZoneView

COLUMNS: Final = 64
_PITCH: Final = 12
_LEAST: Final = 2
_BAR_WIDTH: Final = 60


def cells_svg(cells: tuple[Cell, ...], per_cell: int, marks: Marks, chosen: int | None, label: str) -> Markup:
    """Cells of `per_cell` frames, 64 a row, low frames first; each is filled from below by its owners' shares.

    `chosen` is the frame that is ringed.
    """
    rows = -(-len(cells) // COLUMNS)
    start = cells[0].first & -per_cell
    parts = [f'<path fill="url(#p-{owner})" d="{path}"/>' for owner, path in _fills(cells)]
    changed = sorted({(pfn - start) // per_cell for pfn in marks.changed_frames if pfn >= start})
    corners = "".join(
        f"M{number % COLUMNS * _PITCH + 6} {number // COLUMNS * _PITCH}h6v6z"
        for number in changed
        if number < len(cells)
    )
    if corners:
        parts.append(f'<path class="changed-mark" d="{corners}"/>')
    ring = ""
    number = -1 if chosen is None else (chosen - start) // per_cell
    if 0 <= number < len(cells):
        x, y = number % COLUMNS * _PITCH, number // COLUMNS * _PITCH
        where = f'x="{x - 1}" y="{y - 1}" width="{_PITCH + 2}" height="{_PITCH + 2}" rx="2"'
        ring = f'<rect {where} class="ring-room"/><rect {where} class="chosen-ring"/>'
    width, height = COLUMNS * _PITCH, rows * _PITCH
    last = (len(cells) - 1) % COLUMNS + 1
    room = f"M0 0h{width}v{height - _PITCH}h{(last - COLUMNS) * _PITCH}v{_PITCH}h-{last * _PITCH}z"
    return Markup(  # noqa: S704 - numbers and our own names; the label is escaped
        f'<svg class="cells" viewBox="-1 -1 {width + 2} {height + 2}" role="img" aria-label="{escape(label)}"'
        f' data-first="{start}" data-low="{cells[0].first}" data-per="{per_cell}" data-cells="{len(cells)}">'
        f'<path class="room" d="{room}"/>{"".join(parts)}<path class="grid" d="{_grid(width, height)}"/>{ring}</svg>'
    )


def _fills(cells: tuple[Cell, ...]) -> list[tuple[Owner, str]]:
    """A path for each owner. Neighbours that are filled the same are one piece of it."""
    fills: dict[Owner, list[str]] = {}
    at, count = 0, len(cells)
    profile = _profile(cells[0])
    while at < count:
        x, y = at % COLUMNS * _PITCH, at // COLUMNS * _PITCH
        run, most = 1, min(COLUMNS - at % COLUMNS, count - at)
        following = _profile(cells[at + 1]) if at + 1 < count else ()
        while run < most and following == profile:
            run += 1
            following = _profile(cells[at + run]) if at + run < count else ()
        bottom, width = y + _PITCH, run * _PITCH
        for owner, height in profile:
            bottom -= height
            fills.setdefault(owner, []).append(f"M{x} {bottom}h{width}v{height}h-{width}z")
        at, profile = at + run, following
    return [(owner, "".join(parts)) for owner, parts in fills.items()]


def _profile(cell: Cell) -> tuple[tuple[Owner, int], ...]:
    """How high each owner fills a cell, from below; who has a frame of it is seen."""
    owners = cell.owners
    if len(owners) == 1:
        return () if owners[0][0] is Owner.FREE else ((owners[0][0], _PITCH),)
    found, room = [], _PITCH
    for owner, frames in owners:
        height = min(max(_LEAST, round(_PITCH * frames / cell.frames)), room)
        if owner is not Owner.FREE and height:
            found.append((owner, height))
            room -= height
    return tuple(found)


def _grid(width: int, height: int) -> str:
    lines = [f"M{x} 0v{height}" for x in range(0, width + 1, _PITCH)]
    return "".join([*lines, *(f"M0 {y}h{width}" for y in range(0, height + 1, _PITCH))])


def marks_svg(zone: ZoneView, label: str) -> Markup:
    """The zone's free pages against its watermarks: the scale ends at four times the high mark."""
    scale = max(1, zone.high_mark * 4)
    width, height = 200, 14

    def at(pages: int) -> float:
        return round(min(1.0, pages / scale) * width, 1)

    ticks = "".join(
        f'<path class="tick" d="M{at(pages)} 0v{height}"/>' for pages in (zone.min_mark, zone.low_mark, zone.high_mark)
    )
    return Markup(  # noqa: S704 - numbers; the label is escaped
        f'<svg class="gauge" viewBox="0 0 {width} {height}" preserveAspectRatio="none" role="img"'
        f' aria-label="{escape(label)}"><rect class="gauge-room" width="{width}" height="{height}"/>'
        f'<rect class="gauge-free" y="3" width="{at(zone.free)}" height="{height - 6}"/>{ticks}</svg>'
    )


def bar_svg(value: int, largest: int) -> Markup:
    """A small bar beside a number that says the same, on a logarithmic scale: for the eye alone."""
    width = round(_BAR_WIDTH * log2(1 + value) / log2(1 + largest)) if value else 0
    return Markup(  # noqa: S704 - numbers
        f'<svg class="bar" viewBox="0 0 {_BAR_WIDTH} 8" aria-hidden="true"><rect width="{width}" height="8"/></svg>'
    )
