"""How a picture that stands alone is drawn: its colours, its boxes and bars, one below the other on one sheet.

Every shape carries its colour twice: as an attribute, which any reader of SVG understands, and as a class, by which the
sheet's own style makes it dark where the reader's system is (and the page's stylesheet, where the sheet is part of a page).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from markupsafe import Markup, escape

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

WIDTH: Final = 960
_LEFT: Final = 16
INNER: Final = WIDTH - 2 * _LEFT
_BOX: Final = 42
_GAP: Final = 4
_CHARACTER: Final = 6.6
"""How wide a character of the small monospaced type is."""
COLUMNS: Final = 64
"""Cells in a row of the picture of physical memory."""
_PITCH: Final = INNER / COLUMNS
_CELL: Final = 13
_LEAST: Final = 1.5
COLOURS: Final = {
    "card": ("#ffffff", "#161c25"),
    "ink": ("#18202a", "#e3e9f0"),
    "soft": ("#566372", "#98a5b4"),
    "on": ("#ffffff", "#0b1017"),
    "empty": ("#e9edf1", "#232c38"),
    "edge": ("#8996a5", "#66758a"),
    "blue": ("#1d5fd1", "#6fa8ff"),
    "green": ("#12724c", "#4dc48d"),
    "violet": ("#6a3fc4", "#b99aff"),
    "ochre": ("#865a00", "#e2a948"),
    "slab": ("#a3491b", "#f0935f"),
    "brown": ("#5c4a1e", "#c4b183"),
    "pink": ("#b32a70", "#ff8bc1"),
    "red": ("#b3261e", "#ff8077"),
    "grey": ("#5a6775", "#98a5b4"),
    "teal": ("#0f6a7d", "#58c3d8"),
    "amber": ("#b86a00", "#ffc247"),
}
"""Each colour on light and on dark, as in static/pagewalk.css."""
_SANS: Final = "system-ui, 'Noto Sans', 'Noto Sans CJK SC', 'DejaVu Sans', sans-serif"
_MONO: Final = "ui-monospace, 'DejaVu Sans Mono', monospace"


class Box(NamedTuple):
    """A box of a row: its lines, its fill, how wide it would be beside the others, whether it is dashed (free) or chosen."""

    lines: tuple[str, ...]
    colour: str
    weight: float
    dashed: bool = False
    chosen: bool = False


class Cell(NamedTuple):
    """A square: the shares of it that have a colour, and a letter for whoever has most of it."""

    shares: tuple[tuple[str, float], ...]
    letter: str


class Slice(NamedTuple):
    """A part of a bar."""

    words: str
    colour: str
    value: int


def paint(colour: str) -> str:
    """The attributes of a shape that is filled."""
    return f'class="p-{colour}" fill="{COLOURS[colour][0]}"'


def line(colour: str) -> str:
    """The attributes of a shape that has an outline alone."""
    return f'class="q-{colour}" stroke="{COLOURS[colour][0]}" fill="none"'


class Sheet:
    """Pictures one below the other. What is added goes below what is there."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._y = 14.0

    def heading(self, left: str, right: str = "") -> None:
        """A line with the name of what follows, and a summary at its right end."""
        self._y += 26
        self._text(_LEFT, self._y, left.upper(), "soft", size=11, weight=700)
        if right:
            self._text(WIDTH - _LEFT, self._y, right, "soft", size=11, anchor="end")
        self._y += 8

    def title(self, left: str, right: str) -> None:
        """The sheet's own name."""
        self._y += 14
        self._text(_LEFT, self._y, left, "ink", size=17, weight=700)
        self._text(WIDTH - _LEFT, self._y, right, "soft", size=12, anchor="end")

    def words(self, text: str) -> None:
        """A line of text."""
        self._y += 16
        self._text(_LEFT, self._y, text, "ink", size=12)
        self._y += 4

    def boxes(self, boxes: Sequence[Box]) -> None:
        """Boxes side by side, in as many rows as they need; each is as wide as its words, and wider by its weight."""
        for row in _rows(boxes):
            least = [_least(box) for box in row]
            spare = INNER - sum(least) - _GAP * (len(row) - 1)
            whole = sum(box.weight for box in row) or 1
            x = float(_LEFT)
            for box, width in zip(row, least, strict=True):
                width += min(spare * box.weight / whole, 3 * width)
                self._box(box, x, width)
                x += width + _GAP
            self._y += _BOX + 6

    def bar(self, slices: Sequence[Slice]) -> None:
        """One bar, a part a slice, and what each is."""
        whole = sum(each.value for each in slices) or 1
        x = float(_LEFT)
        for each in slices:
            width = each.value / whole * INNER
            self._parts.append(
                f'<rect {paint(each.colour)} x="{x:.1f}" y="{self._y:g}" width="{width:.1f}" height="18"/>'
            )
            x += width
        self._y += 18
        self.legend([(each.words, each.colour) for each in slices])

    def legend(self, named: Iterable[tuple[str, str]]) -> None:
        """Small squares and what they stand for."""
        x, self._y = float(_LEFT), self._y + 16
        for words, colour in named:
            width = 22 + _wide(words, 11)
            if x + width > WIDTH - _LEFT:
                x, self._y = float(_LEFT), self._y + 16
            self._parts.append(f'<rect {paint(colour)} x="{x:.1f}" y="{self._y - 9:g}" width="10" height="10" rx="2"/>')
            self._text(x + 15, self._y, words, "ink", size=11)
            x += width
        self._y += 6

    def gauge(self, words: str, value: int, marks: Sequence[tuple[str, int]], *, low: bool) -> None:
        """A value against marks. The scale ends at four times the last mark."""
        scale = max(1, marks[-1][1] * 4)
        x, width = _LEFT + 220, INNER - 220
        self._y += 8
        self._text(_LEFT, self._y + 9, words, "ink", size=11)
        self._parts.append(f'<rect {paint("empty")} x="{x}" y="{self._y:g}" width="{width}" height="12"/>')
        filled = min(1.0, value / scale) * width
        self._parts.append(
            f'<rect {paint("red" if low else "edge")} x="{x}" y="{self._y + 3:g}" width="{filled:.1f}" height="6"/>'
        )
        for name, at in marks:
            place = x + at / scale * width
            self._parts.append(f'<path {line("ink")} d="M{place:.1f} {self._y - 1:g}v14"/>')
            self._text(place + 2, self._y + 24, name, "soft", size=10)
        self._y += 26

    def cells(self, cells: Sequence[Cell], ring: int | None) -> None:
        """A square a cell, 64 a row, each filled from below by its shares; `ring` is the one that is chosen."""
        fills: dict[str, list[str]] = {}
        ground, letters = [], []
        for number, cell in enumerate(cells):
            x, y = _LEFT + number % COLUMNS * _PITCH, self._y + number // COLUMNS * _PITCH
            ground.append(f"M{x:g} {y:g}h{_CELL}v{_CELL}h-{_CELL}z")
            bottom = y + _CELL
            for colour, share in cell.shares:
                height = min(max(_LEAST, _CELL * share), bottom - y)
                bottom -= height
                fills.setdefault(colour, []).append(f"M{x:g} {bottom:.1f}h{_CELL}v{height:.1f}h-{_CELL}z")
            if cell.letter:
                letters.append((x + _CELL / 2, y + 10, cell.letter))
        self._parts.append(f'<path {paint("empty")} d="{"".join(ground)}"/>')
        self._parts += (f'<path {paint(colour)} d="{"".join(parts)}"/>' for colour, parts in fills.items())
        if letters:
            across, down, said = zip(*letters, strict=True)
            self._parts.append(
                f'<text {paint("on")} font-family="{_MONO}" font-size="9" text-anchor="middle" x="{_numbers(across)}"'
                f' y="{_numbers(down)}">{escape("".join(said))}</text>'
            )
        if ring is not None:
            x, y = _LEFT + ring % COLUMNS * _PITCH - 1, self._y + ring // COLUMNS * _PITCH - 1
            self._parts.append(f'<rect {line("amber")} x="{x:g}" y="{y:g}" width="15" height="15" stroke-width="2.5"/>')
        self._y += -(-len(cells) // COLUMNS) * _PITCH + 2

    def svg(self, title: str, description: str) -> str:
        """The sheet as a file of its own: with its style, its title, and what it shows in words."""
        height = self._y + 16
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" width="{WIDTH}" height="{height:g}"'
            f' role="img" aria-labelledby="title description"><title id="title">{escape(title)}</title>'
            f'<desc id="description">{escape(description)}</desc><style>{_DARK}</style>{self._ground(height)}</svg>'
        )

    def inline(self, label: str) -> Markup:
        """The sheet as a part of a page, whose stylesheet has the dark colours."""
        height = self._y + 16
        return Markup(  # noqa: S704 - numbers and our own names; all text is escaped
            f'<svg class="sheet" viewBox="0 0 {WIDTH} {height:g}" role="img" aria-label="{escape(label)}">'
            f"{self._ground(height)}</svg>"
        )

    def _ground(self, height: float) -> str:
        return f'<rect {paint("card")} width="{WIDTH}" height="{height:g}"/>{"".join(self._parts)}'

    def _box(self, box: Box, x: float, width: float) -> None:
        y = self._y
        outline = f'stroke="{COLOURS[box.colour][0]}" stroke-width="1.5" stroke-dasharray="4 3"' if box.dashed else ""
        fill = f'class="p-card q-{box.colour}" fill="{COLOURS["card"][0]}"' if box.dashed else paint(box.colour)
        self._parts.append(f'<rect {fill} {outline} x="{x:.1f}" y="{y:g}" width="{width:.1f}" height="{_BOX}" rx="4"/>')
        if box.chosen:
            self._parts.append(
                f'<rect {line("amber")} stroke-width="3" x="{x - 1:.1f}" y="{y - 1:g}" width="{width + 2:.1f}"'
                f' height="{_BOX + 2}" rx="5"/>'
            )
        ink = "ink" if box.dashed or box.colour == "empty" else "on"
        room = int((width - 6) / _CHARACTER)
        top = y + _BOX / 2 - 6.5 * (len(box.lines) - 1) + 4
        for number, text in enumerate(box.lines):
            shown = text if len(text) <= room else text[: max(1, room - 1)] + "…"
            weight = 700 if number == 0 else 400
            self._text(x + width / 2, top + 13 * number, shown, ink, size=11, anchor="middle", mono=True, weight=weight)

    def _text(
        self,
        x: float,
        y: float,
        text: str,
        colour: str,
        *,
        size: int,
        anchor: str = "start",
        mono: bool = False,
        weight: int = 400,
    ) -> None:
        family = _MONO if mono else _SANS
        bold = f' font-weight="{weight}"' if weight != 400 else ""
        at = "" if anchor == "start" else f' text-anchor="{anchor}"'
        self._parts.append(
            f'<text {paint(colour)} x="{x:.1f}" y="{y:.1f}" font-family="{family}" font-size="{size}"{at}{bold}>'
            f"{escape(text)}</text>"
        )


_DARK: Final = (
    "@media (prefers-color-scheme: dark) {"
    + "".join(f".p-{name} {{ fill: {dark} }} .q-{name} {{ stroke: {dark} }}" for name, (_, dark) in COLOURS.items())
    + "}"
)


def _numbers(values: Iterable[float]) -> str:
    return " ".join(f"{value:g}" for value in values)


def _wide(text: str, size: int) -> float:
    """About how wide a text is; characters of East Asia are twice as wide as others."""
    return sum(1.0 if ord(character) > 0x2E80 else 0.62 for character in text) * size


def _least(box: Box) -> float:
    return max(38.0, min(150.0, 10 + _CHARACTER * max(map(len, box.lines))))


def _rows(boxes: Sequence[Box]) -> list[list[Box]]:
    rows: list[list[Box]] = [[]]
    room = float(INNER)
    for box in boxes:
        width = _least(box) + _GAP
        if width > room and rows[-1]:
            rows.append([])
            room = float(INNER)
        rows[-1].append(box)
        room -= width
    return rows if boxes else []
