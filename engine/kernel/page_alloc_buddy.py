"""mm/page_alloc.c: the buddy system: blocks are halved until one fits, and two free halves become one again.

The buddy of a block differs from it in one bit of the pfn, that of its order:

    order 2   |     0     |     4     |     8     |    12     |      4 and 0 are buddies, 4 and 8 are not
    order 1   |  0  |  2  |  4  |  6  |  8  | 10  | 12  | 14  |      6 ^ (1 << 1) = 4

Left out: page isolation, guard pages, page reporting, the capture of a freed block by compaction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from engine.events.page_alloc import BuddyMerge, Expand, FreeOnePage, MmPageAllocZoneLocked
from engine.kernel.mm_types import PG_LRU
from engine.kernel.mmzone import (
    MAX_ORDER,
    MIGRATE_PCPTYPES,
    NO_PFN,
    PAGE_ALLOC_COSTLY_ORDER,
    PAGEBLOCK_NR_PAGES,
    PAGEBLOCK_ORDER,
    Zone,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.kernel.mm_types import Page
    from engine.trace import Trace


def mod_zone_freepage_state(zone: Zone, pages: int) -> None:
    """__mod_zone_page_state(NR_FREE_PAGES): the CPU counts for itself, and tells the zone once it differs by too much."""
    difference = zone.vm_stat_diff + pages
    if difference > zone.stat_threshold or -difference > zone.stat_threshold:
        zone.nr_free_pages += difference
        difference = 0
    zone.vm_stat_diff = difference


def move_to_free_list(zone: Zone, pfn: int, order: int, migratetype: int) -> None:
    """move_to_free_list(): the free block becomes the tail of another type's list."""
    area = zone.free_area[order]
    del area.free_list[area.blocks[pfn]][pfn]
    area.blocks[pfn] = migratetype
    free_list = area.free_list[migratetype]
    free_list[pfn] = None
    free_list.move_to_end(pfn, last=False)


def rmqueue_smallest(zone: Zone, order: int, migratetype: int, trace: Trace) -> int:
    """__rmqueue_smallest(): takes the head of the type's smallest list that will do, halved to size. NO_PFN if none has any."""
    areas = zone.free_area
    for current_order in range(order, MAX_ORDER):
        area = areas[current_order]
        free_list = area.free_list[migratetype]
        if not free_list:
            continue
        pfn = free_list.popitem()[0]
        del area.blocks[pfn]
        if current_order > order:
            expand(zone, pfn, order, current_order, migratetype, trace)
        if trace.on:
            refill = migratetype < MIGRATE_PCPTYPES and (order <= PAGE_ALLOC_COSTLY_ORDER or order == PAGEBLOCK_ORDER)
            trace.ring.append((trace.clock.ns, trace.cause, MmPageAllocZoneLocked, pfn, order, migratetype, refill))
        return pfn
    return NO_PFN


def expand(zone: Zone, pfn: int, low: int, high: int, migratetype: int, trace: Trace) -> None:
    """expand(): halves the block at `pfn` from order `high` down to `low`; each upper half goes on its list's head."""
    areas = zone.free_area
    while high > low:
        high -= 1
        area = areas[high]
        half = pfn + (1 << high)
        area.blocks[half] = migratetype
        area.free_list[migratetype][half] = None
        if trace.on:
            trace.ring.append((trace.clock.ns, trace.cause, Expand, zone.name, half, high, migratetype))


def free_one_page(zone: Zone, pfn: int, order: int, migratetype: int, to_tail: bool, trace: Trace) -> None:
    """__free_one_page(): merges the block with its buddy while that is free too, then puts the result on a free list.

    Two pageblocks never merge here, since a pageblock is as large as a block can be; so a pageblock kept back for
    high-order atomic requests keeps its pages.
    """
    difference = zone.vm_stat_diff + (1 << order)
    if difference > zone.stat_threshold or -difference > zone.stat_threshold:
        zone.nr_free_pages += difference
        difference = 0
    zone.vm_stat_diff = difference

    areas = zone.free_area
    while order < MAX_ORDER - 1:
        buddy_pfn = pfn ^ (1 << order)
        area = areas[order]
        buddy_type = area.blocks.pop(buddy_pfn, NO_PFN)
        if buddy_type == NO_PFN:
            break
        del area.free_list[buddy_type][buddy_pfn]
        if trace.on:
            trace.ring.append((trace.clock.ns, trace.cause, BuddyMerge, zone.name, pfn, buddy_pfn, order))
        pfn &= buddy_pfn
        order += 1

    area = areas[order]
    area.blocks[pfn] = migratetype
    free_list = area.free_list[migratetype]
    free_list[pfn] = None
    if to_tail or buddy_merge_likely(zone, pfn, order):
        free_list.move_to_end(pfn, last=False)
        to_tail = True
    if trace.on:
        trace.ring.append((trace.clock.ns, trace.cause, FreeOnePage, zone.name, pfn, order, migratetype, to_tail))


def buddy_merge_likely(zone: Zone, pfn: int, order: int) -> bool:
    """buddy_merge_likely(): whether the buddy of the pair that this block belongs to is free.

    Then, once the block's own buddy is freed, four will become one: the block had better be used last.
    """
    if order >= MAX_ORDER - 2:
        return False
    pair = pfn & ~(1 << order)
    return pair ^ (2 << order) in zone.free_area[order + 1].blocks


class MovedPages(NamedTuple):
    """What stood in a pageblock: pages that were free, and pages in use that could be moved elsewhere."""

    free: int
    movable: int


def move_freepages_block(zone: Zone, pfn: int, migratetype: int, mem_map: Mapping[int, Page]) -> MovedPages:
    """move_freepages_block(): all free blocks of the pageblock around `pfn` go on the lists of `migratetype`.

    None of them where the zone ends inside the pageblock; from `pfn` on where it begins there.
    """
    start = pfn & -PAGEBLOCK_NR_PAGES
    end = start + PAGEBLOCK_NR_PAGES
    if end > zone.zone_end_pfn:
        return MovedPages(0, 0)
    if start < zone.zone_start_pfn:
        start = pfn
    free = movable = 0
    while start < end:
        order = buddy_order(zone, start)
        if order >= 0:
            move_to_free_list(zone, start, order, migratetype)
            free += 1 << order
            start += 1 << order
            continue
        page = mem_map.get(start)
        if page is not None and page.flags & PG_LRU:
            movable += 1
        start += 1
    return MovedPages(free, movable)


def buddy_order(zone: Zone, pfn: int) -> int:
    """buddy_order(): the order of the free block that begins at `pfn`; -1 where none does."""
    for order in range(MAX_ORDER):
        if pfn & ((1 << order) - 1):
            break
        if pfn in zone.free_area[order].blocks:
            return order
    return -1
