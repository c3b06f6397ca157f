"""Pictures of physical memory, as SVG: frames in cells, a zone's watermarks, a bar beside a number.

A cell is no element of its own: a thousand of them would weigh more than the rest of the page. Cells of one owner are one
path, and the page's script finds from data-first, data-per and data-cells what is under the pointer.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import groupby
from math import log2
from typing import TYPE_CHECKING, Final

from markupsafe import Markup, escape

from engine.views.physical_memory import OWNERS, Owner

if TYPE_CHECKING:
    from engine.views.physical_memory import ZoneView

COLUMNS: Final = 64
KINDS: Final = (*OWNERS, "swapped")
"""What a code says of a frame, or of a page: the last is a page in the swap area."""
SWAPPED: Final = len(OWNERS)
_PITCH: Final = 12
_LEAST: Final = 2


def cells_svg(
    codes: bytearray,
    frames: range,
    per_cell: int,
    changed_ones: frozenset[int],
    chosen: int | None,
    label: str,
    kind: str = "frame",
) -> Markup:
    """`frames` in cells of `per_cell`, 64 a row, low ones first; each is filled from below by its owners' shares.

    `codes` says whose each frame is; `chosen` is the frame that is ringed. Of kind "page", they are pages of a process.
    """
    start = frames.start & -per_cell
    count = -(-(frames.stop - start) // per_cell)
    rows = -(-count // COLUMNS)
    parts = [f'<path fill="url(#p-{owner})" d="{path}"/>' for owner, path in _fills(codes, frames, per_cell)]
    if changed_ones:
        changed = sorted({(pfn - start) // per_cell for pfn in changed_ones if frames.start <= pfn < frames.stop})
        corners = "".join(f"M{cell % COLUMNS * _PITCH + 6} {cell // COLUMNS * _PITCH}h6v6z" for cell in changed)
        parts.append(f'<path class="changed-mark" d="{corners}"/>' if corners else "")
    width, height = COLUMNS * _PITCH, rows * _PITCH
    last = (count - 1) % COLUMNS + 1
    room = f"M0 0h{width}v{height - _PITCH}h{(last - COLUMNS) * _PITCH}v{_PITCH}h-{last * _PITCH}z"
    ring = _ring((chosen - start) // per_cell) if chosen is not None and chosen in frames else ""
    return Markup(  # noqa: S704 - numbers and our own names; the label is escaped
        f'<svg class="cells" viewBox="-1 -1 {width + 2} {height + 2}" role="img" aria-label="{escape(label)}"'
        f' data-first="{start}" data-low="{frames.start}" data-per="{per_cell}" data-cells="{count}" data-kind="{kind}">'
        f'<path class="room" d="{room}"/>{"".join(parts)}<path class="grid" d="{_grid(width, height)}"/>{ring}</svg>'
    )


def _ring(cell: int) -> str:
    x, y = cell % COLUMNS * _PITCH - 1, cell // COLUMNS * _PITCH - 1
    where = f'x="{x}" y="{y}" width="{_PITCH + 2}" height="{_PITCH + 2}" rx="2"'
    return f'<rect {where} class="ring-room"/><rect {where} class="chosen-ring"/>'


def _fills(codes: bytearray, frames: range, per_cell: int) -> list[tuple[str, str]]:
    """A path for each owner, put together from those of the rows."""
    row = per_cell * COLUMNS
    start = frames.start & -per_cell
    fills: dict[str, list[str]] = {}
    for number, first in enumerate(range(start, frames.stop, row)):
        low, high = max(first, frames.start), min(first + row, frames.stop)
        for owner, path in _row(bytes(codes[low:high]), low - first, per_cell, number * _PITCH):
            fills.setdefault(owner, []).append(path)
    return [(owner, "".join(parts)) for owner, parts in fills.items()]


@lru_cache(maxsize=1024)
def _row(codes: bytes, skipped: int, per_cell: int, y: int) -> tuple[tuple[str, str], ...]:
    """The paths of one row: most are as they were the last time. Cells that are filled the same are one piece.

    `skipped` frames before the row's first code are not in the picture.
    """
    paths: dict[str, list[str]] = {}
    profiles = [
        _profile(codes[max(0, first - skipped) : first - skipped + per_cell])
        for first in range(0, skipped + len(codes), per_cell)
    ]
    x = 0
    for profile, alike in groupby(profiles):
        width, bottom = sum(_PITCH for _ in alike), y + _PITCH
        for owner, height in profile:
            bottom -= height
            paths.setdefault(owner, []).append(f"M{x} {bottom}h{width}v{height}h-{width}z")
        x += width
    return tuple((owner, "".join(parts)) for owner, parts in paths.items())


@lru_cache(maxsize=4096)
def _profile(codes: bytes) -> tuple[tuple[str, int], ...]:
    """How high each owner fills a cell, from below; who has a frame of it is seen."""
    found, room = [], _PITCH
    for code in sorted(set(codes)):
        owner = KINDS[code]
        height = min(max(_LEAST, round(_PITCH * codes.count(code) / len(codes))), room)
        if owner is not Owner.FREE and height:
            found.append((owner, height))
            room -= height
    return tuple(found)


@lru_cache(maxsize=64)
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


def bar(value: int, largest: int) -> Markup:
    """A small bar beside a number that says the same, on a logarithmic scale: for the eye alone."""
    if not value:
        return Markup()
    tenths = max(1, round(10 * log2(1 + value) / log2(1 + largest)))
    return Markup(f'<i class="bar b{tenths}"></i>')  # noqa: S704 - a number
