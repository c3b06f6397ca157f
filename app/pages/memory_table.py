"""Virtual size against resident size, region by region, as /proc/PID/smaps counts it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

from app.pages import formats, keys
from app.words import t

if TYPE_CHECKING:
    from app.pages.marks import Chosen, Mark, Marks
    from engine.views.region_memory import RegionMemory, RegionMemoryView


@dataclass(frozen=True, slots=True)
class MemoryRow:
    """One region."""

    mark: Mark
    href: str
    span: str
    permissions: str
    name: str
    bar: Markup
    size: str
    rss: str
    pss: str
    shared: str
    private: str
    dirty: str
    swap: str
    flags: str


@dataclass(frozen=True, slots=True)
class MemoryTable:
    """All regions, and their sums."""

    summary: str
    rows: tuple[MemoryRow, ...]


def memory_table(memory: RegionMemoryView, chosen: Chosen, marks: Marks) -> MemoryTable:
    """The table of the chosen process."""
    words = t(
        "smaps.summary",
        rss=_kb(memory.rss),
        size=_kb(memory.size),
        pss=_kb(memory.pss),
        shared=_kb(memory.shared),
        private=_kb(memory.private),
    )
    return MemoryTable(words, tuple(_row(region, chosen, marks) for region in memory.regions))


def _row(region: RegionMemory, chosen: Chosen, marks: Marks) -> MemoryRow:
    return MemoryRow(
        mark=marks.of(keys.region(region.start)),
        href=chosen.href(region.start),
        span=f"{region.start:08x}-{region.end:08x}",
        permissions=region.permissions,
        name=region.name or t("smaps.anonymous"),
        bar=_bar(region),
        size=_kb(region.size),
        rss=_kb(region.rss),
        pss=_kb(region.pss),
        shared=_kb(region.shared_clean + region.shared_dirty),
        private=_kb(region.private_clean + region.private_dirty),
        dirty=_kb(region.shared_dirty + region.private_dirty),
        swap=_kb(region.swap),
        flags=" ".join(region.vm_flags),
    )


def _bar(region: RegionMemory) -> Markup:
    """Private, then shared, then swapped, of the region's whole length."""
    parts, at = [], 0.0
    shared = region.shared_clean + region.shared_dirty
    for kind, amount in (("private", region.rss - shared), ("shared", shared), ("swap", region.swap)):
        width = 100 * amount / region.size
        if width:
            parts.append(f'<rect class="b-{kind}" x="{at:.1f}" width="{max(width, 1.5):.1f}" height="10"/>')
            at += width
    return Markup(  # noqa: S704 - numbers and our own names
        '<svg class="residence" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="room" width="100" height="10"/>{"".join(parts)}</svg>'
    )


def _kb(kilobytes: int) -> str:
    return formats.size(kilobytes << 10) if kilobytes else "0"
