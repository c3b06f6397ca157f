"""mm/vmstat.c: /proc/zoneinfo: the node's counts, and each zone's sizes, marks, counts and per-CPU lists.

Left out: what this machine has none of (CMA, huge pages, pinned pages, zspages, bounce buffers) is told as 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.kernel.mm_types import PG_DIRTY, PG_LRU, PG_MLOCKED, PG_SWAPBACKED, PG_WRITEBACK
from engine.kernel.mmzone import Watermark
from engine.kernel.swap import LruList, folio_lru_list

if TYPE_CHECKING:
    from engine.kernel.kernel import Kernel
    from engine.kernel.mm_types import Page
    from engine.kernel.mmzone import Zone

LRU_NAMES: Final = ("inactive_anon", "active_anon", "inactive_file", "active_file", "unevictable")
"""enum lru_list in words."""

NODE_STATS: Final = (
    "nr_slab_reclaimable",
    "nr_slab_unreclaimable",
    "nr_isolated_anon",
    "nr_isolated_file",
    "workingset_nodes",
    "workingset_refault_anon",
    "workingset_refault_file",
    "workingset_activate_anon",
    "workingset_activate_file",
    "workingset_restore_anon",
    "workingset_restore_file",
    "workingset_nodereclaim",
    "nr_anon_pages",
    "nr_mapped",
    "nr_file_pages",
    "nr_dirty",
    "nr_writeback",
    "nr_writeback_temp",
    "nr_shmem",
    "nr_shmem_hugepages",
    "nr_shmem_pmdmapped",
    "nr_file_hugepages",
    "nr_file_pmdmapped",
    "nr_anon_transparent_hugepages",
    "nr_vmscan_write",
    "nr_vmscan_immediate_reclaim",
    "nr_dirtied",
    "nr_written",
    "nr_throttled_written",
    "nr_kernel_misc_reclaimable",
    "nr_foll_pin_acquired",
    "nr_foll_pin_released",
    "nr_kernel_stack",
    "nr_page_table_pages",
    "nr_sec_page_table_pages",
    "nr_swapcached",
)
"""enum node_stat_item behind the LRU lists, by /proc/vmstat's names."""


def zoneinfo_text(kernel: Kernel) -> str:
    """All zones, the empty ones too, as zoneinfo_show_print() prints them; the node's counts stand in the first."""
    first = kernel.page_alloc.zones[0]
    pages = kernel.page_alloc.pages_by_zone()
    text = []
    for zone in kernel.page_alloc.pgdat.node_zones:
        text.append(f"Node 0, zone {zone.name:>8}\n")
        if zone is first:
            text.append("  per-node stats\n" + _figures(node_stats(kernel)))
        text.append(_marks(zone))
        if zone.present_pages:
            text.append(_figures(zone_stats(zone, pages[zone.name])) + _pageset(zone))
    return "".join(text)


def node_stats(kernel: Kernel) -> dict[str, int]:
    """The node's counts, in pages but for nr_kernel_stack (KB), by name."""
    figures = {f"nr_{name}": kernel.swap.size(lru) for name, lru in zip(LRU_NAMES, LruList, strict=True)}
    return figures | {name: getattr(kernel.vmstat, name, 0) for name in NODE_STATS}


def zone_stats(zone: Zone, pages: list[Page]) -> dict[str, int]:
    """A zone's counts by name; `pages` are its blocks in use."""
    on_lists = [0] * len(LruList)
    pending = locked = 0
    for page in pages:
        flags = page.flags
        if flags & PG_LRU:
            on_lists[folio_lru_list(page)] += 1
        pending += bool(flags & PG_WRITEBACK) + (flags & (PG_DIRTY | PG_SWAPBACKED) == PG_DIRTY)
        locked += bool(flags & PG_MLOCKED)
    figures = {"nr_free_pages": zone.nr_free_pages}
    figures |= {f"nr_zone_{name}": count for name, count in zip(LRU_NAMES, on_lists, strict=True)}
    figures |= {"nr_zone_write_pending": pending, "nr_mlock": locked}
    return figures | {"nr_bounce": 0, "nr_zspages": 0, "nr_free_cma": 0}


def _figures(figures: dict[str, int]) -> str:
    return "".join(f"      {name:<12} {value}\n" for name, value in figures.items())


def _marks(zone: Zone) -> str:
    boost = zone.watermark_boost
    protection = ", ".join(str(pages) for pages in zone.lowmem_reserve)
    return (
        f"  pages free     {zone.nr_free_pages}\n"
        f"        boost    {boost}\n"
        f"        min      {zone.watermark[Watermark.MIN] + boost}\n"
        f"        low      {zone.watermark[Watermark.LOW] + boost}\n"
        f"        high     {zone.watermark[Watermark.HIGH] + boost}\n"
        f"        spanned  {zone.spanned_pages}\n"
        f"        present  {zone.present_pages}\n"
        f"        managed  {zone.managed_pages}\n"
        f"        cma      0\n"
        f"        protection: ({protection})\n"
    )


def _pageset(zone: Zone) -> str:
    pcp = zone.per_cpu_pageset
    return (
        "  pagesets\n"
        "    cpu: 0\n"
        f"              count: {pcp.count}\n"
        f"              high:  {pcp.high}\n"
        f"              batch: {pcp.batch}\n"
        f"  vm stats threshold: {zone.stat_threshold}\n"
        "  node_unreclaimable:  0\n"
        f"  start_pfn:           {zone.zone_start_pfn}\n"
    )
