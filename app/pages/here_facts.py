"""What is here: everything known of what is chosen, each part a link: chunk, region, entries, frame, block, file, swap slot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.pages import formats
from app.pages.heap_band import STATE_WORDS
from app.pages.physical_band import OWNER_WORDS
from app.pages.walk_band import STOP_WORDS

if TYPE_CHECKING:
    from app.pages.marks import Chosen
    from engine.views.at import AtView
    from engine.views.file_page import FilePageView
    from engine.views.frame import Block, FrameView
    from engine.views.heap import ChunkView
    from engine.views.mapped_at import MappedAt
    from engine.views.page_walk import EntryStep
    from engine.views.swap_slot import SwapSlotView

PLACES_SHOWN = 6


@dataclass(frozen=True, slots=True)
class Link:
    """A word that leads somewhere."""

    words: str
    href: str


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of what is known: first `link`, if any, then the words, then further links."""

    name: str
    words: str
    href: str = ""
    link: str = ""
    others: tuple[Link, ...] = ()


def facts(chosen: Chosen) -> tuple[Fact, ...]:
    """From the program's variable down to the buddy block, the page of a file and the swap slot."""
    if chosen.elsewhere is not None:
        here = chosen.elsewhere
        return (
            *(_frame(here.frame, chosen) if here.frame is not None else ()),
            *(_file(here.file_page, chosen) if here.file_page is not None else ()),
            *(_slot(here.swap_slot, chosen) if here.swap_slot is not None else ()),
        )
    at = chosen.at
    found: list[Fact] = []
    if at.slots:
        found.append(Fact("pointer", ", ".join(slot.name for slot in at.slots)))
    if at.chunk is not None:
        found += _chunk(at.chunk, at.address, chosen)
    found += _region(at, chosen)
    found += _entries(at, chosen)
    if chosen.frame is not None:
        found += _frame(chosen.frame, chosen)
    if at.file_page is not None:
        found += _file(at.file_page, chosen)
    if at.swap_slot is not None:
        found += _slot(at.swap_slot, chosen)
    return tuple(found)


def _chunk(chunk: ChunkView, address: int, chosen: Chosen) -> list[Fact]:
    names = f"{' '.join(chunk.slots)}: " if chunk.slots else ""
    found = [
        Fact(
            "chunk",
            f"{names}{formats.short_hex(chunk.size)} bytes, {STATE_WORDS[chunk.state]}",
            chosen.href(chunk.mem),
            formats.address(chunk.address),
        ),
        Fact("header", f"{formats.address(chunk.head)} = size {formats.short_hex(chunk.size)}{_flags(chunk)}"),
    ]
    offset = address - chunk.mem
    if offset > 0:
        found.append(Fact("offset", f"{formats.short_hex(offset)} in the chunk's memory"))
    return found


def _flags(chunk: ChunkView) -> str:
    words = {"P": "the one before is in use", "M": "has its own mapping", "A": "not of the main arena"}
    return "".join(f" + {flag} ({words[flag]})" for flag in chunk.flags)


def _region(at: AtView, chosen: Chosen) -> list[Fact]:
    region = at.region
    if region is None:
        return [Fact("region", "none: the process has nothing here")]
    words = f"{region.name or 'anonymous'} {region.permissions}"
    present = f"{formats.count(region.resident)} of {formats.times(region.pages, 'page')} present"
    span = f"{region.start:08x}-{region.end:08x}"
    return [Fact("region", f"{words}, {present}", chosen.href(region.start), span)]


def _entries(at: AtView, chosen: Chosen) -> list[Fact]:
    walk = at.walk
    found: list[Fact] = []
    if walk.directory is not None:
        found.append(_entry("directory", walk.directory, chosen, "empty"))
    if walk.table is not None:
        found.append(_entry("table", walk.table, chosen, "not present" if walk.table.entry else "empty"))
    if walk.stop is not None:
        found.append(Fact("stops", STOP_WORDS[walk.stop]))
    return found


def _entry(name: str, entry: EntryStep, chosen: Chosen, without: str) -> Fact:
    flags = " ".join(entry.flags) or without
    words = f"[{entry.index}] = {formats.address(entry.entry)} {flags}"
    return Fact(name, words, chosen.frame_href(entry.frame), formats.pfn(entry.frame))


