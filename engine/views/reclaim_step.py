"""What the last command did to memory that ran short: who was woken or stalled, where pages went, and what it cost in time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from engine.events import memory, page_alloc, vmscan
from engine.events.machine import CommandPerformed
from engine.views.trace_tree import last_records

if TYPE_CHECKING:
    from engine.kernel.mmzone import Zone
    from engine.machine import Machine
    from engine.trace import Record

POINTS_MAXIMUM: Final = 120


@dataclass(frozen=True, slots=True)
class Woken:
    """An allocation found `zone` below its low watermark, and woke kswapd."""

    ns: int
    zone: str
    free_pages: int
    low: int


@dataclass(frozen=True, slots=True)
class Stall:
    """An allocation found nothing above min: it began to reclaim at `start_ns`, for `ns`, and freed `freed` pages."""

    start_ns: int
    ns: int
    freed: int


@dataclass(frozen=True, slots=True)
class Moves:
    """What became of the pages of one kind that reclaim looked at."""

    scanned: int
    freed: int
    activated: int
    """From the inactive list to the active one: used twice, or in the way."""
    kept: int
    """Used once: back to the young end, marked referenced."""
    deactivated: int
    """From the active list to the inactive one."""


@dataclass(frozen=True, slots=True)
class Work:
    """Something that happened `count` times, and took `ns` in all (0 where it cost its process no time of its own)."""

    count: int
    ns: int


@dataclass(frozen=True, slots=True)
class FreeCurve:
    """One zone's free pages (the CPU's own included) through the command, as (simulated ns, pages); and its watermarks."""

    zone: str
    min_mark: int
    low_mark: int
    high_mark: int
    points: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class ReclaimStepView:
    """The last command, as far as its records go; `lost`: its beginning fell out of the trace. Times in simulated ns."""

    start_ns: int
    ns: int
    lost: bool
    woken: tuple[Woken, ...]
    kswapd: Work
    stalls: tuple[Stall, ...]
    anon: Moves
    file: Moves
    minor: Work
    major: Work
    swapped_out: int
    swapped_in: int
    dropped: int
    """File pages that left the page cache."""
    written: int
    """Dirty file pages that were written to the disk."""
    read: int
    """File pages that came into the page cache."""
    killed: tuple[tuple[int, tuple[tuple[int, int], ...]], ...]
    """(victim, every process's (pid, points)) of each time the OOM killer chose."""
    curves: tuple[FreeCurve, ...]
    io_wait_ns: int
    """How long processes waited for the disk since boot, of `time_ns`."""
    time_ns: int


def reclaim_step(machine: Machine) -> ReclaimStepView:
    """The last command's part in reclaim; nothing happened before the first one."""
    records = last_records(machine) if machine.version else []
    lost = bool(records) and not isinstance(records[0].event, CommandPerformed)
    start = records[0].start_ns if records else machine.time_ns
    found = _Found()
    for record in records:
        found.add(record)
    return ReclaimStepView(
        start_ns=start,
        ns=machine.time_ns - start,
        lost=lost,
        woken=tuple(found.woken),
        kswapd=Work(found.runs, found.kswapd_ns),
        stalls=tuple(Stall(at, ns, found.freed.get(seq, 0)) for seq, (at, ns) in found.stalls.items()),
        anon=Moves(*found.moves[False]),
        file=Moves(*found.moves[True]),
        minor=Work(*found.minor),
        major=Work(*found.major),
        swapped_out=found.swapped_out,
        swapped_in=found.swapped_in,
        dropped=found.dropped,
        written=found.written,
        read=found.read,
        killed=tuple(found.killed),
        curves=tuple(_curve(zone, records, machine.time_ns) for zone in machine.kernel.page_alloc.zones),
        io_wait_ns=machine.kernel.kswapd.io_wait_ns,
        time_ns=machine.time_ns,
    )


@dataclass(slots=True)
class _Found:
    woken: list[Woken] = field(default_factory=list)
    runs: int = 0
    kswapd_ns: int = 0
    stalls: dict[int, tuple[int, int]] = field(default_factory=dict)
    freed: dict[int, int] = field(default_factory=dict)
    moves: dict[bool, list[int]] = field(default_factory=lambda: {False: [0] * 5, True: [0] * 5})
    faults: dict[int, int] = field(default_factory=dict)
    minor: list[int] = field(default_factory=lambda: [0, 0])
    major: list[int] = field(default_factory=lambda: [0, 0])
    swapped_out: int = 0
    swapped_in: int = 0
    dropped: int = 0
    written: int = 0
    read: int = 0
    killed: list[tuple[int, tuple[tuple[int, int], ...]]] = field(default_factory=list)

    def add(self, record: Record) -> None:
        """Takes in what one event says."""
        match record.event:
            case memory.PageFaultUser():
                self.faults[record.seq] = record.end_ns - record.start_ns
            case memory.FaultDone(_, _, _, major):
                into = self.major if major else self.minor
                into[0] += 1
                into[1] += self.faults.get(record.cause, 0)
            case vmscan.MmVmscanWakeupKswapd(zone, _, free, low):
                self.woken.append(Woken(record.start_ns, zone, free, low))
            case vmscan.MmVmscanKswapdWake():
                self.runs += 1
                self.kswapd_ns += record.end_ns - record.start_ns
            case vmscan.MmVmscanDirectReclaimBegin():
                self.stalls[record.seq] = record.start_ns, record.end_ns - record.start_ns
            case vmscan.MmVmscanDirectReclaimEnd(freed):
                self.freed[record.cause] = freed
            case vmscan.OomKillProcess(pid, scores):
                self.killed.append((pid, scores))
            case _:
                self._add_page(record)

    def _add_page(self, record: Record) -> None:
        match record.event:
            case vmscan.MmVmscanLruShrinkInactive(scanned, freed, _, _, activated, kept, _, file):
                for at, count in enumerate((scanned, freed, activated, kept)):
                    self.moves[file][at] += count
            case vmscan.MmVmscanLruShrinkActive(_, _, deactivated, _, file):
                self.moves[file][4] += deactivated
            case vmscan.MmVmscanWriteFolio():
                self.swapped_out += 1
            case vmscan.SwapReadpage():
                self.swapped_in += 1
            case vmscan.MmFilemapDeleteFromPageCache():
                self.dropped += 1
            case vmscan.MmFilemapAddToPageCache():
                self.read += 1
            case vmscan.WritebackSinglePage():
                self.written += 1
            case _:
                pass


def _curve(zone: Zone, records: list[Record], now: int) -> FreeCurve:
    """Counts back from what is free now, through what was allocated and freed."""
    free = zone.free_pages + zone.per_cpu_pageset.count
    points = [(now, free)]
    for record in reversed(records):
        match record.event:
            case page_alloc.MmPageAlloc(pfn, order) if zone.spans_pfn(pfn):
                free += 1 << order
            case page_alloc.MmPageFree(pfn, order) if zone.spans_pfn(pfn):
                free -= 1 << order
            case _:
                continue
        points.append((record.start_ns, free))
    if records:
        points.append((records[0].start_ns, free))
    points.reverse()
    every = -(-len(points) // POINTS_MAXIMUM)
    kept = points[::every]
    return FreeCurve(
        zone.name,
        zone.min_wmark_pages,
        zone.low_wmark_pages,
        zone.high_wmark_pages,
        tuple(kept if kept[-1] == points[-1] else [*kept, points[-1]]),
    )
