"""mm/page_alloc.c: what must be true of the free lists, the CPU's lists and the pages in use, after anything.

Linux checks some of it under CONFIG_DEBUG_VM, bit by bit; this looks at everything, and takes as long as there are blocks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.kernel.mmzone import MAX_ORDER, PCP_ORDERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.kernel.mmzone import Zone
    from engine.kernel.page_alloc import PageAllocator


def check_allocator(allocator: PageAllocator) -> None:
    """Raises AssertionError, saying what is wrong, for the first thing that does not add up."""
    for zone in allocator.zones:
        _check_free_lists(zone)
        _check_merged(zone)
        _check_counts(zone)
        _check_pcp(zone)
    _check_owners(allocator)


def _demand(true: bool, what: str) -> None:
    if not true:
        raise AssertionError(what)


def _check_free_lists(zone: Zone) -> None:
    """Every block stands on one list, that of its order and type, is aligned, and lies in the zone."""
    for order, area in enumerate(zone.free_area):
        listed = {pfn: mt for mt, free_list in enumerate(area.free_list) for pfn in free_list}
        lengths = sum(len(free_list) for free_list in area.free_list)
        _demand(lengths == len(listed), f"{zone.name}, order {order}: a block stands on two lists")
        _demand(listed == area.blocks, f"{zone.name}, order {order}: the lists and the blocks' types differ")
        for pfn in listed:
            _check_place(zone, pfn, order)


def _check_place(zone: Zone, pfn: int, order: int) -> None:
    _demand(pfn & (1 << order) - 1 == 0, f"{zone.name}: the free block {pfn:#x} of order {order} is not aligned")
    inside = zone.zone_start_pfn <= pfn and pfn + (1 << order) <= zone.zone_end_pfn
    _demand(inside, f"{zone.name}: the free block {pfn:#x} of order {order} lies outside")


def _check_merged(zone: Zone) -> None:
    """No block's buddy is free as well: they would be one."""
    for order, area in enumerate(zone.free_area[: MAX_ORDER - 1]):
        for pfn in area.blocks:
            buddy = pfn ^ 1 << order
            _demand(
                buddy not in area.blocks, f"{zone.name}: {pfn:#x} and its buddy {buddy:#x} of order {order} are free"
            )


def _check_counts(zone: Zone) -> None:
    """The zone's count of free pages, and what the CPU has not told it yet, are what the lists hold."""
    pages = sum(count << order for order, count in enumerate(zone.nr_free_by_order()))
    _demand(zone.free_pages == pages, f"{zone.name} counts {zone.free_pages} free pages, the lists hold {pages}")
    quiet = abs(zone.vm_stat_diff) <= zone.stat_threshold
    _demand(quiet, f"{zone.name}: the CPU keeps a difference of {zone.vm_stat_diff} pages to itself")


def _check_pcp(zone: Zone) -> None:
    """The CPU's lists hold as many pages as it counts, and its exceptions to the lists' types are blocks on them."""
    pcp = zone.per_cpu_pageset
    pages = sum(len(blocks) << order for blocks, order in zip(pcp.lists, PCP_ORDERS, strict=True))
    _demand(pcp.count == pages, f"{zone.name}: the CPU counts {pcp.count} pages, its lists hold {pages}")
    strangers = pcp.types.keys() - {pfn for blocks in pcp.lists for pfn in blocks}
    _demand(not strangers, f"{zone.name}: types are kept of blocks that the CPU does not hold: {sorted(strangers)}")


def _blocks(allocator: PageAllocator) -> Iterator[tuple[int, int, str]]:
    """(first frame, order, who has it) of every block, free or not."""
    for zone in allocator.zones:
        for order, area in enumerate(zone.free_area):
            for pfn in area.blocks:
                yield pfn, order, "the free lists"
        for blocks, order in zip(zone.per_cpu_pageset.lists, PCP_ORDERS, strict=True):
            for pfn in blocks:
                yield pfn, order, "the CPU's lists"
    for pfn, page in allocator.mem_map.items():
        _demand(page.pfn == pfn, f"{page} is filed under {pfn:#x}")
        yield pfn, page.order, "somebody"


def _check_owners(allocator: PageAllocator) -> None:
    """No frame is in two blocks, of whatever kind."""
    end, before = 0, ""
    for pfn, order, owner in sorted(_blocks(allocator)):
        _demand(pfn >= end, f"frame {pfn:#x} belongs to {before} and to {owner}")
        end, before = pfn + (1 << order), owner
