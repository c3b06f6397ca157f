"""What is here: everything known of what is chosen, each part a link: chunk, region, entries, frame, block, file, swap slot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.pages import formats
from app.pages.names import chunk_state, frame_kind, walk_stop
from app.words import t, word

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
        found.append(Fact(t("here.pointer"), ", ".join(slot.name for slot in at.slots)))
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
    size, names = formats.short_hex(chunk.size), " ".join(chunk.slots)
    words = t("here.chunk_is", size=size, state=chunk_state(chunk.state))
    if names:
        words = t("here.chunk_named", names=names, size=size, state=chunk_state(chunk.state))
    flags = "".join(f" + {word('here.flag', flag)}" for flag in chunk.flags)
    head = t("here.header_is", head=formats.address(chunk.head), size=size, flags=flags)
    found = [
        Fact(t("here.chunk"), words, chosen.href(chunk.mem), formats.address(chunk.address)),
        Fact(t("here.header"), head),
    ]
    offset = address - chunk.mem
    if offset > 0:
        found.append(Fact(t("here.offset"), t("here.offset_is", offset=formats.short_hex(offset))))
    return found


def _region(at: AtView, chosen: Chosen) -> list[Fact]:
    region = at.region
    if region is None:
        return [Fact(t("here.region"), t("here.no_region"))]
    words = t(
        "here.region_is",
        name=region.name or t("here.anonymous"),
        permissions=region.permissions,
        resident=region.resident,
        pages=region.pages,
    )
    span = f"{region.start:08x}-{region.end:08x}"
    return [Fact(t("here.region"), words, chosen.href(region.start), span)]


def _entries(at: AtView, chosen: Chosen) -> list[Fact]:
    walk = at.walk
    found: list[Fact] = []
    if walk.directory is not None:
        found.append(_entry(t("here.directory"), walk.directory, chosen, t("here.empty")))
    if walk.table is not None:
        without = t("here.not_present" if walk.table.entry else "here.empty")
        found.append(_entry(t("here.table"), walk.table, chosen, without))
    if walk.stop is not None:
        found.append(Fact(t("here.stops"), walk_stop(walk.stop)))
    return found


def _entry(name: str, entry: EntryStep, chosen: Chosen, without: str) -> Fact:
    flags = " ".join(entry.flags) or without
    words = f"[{entry.index}] = {formats.address(entry.entry)} {flags}"
    return Fact(name, words, chosen.frame_href(entry.frame), formats.pfn(entry.frame))


def _frame(frame: FrameView, chosen: Chosen) -> list[Fact]:
    owner = frame_kind(frame)
    words = t("here.frame_zone", owner=owner, zone=frame.zone) if frame.zone else owner
    found = [Fact(t("here.frame"), words, chosen.frame_href(frame.pfn), formats.pfn(frame.pfn))]
    if frame.table_of is not None:
        found.append(_table_of(frame, chosen))
    if frame.mapped_at:
        counts = t(
            "here.mapped_shared" if frame.mapcount > 1 else "here.mapped_once",
            mappings=frame.mapcount,
            references=frame.refcount,
        )
        found.append(Fact(t("here.mapped"), counts, others=_places(frame.mapped_at, chosen)))
    elif frame.refcount:
        found.append(Fact(t("here.mapped"), t("here.by_nobody", references=frame.refcount)))
    if frame.flags:
        found.append(Fact(t("here.flags"), " ".join(frame.flags)))
    if frame.lru:
        found.append(Fact(t("here.list"), t("here.list_is", list=word("frame.list", frame.lru, frame.lru))))
    return found + (_block(frame.block, chosen) if frame.block is not None else [])


def _table_of(frame: FrameView, chosen: Chosen) -> Fact:
    table = frame.table_of
    assert table is not None
    if table.address is None:
        return Fact(t("here.is"), t("here.directory_of", pid=table.pid))
    href = chosen.href_of(table.address, table.pid)
    return Fact(t("here.is"), t("here.table_of", pid=table.pid), href, formats.address(table.address))


def _places(places: tuple[MappedAt, ...], chosen: Chosen) -> tuple[Link, ...]:
    return tuple(
        Link(
            t("here.place", pid=place.pid, address=formats.address(place.address)),
            chosen.href_of(place.address, place.pid),
        )
        for place in places[:PLACES_SHOWN]
    )


def _block(block: Block, chosen: Chosen) -> list[Fact]:
    if block.migratetype:
        words = t(
            "here.block_free_cpu" if block.on_cpu_list else "here.block_free",
            order=block.order,
            migratetype=block.migratetype,
        )
    else:
        words = t("here.block_used_cpu" if block.on_cpu_list else "here.block_used", order=block.order)
    state = t("here.buddy_free" if block.buddy_free else "here.buddy_not")
    return [
        Fact(t("here.block"), words, chosen.frame_href(block.pfn), formats.pfn(block.pfn)),
        Fact(t("here.buddy"), state, chosen.frame_href(block.buddy), formats.pfn(block.buddy)),
    ]


def _file(page: FilePageView, chosen: Chosen) -> list[Fact]:
    file = page.file
    words = t("here.file_is", pages=file.pages, where=_where(page))
    name = t("here.file_page", path=file.path, page=file.index)
    others = () if page.pfn is None else (_frame_link(page.pfn, chosen),)
    if file.path.endswith("(deleted)"):
        return [Fact(t("here.file"), f"{name} {words}", others=others)]
    return [Fact(t("here.file"), words, chosen.href_at(f"file {file.path} {file.index}"), name, others)]


def _where(page: FilePageView) -> str:
    if page.pfn is not None:
        if page.file.file_system == "tmpfs":
            return t("here.tmpfs")
        return t("here.cache_dirty" if page.dirty else "here.cache_clean")
    return t("here.not_in_memory") if page.slot is None else t("here.in_slot", slot=page.slot)


def _frame_link(pfn: int, chosen: Chosen) -> Link:
    return Link(t("here.frame_link", pfn=formats.pfn(pfn)), chosen.frame_href(pfn))


def _slot(slot: SwapSlotView, chosen: Chosen) -> list[Fact]:
    name, href = t("here.slot", slot=slot.slot), chosen.href_at(f"swap {slot.slot}")
    if slot.header:
        return [Fact(t("here.swap"), t("here.swap_header"), href, name)]
    others = _places(slot.named_at, chosen)
    if slot.count:
        words = t("here.named_by", entries=slot.count)
    else:
        words = t("here.named_by_none" if slot.pfn is not None else "here.slot_free")
    if slot.pfn is not None:
        words = t("here.also_cached", named=words)
        others = (_frame_link(slot.pfn, chosen), *others)
    return [Fact(t("here.swap"), words, href, name, others)]
