"""External fragmentation: how much is free, in how large pieces, and why a request would fail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from engine.kernel.fragmentation import (
    REQUEST_SUCCEEDS,
    fill_contig_page_info,
    fragmentation_index,
    unusable_free_index,
)

if TYPE_CHECKING:
    from engine.kernel.mmzone import Zone
    from engine.machine import Machine

NO_BLOCK: Final = -1


@dataclass(frozen=True, slots=True)
class OrderFragmentation:
    """A request of one order, as the zone's free lists stand. Indexes in thousandths."""

    order: int
    blocks: int
    """Free blocks of just this order."""
    suitable: int
    """How many such requests could be served."""
    fragmentation_index: int | None
    """Near 0: it fails for want of memory; near 1000: because memory is in pieces. None: it succeeds."""
    unusable_index: int
    """The share of the free pages that is in blocks too small for it."""


@dataclass(frozen=True, slots=True)
class ZoneFragmentation:
    """One zone."""

    zone: str
    managed: int
    free_pages: int
    cpu_pages: int
    """Free pages that the CPU keeps for itself; nobody counts them here, and they merge with nothing."""
    largest_order: int
    """Of the largest free block; NO_BLOCK where none is free."""
    orders: tuple[OrderFragmentation, ...]


def fragmentation(machine: Machine) -> tuple[ZoneFragmentation, ...]:
    """Every zone that has RAM, lowest first."""
    return tuple(_zone(zone) for zone in machine.kernel.page_alloc.zones)


def _zone(zone: Zone) -> ZoneFragmentation:
    blocks = zone.nr_free_by_order()
    return ZoneFragmentation(
        zone=zone.name,
        managed=zone.managed_pages,
        free_pages=zone.free_pages,
        cpu_pages=zone.per_cpu_pageset.count,
        largest_order=max((order for order, count in enumerate(blocks) if count), default=NO_BLOCK),
        orders=tuple(_order(blocks, order) for order in range(len(blocks))),
    )


def _order(blocks: list[int], order: int) -> OrderFragmentation:
    index = fragmentation_index(blocks, order)
    return OrderFragmentation(
        order=order,
        blocks=blocks[order],
        suitable=fill_contig_page_info(blocks, order).free_blocks_suitable,
        fragmentation_index=None if index == REQUEST_SUCCEEDS else index,
        unusable_index=unusable_free_index(blocks, order),
    )
