"""mm/page_alloc.c: the CPU's own lists: small blocks are taken from and given back to them, and the zone sees batches.

Left out: other CPUs, locks and interrupts: the lists are never busy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.events.page_alloc import DrainAllPages, MmPagePcpuDrain
from engine.kernel.mmzone import (
    MIGRATE_MOVABLE,
    MIGRATE_PCPTYPES,
    NO_PFN,
    NR_LOWORDER_PCP_LISTS,
    NR_PCP_LISTS,
    PAGE_ALLOC_COSTLY_ORDER,
    PCP_ORDERS,
    PCP_TYPES,
    PerCpuPages,
    Zone,
)
from engine.kernel.page_alloc_buddy import free_one_page, mod_zone_freepage_state, rmqueue_smallest
from engine.kernel.page_alloc_fallback import rmqueue_fallback

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.kernel.mm_types import Page
    from engine.trace import Trace

PCP_BATCH_SCALE_MAX: Final = 5
"""CONFIG_PCP_BATCH_SCALE_MAX: at most 2**5 batches go back at once."""


def rmqueue(
    zone: Zone, order: int, migratetype: int, alloc_flags: int, mem_map: Mapping[int, Page], trace: Trace
) -> int:
    """__rmqueue(): a block from the type's free lists, or from another type's. NO_PFN if no list has one."""
    pfn = rmqueue_smallest(zone, order, migratetype, trace)
    while pfn == NO_PFN and rmqueue_fallback(zone, order, migratetype, alloc_flags, mem_map, trace):
        pfn = rmqueue_smallest(zone, order, migratetype, trace)
    return pfn


def rmqueue_bulk(
    zone: Zone, pindex: int, migratetype: int, alloc_flags: int, mem_map: Mapping[int, Page], trace: Trace
) -> None:
    """rmqueue_bulk(): fills the CPU's empty list `pindex` with a batch; it stays empty when the zone has nothing."""
    pcp = zone.per_cpu_pageset
    order = PCP_ORDERS[pindex]
    count = pcp.batch
    if count > 1:
        count = max(count >> order, 2)
    blocks = pcp.lists[pindex]
    for _ in range(count):
        pfn = rmqueue(zone, order, migratetype, alloc_flags, mem_map, trace)
        if pfn == NO_PFN:
            break
        blocks.append(pfn)
        if migratetype != PCP_TYPES[pindex]:
            pcp.types[pfn] = migratetype
    blocks.reverse()
    pages = len(blocks) << order
    mod_zone_freepage_state(zone, -pages)
    pcp.count += pages


def free_pcppages_bulk(zone: Zone, count: int, pindex: int, trace: Trace) -> None:
    """free_pcppages_bulk(): gives `count` pages or a little more back to the zone, coldest first, list by list.

    `pindex` is the list to begin with.
    """
    pcp = zone.per_cpu_pageset
    lists, types = pcp.lists, pcp.types
    count = min(pcp.count, count)
    min_pindex = 0
    max_pindex = NR_PCP_LISTS - 1
    pindex -= 1
    while count > 0:
        while True:
            pindex += 1
            if pindex > max_pindex:
                pindex = min_pindex
            blocks = lists[pindex]
            if blocks:
                break
            if pindex == max_pindex:
                max_pindex -= 1
            if pindex == min_pindex:
                min_pindex += 1
        order = PCP_ORDERS[pindex]
        list_type = PCP_TYPES[pindex]
        coldest = blocks[: -(-count >> order)]
        del blocks[: len(coldest)]
        pages = len(coldest) << order
        count -= pages
        pcp.count -= pages
        for pfn in coldest:
            migratetype = types.pop(pfn, list_type) if types else list_type
            free_one_page(zone, pfn, order, migratetype, False, trace)
            if trace.on:
                trace.ring.append((trace.clock.ns, trace.cause, MmPagePcpuDrain, pfn, order, migratetype))


def nr_pcp_free(pcp: PerCpuPages, high: int, free_high: bool) -> int:
    """nr_pcp_free(): how many pages go back now that the lists are full: a batch, doubled with each time in a row."""
    if free_high:
        return pcp.count
    batch = pcp.batch
    if high < batch:
        return 1
    max_nr_free = high - batch
    scaled = batch << pcp.free_factor
    if scaled < max_nr_free and pcp.free_factor < PCP_BATCH_SCALE_MAX:
        pcp.free_factor += 1
    return min(max(scaled, batch), max_nr_free)


def nr_pcp_high(zone: Zone, pcp: PerCpuPages, free_high: bool) -> int:
    """nr_pcp_high(): how many pages the lists may hold: less while kswapd is at work, none for blocks freed in a row."""
    if not pcp.high or free_high:
        return 0
    if not zone.reclaim_active:
        return pcp.high
    return min(pcp.batch << 2, pcp.high)


def free_unref_page_commit(zone: Zone, pfn: int, order: int, migratetype: int, trace: Trace) -> None:
    """free_unref_page_commit(): the block becomes the head of the CPU's list, and if they are full the coldest go back."""
    pcp = zone.per_cpu_pageset
    if migratetype >= MIGRATE_PCPTYPES:
        # A block of a high-order atomic reserve serves movable requests until it goes back to the zone.
        pcp.types[pfn] = migratetype
        migratetype = MIGRATE_MOVABLE
    if order > PAGE_ALLOC_COSTLY_ORDER:
        pindex = NR_LOWORDER_PCP_LISTS + (migratetype == MIGRATE_MOVABLE)
        if migratetype != PCP_TYPES[pindex]:
            pcp.types[pfn] = migratetype
    else:
        pindex = MIGRATE_PCPTYPES * order + migratetype
    pcp.lists[pindex].append(pfn)
    pcp.count += 1 << order
    free_high = 0 < order <= PAGE_ALLOC_COSTLY_ORDER and pcp.free_factor > 0
    high = pcp.high
    if free_high or zone.reclaim_active:
        high = nr_pcp_high(zone, pcp, free_high)
    if pcp.count >= high:
        free_pcppages_bulk(zone, nr_pcp_free(pcp, high, free_high), pindex, trace)


def drain_pages_zone(zone: Zone, trace: Trace) -> None:
    """drain_pages_zone(): everything that the CPU keeps of this zone goes back to it."""
    pcp = zone.per_cpu_pageset
    if pcp.count and trace.on:
        trace.emit(DrainAllPages(zone.name, pcp.count))
    while pcp.count:
        free_pcppages_bulk(zone, min(pcp.count, pcp.batch << PCP_BATCH_SCALE_MAX), 0, trace)
