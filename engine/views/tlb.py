"""The translations that the CPU remembers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.hardware.paging import flags_of
from engine.hardware.ram import FRAME_SHIFT

if TYPE_CHECKING:
    from engine.machine import Machine


@dataclass(frozen=True, slots=True)
class TlbEntry:
    """One translation: virtual page number to frame, with the entry's bits."""

    vpn: int
    pfn: int
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TlbView:
    """The whole TLB, oldest entry first (the next to go), with its figures since boot."""

    capacity: int
    entries: tuple[TlbEntry, ...]
    misses: int
    evictions: int
    flushes: tuple[tuple[str, int], ...]
    """(why, how often)."""


def tlb(machine: Machine) -> TlbView:
    """The TLB as it stands."""
    cache = machine.cpu.tlb
    return TlbView(
        capacity=cache.capacity,
        entries=tuple(TlbEntry(vpn, word >> FRAME_SHIFT, flags_of(word)) for vpn, word in cache.entries.items()),
        misses=cache.misses,
        evictions=cache.evictions,
        flushes=tuple((reason.value, count) for reason, count in cache.flushes.items()),
    )
