"""mm/vmscan.c: how much of which list is scanned, and by whom: the loops around vmscan_lists.py; kswapd itself is in kswapd.py.

Each pass looks at a share of every list: its length >> priority. The priority begins at 12 and falls when a pass frees too
little. How the scanning is shared between anonymous and file pages: file pages alone while there are plenty of inactive
ones, anonymous pages alone when file pages are all but gone, otherwise by what either cost lately and by swappiness.

After the lists come the kernel's own caches (shrinker.py).

Left out: memory cgroups, compaction, the stalls of several reclaimers.
"""

from __future__ import annotations

from math import isqrt
from typing import TYPE_CHECKING, Final

from engine.events.vmscan import MmVmscanDirectReclaimBegin, MmVmscanDirectReclaimEnd
from engine.kernel.gfp import GFP_KERNEL, MAX_NR_ZONES, ZoneType
from engine.kernel.mm_types import PG_ACTIVE, PG_LRU, PG_UNEVICTABLE, Page
from engine.kernel.page_alloc_slowpath import MAX_RECLAIM_RETRIES
from engine.kernel.swap import LruList
from engine.kernel.vmscan_lists import DEF_PRIORITY, SWAP_CLUSTER_MAX, ReclaimStat, ScanControl

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.kernel.kernel import Kernel
    from engine.kernel.mmzone import Zone

_GB_SHIFT: Final = 30 - 12
_SWAPPINESS_MAX: Final = 200
_INACTIVE_ANON: Final = LruList.INACTIVE_ANON
_ACTIVE_ANON: Final = LruList.ACTIVE_ANON
_INACTIVE_FILE: Final = LruList.INACTIVE_FILE
_ACTIVE_FILE: Final = LruList.ACTIVE_FILE
_EVICTABLE: Final = (_INACTIVE_ANON, _ACTIVE_ANON, _INACTIVE_FILE, _ACTIVE_FILE)
"""for_each_evictable_lru(), in Linux's order."""


