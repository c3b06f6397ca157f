"""Pictures of physical memory, as SVG: a zone's frames in cells, and its watermarks."""

from __future__ import annotations

from math import log2
from typing import TYPE_CHECKING, Final

from markupsafe import Markup, escape

from app.pages import keys
from engine.views.physical_memory import Owner

if TYPE_CHECKING:
    from app.pages.marks import Marks
    from engine.views.physical_memory import ZoneView

COLUMNS: Final = 64
_CELL: Final = 12
_PITCH: Final = 13
_LEAST: Final = 2.0
_BAR_WIDTH: Final = 60


def zone_svg(zone: ZoneView, marks: Marks, frames_per_cell: int, label: str) -> Markup:
    """The zone's cells, 64 a row, low frames first; each is filled from below by its owners' shares."""
    fills: dict[Owner, list[str]] = {}
    cells: list[str] = []
    rings: list[str] = []
    for number, cell in enumerate(zone.cells):
        x, y = number % COLUMNS * _PITCH, number // COLUMNS * _PITCH
        key = keys.cell(cell.first, frames_per_cell)
        cells.append(
            f'<rect x="{x}" y="{y}" width="{_CELL}" height="{_CELL}" class="cell" data-key="{key}"'
            f' data-frame="{cell.first:#07x}"/>'
        )
        bottom = float(y + _CELL)
        used = [(owner, count) for owner, count in cell.owners if owner is not Owner.FREE]
        for owner, count in used:
            height = max(_LEAST, _CELL * count / cell.frames)
            height = min(height, bottom - y)
            bottom -= height
            fills.setdefault(owner, []).append(f"M{x} {bottom:g}h{_CELL}v{height:g}h-{_CELL}z")
        if key in marks.changed:
            rings.append(f'<path class="changed-mark" d="M{x + 5} {y}h7v7z"/>')
        if key in marks.selected:
            rings.append(f'<rect x="{x - 0.5}" y="{y - 0.5}" width="13" height="13" class="chosen-ring"/>')
    rows = -(-len(zone.cells) // COLUMNS)
    paths = [f'<path class="o-{owner.value}" d="{"".join(parts)}"/>' for owner, parts in fills.items()]
    return Markup(  # noqa: S704 - numbers and our own names; the label is escaped
        f'<svg class="cells" viewBox="-1 -1 {COLUMNS * _PITCH + 1} {rows * _PITCH + 1}" role="img"'
        f' aria-label="{escape(label)}">{"".join(cells)}<g class="fills">{"".join(paths)}</g>{"".join(rings)}</svg>'
    )


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
