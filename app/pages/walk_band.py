"""The way of one address: segment, linear address, directory, table, frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from app.pages import formats, keys
from app.pages.marks import Mark, Marks
from app.pages.names import walk_stop
from app.words import t, word
from engine.views.page_walk import Stop

if TYPE_CHECKING:
    from engine.views.page_walk import EntryStep, PageWalkView


@dataclass(frozen=True, slots=True)
class WalkStep:
    """One station: what is looked at, what it says, and what that means."""

    mark: Mark
    kind: str
    title: str
    value: str
    lines: tuple[str, ...]
    bits: tuple[tuple[str, bool, str], ...] = ()
    """Of an entry: (bit, set, what it means)."""
    stops: bool = False


@dataclass(frozen=True, slots=True)
class WalkBand:
    """How the CPU finds it."""

    summary: str
    address: str
    steps: tuple[WalkStep, ...]
    binary: tuple[str, str, str]
    """Directory index, table index and offset, as bits."""
    end: str


_BITS: Final = ("P", "RW", "US", "A", "D", "PS", "G")
_RARE: Final = ("PS", "G")
"""Bits that are named only where they are set."""


def walk_band(walk: PageWalkView, marks: Marks) -> WalkBand:
    """The band."""
    bits = f"{walk.linear:032b}"
    return WalkBand(
        summary=f"CR3 {formats.address(walk.cr3)} · CR0.PG {int(walk.paging)} · {_tlb_word(walk)}",
        address=formats.address(walk.address),
        steps=tuple(_steps(walk, marks)),
        binary=(bits[:10], bits[10:20], bits[20:]),
        end=_end(walk),
    )


def _tlb_word(walk: PageWalkView) -> str:
    if not walk.paging:
        return t("walk.no_translation")
    return t("walk.hit" if walk.in_tlb else "walk.miss")


def _end(walk: PageWalkView) -> str:
    if walk.stop is not None:
        return walk_stop(walk.stop)
    if not walk.writable:
        return t("walk.reads")
    return t("walk.gets_there")


def _steps(walk: PageWalkView, marks: Marks) -> list[WalkStep]:
    segment, page = walk.segment, walk.linear >> formats.PAGE_SHIFT
    limit = "4 GB" if segment.limit == (1 << 32) - 1 else formats.address(segment.limit)
    if segment.base:
        extent = t("walk.limit_shifted", limit=limit, base=formats.address(segment.base))
    else:
        extent = t("walk.limit_flat", limit=limit)
    found = [
        WalkStep(
            mark=marks.of("segment:ds"),
            kind="segment",
            title=t("walk.segment", selector=formats.short_hex(segment.selector)),
            value=t("walk.base", base=formats.short_hex(segment.base)),
            lines=(t("walk.ring", index=segment.index, ring=segment.privilege), extent),
            stops=walk.stop is Stop.SEGMENT_LIMIT,
        )
    ]
    if walk.stop is Stop.SEGMENT_LIMIT:
        return found
    found.append(
        WalkStep(
            mark=marks.of(keys.page(page)),
            kind="linear",
            title=t("walk.linear"),
            value=formats.address(walk.linear),
            lines=(f"{walk.directory_index} · {walk.table_index} · {formats.short_hex(walk.offset)}",),
        )
    )
    if walk.directory is not None:
        found.append(_entry(walk.directory, marks, None, stops=walk.stop is Stop.NO_TABLE))
    if walk.table is not None:
        found.append(_entry(walk.table, marks, page, stops=walk.stop is not None, swap_slot=walk.swap_slot))
    if walk.pfn is not None:
        found.append(_frame(walk, walk.pfn, marks))
    return found


def _entry(entry: EntryStep, marks: Marks, page: int | None, *, stops: bool, swap_slot: int | None = None) -> WalkStep:
    """An entry of the directory, or of a table: then of one `page`."""
    if swap_slot is not None:
        meaning = t("walk.swap_slot", slot=swap_slot)
    elif entry.entry == 0:
        meaning = t("walk.empty")
    else:
        meaning = t("walk.to_frame", pfn=formats.pfn(entry.points_to))
    named = (name for name in _BITS if name in entry.flags or name not in _RARE)
    shown = [(name, name in entry.flags, word("walk.bit", name)) for name in named]
    bits = tuple(shown) if entry.present else ()
    return WalkStep(
        mark=marks.of(
            keys.entry(entry.frame, entry.index),
            keys.frame(entry.frame),
            *([keys.frame(entry.points_to)] if entry.present else []),
            *([keys.swap(swap_slot)] if swap_slot is not None else []),
            *([keys.page(page)] if page is not None else []),
        ),
        kind="entry",
        title=t("walk.directory" if page is None else "walk.table", index=entry.index),
        value=formats.address(entry.entry),
        lines=(t("walk.in_frame", pfn=formats.pfn(entry.frame)), meaning),
        bits=bits,
        stops=stops,
    )


def _frame(walk: PageWalkView, pfn: int, marks: Marks) -> WalkStep:
    physical = walk.physical or 0
    return WalkStep(
        mark=marks.of(keys.frame(pfn)),
        kind="frame",
        title=t("walk.frame", pfn=formats.pfn(pfn)),
        value=f"+ {formats.short_hex(walk.offset)}",
        lines=(t("walk.physical", address=formats.address(physical)),),
        stops=walk.stop is Stop.KERNEL_ONLY,
    )
