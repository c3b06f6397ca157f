"""mm/vmscan.c: kswapd and direct reclaim.

So far kswapd is woken and says whether the zones are balanced; it finds nothing to reclaim yet: no page has a place to go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.events.vmscan import MmVmscanKswapdSleep, MmVmscanKswapdWake, MmVmscanWakeupKswapd
from engine.kernel.swap import LruList
from engine.trace import NO_CAUSE

if TYPE_CHECKING:
    from engine.kernel.kernel import Kernel
    from engine.kernel.mm_types import Page
    from engine.kernel.mmzone import Zone


class Vmscan:
    """kswapd of the one node, asleep until somebody wakes it; it runs when the machine next schedules."""

    __slots__ = ("kernel", "kswapd_order", "waker")

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.kswapd_order = -1
        """The largest order that somebody waits for; -1 while nobody has woken kswapd."""
        self.waker = NO_CAUSE
        """The record under which kswapd was woken: its work is that record's consequence."""

    def wakeup_kswapd(self, zone: Zone, order: int) -> None:
        """wakeup_kswapd(): an allocation found `zone` below its low watermark."""
        kernel = self.kernel
        kernel.work_pending = True
        if self.kswapd_order < 0:
            self.waker = kernel.trace.cause
        if self.kswapd_order < order:
            self.kswapd_order = order
            if kernel.trace.on:
                kernel.trace.emit(MmVmscanWakeupKswapd(zone.name, order, zone.nr_free_pages, zone.low_wmark_pages))

    def run_kswapd(self) -> None:
        """balance_pgdat(), once: whatever was asked for since it last slept."""
        if self.kswapd_order < 0:
            return
        kernel, order = self.kernel, self.kswapd_order
        self.kswapd_order = -1
        with kernel.trace.resume(self.waker, MmVmscanKswapdWake(order)):
            kernel.vmstat.pageoutrun += 1
            kernel.trace.emit(MmVmscanKswapdSleep(self.balanced()))

    def balanced(self) -> bool:
        """pgdat_balanced(): whether some zone is above its high watermark."""
        return any(zone.nr_free_pages >= zone.high_wmark_pages for zone in self.kernel.page_alloc.zones)

    def zone_reclaimable_pages(self, zone: Zone) -> int:
        """zone_reclaimable_pages(): the zone's file pages, and its anonymous ones where there is swap space for them."""
        swap = self.kernel.swap
        which = [LruList.INACTIVE_FILE, LruList.ACTIVE_FILE]
        if self.kernel.swapfile.total_pages:
            which += [LruList.INACTIVE_ANON, LruList.ACTIVE_ANON]
        return sum(zone.spans_pfn(pfn) for name in which for pfn in swap.lists[name])

    def reclaim_pages(self, pages: list[Page]) -> int:
        """reclaim_pages(): reclaims just these pages, as MADV_PAGEOUT asks; how many it freed."""
        return 0

    def try_to_free_pages(self, order: int) -> int:
        """try_to_free_pages(): direct reclaim; how many pages it freed."""
        return 0
