"""mm/page_alloc.c: when a migrate type has no free block left: taking one of another type's, and at best its pageblock.

A pageblock of mixed types can hardly become free as a whole again. So the largest block is taken, with all that is free
around it, the pageblock changes sides if most of it can, and the watermarks rise for a while to make kswapd free more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.events.page_alloc import MmPageAllocExtfrag
from engine.kernel.gfp import ALLOC_KSWAPD
from engine.kernel.mmzone import (
    MAX_ORDER,
    MIGRATE_HIGHATOMIC,
    MIGRATE_MOVABLE,
    MIGRATE_PCPTYPES,
    MIGRATE_RECLAIMABLE,
    MIGRATE_UNMOVABLE,
    PAGEBLOCK_NR_PAGES,
    PAGEBLOCK_ORDER,
    FreeArea,
    Watermark,
    Zone,
)
from engine.kernel.page_alloc_buddy import move_freepages_block, move_to_free_list

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from engine.kernel.mm_types import Page
    from engine.trace import Trace

NO_TYPE: Final = -1

FALLBACKS: Final[tuple[tuple[int, ...], ...]] = (
    (MIGRATE_RECLAIMABLE, MIGRATE_MOVABLE),
    (MIGRATE_RECLAIMABLE, MIGRATE_UNMOVABLE),
    (MIGRATE_UNMOVABLE, MIGRATE_MOVABLE),
)
"""fallbacks[]: by type, whose blocks it may take, in this order."""


def find_suitable_fallback(area: FreeArea, migratetype: int) -> int:
    """find_suitable_fallback(): the type whose block of this order may be taken instead; NO_TYPE if there is none."""
    if area.blocks:
        for fallback in FALLBACKS[migratetype]:
            if area.free_list[fallback]:
                return fallback
    return NO_TYPE


def can_steal_fallback(order: int, start_migratetype: int) -> bool:
    """can_steal_fallback(): whether all that is free in the pageblock may change its type along with the block.

    Small blocks for movable pages are taken alone. (Where types are not told apart at all, nobody asks for movable ones.)
    """
    return order >= PAGEBLOCK_ORDER // 2 or start_migratetype != MIGRATE_MOVABLE


def rmqueue_fallback(
    zone: Zone, order: int, start_migratetype: int, alloc_flags: int, mem_map: Mapping[int, Page], trace: Trace
) -> bool:
    """__rmqueue_fallback(): puts another type's free block, and maybe its neighbours, on this type's lists.

    False when no other type has a block of at least `order` either. Requests of types without fallbacks get False.
    """
    if start_migratetype >= MIGRATE_PCPTYPES:
        return False
    areas = zone.free_area
    current_order = _largest(areas, order, start_migratetype)
    if current_order < 0:
        return False
    can_steal = can_steal_fallback(current_order, start_migratetype)
    if not can_steal and current_order > order:
        # A movable page harms no pageblock for good: spoil the smallest block rather than the largest.
        current_order = next(
            o for o in range(order, MAX_ORDER) if find_suitable_fallback(areas[o], start_migratetype) >= 0
        )
        can_steal = can_steal_fallback(current_order, start_migratetype)
    fallback = find_suitable_fallback(areas[current_order], start_migratetype)
    pfn = next(reversed(areas[current_order].free_list[fallback]))
    _steal_suitable_fallback(zone, pfn, current_order, alloc_flags, start_migratetype, can_steal, mem_map)
    if trace.on:
        trace.emit(MmPageAllocExtfrag(pfn, order, current_order, start_migratetype, fallback))
    return True


def _largest(areas: Sequence[FreeArea], order: int, migratetype: int) -> int:
    """The highest order, `order` at least, in which another type has a block; -1 if there is none."""
    for current_order in range(MAX_ORDER - 1, order - 1, -1):
        if find_suitable_fallback(areas[current_order], migratetype) >= 0:
            return current_order
    return -1


def _steal_suitable_fallback(
    zone: Zone, pfn: int, order: int, alloc_flags: int, start_type: int, whole_block: bool, mem_map: Mapping[int, Page]
) -> None:
    """steal_suitable_fallback(): the block changes to `start_type`, or all that is free in its pageblock, or the pageblock."""
    old_block_type = zone.get_pageblock_migratetype(pfn)
    if old_block_type == MIGRATE_HIGHATOMIC:
        move_to_free_list(zone, pfn, order, start_type)
        return
    if order >= PAGEBLOCK_ORDER:
        zone.set_pageblock_migratetype(pfn, start_type)
        move_to_free_list(zone, pfn, order, start_type)
        return
    if boost_watermark(zone) and alloc_flags & ALLOC_KSWAPD:
        zone.boosted_watermark = True
    if not whole_block:
        move_to_free_list(zone, pfn, order, start_type)
        return
    moved = move_freepages_block(zone, pfn, start_type, mem_map)
    if not moved.free:
        move_to_free_list(zone, pfn, order, start_type)
        return
    if start_type == MIGRATE_MOVABLE:
        alike_pages = moved.movable
    elif old_block_type == MIGRATE_MOVABLE:
        alike_pages = PAGEBLOCK_NR_PAGES - (moved.free + moved.movable)
    else:
        alike_pages = 0
    if moved.free + alike_pages >= PAGEBLOCK_NR_PAGES // 2 or zone.zone_pgdat.page_group_by_mobility_disabled:
        zone.set_pageblock_migratetype(pfn, start_type)


def boost_watermark(zone: Zone) -> bool:
    """boost_watermark(): raises the zone's marks by a pageblock, up to a part of the high mark. False: the zone is too small."""
    factor = zone.zone_pgdat.watermark_boost_factor
    if not factor or zone.managed_pages < PAGEBLOCK_NR_PAGES * 4:
        return False
    high = zone.watermark[Watermark.HIGH]
    max_boost = high // 10000 * factor + high % 10000 * factor // 10000
    if not max_boost:
        return False
    zone.watermark_boost = min(zone.watermark_boost + PAGEBLOCK_NR_PAGES, max(PAGEBLOCK_NR_PAGES, max_boost))
    return True


