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
    from collections.abc import Generator, Iterator

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
    """kswapd0, asleep until somebody wakes it. Its work is done in slices, and nothing of it is left when the machine idles."""

    __slots__ = (
        "_cause",
        "_highest",
        "_order",
        "_others",
        "_run_at",
        "_since",
        "_slept_at",
        "_vruntime",
        "_work",
        "failures",
        "io_wait_ns",
        "kernel",
        "running",
    )

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self._order = _ASLEEP
        """kswapd_order: the largest order that somebody waits for."""
        self._highest = 0
        """kswapd_highest_zoneidx: the highest zone that somebody could use."""
        self._cause = NO_CAUSE
        """The record under which kswapd was woken: its work is that record's consequence."""
        self._work: Iterator[None] | None = None
        """What it was at when it lost the CPU."""
        self.failures = 0
        """kswapd_failures: runs in a row that freed nothing; after 16 kswapd is left alone until somebody frees something."""
        self.io_wait_ns = 0
        """How long processes have waited for the disk since boot."""
        self._slept_at = -_SHORT_SLEEP
        self._run_at = _NEVER
        """When kswapd gets the CPU, if nobody gives it up before."""
        self._vruntime = self._others = 0
        """vruntime of kswapd and of the processes: how long each has had the CPU, less what it may not claim any more."""
        self._since = 0
        """Since when the processes have had the CPU."""
        self.running = False
        """current_is_kswapd(): it is kswapd that has the CPU."""

    def is_awake(self) -> bool:
        """Whether it has work to do, and waits for the CPU."""
        return self._order != _ASLEEP or self._work is not None

    # --- the scheduler -----------------------------------------------------------------------------------------------

    def wakeup(self, zone: Zone, order: int, highest: int) -> None:
        """wakeup_kswapd(): an allocation found `zone` below its low watermark."""
        kernel = self.kernel
        if self.is_awake():
            self._order, self._highest = max(self._order, order), max(self._highest, highest)
            return
        if self.failures >= MAX_RECLAIM_RETRIES:
            return
        boosted = any(zone.watermark_boost for zone in kernel.page_alloc.zones if zone.zone_type <= highest)
        if self.balanced(order, highest) and not boosted:
            return
        self._order, self._highest, self._cause = order, highest, kernel.trace.cause
        kernel.work_pending = True
        self._charge_others()
        self._vruntime = max(self._vruntime, self._others - _SLEEPER_CREDIT)
        behind = self._others - self._vruntime > _WAKEUP_GRANULARITY
        self._run_at = kernel.clock.ns if behind else self._next_tick()
        if kernel.trace.on:
            kernel.trace.emit(MmVmscanWakeupKswapd(zone.name, order, zone.nr_free_pages, zone.low_wmark_pages))

    def _next_tick(self) -> int:
        return (self.kernel.clock.ns // _TICK + 1) * _TICK

    def _charge_others(self) -> None:
        """update_curr() for the processes."""
        now = self.kernel.clock.ns
        self._others += now - self._since
        self._since = now

    def return_to_user(self) -> None:
        """The running process goes back to its program: kswapd runs first, if its time has come, until the next tick."""
        if self.kernel.clock.ns >= self._run_at:
            self._slice(self._next_tick())
            self._run_at = self._next_tick() if self.is_awake() else _NEVER

    def cond_resched(self) -> None:
        """cond_resched(): who reclaims for himself gives way to kswapd, if its time has come, until the next tick."""
        if not self.running:
            self.return_to_user()

    def io_schedule(self, nanoseconds: int) -> None:
        """io_schedule(): the running process waits so long for the disk; kswapd has the CPU meanwhile.

        When the disk is done the process takes the CPU back, unless kswapd has had less of it: then at the next tick.
        """
        clock = self.kernel.clock
        until = clock.ns + nanoseconds
        if self.is_awake() and not self.kernel.page_alloc.pf_memalloc:
            self._slice(until)
            self._others = max(self._others, self._vruntime - _SLEEPER_CREDIT)
            if self.is_awake() and self._vruntime - self._others <= _WAKEUP_GRANULARITY:
                self._slice(self._next_tick())
            self._run_at = self._next_tick() if self.is_awake() else _NEVER
        self._charge_others()
        clock.ns = self._since = max(clock.ns, until)
        self.io_wait_ns += nanoseconds

    def run_until_asleep(self) -> None:
        """Nobody else wants the CPU: kswapd works until it is done."""
        while self.is_awake():
            self._slice(_NEVER)
        self._run_at = _NEVER

    def _slice(self, until: int) -> None:
        """kswapd has the CPU until it sleeps, or until the clock says `until`."""
        kernel, clock = self.kernel, self.kernel.clock
        self._charge_others()
        began = clock.ns
        trace, outer = kernel.trace, kernel.trace.cause
        was_memalloc, kernel.page_alloc.pf_memalloc = kernel.page_alloc.pf_memalloc, True
        was_running, self.running = self.running, True
        trace.cause = self._cause
        if self._work is None:
            self._work = self._thread()
        for _ in self._work:
            if clock.ns >= until:
                break
        else:
            self._work = None
            self._slept_at = clock.ns
        kernel.page_io.unplug()
        self._cause, trace.cause = trace.cause if self._work is not None else NO_CAUSE, outer
        kernel.page_alloc.pf_memalloc = was_memalloc
        self.running = was_running
        self._vruntime += clock.ns - began
        self._since = clock.ns

    # --- the thread --------------------------------------------------------------------------------------------------

    def _thread(self) -> Iterator[None]:
        """kswapd(): balances the node as often as it has been asked to, and sleeps. Yields where it may lose the CPU."""
        kernel = self.kernel
        quickly = kernel.clock.ns - self._slept_at < _SHORT_SLEEP
        while self._order != _ASLEEP:
            order, highest = self._order, self._highest
            self._order = _ASLEEP
            kernel.vmstat.kswapd_low_wmark_hit_quickly += quickly
            cause = kernel.trace.open(MmVmscanKswapdWake(order))
            yield from self._balance_until_asleep(order, highest)
            kernel.trace.close(cause)
            quickly = True

    def _balance_until_asleep(self, order: int, highest: int) -> Iterator[None]:
        """It tries to sleep, and goes on as long as no zone is above its high mark."""
        kernel = self.kernel
        while True:
            reached = yield from self._balance_pgdat(order, highest)
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

    def _balance_pgdat(self, order: int, highest: int) -> Generator[None, None, int]:
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
            boost, stop = yield from self._balance_once(sc, zones, boost)
            if stop:
                break
        if not balanced and not sc.nr_reclaimed:
            self.failures += 1
        for zone, had in zip(zones, boosts, strict=True):
            zone.reclaim_active = False
            zone.watermark_boost -= min(zone.watermark_boost, had)
        kernel.vmscan.snapshot_refaults()
        return sc.order

    def _balance_once(self, sc: ScanControl, zones: list[Zone], boost: int) -> Generator[None, None, tuple[int, bool]]:
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
        yield from kernel.vmscan.shrink_node(sc)
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
