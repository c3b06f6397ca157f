"""Physical memory: the zones, whose each frame is, and the watermarks."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from engine.kernel.fs import AddressSpace
from engine.kernel.mm_types import PG_ANON, PG_KSTACK, PG_SLAB, PG_SWAPBACKED, PG_SWAPCACHE, PG_TABLE
from engine.kernel.mmzone import PCP_ORDERS

if TYPE_CHECKING:
    from engine.kernel.kernel import Kernel
    from engine.kernel.mm_types import Page
    from engine.kernel.mmzone import Zone
    from engine.machine import Machine

CELLS_MAXIMUM: Final = 2000
"""Cells of the whole picture: what a browser draws without effort."""


class Owner(StrEnum):
    """Whose a frame is."""

    FREE = "free"
    RESERVED = "reserved"
    """Taken at boot: the kernel's image and tables, the BIOS."""
    KERNEL = "kernel"
    """Allocated by the kernel for itself: stacks and the like."""
    SLAB = "slab"
    PAGE_TABLE = "page_table"
    FILE = "file"
    SHMEM = "shmem"
    ANONYMOUS = "anonymous"


OWNERS: Final = tuple(Owner)
_CODE: Final = {owner: code for code, owner in enumerate(OWNERS)}


@dataclass(frozen=True, slots=True)
class Cell:
    """The frames [first, first + frames) and how many of them each owner has; owners that have none are left out."""

    first: int
    frames: int
    owners: tuple[tuple[Owner, int], ...]


@dataclass(frozen=True, slots=True)
class ZoneView:
    """One zone. All figures in pages."""

    name: str
    start: int
    end: int
    present: int
    managed: int
    free: int
    cpu_pages: int
    """Free pages that the CPU keeps for itself, in front of the zone's lists."""
    min_mark: int
    low_mark: int
    high_mark: int
    owners: tuple[tuple[Owner, int], ...]
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class PhysicalMemoryView:
    """All frames. The owners' counts add up to `frames`."""

    frames: int
    frames_per_cell: int
    zones: tuple[ZoneView, ...]
    owners: tuple[tuple[Owner, int], ...]


def physical_memory(machine: Machine, codes: bytearray | None = None) -> PhysicalMemoryView:
    """Every frame's owner, grouped in at most CELLS_MAXIMUM cells.

    Who draws the cells itself gives the `codes` of frame_owners(): then the zones come without cells.
    """
    kernel = machine.kernel
    with_cells = codes is None
    codes = owner_codes(kernel) if codes is None else codes
    per_cell = 1
    while len(codes) > per_cell * CELLS_MAXIMUM * 3 // 4:
        per_cell *= 2
    zones = tuple(_zone(zone, codes, per_cell if with_cells else 0) for zone in kernel.page_alloc.zones)
    return PhysicalMemoryView(len(codes), per_cell, zones, _count(codes, 0, len(codes)))


def frame_owners(machine: Machine) -> bytearray:
    """One byte a frame: the index in OWNERS of whose it is."""
    return owner_codes(machine.kernel)


def owner_codes(kernel: Kernel) -> bytearray:
    """One byte a frame: the index in OWNERS of whose it is."""
    codes = bytearray([_CODE[Owner.KERNEL]]) * kernel.ram.size
    for taken in kernel.boot.reserved:
        codes[taken.start_pfn : taken.end_pfn] = bytes([_CODE[Owner.RESERVED]]) * taken.pages
    free = bytes([_CODE[Owner.FREE]])
    for zone in kernel.page_alloc.zones:
        for order, area in enumerate(zone.free_area):
            for pfn in area.blocks:
                codes[pfn : pfn + (1 << order)] = free * (1 << order)
        for order, blocks in zip(PCP_ORDERS, zone.per_cpu_pageset.lists, strict=True):
            for pfn in blocks:
                codes[pfn : pfn + (1 << order)] = free * (1 << order)
    for pfn, page in kernel.page_alloc.mem_map.items():
        code = _CODE[page_owner(page)]
        if page.order:
            codes[pfn : pfn + (1 << page.order)] = bytes([code]) * (1 << page.order)
        else:
            codes[pfn] = code
    return codes


def page_owner(page: Page) -> Owner:
    """Whose an allocated block is."""
    flags = page.flags
    if flags & PG_TABLE:
        return Owner.PAGE_TABLE
    if flags & PG_SLAB:
        return Owner.SLAB
    if flags & PG_KSTACK:
        return Owner.KERNEL
    if flags & (PG_ANON | PG_SWAPCACHE):
        return Owner.ANONYMOUS
    if isinstance(page.mapping, AddressSpace):
        return Owner.SHMEM if flags & PG_SWAPBACKED else Owner.FILE
    return Owner.KERNEL


def _zone(zone: Zone, codes: bytearray, per_cell: int) -> ZoneView:
    start, end = zone.zone_start_pfn, zone.zone_end_pfn
    return ZoneView(
        name=zone.name,
        start=start,
        end=end,
        present=zone.present_pages,
        managed=zone.managed_pages,
        free=zone.free_pages,
        cpu_pages=zone.per_cpu_pageset.count,
        min_mark=zone.min_wmark_pages,
        low_mark=zone.low_wmark_pages,
        high_mark=zone.high_wmark_pages,
        owners=_count(codes, start, end),
        cells=_cells(codes, start, end, per_cell) if per_cell else (),
    )


def _cells(codes: bytearray, start: int, end: int, per_cell: int) -> tuple[Cell, ...]:
    cells = []
    counted: dict[bytes, tuple[tuple[Owner, int], ...]] = {}  # most cells look like others
    for first in range(start & -per_cell, end, per_cell):
        low, high = max(first, start), min(first + per_cell, end)
        look = bytes(codes[low:high])
        owners = counted.get(look)
        if owners is None:
            owners = counted[look] = _count(codes, low, high)
        cells.append(Cell(low, high - low, owners))
    return tuple(cells)


def _count(codes: bytearray, start: int, end: int) -> tuple[tuple[Owner, int], ...]:
    frames, first = end - start, codes[start]
    same = codes.count(first, start, end)
    if same == frames:
        return ((OWNERS[first], frames),)
    found = []
    for code, owner in enumerate(OWNERS):
        count = same if code == first else codes.count(code, start, end)
        if count:
            found.append((owner, count))
            frames -= count
            if not frames:
                break
    return tuple(found)
