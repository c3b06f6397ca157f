"""mm/vmstat.c: /proc/pagetypeinfo: free blocks by zone, migrate type and order; pageblocks by zone and type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.kernel.mmzone import (
    MAX_ORDER,
    MIGRATE_TYPES,
    PAGEBLOCK_NR_PAGES,
    PAGEBLOCK_ORDER,
)

if TYPE_CHECKING:
    from engine.kernel.kernel import Kernel
    from engine.kernel.mmzone import Zone

MIGRATETYPE_NAMES: Final = ("Unmovable", "Movable", "Reclaimable", "HighAtomic", "Isolate")
"""migratetype_names[], by MigrateType."""
_COUNT_LIMIT: Final = 100_000
"""Linux stops counting a list here, and says ">100000"."""


def pagetypeinfo_text(kernel: Kernel) -> str:
    """The file as pagetypeinfo_show() prints it."""
    zones = kernel.page_alloc.zones
    orders = "".join(f"{order:6} " for order in range(MAX_ORDER))
    names = "".join(f"{name:>12} " for name in MIGRATETYPE_NAMES)
    return (
        f"Page block order: {PAGEBLOCK_ORDER}\nPages per block:  {PAGEBLOCK_NR_PAGES}\n\n"
        f"{'Free pages count per migrate type at order':<43} {orders}\n"
        + "".join(_free_lines(zone) for zone in zones)
        + f"\n{'Number of blocks type':<23}{names}\n"
        + "".join(_blocks_line(zone) for zone in zones)
    )


def _free_lines(zone: Zone) -> str:
    lines = []
    for migratetype, name in enumerate(MIGRATETYPE_NAMES):
        lengths = [len(area.free_list[migratetype]) for area in zone.free_area]
        counts = "".join(f">{_COUNT_LIMIT:6} " if n >= _COUNT_LIMIT else f"{n:6} " for n in lengths)
        lines.append(f"Node {0:4}, zone {zone.name:>8}, type {name:>12} {counts}\n")
    return "".join(lines)


def _blocks_line(zone: Zone) -> str:
    counts = "".join(f"{count:12} " for count in pageblocks_by_type(zone))
    return f"Node 0, zone {zone.name:>8} {counts}\n"


def pageblocks_by_type(zone: Zone) -> list[int]:
    """pagetypeinfo_showblockcount_print(): how many of the zone's pageblocks are of each MigrateType.

    Linux steps from the zone's first frame, so where that is inside a pageblock the last one may be left out.
    """
    counts = [0] * MIGRATE_TYPES
    for pfn in range(zone.zone_start_pfn, zone.zone_end_pfn, PAGEBLOCK_NR_PAGES):
        counts[zone.get_pageblock_migratetype(pfn)] += 1
    return counts
