"""mm/page_alloc.c: __alloc_pages_slowpath(): what a request does when no zone is above its low watermark.

It wakes kswapd and tries again down to the min watermark; reclaims by itself; at last has a process killed; or fails.
Left out: compaction (an attempt at it is always skipped), cpusets, real-time tasks, other holders of the OOM lock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.kernel.gfp import (
    _GFP_ATOMIC,
    _GFP_DIRECT_RECLAIM,
    _GFP_HIGH,
    _GFP_KSWAPD_RECLAIM,
    _GFP_MEMALLOC,
    _GFP_NOFAIL,
    _GFP_NOMEMALLOC,
    _GFP_NORETRY,
    _GFP_RETRY_MAYFAIL,
    _GFP_THISNODE,
    ALLOC_HIGHATOMIC,
    ALLOC_KSWAPD,
    ALLOC_MIN_RESERVE,
    ALLOC_NO_WATERMARKS,
    ALLOC_NON_BLOCK,
    ALLOC_WMARK_MIN,
    ZoneType,
)
from engine.kernel.mmzone import PAGE_ALLOC_COSTLY_ORDER
from engine.kernel.page_alloc_fallback import unreserve_highatomic_pageblock
from engine.kernel.page_alloc_watermark import zone_watermark_ok

if TYPE_CHECKING:
    from engine.kernel.mm_types import Page
    from engine.kernel.page_alloc import PageAllocator

MAX_RECLAIM_RETRIES: Final = 16
"""mm/internal.h: rounds of reclaim without progress before a request gives up on it."""


def gfp_to_alloc_flags(gfp: int, order: int) -> int:
    """gfp_to_alloc_flags(): down to the min watermark, and below it as far as the request's urgency allows."""
    alloc_flags = ALLOC_WMARK_MIN | gfp & (_GFP_HIGH | _GFP_KSWAPD_RECLAIM)
    if not gfp & _GFP_DIRECT_RECLAIM and not gfp & _GFP_NOMEMALLOC:
        alloc_flags |= ALLOC_NON_BLOCK
        if order > 0 and alloc_flags & ALLOC_MIN_RESERVE:
            alloc_flags |= ALLOC_HIGHATOMIC
    return alloc_flags


