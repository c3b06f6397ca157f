"""mm/vmstat.c: /proc/vmstat."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.kernel.swap import LruList

if TYPE_CHECKING:
    from engine.kernel.kernel import Kernel


def vmstat_figures(kernel: Kernel) -> dict[str, int]:
    """Every counter that this machine keeps, by /proc/vmstat's names."""
    swap = kernel.swap
    figures = {
        "nr_free_pages": sum(zone.nr_free_pages for zone in kernel.page_alloc.zones),
        "nr_inactive_anon": swap.size(LruList.INACTIVE_ANON),
        "nr_active_anon": swap.size(LruList.ACTIVE_ANON),
        "nr_inactive_file": swap.size(LruList.INACTIVE_FILE),
        "nr_active_file": swap.size(LruList.ACTIVE_FILE),
        "nr_unevictable": swap.size(LruList.UNEVICTABLE),
    }
    return figures | kernel.vmstat.node() | kernel.vmstat.events()


def vmstat_text(kernel: Kernel) -> str:
    """A name and a number a line."""
    return "".join(f"{name} {value}\n" for name, value in vmstat_figures(kernel).items())
