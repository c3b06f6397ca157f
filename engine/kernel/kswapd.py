"""mm/vmscan.c: kswapd, the thread that frees pages before anybody has to wait for them; and when it gets the CPU.

There is one CPU, so kswapd and the running process take turns, as the fair scheduler (kernel/sched/fair.c) has it: each is
charged what it ran, and who wakes up behind by more than a millisecond runs at once; otherwise at a later tick. While the
process waits for the disk, or between commands, the CPU is kswapd's anyway.

    woken below low  -> balance_pgdat(): passes of rising urgency until one zone is above high -> sleeps

Left out: more than these two threads on the scheduler, compaction (kcompactd).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.events.vmscan import MmVmscanKswapdSleep, MmVmscanKswapdWake, MmVmscanWakeupKswapd
from engine.kernel.gfp import GFP_KERNEL, MAX_NR_ZONES
from engine.kernel.page_alloc_slowpath import MAX_RECLAIM_RETRIES
from engine.kernel.page_alloc_watermark import zone_watermark_ok
from engine.kernel.swap import LruList
from engine.kernel.vmscan_lists import DEF_PRIORITY, SWAP_CLUSTER_MAX, ScanControl
from engine.trace import NO_CAUSE

if TYPE_CHECKING:
    from engine.kernel.kernel import Kernel
    from engine.kernel.mmzone import Zone

# kernel/sched/fair.c, in nanoseconds
_WAKEUP_GRANULARITY: Final = 1_000_000
_SLEEPER_CREDIT: Final = 3_000_000
"""Half of sched_latency: how far behind a thread that has slept may be."""
_TICK: Final = 4_000_000
"""CONFIG_HZ=250."""
_SHORT_SLEEP: Final = 100_000_000
"""HZ/10: kswapd sleeps lightly so long before it sleeps in earnest."""
_NEVER: Final = 1 << 62
_ASLEEP: Final = -1


class Kswapd:
    """kswapd0, asleep until somebody wakes it."""

    __slots__ = (
        "_highest",
        "_order",
        "_ran",
        "_run_at",
        "_slept_at",
        "_vruntime",
        "_waker",
        "failures",
        "kernel",
    )

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self._order = _ASLEEP
        """kswapd_order: the largest order that somebody waits for."""
        self._highest = 0
        """kswapd_highest_zoneidx: the highest zone that somebody could use."""
        self._waker = NO_CAUSE
        """The record under which kswapd was woken: its work is that record's consequence."""
        self.failures = 0
        """kswapd_failures: runs in a row that freed nothing; after 16 kswapd is left alone until somebody frees something."""
        self._slept_at = -_SHORT_SLEEP
        self._run_at = _NEVER
        """When kswapd gets the CPU, if nobody gives it up before."""
        self._ran = 0
        """Time that kswapd had the CPU, since boot. What is left of the clock is the processes'."""
        self._vruntime = 0

    @property
    def awake(self) -> bool:
        """Whether it has work to do, and waits for the CPU."""
        return self._order != _ASLEEP

    # --- the scheduler -----------------------------------------------------------------------------------------------

    def wakeup(self, zone: Zone, order: int, highest: int) -> None:
        """wakeup_kswapd(): an allocation found `zone` below its low watermark."""
        kernel = self.kernel
        if self.awake:
            self._order, self._highest = max(self._order, order), max(self._highest, highest)
            return
        if self.failures >= MAX_RECLAIM_RETRIES:
            return
        boosted = any(zone.watermark_boost for zone in kernel.page_alloc.zones if zone.zone_type <= highest)
        if self.balanced(order, highest) and not boosted:
            return
        self._order, self._highest, self._waker = order, highest, kernel.trace.cause
        kernel.work_pending = True
        self._enqueue()
        if kernel.trace.on:
            kernel.trace.emit(MmVmscanWakeupKswapd(zone.name, order, zone.nr_free_pages, zone.low_wmark_pages))

    def _enqueue(self) -> None:
        """check_preempt_wakeup(): whether kswapd, just woken, takes the CPU at once or at a tick."""
        now = self.kernel.clock.ns
        others = now - self._ran
        self._vruntime = max(self._vruntime, others - _SLEEPER_CREDIT)
        if others - self._vruntime > _WAKEUP_GRANULARITY:
            self._run_at = now
        else:
            self._run_at = (now // _TICK + 1) * _TICK

    def return_to_user(self) -> None:
        """The running process goes back to its program: kswapd runs first, if its time has come."""
        if self.kernel.clock.ns >= self._run_at:
            self.run()

    def io_schedule(self, nanoseconds: int) -> None:
        """io_schedule(): the running process waits so long for the disk; kswapd has the CPU meanwhile."""
        clock = self.kernel.clock
        until = clock.ns + nanoseconds
        if self.awake and not self.kernel.page_alloc.pf_memalloc:
            self.run()
        if clock.ns < until:
            self._ran += until - clock.ns
            clock.ns = until

    # --- the thread --------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """kswapd(): balances the node as often as it has been asked to, and sleeps."""
        kernel, clock = self.kernel, self.kernel.clock
        began = clock.ns
        was_memalloc, kernel.page_alloc.pf_memalloc = kernel.page_alloc.pf_memalloc, True
        while self.awake:
            order, highest = self._order, self._highest
            self._order, self._run_at = _ASLEEP, _NEVER
            if clock.ns - self._slept_at < _SHORT_SLEEP:
                kernel.vmstat.kswapd_low_wmark_hit_quickly += 1
            with kernel.trace.resume(self._waker, MmVmscanKswapdWake(order)):
                self._balance_until_asleep(order, highest)
        kernel.page_alloc.pf_memalloc = was_memalloc
        self._slept_at = clock.ns
        self._ran += clock.ns - began
        self._vruntime += clock.ns - began

    def _balance_until_asleep(self, order: int, highest: int) -> None:
        """The body of kswapd(): it tries to sleep, and goes on as long as no zone is above its high mark."""
        kernel = self.kernel
        while True:
            reached = self._balance_pgdat(order, highest)
            if reached < order:
                order = 0
            balanced = self.balanced(reached, highest)
            if balanced or self.failures >= MAX_RECLAIM_RETRIES:
                break
            kernel.vmstat.kswapd_high_wmark_hit_quickly += 1
        if balanced:
            kernel.vmscan_lists.pgdat_dirty = kernel.vmscan_lists.pgdat_writeback = False
        if kernel.trace.on:
            kernel.trace.emit(MmVmscanKswapdSleep(balanced))

    def balanced(self, order: int = 0, highest: int = MAX_NR_ZONES - 1) -> bool:
        """pgdat_balanced(): whether some zone is above its high watermark."""
        for zone in self.kernel.page_alloc.zones:
            if zone.zone_type <= highest:
                mark = zone.high_wmark_pages
                if zone_watermark_ok(zone, order, mark, highest, 0, zone.free_pages):
                    return True
        return False

    def _balance_pgdat(self, order: int, highest: int) -> int:
        """balance_pgdat(): passes until some zone is above its high mark; gives the order that it ended with."""
        kernel = self.kernel
        zones = [zone for zone in kernel.page_alloc.zones if zone.zone_type <= highest]
        boosts = [zone.watermark_boost for zone in zones]
        boost = sum(boosts)
        kernel.vmstat.pageoutrun += 1
        for zone in zones:
            zone.reclaim_active = True
        sc = ScanControl(GFP_KERNEL, order, highest, kswapd=True)
        balanced = False
        while sc.priority >= 1:
            balanced = self.balanced(sc.order, highest)
            if not balanced and boost:
                boost = 0
                sc.priority = DEF_PRIORITY
                continue
            if balanced and not boost:
                break
            boost, stop = self._balance_once(sc, zones, boost)
            if stop:
                break
        if not balanced and not sc.nr_reclaimed:
            self.failures += 1
        for zone, had in zip(zones, boosts, strict=True):
            zone.reclaim_active = False
            zone.watermark_boost -= min(zone.watermark_boost, had)
        kernel.vmscan.snapshot_refaults()
        return sc.order

    def _balance_once(self, sc: ScanControl, zones: list[Zone], boost: int) -> tuple[int, bool]:
        """One pass; gives the boost that is left to reclaim for, and whether to stop because that leads nowhere."""
        kernel = self.kernel
        sc.may_writepage = sc.may_swap = not boost
        if sc.priority < DEF_PRIORITY - 2:
            sc.may_writepage = True
        raise_priority = not (boost and sc.priority == DEF_PRIORITY - 2)
        if kernel.swapfile.total_pages and kernel.vmscan.inactive_is_low(LruList.INACTIVE_ANON):
            kernel.vmscan_lists.shrink_active_list(SWAP_CLUSTER_MAX, sc, LruList.ACTIVE_ANON)
        before = sc.nr_reclaimed
        sc.nr_scanned = 0
        sc.nr_to_reclaim = sum(max(zone.high_wmark_pages, SWAP_CLUSTER_MAX) for zone in zones)
        kernel.vmscan.shrink_node(sc)
        if sc.order and sc.nr_reclaimed >= 2 << sc.order:
            sc.order = 0
        if sc.nr_scanned >= sc.nr_to_reclaim:
            raise_priority = False
        freed = sc.nr_reclaimed - before
        boost -= min(boost, freed)
        if boost and not freed:
            return boost, True
        if raise_priority or not freed:
            sc.priority -= 1
        return boost, False
