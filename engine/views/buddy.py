"""The page allocator's free blocks: by zone, order and migrate type, and those that the CPU keeps for itself."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final

from engine.kernel.mmzone import PCP_ORDERS, MigrateType

if TYPE_CHECKING:
    from engine.kernel.mmzone import FreeArea, Zone
    from engine.machine import Machine

FIRST_BLOCKS: Final = 4
"""How many blocks of each list are named."""


@dataclass(frozen=True, slots=True)
class FreeList:
    """One list: its migrate type, its length, and the first frames of the blocks that will be taken next."""

    migratetype: str
    blocks: int
    first: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class OrderView:
    """The free blocks of 2**order frames."""

    order: int
    free: int
    lists: tuple[FreeList, ...]
    """Those that are not empty."""


@dataclass(frozen=True, slots=True)
class ZoneBuddy:
    """One zone's free blocks. Watermarks and counts in pages."""

    zone: str
    free_pages: int
    orders: tuple[OrderView, ...]
    cpu_pages: int
    """Pages that the CPU keeps for itself (per_cpu_pageset)."""
    cpu_blocks: tuple[tuple[int, int], ...]
    """(order, blocks) of those, where there are any."""


def buddy(machine: Machine) -> tuple[ZoneBuddy, ...]:
    """The free blocks of every zone that has RAM, lowest zone first."""
    return tuple(_zone(zone) for zone in machine.kernel.page_alloc.zones)


def _zone(zone: Zone) -> ZoneBuddy:
    by_order: dict[int, int] = {}
    pcp = zone.per_cpu_pageset
    for order, blocks in zip(PCP_ORDERS, pcp.lists, strict=True):
        if blocks:
            by_order[order] = by_order.get(order, 0) + len(blocks)
    return ZoneBuddy(
        zone=zone.name,
        free_pages=zone.free_pages,
        orders=tuple(_order(order, area) for order, area in enumerate(zone.free_area)),
        cpu_pages=pcp.count,
        cpu_blocks=tuple(sorted(by_order.items())),
    )


def _order(order: int, area: FreeArea) -> OrderView:
    lists = tuple(
        FreeList(MigrateType(number).name.lower(), len(blocks), tuple(islice(reversed(blocks), FIRST_BLOCKS)))
        for number, blocks in enumerate(area.free_list)
        if blocks
    )
    return OrderView(order, area.nr_free, lists)
