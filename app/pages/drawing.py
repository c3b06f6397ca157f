"""Drawing the parts of a machine's page: all of them for a whole page, those that differ for one that is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from markupsafe import Markup

from app.pages.rendering import templates

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.pages.machine_parts import MachinePage, Part


BANDS: Final = (
    ("heap", ("chunk", "arena", "chunks")),
    ("space", ("smaps", "processes")),
    ("walk", ("tlb",)),
    ("phys", ("blocks", "tree", "pieces", "slabs")),
    ("reclaim", ("step", "oom")),
    ("ledger", ("accounts",)),
)
"""The bands, from what malloc manages down to whose each frame is, and the panels of each."""


class DrawnPage(NamedTuple):
    """What the template of a machine's page puts together: the HTML of each part, by its name."""

    title: str
    version: int
    parts: Mapping[str, Markup]
    bands: tuple[tuple[str, tuple[str, ...]], ...] = BANDS


def digests(header: str) -> dict[str, str]:
    """What the browser has, from the header that the page's script sends: "heap=1a2b,walk=3c4d"."""
    pairs = (item.partition("=") for item in header.split(","))
    return {name: digest for name, _, digest in pairs if digest}


def draw(page: MachinePage) -> DrawnPage:
    """Every part."""
    return DrawnPage(page.title, page.version, {part.name: drawn(part) for part in page.parts})


def fragments(page: MachinePage, has: Mapping[str, str]) -> str:
    """The parts that differ from what the browser has, each for its own place. Empty where it has them all."""
    return "".join(map(fragment, differing(page, has)))


def differing(page: MachinePage, has: Mapping[str, str]) -> list[Part]:
    """The parts that would be drawn otherwise than what the browser has."""
    return [part for part in page.parts if has.get(part.name) != part.digest]


def fragment(part: Part) -> str:
    """One part as htmx takes it to its place."""
    return f'<hx-partial hx-target="#part-{part.name}" hx-swap="outerMorph">{drawn(part)}</hx-partial>'


def drawn(part: Part) -> Markup:
    """One part in its place."""
    html = templates.env.get_template(part.template).render(page=part.page) if part.page is not None else ""
    return Markup(  # noqa: S704 - a template's output
        f'<div class="part" id="part-{part.name}" data-shows="{part.digest}">{html}</div>'
    )