def reserve_highatomic_pageblock(zone: Zone, pfn: int, mem_map: Mapping[int, Page]) -> None:
    """reserve_highatomic_pageblock(): keeps the pageblock that just served an atomic request for others of its kind.

    At most some 1 % of the zone, and one pageblock at least.
    """
    if zone.nr_reserved_highatomic >= zone.managed_pages // 100 + PAGEBLOCK_NR_PAGES:
        return
    if zone.get_pageblock_migratetype(pfn) < MIGRATE_PCPTYPES:
        zone.nr_reserved_highatomic += PAGEBLOCK_NR_PAGES
        zone.make_highatomic_lists()
        zone.set_pageblock_migratetype(pfn, MIGRATE_HIGHATOMIC)
        move_freepages_block(zone, pfn, MIGRATE_HIGHATOMIC, mem_map)


def unreserve_highatomic_pageblock(
    zones: Sequence[Zone], migratetype: int, force: bool, mem_map: Mapping[int, Page]
) -> bool:
    """unreserve_highatomic_pageblock(): gives a kept pageblock back for `migratetype`; the last one only when forced."""
    for zone in zones:
        if not force and zone.nr_reserved_highatomic <= PAGEBLOCK_NR_PAGES:
            continue
        for area in zone.free_area:
            if not area.free_list[MIGRATE_HIGHATOMIC]:
                continue
            pfn = next(reversed(area.free_list[MIGRATE_HIGHATOMIC]))
            if zone.get_pageblock_migratetype(pfn) == MIGRATE_HIGHATOMIC:
                zone.nr_reserved_highatomic -= min(PAGEBLOCK_NR_PAGES, zone.nr_reserved_highatomic)
            zone.set_pageblock_migratetype(pfn, migratetype)
            if move_freepages_block(zone, pfn, migratetype, mem_map).free:
                return True
    return False
