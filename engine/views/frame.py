"""One page frame: its zone, its owner, who maps it, and its place in the buddy system."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from engine.kernel.mm_types import (
    PG_ACTIVE,
    PG_ANON,
    PG_DIRTY,
    PG_KSTACK,
    PG_LOCKED,
    PG_LRU,
    PG_REFERENCED,
    PG_SLAB,
    PG_SWAPBACKED,
    PG_SWAPCACHE,
    PG_TABLE,
    PG_UNEVICTABLE,
    PG_UPTODATE,
    PG_WRITEBACK,
    PGDIR_SHIFT,
    Page,
)
from engine.kernel.mmzone import PCP_ORDERS, PCP_TYPES, MigrateType
from engine.kernel.pgtable import SWAP_OFFSET_SHIFT
from engine.kernel.swap import folio_lru_list
from engine.views.file_page import FilePage, file_page_of
from engine.views.mapped_at import MappedAt, mapped_at
from engine.views.physical_memory import Owner, page_owner

if TYPE_CHECKING:
    from engine.kernel.kernel import Kernel
    from engine.kernel.mmzone import Zone
    from engine.machine import Machine

_FLAG_NAMES: Final = (
    (PG_LOCKED, "locked"),
    (PG_REFERENCED, "referenced"),
    (PG_UPTODATE, "uptodate"),
    (PG_DIRTY, "dirty"),
    (PG_LRU, "lru"),
    (PG_ACTIVE, "active"),
    (PG_SLAB, "slab"),
    (PG_WRITEBACK, "writeback"),
    (PG_SWAPBACKED, "swapbacked"),
    (PG_UNEVICTABLE, "unevictable"),
    (PG_ANON, "anon"),
    (PG_SWAPCACHE, "swapcache"),
    (PG_TABLE, "table"),
    (PG_KSTACK, "kernel stack"),
)


@dataclass(frozen=True, slots=True)
class Block:
    """The block of 2**order frames at `pfn` that a frame belongs to, and its buddy, free as a whole or not."""

    pfn: int
    order: int
    buddy: int
    buddy_free: bool
    migratetype: str | None
    """The list on which a free block stands; None for a block in use."""
    on_cpu_list: bool


@dataclass(frozen=True, slots=True)
class TableOf:
    """A page directory (`address` None), or the page table for the 4 MB from `address` on, of process `pid`."""

    pid: int
    address: int | None


@dataclass(frozen=True, slots=True)
class FrameView:
    """What is known of one frame. `detail` names the reserved range that it is in."""

    pfn: int
    owner: Owner
    detail: str
    zone: str | None
    block: Block | None
    """None for a frame that the allocator never got."""
    flags: tuple[str, ...]
    refcount: int
    mapcount: int
    lru: str | None
    mapped_at: tuple[MappedAt, ...]
    file: FilePage | None = None
    """Which page of a file it holds."""
    slot: int | None = None
    """The swap slot that holds the same page: the swap cache."""
    table_of: TableOf | None = None
    """Whose page table or directory it is."""


def frame(machine: Machine, pfn: int) -> FrameView | None:
    """Frame `pfn`, or None where the machine has no such frame."""
    kernel = machine.kernel
    if not 0 <= pfn < kernel.ram.size:
        return None
    zone = next((zone for zone in kernel.page_alloc.zones if zone.spans_pfn(pfn)), None)
    name = None if zone is None else zone.name
    for taken in kernel.boot.reserved:
        if taken.start_pfn <= pfn < taken.end_pfn:
            return FrameView(pfn, Owner.RESERVED, taken.owner, name, None, (), 0, 0, None, ())
    block = None if zone is None else _free_block(zone, pfn)
    if block is not None:
        return FrameView(pfn, Owner.FREE, "", name, block, (), 0, 0, None, ())
    page = _page(kernel, pfn)
    if page is None or zone is None:
        return FrameView(pfn, Owner.KERNEL, "", name, None, (), 0, 0, None, ())
    return FrameView(
        pfn=pfn,
        owner=page_owner(page),
        detail="",
        zone=name,
        block=_block(zone, page.pfn, page.order, None, on_cpu_list=False),
        flags=tuple(word for bit, word in _FLAG_NAMES if page.flags & bit),
        refcount=page.refcount,
        mapcount=page.mapcount,
        lru=folio_lru_list(page).name.lower().replace("_", " ") if page.flags & PG_LRU else None,
        mapped_at=mapped_at(kernel, page),
        file=file_page_of(page),
        slot=page.private >> SWAP_OFFSET_SHIFT if page.flags & PG_SWAPCACHE else None,
        table_of=_table_of(kernel, page),
    )


def _table_of(kernel: Kernel, page: Page) -> TableOf | None:
    for task in kernel.tasks.values():
        if task.mm.pgd == page.pfn:
            return TableOf(task.pid, None)
        if page.flags & PG_TABLE and page.mapping is task.mm:
            return TableOf(task.pid, page.index << PGDIR_SHIFT)
    return None


def _page(kernel: Kernel, pfn: int) -> Page | None:
    """The allocated block that holds `pfn`."""
    for order in range(11):
        page = kernel.page_alloc.mem_map.get(pfn & -(1 << order))
        if page is not None and page.order >= order:
            return page
    return None


def _free_block(zone: Zone, pfn: int) -> Block | None:
    for order, area in enumerate(zone.free_area):
        start = pfn & -(1 << order)
        if start in area.blocks:
            return _block(zone, start, order, MigrateType(area.blocks[start]).name.lower(), on_cpu_list=False)
    for blocks, order, kind in zip(zone.per_cpu_pageset.lists, PCP_ORDERS, PCP_TYPES, strict=True):
        start = pfn & -(1 << order)
        if start in blocks:
            return _block(zone, start, order, MigrateType(kind).name.lower(), on_cpu_list=True)
    return None


def _block(zone: Zone, pfn: int, order: int, migratetype: str | None, *, on_cpu_list: bool) -> Block:
    buddy = pfn ^ 1 << order
    return Block(pfn, order, buddy, buddy in zone.free_area[order].blocks, migratetype, on_cpu_list)
