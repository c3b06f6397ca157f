"""include/linux/mmzone.h: zones of physical memory, their free lists, and the CPU's own lists in front of them.

A free block is known by its first frame (pfn) and its order: 2**order frames, at a multiple of 2**order.

Left out: more than one node, more than one CPU, MIGRATE_CMA, LRU lists (swap.py has them), memory hotplug.
"""

from __future__ import annotations

from collections import OrderedDict
from enum import IntEnum
from typing import Final

from engine.kernel.gfp import MAX_NR_ZONES, ZoneType

MAX_ORDER: Final = 11
"""Blocks have orders 0 to MAX_ORDER - 1: one page to 4 MB."""
PAGE_ALLOC_COSTLY_ORDER: Final = 3
"""Requests above this order may fail; up to it the allocator rather kills a process."""

PAGEBLOCK_ORDER: Final = MAX_ORDER - 1
"""pageblock_order: the unit that has a migrate type: 4 MB, an i386 huge page."""
PAGEBLOCK_NR_PAGES: Final = 1 << PAGEBLOCK_ORDER
NO_PFN: Final = -1
"""No such frame: where Linux has a null struct page."""


class MigrateType(IntEnum):
    """enum migratetype: pages of one kind are kept together, so that whole blocks can become free again."""

    UNMOVABLE = 0
    MOVABLE = 1
    RECLAIMABLE = 2
    HIGHATOMIC = 3
    """Kept back for atomic requests of high order."""
    ISOLATE = 4
    """Nobody may allocate here; never used by this machine, but it has its line in /proc/pagetypeinfo."""


MIGRATE_TYPES: Final = len(MigrateType)
MIGRATE_PCPTYPES: Final = 3
"""Types that the CPU's lists tell apart, and that may merge with and fall back on one another."""
MIGRATE_UNMOVABLE: Final = 0
MIGRATE_MOVABLE: Final = 1
MIGRATE_RECLAIMABLE: Final = 2
MIGRATE_HIGHATOMIC: Final = 3

NR_LOWORDER_PCP_LISTS: Final = MIGRATE_PCPTYPES * (PAGE_ALLOC_COSTLY_ORDER + 1)
NR_PCP_LISTS: Final = NR_LOWORDER_PCP_LISTS + 2
"""One list a type for each of the orders 0 to 3, then two for huge pages: not movable, movable."""

