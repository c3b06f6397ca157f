"""The way of one address: segment, linear address, directory, table, frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from app.pages import formats, keys
from app.pages.marks import Mark, Marks
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


STOP_WORDS: Final = {
    Stop.SEGMENT_LIMIT: "The address is beyond the segment's limit: general protection, the program gets SIGSEGV.",
    Stop.NO_TABLE: "The directory entry is empty: there is no page table for these 4 MB. An access faults; if a region"
    " allows it, the kernel makes a table and finds a frame.",
    Stop.EMPTY: "The table entry is empty: no frame yet. An access faults; if a region allows it, the kernel finds a"
    " frame. This is demand paging.",
    Stop.SWAPPED: "The page is in swap: an access faults, and the kernel reads it back from the disk.",
    Stop.PROT_NONE: "The page has a frame, but PROT_NONE hides it: any access is SIGSEGV.",
    Stop.KERNEL_ONLY: "The US bit is clear: this is the kernel's. A program that comes here gets SIGSEGV.",
    Stop.NO_MEMORY: "No RAM answers at this physical address: reads give ones, writes are lost.",
}
_BITS: Final = (
    ("P", "present"),
    ("RW", "may be written"),
    ("US", "user may use it"),
    ("A", "accessed"),
    ("D", "dirty: written to"),
    ("PS", "maps 4 MB itself"),
    ("G", "global"),
)
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
        return "no translation"
    return "TLB hit" if walk.in_tlb else "TLB miss: walk"


def _end(walk: PageWalkView) -> str:
    if walk.stop is not None:
        return STOP_WORDS[walk.stop]
    if not walk.writable:
        return "A read gets there. A write faults first: the kernel copies the page, or makes it writable, or refuses."
    return "A read or a write gets there without the kernel's help."


def _steps(walk: PageWalkView, marks: Marks) -> list[WalkStep]:
    segment, page = walk.segment, walk.linear >> formats.PAGE_SHIFT
    flat = "flat" if segment.base == 0 else f"+ {formats.address(segment.base)}"
    limit = "limit 4 GB" if segment.limit == (1 << 32) - 1 else f"limit {formats.address(segment.limit)}"
    found = [
        WalkStep(
            mark=marks.of("segment:ds"),
            kind="segment",
            title=f"segment DS {formats.short_hex(segment.selector)}",
            value=f"base {formats.short_hex(segment.base)}",
            lines=(f"GDT[{segment.index}], ring {segment.privilege}", f"{limit}, {flat}"),
            stops=walk.stop is Stop.SEGMENT_LIMIT,
        )
    ]
    if walk.stop is Stop.SEGMENT_LIMIT:
        return found
    found.append(
        WalkStep(
            mark=marks.of(keys.page(page)),
            kind="linear",
            title="linear address",
            value=formats.address(walk.linear),
            lines=(f"{walk.directory_index} · {walk.table_index} · {formats.short_hex(walk.offset)}",),
        )
    )
    if walk.directory is not None:
        found.append(_entry("directory", walk.directory, marks, walk.directory_index, stops=walk.stop is Stop.NO_TABLE))
    if walk.table is not None:
        found.append(_entry("table", walk.table, marks, page, stops=walk.stop is not None, swap_slot=walk.swap_slot))
    if walk.pfn is not None:
        found.append(_frame(walk, walk.pfn, marks))
    return found


def _entry(
    title: str, entry: EntryStep, marks: Marks, number: int, *, stops: bool, swap_slot: int | None = None
) -> WalkStep:
    if swap_slot is not None:
        meaning = f"swap slot {swap_slot}"
    elif entry.entry == 0:
        meaning = "empty"
    else:
        meaning = f"→ frame {formats.pfn(entry.points_to)}"
    shown = [(name, name in entry.flags, words) for name, words in _BITS if name in entry.flags or name not in _RARE]
    bits = tuple(shown) if entry.present else ()
    return WalkStep(
        mark=marks.of(
            keys.entry(entry.frame, entry.index),
            keys.frame(entry.frame),
            *([keys.frame(entry.points_to)] if entry.present else []),
            *([keys.swap(swap_slot)] if swap_slot is not None else []),
            *([keys.page(number)] if title == "table" else []),
        ),
        kind="entry",
        title=f"{title}[{entry.index}]",
        value=formats.address(entry.entry),
        lines=(f"in frame {formats.pfn(entry.frame)}", meaning),
        bits=bits,
        stops=stops,
    )


def _frame(walk: PageWalkView, pfn: int, marks: Marks) -> WalkStep:
    physical = walk.physical or 0
    return WalkStep(
        mark=marks.of(keys.frame(pfn)),
        kind="frame",
        title=f"frame {formats.pfn(pfn)}",
        value=f"+ {formats.short_hex(walk.offset)}",
        lines=(f"physical {formats.address(physical)}",),
        stops=walk.stop is Stop.KERNEL_ONLY,
    )
