"""include/linux/mmzone.h: a zone's lists as plain data, and a zone made again from such data, or from its sizes alone.

What the lists do not tell is worked out from what they do:

- A pageblock's type is that of most of its free pages, for pages are freed to their pageblock's type. A pageblock without
  a free page keeps the type that it has from boot.
- The used pages of movable pageblocks are user memory and page cache (on the LRU lists): what else is there is little,
  but for the kernel's own tables, which lie where nothing is free at all.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple, TypedDict

from engine.kernel.gfp import MAX_NR_ZONES, ZoneType
from engine.kernel.memblock import DEBIAN_686, INITRD_PAGES
from engine.kernel.mm_types import PG_LRU, Page
from engine.kernel.mmzone import (
    MAX_ORDER,
    MIGRATE_HIGHATOMIC,
    MIGRATE_MOVABLE,
    PAGEBLOCK_NR_PAGES,
    PAGEBLOCK_ORDER,
    PCP_ORDERS,
    PCP_TYPES,
    ZONE_NAMES,
    Pglist,
    Zone,
)
from engine.kernel.page_alloc_init import init_marks

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from engine.kernel.zoneinfo import ZoneMarks


class PcpLists(TypedDict):
    """The CPU's own lists of one zone, each from its head on."""

    count: int
    high: int
    batch: int
    lists: Sequence[Sequence[int]]


class ZoneLists(TypedDict):
    """One zone's free lists that are not empty, as (order, migrate type, first frames from the head on)."""

    start_pfn: int
    spanned: int
    free: Sequence[tuple[int, int, Sequence[int]]]
    pcp: PcpLists


def zone_lists(zone: Zone) -> ZoneLists:
    """The zone's lists as they are now."""
    pcp = zone.per_cpu_pageset
    return {
        "start_pfn": zone.zone_start_pfn,
        "spanned": zone.spanned_pages,
        "free": [
            (order, migratetype, list(reversed(free_list)))
            for order, area in enumerate(zone.free_area)
            for migratetype, free_list in enumerate(area.free_list)
            if free_list
        ],
        "pcp": {
            "count": pcp.count,
            "high": pcp.high,
            "batch": pcp.batch,
            "lists": [list(reversed(blocks)) for blocks in pcp.lists],
        },
    }


class ZoneState(NamedTuple):
    """Zones made from lists, and the pages in use that are known to be user memory."""

    zones: list[Zone]
    mem_map: dict[int, Page]


def zones_from_lists(marks: Sequence[ZoneMarks], lists: Mapping[str, ZoneLists]) -> ZoneState:
    """Zones with these marks and these lists."""
    pgdat = Pglist()
    by_name = {zone.name: zone for zone in marks}
    mem_map: dict[int, Page] = {}
    for zone_type in ZoneType:
        found = by_name.get(ZONE_NAMES[zone_type])
        if found is None:
            pgdat.node_zones.append(Zone(pgdat, zone_type, 0, 0, 0))
            continue
        zone = _zone_with_marks(pgdat, zone_type, found)
        pgdat.node_zones.append(zone)
        _fill_lists(zone, lists[found.name])
        _infer_pageblocks(zone)
        mem_map.update((pfn, page) for pfn, page in _user_pages(zone))
    return ZoneState(pgdat.populated_zones(), mem_map)


class ZoneSizes(TypedDict):
    """How large a zone is, in pages, and its name."""

    name: str
    start_pfn: int
    spanned: int
    present: int
    managed: int


def zones_from_sizes(sizes: Sequence[ZoneSizes]) -> list[Zone]:
    """Zones of these sizes (those with RAM, lowest first) under Debian's kernel, their marks computed, their lists empty."""
    pgdat = Pglist()
    by_name = {size["name"]: size for size in sizes}
    for zone_type in ZoneType:
        size = by_name.get(ZONE_NAMES[zone_type])
        if size is None:
            pgdat.node_zones.append(Zone(pgdat, zone_type, 0, 0, 0))
            continue
        zone = Zone(pgdat, zone_type, size["start_pfn"], size["spanned"], size["present"])
        zone.managed_pages = size["managed"]
        pgdat.node_zones.append(zone)
    init_marks(pgdat, DEBIAN_686.init + INITRD_PAGES)
    return pgdat.populated_zones()


def _zone_with_marks(pgdat: Pglist, zone_type: ZoneType, marks: ZoneMarks) -> Zone:
    zone = Zone(pgdat, zone_type, marks.start_pfn, marks.spanned, marks.present)
    zone.managed_pages = marks.managed
    zone.watermark[: len(marks.watermarks)] = marks.watermarks
    zone.watermark_boost = marks.boost
    zone.lowmem_reserve[: len(marks.protection)] = marks.protection[:MAX_NR_ZONES]
    zone.stat_threshold = marks.stat_threshold
    return zone


def _fill_lists(zone: Zone, lists: ZoneLists) -> None:
    if any(migratetype == MIGRATE_HIGHATOMIC for _, migratetype, _ in lists["free"]):
        zone.make_highatomic_lists()
    for order, migratetype, blocks in lists["free"]:
        area = zone.free_area[order]
        for pfn in reversed(blocks):
            area.free_list[migratetype][pfn] = None
            area.blocks[pfn] = migratetype
        zone.nr_free_pages += len(blocks) << order
    recorded, pcp = lists["pcp"], zone.per_cpu_pageset
    pcp.count, pcp.high, pcp.batch = recorded["count"], recorded["high"], recorded["batch"]
    for mine, blocks in zip(pcp.lists, recorded["lists"], strict=True):
        mine.extend(reversed(blocks))


def _free_blocks(zone: Zone) -> Iterator[tuple[int, int, int]]:
    """(pfn, order, migrate type) of each free block, the CPU's own among them."""
    for order, area in enumerate(zone.free_area):
        for pfn, migratetype in area.blocks.items():
            yield pfn, order, migratetype
    for blocks, order, migratetype in zip(zone.per_cpu_pageset.lists, PCP_ORDERS, PCP_TYPES, strict=True):
        for pfn in blocks:
            yield pfn, order, migratetype


def _infer_pageblocks(zone: Zone) -> None:
    votes: dict[int, Counter[int]] = {}
    for pfn, order, migratetype in _free_blocks(zone):
        votes.setdefault(pfn >> PAGEBLOCK_ORDER, Counter())[migratetype] += 1 << order
    for pageblock, types in votes.items():
        [(migratetype, _)] = types.most_common(1)
        zone.set_pageblock_migratetype(pageblock << PAGEBLOCK_ORDER, migratetype)


def _user_pages(zone: Zone) -> Iterator[tuple[int, Page]]:
    """The used pages of those movable pageblocks that have free pages too."""
    free: dict[int, int] = {}
    for pfn, order, _ in _free_blocks(zone):
        free[pfn] = order
    for pageblock in sorted({pfn >> PAGEBLOCK_ORDER for pfn in free}):
        pfn = pageblock << PAGEBLOCK_ORDER
        end = min(pfn + PAGEBLOCK_NR_PAGES, zone.zone_end_pfn)
        if zone.get_pageblock_migratetype(pfn) != MIGRATE_MOVABLE:
            continue
        while pfn < end:
            order = free.get(pfn, -1)
            if order < 0 and pfn >= zone.zone_start_pfn:
                page = Page(pfn, 0)
                page.flags = PG_LRU
                yield pfn, page
            pfn += 1 << max(order, 0)
    assert MAX_ORDER - 1 == PAGEBLOCK_ORDER
