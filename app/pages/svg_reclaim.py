"""A zone's free pages through one command, between its watermarks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from markupsafe import Markup, escape

if TYPE_CHECKING:
    from engine.views.reclaim_step import FreeCurve

_WIDTH: Final = 600
_HEIGHT: Final = 90
_MARKS_SHOWN: Final = 40
_ROOM: Final = 4
"""The scale ends at so many times the high watermark, or below where nothing is so high."""
_LABELS: Final = (_WIDTH - 4, _WIDTH - 44, _WIDTH - 84)
"""Where the names of the marks end, so that they do not lie on each other."""


def curve_svg(curve: FreeCurve, woken: tuple[int, ...], stalled: tuple[int, ...], label: str) -> Markup:
    """Time goes to the right; what is far above the high watermark is cut off. A tick below: woken; above: stalled."""
    start, end = curve.points[0][0], max(curve.points[-1][0], curve.points[0][0] + 1)
    most = max(free for _, free in curve.points)
    scale = max(1, min(most, curve.high_mark * _ROOM), curve.high_mark * 5 // 4)

    def x(ns: int) -> float:
        return round((ns - start) / (end - start) * _WIDTH, 1)

    def y(pages: int) -> float:
        return round(_HEIGHT - min(1.0, max(0, pages) / scale) * _HEIGHT, 1)

    line = "L".join(f"{x(ns)} {y(free)}" for ns, free in curve.points)
    marks = "".join(
        f'<path class="mark" d="M0 {y(pages)}h{_WIDTH}"/><text x="{at}" y="{y(pages) - 2}">{name}</text>'
        for at, name, pages in zip(
            _LABELS, ("high", "low", "min"), (curve.high_mark, curve.low_mark, curve.min_mark), strict=True
        )
    )
    ticks = "".join(f'<path class="woken" d="M{x(ns)} {_HEIGHT}v-9"/>' for ns in _some(woken))
    ticks += "".join(f'<path class="stalled" d="M{x(ns)} 0v9"/>' for ns in _some(stalled))
    return Markup(  # noqa: S704 - numbers; the label is escaped
        f'<svg class="freecurve" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(label)}">'
        f'{marks}<path class="free" d="M{line}"/>{ticks}</svg>'
    )


def _some(times: tuple[int, ...]) -> tuple[int, ...]:
    return times[:: -(-len(times) // _MARKS_SHOWN) or 1]
