"""The translations that the CPU remembers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.events.memory import TlbFlush
from engine.hardware.paging import flags_of
from engine.hardware.ram import FRAME_SHIFT
from engine.views.trace_tree import last_records

if TYPE_CHECKING:
    from engine.machine import Machine


@dataclass(frozen=True, slots=True)
class TlbEntry:
    """One translation: virtual page number to frame, with the entry's bits."""

    vpn: int
    pfn: int
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Flush:
    """One flush: of one page at `address`, or with address None of all; so many translations were forgotten."""

    seq: int
    reason: str
    address: int | None
    entries: int


@dataclass(frozen=True, slots=True)
class TlbView:
    """The whole TLB, oldest entry first (the next to go), with its figures since boot."""

    capacity: int
    entries: tuple[TlbEntry, ...]
    pid: int
    """Whose translations they are: the process that runs."""
    hits: int | None
    """None where the machine does not count them (`tlb_hits` in its configuration)."""
    misses: int
    evictions: int
    flushes: tuple[tuple[str, int], ...]
    """(why, how often)."""
    flushed: tuple[Flush, ...]
    """What the last command made the CPU forget, in order."""


def tlb(machine: Machine) -> TlbView:
    """The TLB as it stands."""
    cache = machine.cpu.tlb
    return TlbView(
        capacity=cache.capacity,
        entries=tuple(TlbEntry(vpn, word >> FRAME_SHIFT, flags_of(word)) for vpn, word in cache.entries.items()),
        pid=machine.kernel.current.pid,
        hits=cache.hits if cache.counts_hits else None,
        misses=cache.misses,
        evictions=cache.evictions,
        flushes=tuple((reason.value, count) for reason, count in cache.flushes.items()),
        flushed=_flushed(machine),
    )


def _flushed(machine: Machine) -> tuple[Flush, ...]:
    records = last_records(machine) if machine.version else []
    return tuple(
        Flush(
            record.seq,
            record.event.reason,
            None if record.event.address < 0 else record.event.address,
            record.event.entries,
        )
        for record in records
        if isinstance(record.event, TlbFlush)
    )