def _frame(frame: FrameView, chosen: Chosen) -> list[Fact]:
    owner = frame.detail or OWNER_WORDS[frame.owner]
    zone = f", zone {frame.zone}" if frame.zone else ""
    found = [Fact("frame", f"{owner}{zone}", chosen.frame_href(frame.pfn), formats.pfn(frame.pfn))]
    if frame.table_of is not None:
        found.append(_table_of(frame, chosen))
    if frame.mapped_at:
        shared = "shared: " if frame.mapcount > 1 else ""
        counts = f"{formats.times(frame.mapcount, 'mapping')}, {formats.times(frame.refcount, 'reference')}"
        found.append(Fact("mapped", f"{shared}{counts}", others=_places(frame.mapped_at, chosen)))
    elif frame.refcount:
        found.append(Fact("mapped", f"by nobody; {formats.times(frame.refcount, 'reference')}"))
    if frame.flags:
        found.append(Fact("flags", " ".join(frame.flags)))
    if frame.lru:
        found.append(Fact("list", f"{frame.lru} (reclaim)"))
    return found + (_block(frame.block, chosen) if frame.block is not None else [])


def _table_of(frame: FrameView, chosen: Chosen) -> Fact:
    table = frame.table_of
    assert table is not None
    if table.address is None:
        return Fact("is", f"the page directory of process {table.pid}")
    href = chosen.href_of(table.address, table.pid)
    return Fact("is", f"the page table of process {table.pid} for the 4 MB there", href, formats.address(table.address))


def _places(places: tuple[MappedAt, ...], chosen: Chosen) -> tuple[Link, ...]:
    return tuple(
        Link(f"process {place.pid} at {formats.address(place.address)}", chosen.href_of(place.address, place.pid))
        for place in places[:PLACES_SHOWN]
    )


def _block(block: Block, chosen: Chosen) -> list[Fact]:
    kind = f"free, {block.migratetype}" if block.migratetype else "in use"
    where = ", on the CPU's own list" if block.on_cpu_list else ""
    state = "free: they could be one" if block.buddy_free else "not a free block of its order"
    return [
        Fact("block", f"order {block.order}, {kind}{where}", chosen.frame_href(block.pfn), formats.pfn(block.pfn)),
        Fact("buddy", state, chosen.frame_href(block.buddy), formats.pfn(block.buddy)),
    ]


def _file(page: FilePageView, chosen: Chosen) -> list[Fact]:
    file = page.file
    where = "not in memory"
    if page.pfn is not None:
        where = "in the page cache, " + ("newer than the disk" if page.dirty else "clean")
        if file.file_system == "tmpfs":
            where = "in memory, where all of the file is"
    elif page.slot is not None:
        where = f"in swap slot {page.slot}"
    words = f"of {file.pages}: {where}"
    name = f"{file.path} page {file.index}"
    nameable = not file.path.endswith("(deleted)")
    others = () if page.pfn is None else (Link(f"frame {formats.pfn(page.pfn)}", chosen.frame_href(page.pfn)),)
    href = chosen.href_at(f"file {file.path} {file.index}") if nameable else ""
    return [Fact("file", words if nameable else f"{name} {words}", href, name if nameable else "", others)]


def _slot(slot: SwapSlotView, chosen: Chosen) -> list[Fact]:
    if slot.header:
        return [
            Fact(
                "swap",
                "the area's header: no page goes there",
                chosen.href_at(f"swap {slot.slot}"),
                f"slot {slot.slot}",
            )
        ]
    named = f"named by {formats.times(slot.count, 'entry')[:-1] + 'ies' if slot.count != 1 else '1 entry'}"
    if not slot.count:
        named = "named by no entry" if slot.pfn is not None else "free"
    cached = "" if slot.pfn is None else "; its page is in memory as well (swap cache)"
    others = _places(slot.named_at, chosen)
    if slot.pfn is not None:
        others = (Link(f"frame {formats.pfn(slot.pfn)}", chosen.frame_href(slot.pfn)), *others)
    return [Fact("swap", named + cached, chosen.href_at(f"swap {slot.slot}"), f"slot {slot.slot}", others)]
