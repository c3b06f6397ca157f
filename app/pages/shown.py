"""What of a machine's page is shown: the place that is chosen, the panels that are open, how near the pictures are.

All of it is part of the page's address, so it survives each step and each reload, can be linked to, and needs no script.
Links within the page name only what they change: `?at=0x0804e1a0` chooses, `?turn=arena` opens or closes a panel,
`?zoom=frames:0x1000/8` goes near. What they do not name stays as it is: htmx says where the page is
(HX-Current-URL), and in a page that is sent whole the links carry the rest themselves (see `carried`).
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from markupsafe import escape

if TYPE_CHECKING:
    from collections.abc import Iterable

PANELS: Final = (
    "program",
    "terminal",
    "chunk",
    "arena",
    "chunks",
    "smaps",
    "processes",
    "tlb",
    "blocks",
    "tree",
    "pieces",
    "slabs",
    "step",
    "oom",
    "accounts",
)
"""What can be opened, in the order of the page."""
VALUE_MAXIMUM: Final = 300
"""Characters of one value in the address: no link of ours is longer."""


@dataclass(frozen=True, slots=True)
class Shown:
    """The address's words, as they were typed: who draws a picture says what was wrong with its words."""

    at: str = ""
    frame: str = ""
    pid: int = 0
    open: tuple[str, ...] = ()
    """Of PANELS, in their order."""
    heap: str = ""
    space: str = ""
    frames: str = ""
    term: str = ""
    """A line for the terminal."""

    def query(self) -> str:
        """The address's query, empty for a page without wishes."""
        return _encoded((field.name, getattr(self, field.name)) for field in fields(self))

    def path(self, machine_id: str) -> str:
        """Where this page is."""
        query = self.query()
        return f"/m/{machine_id}?{query}" if query else f"/m/{machine_id}"

    def turned(self, panel: str) -> Shown:
        """With a panel opened, or closed if it was open; as it is for a name that is no panel's."""
        wanted = set(self.open) ^ {panel}
        term = "" if panel == "terminal" and panel in self.open else self.term
        return replace(self, open=tuple(name for name in PANELS if name in wanted), term=term)

    def opened(self, *panels: str) -> Shown:
        """With these panels open, whatever they were."""
        return replace(self, open=tuple(name for name in PANELS if name in self.open or name in panels))

    def zoomed(self, words: str) -> Shown:
        """With one picture gone near to: "frames:0x1000/8", or "frames:" for all of it."""
        name, _, value = words.partition(":")
        match name:
            case "heap":
                return replace(self, heap=value)
            case "space":
                return replace(self, space=value)
            case "frames":
                return replace(self, frames=value)
        return self

    def chosen(self, other: Shown) -> Shown:
        """With what `other` has chosen."""
        return replace(self, at=other.at, frame=other.frame, pid=other.pid)

    def unchosen(self, pid: int) -> Shown:
        """With nothing chosen, in process `pid`."""
        return replace(self, at="", frame="", pid=pid)


@dataclass(frozen=True, slots=True)
class Patch:
    """What one link or form of the page changes."""

    turn: str = ""
    zoom: str = ""
    line: str | None = None

    @property
    def any(self) -> bool:
        """Whether it changes anything but the selection."""
        return bool(self.turn or self.zoom) or self.line is not None

    def onto(self, shown: Shown) -> Shown:
        """The page after it."""
        shown = shown.turned(self.turn) if self.turn in PANELS else shown
        shown = shown.zoomed(self.zoom) if self.zoom else shown
        return shown if self.line is None else replace(shown, term=self.line).opened("terminal")


def read(query: str) -> tuple[Shown, Patch]:
    """What a query asks for. What it does not know or cannot read is left out."""
    words = {name: value[:VALUE_MAXIMUM] for name, value in parse_qsl(query, keep_blank_values=True)}
    opened = words.get("open", "").split(",")
    shown = Shown(
        at=words.get("at", ""),
        frame=words.get("frame", ""),
        pid=int(words["pid"]) if words.get("pid", "").isdecimal() else 0,
        open=tuple(name for name in PANELS if name in opened or (name == "terminal" and words.get("term"))),
        heap=words.get("heap", ""),
        space=words.get("space", ""),
        frames=words.get("frames", ""),
        term=words.get("term", ""),
    )
    return shown, Patch(words.get("turn", ""), words.get("zoom", ""), words.get("line"))


def read_page(address: str, machine_id: str) -> Shown | None:
    """What the page at `address` (a whole URL) shows; None where it is not this machine's."""
    parts = urlsplit(address)
    return read(parts.query)[0] if parts.path == f"/m/{machine_id}" else None


def wanted(query: str, page: Shown | None) -> Shown:
    """The page that a link or form leads to from `page`, or from the query alone where the page is not known."""
    named, patch = read(query)
    if page is None:
        return patch.onto(named)
    return patch.onto(page if patch.any else page.chosen(named))


def _encoded(pairs: Iterable[tuple[str, object]]) -> str:
    kept = [(name, ",".join(value) if isinstance(value, tuple) else value) for name, value in pairs]
    return urlencode([(name, value) for name, value in kept if value], safe=",:/")


_PATCHES: Final = ("turn", "zoom", "line")
KEPT: Final = '<input type="hidden" name="kept">'
"""Where a form that is sent as a query leaves room for what it does not name."""
PATCH_KEPT: Final = '<input type="hidden" name="kept-all">'
"""The same in a form that chooses nothing."""


def carried(page: str, shown: Shown, machine_id: str) -> str:
    """A whole page's HTML, its links and forms carrying what they do not name: a browser without scripts needs that."""
    page = _forms(page, shown)
    everything = shown.query()
    if not everything:
        return page
    rest = replace(shown, at="", frame="", pid=0).query()
    for name in _PATCHES:
        page = page.replace(f'href="?{name}=', f'href="?\0{name}=')
    if rest:
        page = page.replace('href="?', f'href="?{escape(rest)}&amp;').replace(
            f'href="?{escape(rest)}&amp;\0', 'href="?\0'
        )
        for act in ("do", "go", "program"):
            page = page.replace(f"/m/{machine_id}/{act}?", f"/m/{machine_id}/{act}?{escape(rest)}&amp;")
    return page.replace("\0", f"{escape(everything)}&amp;")


def _forms(page: str, shown: Shown) -> str:
    def inputs(of: Shown) -> str:
        return "".join(
            f'<input type="hidden" name="{name}" value="{escape(value)}">' for name, value in parse_qsl(of.query())
        )

    rest = replace(shown, at="", frame="", pid=0)
    return page.replace(KEPT, inputs(rest)).replace(PATCH_KEPT, inputs(replace(shown, term="")))