PCP_ORDERS: Final = (*(n // MIGRATE_PCPTYPES for n in range(NR_LOWORDER_PCP_LISTS)), PAGEBLOCK_ORDER, PAGEBLOCK_ORDER)
"""pindex_to_order(): the order of the blocks on each of the CPU's lists."""
PCP_TYPES: Final = (*(n % MIGRATE_PCPTYPES for n in range(NR_LOWORDER_PCP_LISTS)), MIGRATE_UNMOVABLE, MIGRATE_MOVABLE)
"""The migrate type of the blocks on each of the CPU's lists, but for those in PerCpuPages.types."""


class Watermark(IntEnum):
    """enum zone_watermarks: how many free pages are too few, in ascending order."""

    MIN = 0
    """Below it only those may allocate who help to free memory."""
    LOW = 1
    """Below it kswapd is woken."""
    HIGH = 2
    """Up to it kswapd goes on."""
    PROMO = 3
    """For tiered memory; computed, never used here."""


_NEVER_FILLED: Final[OrderedDict[int, None]] = OrderedDict()
"""Stands for the lists that hardly any machine needs: MIGRATE_ISOLATE's, and MIGRATE_HIGHATOMIC's until there is a reserve."""


class FreeArea:
    """struct free_area: the free blocks of one order, a list for each migrate type."""

    __slots__ = ("blocks", "free_list")

    def __init__(self) -> None:
        self.free_list: list[OrderedDict[int, None]] = [_NEVER_FILLED] * MIGRATE_TYPES
        """First frames of the blocks. The LAST key is the head of the list, where blocks are taken and mostly put."""
        for migratetype in range(MIGRATE_PCPTYPES):
            self.free_list[migratetype] = OrderedDict()
        self.blocks: dict[int, int] = {}
        """PageBuddy(): pfn of each free block of this order -> the type whose list it stands on."""

    @property
    def nr_free(self) -> int:
        """Free blocks of this order, of all types."""
        return len(self.blocks)


class PerCpuPages:
    """struct per_cpu_pages: free blocks that the CPU keeps for itself, taken and given back without the zone's lock.

    The right end of each list is its head: the block freed last, still warm in the cache, is the next to be used.
    """

    __slots__ = ("batch", "count", "free_factor", "high", "lists", "types")

    def __init__(self, lists: int = NR_PCP_LISTS) -> None:
        self.count = 0
        """Pages on all lists."""
        self.high = 0
        """When so many pages are on the lists, some go back to the zone. 0 until the machine is up."""
        self.batch = 1
        """Pages fetched from the zone at a time."""
        self.free_factor = 0
        """Doubles what goes back each time that pages are freed and none allocated."""
        self.lists: tuple[list[int], ...] = tuple([] for _ in range(lists))
        self.types: dict[int, int] = {}
        """get_pcppage_migratetype() of those blocks on the lists whose type is not their list's (PCP_TYPES)."""


class Zone:
    """struct zone: a stretch of physical memory of one kind, with its free pages and the marks that guard them."""

    __slots__ = (
        "boosted_watermark",
        "free_area",
        "lowmem_reserve",
        "managed_pages",
        "name",
        "nr_free_pages",
        "nr_reserved_highatomic",
        "pageblock_flags",
        "per_cpu_pageset",
        "present_pages",
        "reclaim_active",
        "spanned_pages",
        "stat_threshold",
        "vm_stat_diff",
        "watermark",
        "watermark_boost",
        "zone_end_pfn",
        "zone_pgdat",
        "zone_start_pfn",
        "zone_type",
    )

    def __init__(self, pgdat: Pglist, zone_type: ZoneType, start_pfn: int, spanned: int, present: int) -> None:
        self.zone_pgdat = pgdat
        self.zone_type = zone_type
        self.name = ZONE_NAMES[zone_type]
        self.zone_start_pfn = start_pfn
        self.zone_end_pfn = start_pfn + spanned
        self.spanned_pages = spanned
        """Frames from its first to its last."""
        self.present_pages = present
        """Frames of these that are RAM."""
        self.managed_pages = 0
        """Frames of these that the allocator was given: all but those reserved at boot."""
        self.free_area: tuple[FreeArea, ...] = tuple(FreeArea() for _ in range(MAX_ORDER if present else 0))
        """By order; a zone without RAM has none."""
        self.pageblock_flags: dict[int, int] = {}
        """Migrate types of the pageblocks (by pfn >> PAGEBLOCK_ORDER) that are not MIGRATE_MOVABLE."""
        self.watermark: list[int] = [0] * len(Watermark)
        self.watermark_boost = 0
        """Pages added to every mark for a while, after types had to be mixed in a pageblock."""
        self.boosted_watermark = False
        """ZONE_BOOSTED_WATERMARK: kswapd is to be woken for it."""
        self.reclaim_active = False
        """ZONE_RECLAIM_ACTIVE: kswapd is at work; the CPU's lists are kept short."""
        self.lowmem_reserve: list[int] = [0] * MAX_NR_ZONES
        """Pages kept from requests that could have been served by a higher zone, by that zone's type."""
        self.nr_reserved_highatomic = 0
        self.nr_free_pages = 0
        """vm_stat[NR_FREE_PAGES]: pages on the free lists, but for what `vm_stat_diff` has not told yet."""
        self.vm_stat_diff = 0
        """The CPU's share of nr_free_pages: folded in when it grows beyond the threshold, or when the CPU is idle."""
        self.stat_threshold = 0
        self.per_cpu_pageset = PerCpuPages(NR_PCP_LISTS if present else 0)
        if start_pfn & (PAGEBLOCK_NR_PAGES - 1):
            # memmap_init_range() gives a type to those pageblocks whose first page it sees.
            self.pageblock_flags[start_pfn >> PAGEBLOCK_ORDER] = MIGRATE_UNMOVABLE

    def __repr__(self) -> str:
        return f"Zone({self.name}, {self.zone_start_pfn}-{self.zone_end_pfn}, free={self.free_pages})"

    @property
    def free_pages(self) -> int:
        """zone_page_state_snapshot(NR_FREE_PAGES): pages on the free lists, exactly."""
        return self.nr_free_pages + self.vm_stat_diff

    @property
    def min_wmark_pages(self) -> int:
        """min_wmark_pages(): the min watermark in force, its boost included."""
        return self.watermark[Watermark.MIN] + self.watermark_boost

    @property
    def low_wmark_pages(self) -> int:
        """low_wmark_pages(): the low watermark in force, its boost included."""
        return self.watermark[Watermark.LOW] + self.watermark_boost

    @property
    def high_wmark_pages(self) -> int:
        """high_wmark_pages(): the high watermark in force, its boost included."""
        return self.watermark[Watermark.HIGH] + self.watermark_boost

    def nr_free_by_order(self) -> list[int]:
        """Free blocks of each order, from single pages upwards; the CPU's own lists are not counted."""
        return [len(area.blocks) for area in self.free_area]

    def spans_pfn(self, pfn: int) -> bool:
        """zone_spans_pfn()."""
        return self.zone_start_pfn <= pfn < self.zone_end_pfn

    def get_pageblock_migratetype(self, pfn: int) -> int:
        """get_pfnblock_migratetype(): the type of the pageblock that holds `pfn`."""
        return self.pageblock_flags.get(pfn >> PAGEBLOCK_ORDER, MIGRATE_MOVABLE)

    def set_pageblock_migratetype(self, pfn: int, migratetype: int) -> None:
        """set_pageblock_migratetype()."""
        if self.zone_pgdat.page_group_by_mobility_disabled and migratetype < MIGRATE_PCPTYPES:
            migratetype = MIGRATE_UNMOVABLE
        if migratetype == MIGRATE_MOVABLE:
            self.pageblock_flags.pop(pfn >> PAGEBLOCK_ORDER, None)
        else:
            self.pageblock_flags[pfn >> PAGEBLOCK_ORDER] = migratetype

    def make_highatomic_lists(self) -> None:
        """Gives the zone lists for a high-order atomic reserve, if it has none yet."""
        for area in self.free_area:
            if area.free_list[MIGRATE_HIGHATOMIC] is area.free_list[MigrateType.ISOLATE]:
                area.free_list[MIGRATE_HIGHATOMIC] = OrderedDict()

    def fold_vm_stat(self) -> None:
        """refresh_cpu_vm_stats() for this zone: the CPU tells what it has kept to itself."""
        self.nr_free_pages += self.vm_stat_diff
        self.vm_stat_diff = 0


ZONE_NAMES: Final = ("DMA", "Normal", "HighMem", "Movable")


class Pglist:
    """struct pglist_data: the machine's one node: its zones and the settings that size their watermarks."""

    __slots__ = (
        "lowmem_reserve_ratio",
        "min_free_kbytes",
        "node_zones",
        "page_group_by_mobility_disabled",
        "percpu_pagelist_high_fraction",
        "totalreserve_pages",
        "user_min_free_kbytes",
        "watermark_boost_factor",
        "watermark_scale_factor",
    )

    def __init__(self) -> None:
        self.node_zones: list[Zone] = []
        """All MAX_NR_ZONES of them, the empty ones too, by ZoneType."""
        self.totalreserve_pages = 0
        """Pages that user memory had better not count on: reserves and high watermarks."""
        self.min_free_kbytes = 0
        self.user_min_free_kbytes = -1
        """What somebody wrote to vm.min_free_kbytes, or -1."""
        self.watermark_boost_factor = 15000
        """Hundredths of a percent of the high watermark."""
        self.watermark_scale_factor = 10
        """Hundredths of a percent of the zone: the least distance between two watermarks."""
        self.lowmem_reserve_ratio: list[int] = [256, 32, 0, 0]
        self.percpu_pagelist_high_fraction = 0
        self.page_group_by_mobility_disabled = False
        """With less than some 20 MB there are too few pageblocks: every request is MIGRATE_UNMOVABLE."""

    def populated_zones(self) -> list[Zone]:
        """for_each_populated_zone(): those that have RAM, lowest first."""
        return [zone for zone in self.node_zones if zone.present_pages]
