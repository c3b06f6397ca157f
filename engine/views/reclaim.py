"""What goes first when memory runs short: the lists of pages that reclaim looks through."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.kernel.swap import LruList

if TYPE_CHECKING:
    from engine.machine import Machine


@dataclass(frozen=True, slots=True)
class LruView:
    """One list: its name and its length in pages."""

    name: str
    pages: int


@dataclass(frozen=True, slots=True)
class ReclaimView:
    """The lists, and how often kswapd ran. Swap in pages."""

    lists: tuple[LruView, ...]
    swap_pages: int
    swap_used: int
    kswapd_runs: int
    stolen: int
    """Pages that reclaim has freed since boot."""
    swapped_out: int
    swapped_in: int


def reclaim(machine: Machine) -> ReclaimView:
    """The LRU lists and reclaim's counters."""
    kernel = machine.kernel
    stat = kernel.vmstat
    return ReclaimView(
        lists=tuple(LruView(which.name.lower(), kernel.swap.size(which)) for which in LruList),
        swap_pages=kernel.swapfile.total_pages,
        swap_used=kernel.swapfile.total_pages - kernel.swapfile.nr_swap_pages,
        kswapd_runs=stat.pageoutrun,
        stolen=stat.pgsteal_kswapd + stat.pgsteal_direct,
        swapped_out=stat.pswpout,
        swapped_in=stat.pswpin,
    )
