"""fs/proc/meminfo.c: /proc/meminfo."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.hardware.paging import PTE_PSE
from engine.kernel.fork import KERNEL_PGD_BOUNDARY
from engine.kernel.memblock import PERCPU_PAGES
from engine.kernel.mm_types import PAGE_SHIFT, PG_MLOCKED
from engine.kernel.swap import LruList

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.kernel.kernel import Kernel

_KB_SHIFT: Final = PAGE_SHIFT - 10
_NAME_WIDTH: Final = 16
_NUMBER_WIDTH: Final = 8
_CORRUPTED_WIDTH: Final = 5
_HUGE_PAGE_KB: Final = 4096
_COUNTS: Final = ("HugePages_Total", "HugePages_Free", "HugePages_Rsvd", "HugePages_Surp")
"""Numbers of pages, where all others are kB."""


def meminfo_figures(kernel: Kernel) -> dict[str, int]:
    """Every line in its order, in kB but for _COUNTS. What this machine does not have (zswap, huge pages, …) is 0."""
    stat = kernel.vmstat
    pages = _memory(kernel) | {
        "SwapTotal": kernel.swapfile.total_pages,
        "SwapFree": kernel.swapfile.nr_swap_pages,
        "Zswap": 0,
        "Zswapped": 0,
        "Dirty": stat.nr_dirty,
        "Writeback": stat.nr_writeback,
        "AnonPages": stat.nr_anon_pages,
        "Mapped": stat.nr_mapped,
        "Shmem": stat.nr_shmem,
        "KReclaimable": stat.nr_slab_reclaimable,
        "Slab": stat.nr_slab_reclaimable + stat.nr_slab_unreclaimable,
        "SReclaimable": stat.nr_slab_reclaimable,
        "SUnreclaim": stat.nr_slab_unreclaimable,
        "KernelStack": stat.nr_kernel_stack >> _KB_SHIFT,
        "PageTables": stat.nr_page_table_pages,
        "SecPageTables": 0,
        "NFS_Unstable": 0,
        "Bounce": 0,
        "WritebackTmp": 0,
        "CommitLimit": kernel.mmap.vm_commit_limit(),
        "Committed_AS": kernel.mmap.vm_committed_as,
        "VmallocTotal": kernel.vmalloc.total >> PAGE_SHIFT,
        "VmallocUsed": kernel.vmalloc.nr_pages,
        "VmallocChunk": 0,
        "Percpu": PERCPU_PAGES,
        "HardwareCorrupted": 0,
        "AnonHugePages": 0,
        "ShmemHugePages": 0,
        "ShmemPmdMapped": 0,
        "FileHugePages": 0,
        "FilePmdMapped": 0,
    }
    figures = {name: count << _KB_SHIFT for name, count in pages.items()}
    return figures | dict.fromkeys(_COUNTS, 0) | {"Hugepagesize": _HUGE_PAGE_KB, "Hugetlb": 0} | _direct_map(kernel)


def _memory(kernel: Kernel) -> dict[str, int]:
    """The lines down to LowFree, in pages."""
    zones, stat, swap = kernel.page_alloc.zones, kernel.vmstat, kernel.swap
    high = [zone for zone in zones if zone.name == "HighMem"]
    total = sum(zone.managed_pages for zone in zones)
    free = sum(zone.nr_free_pages for zone in zones)
    high_total = sum(zone.managed_pages for zone in high)
    high_free = sum(zone.nr_free_pages for zone in high)
    anon = swap.size(LruList.INACTIVE_ANON), swap.size(LruList.ACTIVE_ANON)
    file = swap.size(LruList.INACTIVE_FILE), swap.size(LruList.ACTIVE_FILE)
    return {
        "MemTotal": total,
        "MemFree": free,
        "MemAvailable": si_mem_available(kernel),
        "Buffers": 0,
        "Cached": stat.nr_file_pages - stat.nr_swapcached,
        "SwapCached": stat.nr_swapcached,
        "Active": anon[1] + file[1],
        "Inactive": anon[0] + file[0],
        "Active(anon)": anon[1],
        "Inactive(anon)": anon[0],
        "Active(file)": file[1],
        "Inactive(file)": file[0],
        "Unevictable": swap.size(LruList.UNEVICTABLE),
        "Mlocked": sum(1 for page in swap.lists[LruList.UNEVICTABLE].values() if page.flags & PG_MLOCKED),
        "HighTotal": high_total,
        "HighFree": high_free,
        "LowTotal": total - high_total,
        "LowFree": free - high_free,
    }


def si_mem_available(kernel: Kernel) -> int:
    """si_mem_available(): pages that programs could get without swapping, as Linux estimates it."""
    zones, swap = kernel.page_alloc.zones, kernel.swap
    low = sum(zone.low_wmark_pages for zone in zones)
    available = sum(zone.nr_free_pages for zone in zones) - kernel.page_alloc.pgdat.totalreserve_pages
    cache = swap.size(LruList.ACTIVE_FILE) + swap.size(LruList.INACTIVE_FILE)
    reclaimable = kernel.vmstat.nr_slab_reclaimable
    available += cache - min(cache // 2, low)
    available += reclaimable - min(reclaimable // 2, low)
    return max(available, 0)


def _direct_map(kernel: Kernel) -> dict[str, int]:
    """arch_report_meminfo(): how the direct map is made, in kB; here of 4 MB pages alone."""
    directory = kernel.ram.frame(kernel.swapper_pg_dir)[KERNEL_PGD_BOUNDARY:]
    return {"DirectMap4k": 0, "DirectMap4M": sum(_HUGE_PAGE_KB for entry in directory if entry & PTE_PSE)}


def meminfo_lines(figures: Mapping[str, int]) -> str:
    """The figures as /proc/meminfo lays them out."""
    return "".join(_line(name, value) for name, value in figures.items())


def _line(name: str, value: int) -> str:
    if name in _COUNTS:
        return f"{name + ':':{_NAME_WIDTH}}{value:{_NUMBER_WIDTH}}\n"
    if name == "HardwareCorrupted":
        return f"{name}: {value:{_CORRUPTED_WIDTH}} kB\n"
    return f"{name + ':':{_NAME_WIDTH}}{value:{_NUMBER_WIDTH}} kB\n"


def meminfo_text(kernel: Kernel) -> str:
    """The file."""
    return meminfo_lines(meminfo_figures(kernel))
