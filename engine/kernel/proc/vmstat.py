"""mm/vmstat.c: /proc/vmstat: the zones' and the node's counts, the limits of dirty memory, and how often each thing happened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.kernel.proc.zoneinfo import node_stats, zone_stats

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.kernel.kernel import Kernel

EVENTS: Final = """
    pgpgin pgpgout pswpin pswpout pgalloc_dma pgalloc_normal pgalloc_high pgalloc_movable allocstall_dma
    allocstall_normal allocstall_high allocstall_movable pgskip_dma pgskip_normal pgskip_high pgskip_movable pgfree
    pgactivate pgdeactivate pglazyfree pgfault pgmajfault pglazyfreed pgrefill pgreuse pgsteal_kswapd pgsteal_direct
    pgdemote_kswapd pgdemote_direct pgscan_kswapd pgscan_direct pgscan_direct_throttle pgscan_anon pgscan_file
    pgsteal_anon pgsteal_file pginodesteal slabs_scanned kswapd_inodesteal kswapd_low_wmark_hit_quickly
    kswapd_high_wmark_hit_quickly pageoutrun pgrotated drop_pagecache drop_slab oom_kill pgmigrate_success
    pgmigrate_fail thp_migration_success thp_migration_fail thp_migration_split compact_migrate_scanned
    compact_free_scanned compact_isolated compact_stall compact_fail compact_success compact_daemon_wake
    compact_daemon_migrate_scanned compact_daemon_free_scanned htlb_buddy_alloc_success htlb_buddy_alloc_fail
    unevictable_pgs_culled unevictable_pgs_scanned unevictable_pgs_rescued unevictable_pgs_mlocked
    unevictable_pgs_munlocked unevictable_pgs_cleared unevictable_pgs_stranded thp_fault_alloc thp_fault_fallback
    thp_fault_fallback_charge thp_collapse_alloc thp_collapse_alloc_failed thp_file_alloc thp_file_fallback
    thp_file_fallback_charge thp_file_mapped thp_split_page thp_split_page_failed thp_deferred_split_page
    thp_split_pmd thp_scan_exceed_none_pte thp_scan_exceed_swap_pte thp_scan_exceed_share_pte thp_zero_page_alloc
    thp_zero_page_alloc_failed thp_swpout thp_swpout_fallback balloon_inflate balloon_deflate balloon_migrate
    swap_ra swap_ra_hit ksm_swpin_copy cow_ksm zswpin zswpout direct_map_level2_splits direct_map_level3_splits
""".split()
"""enum vm_event_item, as Debian's kernel is configured. Those that this machine has no counter for stay 0."""
NR_UNSTABLE: Final = "nr_unstable"
"""A line that programs expect, and that has been 0 since Linux 5.8."""


def vmstat_figures(kernel: Kernel) -> dict[str, int]:
    """Every line, in /proc/vmstat's order."""
    allocator = kernel.page_alloc
    background, threshold = kernel.page_writeback.dirty_limits()
    figures: dict[str, int] = {}
    by_zone = allocator.pages_by_zone()
    for zone in allocator.zones:
        for name, count in zone_stats(zone, by_zone[zone.name]).items():
            figures[name] = figures.get(name, 0) + count
    figures |= node_stats(kernel)
    figures |= {"nr_dirty_threshold": threshold, "nr_dirty_background_threshold": background}
    figures |= {name: getattr(kernel.vmstat, name, 0) for name in EVENTS}
    return figures | {NR_UNSTABLE: 0}


def vmstat_lines(figures: Mapping[str, int]) -> str:
    """A name and a number a line."""
    return "".join(f"{name} {value}\n" for name, value in figures.items())


def vmstat_text(kernel: Kernel) -> str:
    """The file."""
    return vmstat_lines(vmstat_figures(kernel))
