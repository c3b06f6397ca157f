"""mm/page_alloc.c: hands out pages in blocks of 2**order.

A request names what its pages are for (gfp.py) and how many it wants (its order). It is tried zone by zone, from the highest
that will do downwards, and a zone that is short of pages is passed over; small blocks come from the CPU's own lists.

The file is long in Linux; here it is several: page_alloc_buddy.py (split and merge), page_alloc_fallback.py (mixing migrate
types), page_alloc_pcp.py (the CPU's lists), page_alloc_slowpath.py (when memory is short), page_alloc_init.py (watermarks),
memblock.py (the first free pages). Left out: compaction, NUMA, cpusets, memory cgroups, dirty limits of zones, guard pages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from engine.clock import COSTS
from engine.events.page_alloc import MmPageAlloc, MmPageFree
from engine.kernel.gfp import (
    _GFP_COMP,
    ALLOC_HIGHATOMIC,
    ALLOC_KSWAPD,
    ALLOC_NO_WATERMARKS,
    ALLOC_NON_BLOCK,
    ALLOC_OOM,
    ALLOC_WMARK_LOW,
    ALLOC_WMARK_MASK,
    GFP_MOVABLE_MASK,
    GFP_MOVABLE_SHIFT,
    GFP_ZONE_TABLE,
    GFP_ZONEMASK,
    MAX_NR_ZONES,
    ZoneType,
)
from engine.kernel.mm_types import Page
from engine.kernel.mmzone import (
    MAX_ORDER,
    MIGRATE_HIGHATOMIC,
    MIGRATE_MOVABLE,
    MIGRATE_PCPTYPES,
    NO_PFN,
    NR_LOWORDER_PCP_LISTS,
    PAGE_ALLOC_COSTLY_ORDER,
    PAGEBLOCK_ORDER,
    PCP_ORDERS,
    Pglist,
    Zone,
)
from engine.kernel.page_alloc_buddy import free_one_page, mod_zone_freepage_state, rmqueue_smallest
from engine.kernel.page_alloc_check import check_allocator
from engine.kernel.page_alloc_fallback import reserve_highatomic_pageblock
from engine.kernel.page_alloc_pcp import drain_pages_zone, free_unref_page_commit, rmqueue, rmqueue_bulk
from engine.kernel.page_alloc_slowpath import AllocContext
from engine.kernel.page_alloc_watermark import zone_watermark_fast

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.clock import Clock
    from engine.hardware.ram import Ram
    from engine.kernel.vmstat import Vmstat
    from engine.trace import Trace

_NORMAL: Final = int(ZoneType.NORMAL)
_HIGHMEM: Final = int(ZoneType.HIGHMEM)
_PAGE_ALLOC_NS: Final = COSTS.page_alloc
PG_HEAD: Final = 1 << 16
"""include/linux/page-flags.h: a block asked for with __GFP_COMP, whose last reference frees all of it."""


class VmscanPort(Protocol):
    """What the allocator asks of mm/vmscan.c."""

    def wakeup_kswapd(self, zone: Zone, order: int, highest: int) -> None:
        """The zone is short of pages: kswapd is to run soon."""

    def try_to_free_pages(self, order: int, gfp: int, highest: int) -> int:
        """Direct reclaim: how many pages were freed."""

    def zone_reclaimable_pages(self, zone: Zone) -> int:
        """Pages on the zone's LRU lists that reclaim could take, if all went well."""


class OomKillPort(Protocol):
    """What the allocator asks of mm/oom_kill.c."""

    def out_of_memory(self, gfp: int, order: int) -> bool:
        """Kills somebody; whether the request may be tried again: not where that is who asks."""


class KernelPort(Protocol):
    """The siblings that the allocator needs."""

    @property
    def clock(self) -> Clock: ...
    @property
    def ram(self) -> Ram: ...
    @property
    def trace(self) -> Trace: ...
    @property
    def vmstat(self) -> Vmstat: ...
    @property
    def vmscan(self) -> VmscanPort: ...
    @property
    def oom_kill(self) -> OomKillPort: ...


