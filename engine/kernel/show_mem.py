"""mm/page_alloc.c and lib/show_mem.c: what memory looks like, in the words of the log: part of the OOM killer's report.

Left out: the list of slab caches that Linux adds when they have more than the programs, CMA.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.kernel.gfp import (
    _GFP_ACCOUNT,
    _GFP_COMP,
    _GFP_DIRECT_RECLAIM,
    _GFP_FS,
    _GFP_HARDWALL,
    _GFP_HIGH,
    _GFP_HIGHMEM,
    _GFP_IO,
    _GFP_KSWAPD_RECLAIM,
    _GFP_MOVABLE,
    _GFP_NOFAIL,
    _GFP_NOMEMALLOC,
    _GFP_NORETRY,
    _GFP_NOWARN,
    _GFP_RECLAIMABLE,
    _GFP_RETRY_MAYFAIL,
    _GFP_ZERO,
    GFP_ATOMIC,
    GFP_DMA,
    GFP_HIGHUSER,
    GFP_HIGHUSER_MOVABLE,
    GFP_KERNEL,
    GFP_KERNEL_ACCOUNT,
    GFP_NOFS,
    GFP_NOIO,
    GFP_NOWAIT,
    GFP_USER,
)
from engine.kernel.mm_types import PAGE_SHIFT
from engine.kernel.mmzone import MAX_ORDER
from engine.kernel.page_alloc_slowpath import MAX_RECLAIM_RETRIES
from engine.kernel.proc.zoneinfo import zone_stats
from engine.kernel.swap import LruList

if TYPE_CHECKING:
    from engine.kernel.kernel import Kernel
    from engine.kernel.mmzone import Zone

_KB_SHIFT: Final = PAGE_SHIFT - 10
_TYPE_LETTERS: Final = "UMEHI"
"""show_migration_types(): unmovable, movable, reclaimable, high atomic, isolated."""
_HUGE_PAGE_KB: Final = 4096
_GFP_NAMES: Final = (
    ("GFP_HIGHUSER_MOVABLE", GFP_HIGHUSER_MOVABLE),
    ("GFP_HIGHUSER", GFP_HIGHUSER),
    ("GFP_USER", GFP_USER),
    ("GFP_KERNEL_ACCOUNT", GFP_KERNEL_ACCOUNT),
    ("GFP_KERNEL", GFP_KERNEL),
    ("GFP_NOFS", GFP_NOFS),
    ("GFP_ATOMIC", GFP_ATOMIC),
    ("GFP_NOIO", GFP_NOIO),
    ("GFP_NOWAIT", GFP_NOWAIT),
    ("GFP_DMA", GFP_DMA),
    ("__GFP_HIGHMEM", _GFP_HIGHMEM),
    ("__GFP_HIGH", _GFP_HIGH),
    ("__GFP_IO", _GFP_IO),
    ("__GFP_FS", _GFP_FS),
    ("__GFP_NOWARN", _GFP_NOWARN),
    ("__GFP_RETRY_MAYFAIL", _GFP_RETRY_MAYFAIL),
    ("__GFP_NOFAIL", _GFP_NOFAIL),
    ("__GFP_NORETRY", _GFP_NORETRY),
    ("__GFP_COMP", _GFP_COMP),
    ("__GFP_ZERO", _GFP_ZERO),
    ("__GFP_NOMEMALLOC", _GFP_NOMEMALLOC),
    ("__GFP_HARDWALL", _GFP_HARDWALL),
    ("__GFP_RECLAIMABLE", _GFP_RECLAIMABLE),
    ("__GFP_MOVABLE", _GFP_MOVABLE),
    ("__GFP_ACCOUNT", _GFP_ACCOUNT),
    ("__GFP_DIRECT_RECLAIM", _GFP_DIRECT_RECLAIM),
    ("__GFP_KSWAPD_RECLAIM", _GFP_KSWAPD_RECLAIM),
)
"""__def_gfpflag_names, largest combinations first."""


def format_gfp(gfp: int) -> str:
    """%pGg: the mask's names, joined by |; what has none is told in hexadecimal."""
    names = []
    for name, mask in _GFP_NAMES:
        if gfp & mask == mask:
            names.append(name)
            gfp &= ~mask
    return "|".join([*names, *([f"{gfp:#x}"] if gfp or not names else [])])


def show_mem(kernel: Kernel) -> list[str]:
    """__show_mem(): all lines from Mem-Info: on."""
    zones = kernel.page_alloc.zones
    by_zone = kernel.page_alloc.pages_by_zone()
    lines = ["Mem-Info:", *_totals(kernel), _node(kernel)]
    for zone in zones:
        lines.append(_zone(zone, zone_stats(zone, by_zone[zone.name])))
        lines.append(f"lowmem_reserve[]: {' '.join(str(pages) for pages in zone.lowmem_reserve)}")
    lines += [_free_blocks(zone) for zone in zones]
    lines.append(f"Node 0 hugepages_total=0 hugepages_free=0 hugepages_surp=0 hugepages_size={_HUGE_PAGE_KB}kB")
    lines.append(f"{kernel.vmstat.nr_file_pages} total pagecache pages")
    lines.append(f"{kernel.vmstat.nr_swapcached} pages in swap cache")
    lines.append(f"Free swap  = {kernel.swapfile.nr_swap_pages << _KB_SHIFT}kB")
    lines.append(f"Total swap = {kernel.swapfile.total_pages << _KB_SHIFT}kB")
    present = sum(zone.present_pages for zone in zones)
    lines.append(f"{present} pages RAM")
    lines.append(f"{sum(zone.present_pages for zone in zones if zone.name == 'HighMem')} pages HighMem/MovableOnly")
    lines.append(f"{present - sum(zone.managed_pages for zone in zones)} pages reserved")
    lines.append("0 pages hwpoisoned")
    return lines