class Vmscan:
    """Reclaim of the one node."""

    __slots__ = ("_refaults_anon", "_refaults_file", "kernel")

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self._refaults_anon = self._refaults_file = 0
        """snapshot_refaults(): activations by refault when reclaim last ended."""

    # --- who reclaims ------------------------------------------------------------------------------------------------

    def wakeup_kswapd(self, zone: Zone, order: int, highest: int = MAX_NR_ZONES - 1) -> None:
        """wakeup_kswapd(): an allocation found `zone` below its low watermark; see kswapd.py."""
        self.kernel.kswapd.wakeup(zone, order, highest)

    def try_to_free_pages(self, order: int, gfp: int = GFP_KERNEL, highest: int = MAX_NR_ZONES - 1) -> int:
        """try_to_free_pages(): direct reclaim: whoever allocates frees pages himself; how many he freed."""
        kernel = self.kernel
        if not self._allow_direct_reclaim():
            kernel.kswapd.run_until_asleep()
        with kernel.trace.open(MmVmscanDirectReclaimBegin(order, gfp)):
            sc = ScanControl(gfp, order, highest, kswapd=False)
            freed = self._do_try_to_free_pages(sc)
            if not freed and sc.skipped_deactivate:
                sc = ScanControl(gfp, order, highest, kswapd=False)
                sc.force_deactivate = True
                freed = self._do_try_to_free_pages(sc)
            if kernel.trace.on:
                kernel.trace.emit(MmVmscanDirectReclaimEnd(freed))
        return freed

    def _do_try_to_free_pages(self, sc: ScanControl) -> int:
        """do_try_to_free_pages(): passes of rising urgency until 32 pages are free."""
        while sc.priority >= 0:
            sc.nr_scanned = 0
            for _ in self.shrink_node(sc):
                self.kernel.kswapd.cond_resched()
            if sc.nr_reclaimed >= sc.nr_to_reclaim:
                break
            sc.priority -= 1
        self.snapshot_refaults()
        return sc.nr_reclaimed

    def _allow_direct_reclaim(self) -> bool:
        """allow_direct_reclaim(): whether half of the min watermarks is left; else one waits for kswapd first."""
        if self.kernel.kswapd.failures >= MAX_RECLAIM_RETRIES:
            return True
        reserve = free = 0
        for zone in self.kernel.page_alloc.zones:
            if zone.zone_type <= ZoneType.NORMAL:
                reserve += zone.min_wmark_pages
                free += zone.free_pages
        return free > reserve // 2

    def reclaim_pages(self, pages: list[Page]) -> int:
        """reclaim_pages(): reclaims just these pages, as MADV_PAGEOUT asks; how many it freed."""
        kernel, swap = self.kernel, self.kernel.swap
        isolated = []
        for page in pages:
            if page.flags & (PG_LRU | PG_UNEVICTABLE) == PG_LRU:
                swap.remove(page)
                page.flags &= ~PG_ACTIVE
                isolated.append(page)
        sc = ScanControl(GFP_KERNEL, 0, MAX_NR_ZONES - 1, kswapd=False)
        was_memalloc, kernel.page_alloc.pf_memalloc = kernel.page_alloc.pf_memalloc, True
        freed = kernel.vmscan_lists.shrink_folio_list(isolated, sc, ReclaimStat())
        kernel.page_alloc.pf_memalloc = was_memalloc
        kernel.page_io.unplug()
        return freed

    def zone_reclaimable_pages(self, zone: Zone) -> int:
        """zone_reclaimable_pages(): the zone's file pages, and its anonymous ones where there is swap space for them."""
        swap = self.kernel.swap
        which = [_INACTIVE_FILE, _ACTIVE_FILE]
        if self.kernel.swapfile.nr_swap_pages > 0:
            which += [_INACTIVE_ANON, _ACTIVE_ANON]
        return sum(zone.spans_pfn(pfn) for name in which for pfn in swap.lists[name])

    # --- one pass over the node --------------------------------------------------------------------------------------

    def shrink_node(self, sc: ScanControl) -> Iterator[None]:
        """shrink_node(): one pass of the priority in `sc`. Yields where somebody else may have the CPU (cond_resched())."""
        kernel = self.kernel
        sc.forget_pass()
        before = sc.nr_reclaimed
        self._prepare_scan_count(sc)
        yield from self._shrink_lruvec(sc)
        kernel.shrinkers.shrink_slab(sc.gfp, sc.priority)
        sc.nr_reclaimed += kernel.slub.reclaimed_slab
        kernel.slub.reclaimed_slab = 0
        if sc.kswapd:
            if sc.writeback and sc.writeback == sc.taken:
                kernel.vmscan_lists.pgdat_writeback = True
            if sc.unqueued_dirty == sc.file_taken:
                kernel.vmscan_lists.pgdat_dirty = True
        if sc.nr_reclaimed > before:
            kernel.kswapd.failures = 0

    def _prepare_scan_count(self, sc: ScanControl) -> None:
        """prepare_scan_count(): what the state of the lists says about this pass."""
        kernel, stat, lists = self.kernel, self.kernel.vmstat, self.kernel.swap.lists
        sc.anon_cost, sc.file_cost = kernel.swap.anon_cost, kernel.swap.file_cost
        if sc.force_deactivate:
            sc.may_deactivate_anon = sc.may_deactivate_file = True
        else:
            activated = stat.workingset_activate_anon != self._refaults_anon
            sc.may_deactivate_anon = activated or self.inactive_is_low(_INACTIVE_ANON)
            activated = stat.workingset_activate_file != self._refaults_file
            sc.may_deactivate_file = activated or self.inactive_is_low(_INACTIVE_FILE)
        inactive_file = len(lists[_INACTIVE_FILE])
        sc.cache_trim_mode = bool(inactive_file >> sc.priority) and not sc.may_deactivate_file
        free = high = 0
        for zone in kernel.page_alloc.zones:
            free += zone.nr_free_pages
            high += zone.high_wmark_pages
        sc.file_is_tiny = (
            len(lists[_ACTIVE_FILE]) + inactive_file + free <= high
            and not sc.may_deactivate_anon
            and bool(len(lists[_INACTIVE_ANON]) >> sc.priority)
        )

    def inactive_is_low(self, inactive: LruList) -> bool:
        """inactive_is_low(): whether the inactive list is too short beside its active one: below half on a small machine."""
        lists = self.kernel.swap.lists
        idle, active = len(lists[inactive]), len(lists[inactive + 1])
        gigabytes = idle + active >> _GB_SHIFT
        ratio = isqrt(10 * gigabytes) if gigabytes else 1
        return idle * ratio < active

    def get_scan_count(self, sc: ScanControl) -> list[int]:
        """get_scan_count(): pages to scan of each evictable list."""
        lists = self.kernel.swap.lists
        sizes = [len(lists[which]) >> sc.priority for which in _EVICTABLE]
        swappiness = self.kernel.sysctl["swappiness"]
        if not sc.may_swap or self.kernel.swapfile.nr_swap_pages <= 0:
            return [0, 0, sizes[_INACTIVE_FILE], sizes[_ACTIVE_FILE]]
        if not sc.priority and swappiness:
            return sizes
        if sc.file_is_tiny:
            return [sizes[_INACTIVE_ANON], sizes[_ACTIVE_ANON], 0, 0]
        if sc.cache_trim_mode:
            return [0, 0, sizes[_INACTIVE_FILE], sizes[_ACTIVE_FILE]]
        total = sc.anon_cost + sc.file_cost
        anon_cost, file_cost = total + sc.anon_cost, total + sc.file_cost
        total = anon_cost + file_cost
        anon = swappiness * (total + 1) // (anon_cost + 1)
        file = (_SWAPPINESS_MAX - swappiness) * (total + 1) // (file_cost + 1)
        share = anon, anon, file, file
        return [size * part // (anon + file) for size, part in zip(sizes, share, strict=True)]

    def _shrink_lruvec(self, sc: ScanControl) -> Iterator[None]:
        """shrink_lruvec(): scans the lists by turns, 32 pages each, until enough is free or the pass is done."""
        left = self.get_scan_count(sc)
        targets = list(left)
        proportional = not sc.kswapd and sc.priority == DEF_PRIORITY
        reclaimed = 0
        while left[_INACTIVE_ANON] or left[_ACTIVE_FILE] or left[_INACTIVE_FILE]:
            for which in _EVICTABLE:
                if left[which]:
                    batch = min(left[which], SWAP_CLUSTER_MAX)
                    left[which] -= batch
                    reclaimed += self._shrink_list(which, batch, sc)
            yield
            if reclaimed >= sc.nr_to_reclaim and not proportional and not _stop_scanning_the_smaller(left, targets):
                break
        self.kernel.page_io.unplug()
        sc.nr_reclaimed += reclaimed
        if self.kernel.swapfile.total_pages and self.inactive_is_low(_INACTIVE_ANON):
            self.kernel.vmscan_lists.shrink_active_list(SWAP_CLUSTER_MAX, sc, _ACTIVE_ANON)

    def _shrink_list(self, which: LruList, batch: int, sc: ScanControl) -> int:
        """shrink_list(): an inactive list is reclaimed from; an active one only refills it, where that is wanted."""
        lists = self.kernel.vmscan_lists
        if which in (_INACTIVE_ANON, _INACTIVE_FILE):
            return lists.shrink_inactive_list(batch, sc, which)
        if sc.may_deactivate_file if which == _ACTIVE_FILE else sc.may_deactivate_anon:
            lists.shrink_active_list(batch, sc, which)
        else:
            sc.skipped_deactivate = True
        return 0

    def snapshot_refaults(self) -> None:
        """snapshot_refaults(): activations from now on are news."""
        self._refaults_anon = self.kernel.vmstat.workingset_activate_anon
        self._refaults_file = self.kernel.vmstat.workingset_activate_file


def _stop_scanning_the_smaller(left: list[int], targets: list[int]) -> bool:
    """Enough is free: scanning goes on only where one kind of list has not had its share yet; whether there is such."""
    anon, file = left[_INACTIVE_ANON] + left[_ACTIVE_ANON], left[_INACTIVE_FILE] + left[_ACTIVE_FILE]
    if not anon or not file:
        return False
    if file > anon:
        percentage = anon * 100 // (targets[_INACTIVE_ANON] + targets[_ACTIVE_ANON] + 1)
        smaller, larger = _INACTIVE_ANON, _INACTIVE_FILE
    else:
        percentage = file * 100 // (targets[_INACTIVE_FILE] + targets[_ACTIVE_FILE] + 1)
        smaller, larger = _INACTIVE_FILE, _INACTIVE_ANON
    left[smaller] = left[smaller + 1] = 0
    for which in (larger, larger + 1):
        scanned = targets[which] - left[which]
        left[which] = max(targets[which] * (100 - percentage) // 100 - scanned, 0)
    return True
