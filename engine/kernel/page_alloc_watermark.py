"""mm/page_alloc.c: may a zone serve a request? Its free pages, less what is kept back, must stay above a mark.

free pages  |######################|
            |-- high --------------|        kswapd stops here
            |-- low -----|                  below: kswapd is woken
            |-- min --|                     below: only atomic requests, in part, and those who free memory
            + lowmem_reserve[highest]       kept from requests that a higher zone could have served
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.kernel.gfp import (
    _GFP_ATOMIC,
    ALLOC_HIGHATOMIC,
    ALLOC_MIN_RESERVE,
    ALLOC_NON_BLOCK,
    ALLOC_OOM,
    ALLOC_RESERVES,
    ALLOC_WMARK_MASK,
    ALLOC_WMARK_MIN,
)
from engine.kernel.mmzone import MIGRATE_PCPTYPES

if TYPE_CHECKING:
    from engine.kernel.mmzone import Zone


def zone_watermark_fast(zone: Zone, order: int, mark: int, highest: int, alloc_flags: int, gfp: int) -> bool:
    """zone_watermark_fast(): whether the zone may serve the request: zone_watermark_ok(), and for one page some leniency.

    An atomic request for one page does not mind a boosted min watermark.
    """
    free_pages = zone.nr_free_pages
    if not order:
        usable = max(free_pages - _unusable_free(zone, 0, alloc_flags), 0)
        if usable > mark + zone.lowmem_reserve[highest]:
            return True
    if zone_watermark_ok(zone, order, mark, highest, alloc_flags, free_pages):
        return True
    if not order and gfp & _GFP_ATOMIC and zone.watermark_boost and alloc_flags & ALLOC_WMARK_MASK == ALLOC_WMARK_MIN:
        return zone_watermark_ok(zone, 0, zone.watermark[ALLOC_WMARK_MIN], highest, alloc_flags, free_pages)
    return False


def zone_watermark_ok(zone: Zone, order: int, mark: int, highest: int, alloc_flags: int, free_pages: int) -> bool:
    """__zone_watermark_ok(): whether `free_pages` would stay above `mark` and the reserve, and a block of the order is free.

    `highest` is the highest zone that the request could have used: what is kept from it depends on that.
    """
    free_pages -= _unusable_free(zone, order, alloc_flags)
    least = mark
    if alloc_flags & ALLOC_RESERVES:
        if alloc_flags & ALLOC_MIN_RESERVE:
            least -= least // 2
            if alloc_flags & ALLOC_NON_BLOCK:
                least -= least // 4
        if alloc_flags & ALLOC_OOM:
            least -= least // 2
    if free_pages <= least + zone.lowmem_reserve[highest]:
        return False
    if not order:
        return True
    types = MIGRATE_PCPTYPES + bool(alloc_flags & (ALLOC_HIGHATOMIC | ALLOC_OOM))
    return any(any(area.free_list[:types]) for area in zone.free_area[order:])


def _unusable_free(zone: Zone, order: int, alloc_flags: int) -> int:
    """__zone_watermark_unusable_free(): free pages that do not count: all of the block but one; the atomic reserve."""
    unusable = (1 << order) - 1
    if not alloc_flags & ALLOC_RESERVES:
        unusable += zone.nr_reserved_highatomic
    return unusable