class PageAllocator:
    """The machine's page frames: free ones in the zones' lists, others in `mem_map`, each in one place alone."""

    __slots__ = ("kernel", "mem_map", "movable_mask", "pf_memalloc", "pgdat", "zonelists", "zones")

    def __init__(self, kernel: KernelPort, zones: Sequence[Zone]) -> None:
        self.kernel = kernel
        self.zones: list[Zone] = list(zones)
        """Those that have RAM, lowest first."""
        self.pgdat: Pglist = self.zones[0].zone_pgdat
        self.zonelists: tuple[tuple[Zone, ...], ...] = tuple(
            tuple(zone for zone in reversed(self.zones) if zone.zone_type <= highest) for highest in range(MAX_NR_ZONES)
        )
        """node_zonelists: by the highest zone that a request may use, the zones to try, in order."""
        self.movable_mask = 0 if self.pgdat.page_group_by_mobility_disabled else GFP_MOVABLE_MASK
        """The bits of a gfp mask that name its migrate type."""
        self.mem_map: dict[int, Page] = {}
        """The struct pages of blocks in use, by first frame."""
        self.pf_memalloc = False
        """PF_MEMALLOC: whoever runs is freeing memory, and may use the last of it."""

    # --- allocation --------------------------------------------------------------------------------------------------

    def alloc_pages(self, gfp: int, order: int) -> Page | None:
        """__alloc_pages(): a block of 2**order pages, its frames zeroed (init_on_alloc=1), with one reference; None if it fails.

        May wake kswapd, reclaim, or kill a process, as far as `gfp` allows; see page_alloc_slowpath.py.
        """
        if order >= MAX_ORDER:
            return None
        highest = GFP_ZONE_TABLE[gfp & GFP_ZONEMASK]
        migratetype = (gfp & self.movable_mask) >> GFP_MOVABLE_SHIFT
        page = None if order else self._page_at_hand(highest, migratetype)
        if page is None:
            page = self.get_page_from_freelist(gfp, order, ALLOC_WMARK_LOW | gfp & ALLOC_KSWAPD, highest, migratetype)
        if page is None:
            page = AllocContext(self, gfp, order, highest, migratetype).alloc_pages_slowpath()
        kernel = self.kernel
        kernel.clock.ns += _PAGE_ALLOC_NS
        trace = kernel.trace
        if trace.on:
            pfn = NO_PFN if page is None else page.pfn
            trace.ring.append((trace.clock.ns, trace.cause, MmPageAlloc, pfn, order, gfp, migratetype))
            if len(trace.ring) > trace.limit:
                trace.trim()
        return page

    def _page_at_hand(self, highest: int, migratetype: int) -> Page | None:
        """get_page_from_freelist() for what most requests are: a page that the CPU has, of the first zone, which has plenty.

        None where that is not so; then nothing was changed.
        """
        zone = self.zonelists[highest][0]
        mark = zone.watermark[ALLOC_WMARK_LOW] + zone.watermark_boost + zone.lowmem_reserve[highest]
        pcp = zone.per_cpu_pageset
        blocks = pcp.lists[migratetype]
        if not blocks or zone.boosted_watermark or zone.nr_free_pages - zone.nr_reserved_highatomic <= mark:
            return None
        pcp.free_factor >>= 1
        pfn = blocks.pop()
        if pcp.types:
            pcp.types.pop(pfn, None)
        pcp.count -= 1
        self._count_pgalloc(zone, 1)
        page = self.mem_map[pfn] = Page(pfn, 0, migratetype)
        ram = self.kernel.ram
        if pfn in ram.frames:
            ram.zero(pfn)
        return page

    def get_page_from_freelist(
        self, gfp: int, order: int, alloc_flags: int, highest: int, migratetype: int
    ) -> Page | None:
        """get_page_from_freelist(): one pass over the zones; None when each is below its mark or has no such block."""
        for zone in self.zonelists[highest]:
            mark = zone.watermark[alloc_flags & ALLOC_WMARK_MASK] + zone.watermark_boost
            if (
                (order or zone.nr_free_pages - zone.nr_reserved_highatomic <= mark + zone.lowmem_reserve[highest])
                and not zone_watermark_fast(zone, order, mark, highest, alloc_flags, gfp)
                and not alloc_flags & ALLOC_NO_WATERMARKS
            ):
                continue
            pfn = self._rmqueue(zone, order, alloc_flags, migratetype)
            if pfn != NO_PFN:
                page = self._prep_new_page(pfn, order, gfp, migratetype)
                if alloc_flags & ALLOC_HIGHATOMIC:
                    reserve_highatomic_pageblock(zone, pfn, self.mem_map)
                return page
        return None

    def _rmqueue(self, zone: Zone, order: int, alloc_flags: int, migratetype: int) -> int:
        """rmqueue(): a block from the CPU's lists where it may be there, else from the zone's. NO_PFN if there is none."""
        pfn = NO_PFN
        if order <= PAGE_ALLOC_COSTLY_ORDER:
            pfn = self._rmqueue_pcplist(zone, MIGRATE_PCPTYPES * order + migratetype, alloc_flags, migratetype)
        elif order == PAGEBLOCK_ORDER:
            pindex = NR_LOWORDER_PCP_LISTS + (migratetype == MIGRATE_MOVABLE)
            pfn = self._rmqueue_pcplist(zone, pindex, alloc_flags, migratetype)
        if pfn == NO_PFN:
            pfn = self._rmqueue_buddy(zone, order, alloc_flags, migratetype)
        if pfn != NO_PFN:
            self._count_pgalloc(zone, 1 << order)
        if zone.boosted_watermark:
            zone.boosted_watermark = False
            self.kernel.vmscan.wakeup_kswapd(zone, 0, zone.zone_type)
        return pfn

    def _rmqueue_pcplist(self, zone: Zone, pindex: int, alloc_flags: int, migratetype: int) -> int:
        """rmqueue_pcplist(): the head of the CPU's list, filled with a batch first if it is empty."""
        pcp = zone.per_cpu_pageset
        pcp.free_factor >>= 1
        blocks = pcp.lists[pindex]
        if not blocks:
            rmqueue_bulk(zone, pindex, migratetype, alloc_flags, self.mem_map, self.kernel.trace)
            if not blocks:
                return NO_PFN
        pfn = blocks.pop()
        if pcp.types:
            pcp.types.pop(pfn, None)
        pcp.count -= 1 << PCP_ORDERS[pindex]
        return pfn

    def _rmqueue_buddy(self, zone: Zone, order: int, alloc_flags: int, migratetype: int) -> int:
        """rmqueue_buddy(): a block straight from the zone's free lists; the atomic reserve's where the request may."""
        trace = self.kernel.trace
        pfn = NO_PFN
        if alloc_flags & ALLOC_HIGHATOMIC:
            pfn = rmqueue_smallest(zone, order, MIGRATE_HIGHATOMIC, trace)
        if pfn == NO_PFN:
            pfn = rmqueue(zone, order, migratetype, alloc_flags, self.mem_map, trace)
        if pfn == NO_PFN and alloc_flags & (ALLOC_OOM | ALLOC_NON_BLOCK):
            pfn = rmqueue_smallest(zone, order, MIGRATE_HIGHATOMIC, trace)
        if pfn != NO_PFN:
            mod_zone_freepage_state(zone, -(1 << order))
        return pfn

    def _count_pgalloc(self, zone: Zone, pages: int) -> None:
        """__count_zid_vm_events(PGALLOC)."""
        vmstat = self.kernel.vmstat
        zone_type = zone.zone_type
        if zone_type == _NORMAL:
            vmstat.pgalloc_normal += pages
        elif zone_type == _HIGHMEM:
            vmstat.pgalloc_high += pages
        else:
            vmstat.pgalloc_dma += pages

    def count_allocstall(self, highest: ZoneType) -> None:
        """__count_zid_vm_events(ALLOCSTALL) of do_try_to_free_pages(): somebody reclaims for himself."""
        vmstat = self.kernel.vmstat
        if highest == ZoneType.NORMAL:
            vmstat.allocstall_normal += 1
        elif highest == ZoneType.MOVABLE:
            vmstat.allocstall_movable += 1
        elif highest == ZoneType.HIGHMEM:
            vmstat.allocstall_high += 1
        else:
            vmstat.allocstall_dma += 1

    def _prep_new_page(self, pfn: int, order: int, gfp: int, migratetype: int) -> Page:
        """prep_new_page(): makes the block's struct page, and zeros what its frames held."""
        page = Page(pfn, order, migratetype)
        self.mem_map[pfn] = page
        ram = self.kernel.ram
        frames = ram.frames
        if order:
            if gfp & _GFP_COMP:
                page.flags = PG_HEAD
            for frame in range(pfn, pfn + (1 << order)):
                if frame in frames:
                    ram.zero(frame)
        elif pfn in frames:
            ram.zero(pfn)
        return page

    # --- freeing -----------------------------------------------------------------------------------------------------

    def free_pages(self, page: Page, order: int) -> None:
        """__free_pages(): drops a reference; the last one frees the block.

        An earlier one frees all of the block but its first page, unless the block is compound: who still holds that page
        knows nothing of the others.
        """
        if page.refcount == 1:
            page.refcount = 0
            self._free_the_page(page.pfn, order)
            return
        page.refcount -= 1
        if page.flags & PG_HEAD or not order:
            return
        self.split_page(page, order)
        while order > 0:
            order -= 1
            self._free_split_pages(page.pfn + (1 << order), order)

    def _free_split_pages(self, pfn: int, order: int) -> None:
        """free_the_page() of a part of a block that has just been split."""
        for frame in range(pfn + 1, pfn + (1 << order)):
            del self.mem_map[frame]
        self._free_the_page(pfn, order)

    def split_page(self, page: Page, order: int) -> None:
        """split_page(): a block that is not compound becomes 2**order pages, each to be freed by itself."""
        page.order = 0
        for pfn in range(page.pfn + 1, page.pfn + (1 << order)):
            self.mem_map[pfn] = Page(pfn, 0, page.migratetype)

    def free_unref_page(self, page: Page) -> None:
        """free_unref_page(): a single page without references goes back to the CPU's lists."""
        page.refcount = 0
        self._free_the_page(page.pfn, 0)

    def _free_the_page(self, pfn: int, order: int) -> None:
        """free_the_page(): by way of the CPU's lists if the order is one of theirs, else straight to the zone's."""
        del self.mem_map[pfn]
        kernel = self.kernel
        trace = kernel.trace
        if trace.on:
            trace.ring.append((trace.clock.ns, trace.cause, MmPageFree, pfn, order))
            if len(trace.ring) > trace.limit:
                trace.trim()
        kernel.vmstat.pgfree += 1 << order
        zone = self.page_zone(pfn)
        migratetype = zone.pageblock_flags.get(pfn >> PAGEBLOCK_ORDER, MIGRATE_MOVABLE)
        if order <= PAGE_ALLOC_COSTLY_ORDER or order == PAGEBLOCK_ORDER:
            free_unref_page_commit(zone, pfn, order, migratetype, trace)
        else:
            free_one_page(zone, pfn, order, migratetype, False, trace)

    def page_zone(self, pfn: int) -> Zone:
        """page_zone(): the zone that the frame belongs to."""
        for zone in self.zones:
            if pfn < zone.zone_end_pfn:
                return zone
        raise AssertionError(f"frame {pfn:#x} is in no zone")

    # --- the CPU's lists ---------------------------------------------------------------------------------------------

    def drain_all_pages(self) -> None:
        """drain_all_pages(): all that the CPU keeps for itself goes back to the zones, where it can merge."""
        for zone in self.zones:
            drain_pages_zone(zone, self.kernel.trace)

    def quiet_vmstat(self) -> None:
        """quiet_vmstat(): the CPU goes idle, and tells the zones the counts that it kept to itself."""
        for zone in self.zones:
            zone.fold_vm_stat()

    # --- looking -----------------------------------------------------------------------------------------------------

    def pages_by_zone(self) -> dict[str, list[Page]]:
        """The blocks in use, by their zone's name."""
        found: dict[str, list[Page]] = {zone.name: [] for zone in self.zones}
        for pfn, page in self.mem_map.items():
            found[self.page_zone(pfn).name].append(page)
        return found

    def check(self) -> None:
        """Raises AssertionError for a count, a list or an owner that contradicts another; see page_alloc_check.py."""
        check_allocator(self)