class AllocContext:
    """struct alloc_context: one request on the slow path, and how long it has been trying."""

    __slots__ = ("alloc_flags", "allocator", "gfp", "highest", "migratetype", "no_progress_loops", "order")

    def __init__(self, allocator: PageAllocator, gfp: int, order: int, highest: ZoneType, migratetype: int) -> None:
        if gfp & _GFP_DIRECT_RECLAIM:
            gfp &= ~_GFP_ATOMIC
        self.allocator = allocator
        self.gfp = gfp
        self.order = order
        self.highest = highest
        self.migratetype = migratetype
        self.alloc_flags = gfp_to_alloc_flags(gfp, order)
        self.no_progress_loops = 0

    @property
    def costly(self) -> bool:
        """Whether the order is one that need not be had at any price."""
        return self.order > PAGE_ALLOC_COSTLY_ORDER

    def alloc_pages_slowpath(self) -> Page | None:
        """__alloc_pages_slowpath(): the page after all, or None. Lets what the OOM killer raises pass."""
        self.wake_all_kswapds()
        page = self.get_page_from_freelist(self.alloc_flags)
        if page is not None:
            return page
        if self.costly and self.gfp & _GFP_DIRECT_RECLAIM and self.gfp & _GFP_NORETRY and not self.pfmemalloc_flags():
            # Such a request tries direct compaction only.
            return None
        while True:
            page = self.attempt()
            if page is not None:
                return page
            if self.should_retry():
                continue
            if not self.gfp & _GFP_NOFAIL or not self.gfp & _GFP_DIRECT_RECLAIM:
                return None
            page = self.get_page_from_freelist(ALLOC_MIN_RESERVE)
            if page is not None:
                return page

    def attempt(self) -> Page | None:
        """One round from `retry:` on: the free lists once more, then direct reclaim."""
        self.wake_all_kswapds()
        reserve_flags = self.pfmemalloc_flags()
        if reserve_flags:
            self.alloc_flags = reserve_flags | self.alloc_flags & ALLOC_KSWAPD
        page = self.get_page_from_freelist(self.alloc_flags)
        if page is not None or not self.may_reclaim():
            return page
        return self.direct_reclaim()

    def get_page_from_freelist(self, alloc_flags: int) -> Page | None:
        """One pass over the zones with these flags."""
        return self.allocator.get_page_from_freelist(self.gfp, self.order, alloc_flags, self.highest, self.migratetype)

    def wake_all_kswapds(self) -> None:
        """wake_all_kswapds(): the node has one, so it hears of the request's highest zone."""
        if self.alloc_flags & ALLOC_KSWAPD:
            zone = self.allocator.zonelists[self.highest][0]
            self.allocator.kernel.vmscan.wakeup_kswapd(zone, self.order, self.highest)

    def pfmemalloc_flags(self) -> int:
        """__gfp_pfmemalloc_flags(): ALLOC_NO_WATERMARKS for those whose work it is to free memory, else 0."""
        if self.gfp & _GFP_NOMEMALLOC:
            return 0
        if self.gfp & _GFP_MEMALLOC or self.allocator.pf_memalloc:
            return ALLOC_NO_WATERMARKS
        return 0

    def may_reclaim(self) -> bool:
        """Whether the caller may wait for reclaim, and is not itself reclaim."""
        return bool(self.gfp & _GFP_DIRECT_RECLAIM) and not self.allocator.pf_memalloc

    def direct_reclaim(self) -> Page | None:
        """__alloc_pages_direct_reclaim(): frees some pages and tries again, the CPU's own lists emptied if need be."""
        allocator = self.allocator
        allocator.count_allocstall(self.highest)
        allocator.pf_memalloc = True
        try:
            progress = allocator.kernel.vmscan.try_to_free_pages(self.order, self.gfp, self.highest)
        finally:
            allocator.pf_memalloc = False
        self.no_progress_loops = 0 if progress and not self.costly else self.no_progress_loops + 1
        if not progress:
            return None
        page = self.get_page_from_freelist(self.alloc_flags)
        if page is None:
            self.unreserve_highatomic_pageblock(force=False)
            allocator.drain_all_pages()
            page = self.get_page_from_freelist(self.alloc_flags)
        return page

    def should_retry(self) -> bool:
        """What follows an attempt in vain: more reclaim, the OOM killer, or (False) giving up."""
        if not self.may_reclaim() or self.gfp & _GFP_NORETRY or (self.costly and not self.gfp & _GFP_RETRY_MAYFAIL):
            return False
        if self.should_reclaim_retry() or self.should_compact_retry():
            return True
        if not self.may_oom():
            return False
        if not self.allocator.kernel.oom_kill.out_of_memory(self.gfp, self.order):
            return False
        self.no_progress_loops = 0
        return True

    def should_reclaim_retry(self) -> bool:
        """should_reclaim_retry(): whether the request would succeed if all that can be reclaimed were."""
        allocator = self.allocator
        if self.no_progress_loops <= MAX_RECLAIM_RETRIES:
            for zone in allocator.zonelists[self.highest]:
                available = zone.free_pages + allocator.kernel.vmscan.zone_reclaimable_pages(zone)
                mark = zone.min_wmark_pages
                if zone_watermark_ok(zone, self.order, mark, self.highest, self.alloc_flags, available):
                    return True
        return self.unreserve_highatomic_pageblock(force=True)

    def should_compact_retry(self) -> bool:
        """should_compact_retry() without compaction: single pages are there, and reclaim may yet free neighbours."""
        if not 0 < self.order <= PAGE_ALLOC_COSTLY_ORDER or self.no_progress_loops:
            return False
        return any(
            zone_watermark_ok(zone, 0, zone.min_wmark_pages, self.highest, self.alloc_flags, zone.nr_free_pages)
            for zone in self.allocator.zonelists[self.highest]
        )

    def may_oom(self) -> bool:
        """__alloc_pages_may_oom(): whether somebody should die for it: not for a costly order, nor for low memory alone."""
        if self.costly or self.gfp & (_GFP_RETRY_MAYFAIL | _GFP_THISNODE):
            return False
        return self.highest >= ZoneType.NORMAL

    def unreserve_highatomic_pageblock(self, force: bool) -> bool:
        """A pageblock of the atomic reserve becomes this request's."""
        allocator = self.allocator
        zones = allocator.zonelists[self.highest]
        return unreserve_highatomic_pageblock(zones, self.migratetype, force, allocator.mem_map)