def _totals(kernel: Kernel) -> list[str]:
    """show_free_areas(): all of memory, in pages; one message, whose further lines are indented."""
    stat, size, zones = kernel.vmstat, kernel.swap.size, kernel.page_alloc.zones
    free = sum(zone.nr_free_pages for zone in zones)
    free_pcp = sum(zone.per_cpu_pageset.count for zone in zones)
    return [
        f"active_anon:{size(LruList.ACTIVE_ANON)} inactive_anon:{size(LruList.INACTIVE_ANON)} isolated_anon:0",
        f" active_file:{size(LruList.ACTIVE_FILE)} inactive_file:{size(LruList.INACTIVE_FILE)} isolated_file:0",
        f" unevictable:{size(LruList.UNEVICTABLE)} dirty:{stat.nr_dirty} writeback:{stat.nr_writeback}",
        f" slab_reclaimable:{stat.nr_slab_reclaimable} slab_unreclaimable:{stat.nr_slab_unreclaimable}",
        f" mapped:{stat.nr_mapped} shmem:{stat.nr_shmem} pagetables:{stat.nr_page_table_pages}",
        " sec_pagetables:0 bounce:0",
        " kernel_misc_reclaimable:0",
        f" free:{free} free_pcp:{free_pcp} free_cma:0",
    ]


def _node(kernel: Kernel) -> str:
    """The one node, in kB."""
    stat, size = kernel.vmstat, kernel.swap.size

    def kb(pages: int) -> str:
        return f"{pages << _KB_SHIFT}kB"

    unreclaimable = "yes" if kernel.kswapd.failures >= MAX_RECLAIM_RETRIES else "no"
    return (
        f"Node 0 active_anon:{kb(size(LruList.ACTIVE_ANON))} inactive_anon:{kb(size(LruList.INACTIVE_ANON))}"
        f" active_file:{kb(size(LruList.ACTIVE_FILE))} inactive_file:{kb(size(LruList.INACTIVE_FILE))}"
        f" unevictable:{kb(size(LruList.UNEVICTABLE))} isolated(anon):0kB isolated(file):0kB mapped:{kb(stat.nr_mapped)}"
        f" dirty:{kb(stat.nr_dirty)} writeback:{kb(stat.nr_writeback)} shmem:{kb(stat.nr_shmem)} shmem_thp: 0kB"
        f" shmem_pmdmapped: 0kB anon_thp: 0kB writeback_tmp:0kB kernel_stack:{stat.nr_kernel_stack}kB"
        f" pagetables:{kb(stat.nr_page_table_pages)} sec_pagetables:0kB all_unreclaimable? {unreclaimable}"
    )


def _zone(zone: Zone, stats: dict[str, int]) -> str:
    """One zone, in kB."""
    pcp = zone.per_cpu_pageset.count
    figures = {
        "free": zone.nr_free_pages,
        "boost": zone.watermark_boost,
        "min": zone.min_wmark_pages,
        "low": zone.low_wmark_pages,
        "high": zone.high_wmark_pages,
        "reserved_highatomic": zone.nr_reserved_highatomic,
        "active_anon": stats["nr_zone_active_anon"],
        "inactive_anon": stats["nr_zone_inactive_anon"],
        "active_file": stats["nr_zone_active_file"],
        "inactive_file": stats["nr_zone_inactive_file"],
        "unevictable": stats["nr_zone_unevictable"],
        "writepending": stats["nr_zone_write_pending"],
        "present": zone.present_pages,
        "managed": zone.managed_pages,
        "mlocked": stats["nr_mlock"],
        "bounce": 0,
        "free_pcp": pcp,
        "local_pcp": pcp,
        "free_cma": 0,
    }
    words = [
        f"{name}:{pages << _KB_SHIFT}{'KB' if name == 'reserved_highatomic' else 'kB'}"
        for name, pages in figures.items()
    ]
    return f"{zone.name} {' '.join(words)}"


def _free_blocks(zone: Zone) -> str:
    """The zone's free blocks by order, with the migrate types that there are of each."""
    words, total = [], 0
    for order in range(MAX_ORDER):
        area = zone.free_area[order]
        total += area.nr_free << order
        types = "".join(letter for letter, found in zip(_TYPE_LETTERS, area.free_list, strict=False) if len(found))
        words.append(f"{area.nr_free}*{1 << order + _KB_SHIFT}kB" + (f" ({types})" if area.nr_free else ""))
    return f"{zone.name}: {' '.join(words)} = {total << _KB_SHIFT}kB"
