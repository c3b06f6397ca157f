"""fs/proc/meminfo.c: /proc/meminfo."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.kernel.mm_types import PAGE_SHIFT
from engine.kernel.swap import LruList

if TYPE_CHECKING:
    from engine.kernel.kernel import Kernel

_KB_SHIFT: Final = PAGE_SHIFT - 10
_NAME_WIDTH: Final = 16
_NUMBER_WIDTH: Final = 8


def meminfo_figures(kernel: Kernel) -> dict[str, int]:
    """The lines that this machine can tell, in kB."""
    zones, stat, swap = kernel.page_alloc.zones, kernel.vmstat, kernel.swap
    high = [zone for zone in zones if zone.name == "HighMem"]
    total = sum(zone.managed_pages for zone in zones)
    free = sum(zone.nr_free_pages for zone in zones)
    high_total = sum(zone.managed_pages for zone in high)
    high_free = sum(zone.nr_free_pages for zone in high)
    anon = swap.size(LruList.INACTIVE_ANON), swap.size(LruList.ACTIVE_ANON)
    file = swap.size(LruList.INACTIVE_FILE), swap.size(LruList.ACTIVE_FILE)
    pages = {
        "MemTotal": total,
        "MemFree": free,
        "Cached": stat.nr_file_pages - stat.nr_swapcached,
        "SwapCached": stat.nr_swapcached,
        "Active": anon[1] + file[1],
        "Inactive": anon[0] + file[0],
        "Active(anon)": anon[1],
        "Inactive(anon)": anon[0],
        "Active(file)": file[1],
        "Inactive(file)": file[0],
        "Unevictable": swap.size(LruList.UNEVICTABLE),
        "HighTotal": high_total,
        "HighFree": high_free,
        "LowTotal": total - high_total,
        "LowFree": free - high_free,
        "SwapTotal": kernel.swapfile.total_pages,
        "SwapFree": kernel.swapfile.total_pages,
        "Dirty": stat.nr_dirty,
        "Writeback": stat.nr_writeback,
        "AnonPages": stat.nr_anon_pages,
        "Mapped": stat.nr_mapped,
        "Shmem": stat.nr_shmem,
        "PageTables": stat.nr_page_table_pages,
        "CommitLimit": kernel.mmap.vm_commit_limit(),
        "Committed_AS": kernel.mmap.vm_committed_as,
    }
    return {name: count << _KB_SHIFT for name, count in pages.items()}


def meminfo_text(kernel: Kernel) -> str:
    """As /proc/meminfo lays it out."""
    return "".join(
        f"{name + ':':{_NAME_WIDTH}}{value:{_NUMBER_WIDTH}} kB\n" for name, value in meminfo_figures(kernel).items()
    )
