"""mm/vmstat.c: the counters behind /proc/vmstat. They are the kernel's own: exact whether or not anybody records events."""

from __future__ import annotations

from typing import Final

NODE_COUNTERS: Final = (
    "nr_anon_pages",
    "nr_mapped",
    "nr_file_pages",
    "nr_dirty",
    "nr_writeback",
    "nr_shmem",
    "nr_vmscan_write",
    "nr_vmscan_immediate_reclaim",
    "nr_dirtied",
    "nr_written",
    "nr_slab_reclaimable",
    "nr_slab_unreclaimable",
    "nr_kernel_stack",
    "nr_page_table_pages",
    "nr_swapcached",
    "workingset_nodes",
)
"""Pages of each kind now (nr_kernel_stack: KB), in units of pages."""

EVENT_COUNTERS: Final = (
    "pgpgin",
    "pgpgout",
    "pswpin",
    "pswpout",
    "pgalloc_dma",
    "pgalloc_normal",
    "pgalloc_high",
    "pgalloc_movable",
    "allocstall_dma",
    "allocstall_normal",
    "allocstall_high",
    "allocstall_movable",
    "pgfree",
    "pgactivate",
    "pgdeactivate",
    "pglazyfree",
    "pgfault",
    "pgmajfault",
    "pglazyfreed",
    "pgrefill",
    "pgreuse",
    "pgsteal_kswapd",
    "pgsteal_direct",
    "pgscan_kswapd",
    "pgscan_direct",
    "pgscan_anon",
    "pgscan_file",
    "pgsteal_anon",
    "pgsteal_file",
    "pginodesteal",
    "slabs_scanned",
    "kswapd_inodesteal",
    "kswapd_low_wmark_hit_quickly",
    "kswapd_high_wmark_hit_quickly",
    "pageoutrun",
    "pgrotated",
    "drop_pagecache",
    "drop_slab",
    "oom_kill",
    "workingset_refault_anon",
    "workingset_refault_file",
    "workingset_activate_anon",
    "workingset_activate_file",
    "workingset_restore_anon",
    "workingset_restore_file",
    "workingset_nodereclaim",
    "swap_ra",
    "swap_ra_hit",
    "unevictable_pgs_culled",
    "unevictable_pgs_rescued",
    "unevictable_pgs_mlocked",
    "unevictable_pgs_munlocked",
)
"""How often each thing happened since boot."""


class Vmstat:
    """One attribute a counter, with /proc/vmstat's names."""

    __slots__ = NODE_COUNTERS + EVENT_COUNTERS

    nr_anon_pages: int
    nr_mapped: int
    nr_file_pages: int
    nr_dirty: int
    nr_writeback: int
    nr_shmem: int
    nr_vmscan_write: int
    nr_vmscan_immediate_reclaim: int
    nr_dirtied: int
    nr_written: int
    nr_slab_reclaimable: int
    nr_slab_unreclaimable: int
    nr_kernel_stack: int
    nr_page_table_pages: int
    nr_swapcached: int
    workingset_nodes: int
    pgpgin: int
    pgpgout: int
    pswpin: int
    pswpout: int
    pgalloc_dma: int
    pgalloc_normal: int
    pgalloc_high: int
    pgalloc_movable: int
    allocstall_dma: int
    allocstall_normal: int
    allocstall_high: int
    allocstall_movable: int
    pgfree: int
    pgactivate: int
    pgdeactivate: int
    pglazyfree: int
    pgfault: int
    pgmajfault: int
    pglazyfreed: int
    pgrefill: int
    pgreuse: int
    pgsteal_kswapd: int
    pgsteal_direct: int
    pgscan_kswapd: int
    pgscan_direct: int
    pgscan_anon: int
    pgscan_file: int
    pgsteal_anon: int
    pgsteal_file: int
    pginodesteal: int
    slabs_scanned: int
    kswapd_inodesteal: int
    kswapd_low_wmark_hit_quickly: int
    kswapd_high_wmark_hit_quickly: int
    pageoutrun: int
    pgrotated: int
    drop_pagecache: int
    drop_slab: int
    oom_kill: int
    workingset_refault_anon: int
    workingset_refault_file: int
    workingset_activate_anon: int
    workingset_activate_file: int
    workingset_restore_anon: int
    workingset_restore_file: int
    workingset_nodereclaim: int
    swap_ra: int
    swap_ra_hit: int
    unevictable_pgs_culled: int
    unevictable_pgs_rescued: int
    unevictable_pgs_mlocked: int
    unevictable_pgs_munlocked: int

    def __init__(self) -> None:
        for name in self.__slots__:
            setattr(self, name, 0)

    def events(self) -> dict[str, int]:
        """The event counters by name, in EVENT_COUNTERS' order."""
        return {name: getattr(self, name) for name in EVENT_COUNTERS}

    def node(self) -> dict[str, int]:
        """The page counts by name, in NODE_COUNTERS' order."""
        return {name: getattr(self, name) for name in NODE_COUNTERS}
