"""Events of reclaim: who was woken because memory runs short, and what became of it."""

from typing import NamedTuple


class MmVmscanWakeupKswapd(NamedTuple):
    """vmscan:mm_vmscan_wakeup_kswapd — an allocation found the zone below its low watermark and woke kswapd."""

    zone: str
    order: int
    free_pages: int
    low: int


class MmVmscanKswapdWake(NamedTuple):
    """vmscan:mm_vmscan_kswapd_wake — kswapd runs: it wants every zone above its high watermark."""

    order: int


class MmVmscanKswapdSleep(NamedTuple):
    """vmscan:mm_vmscan_kswapd_sleep — kswapd goes back to sleep; `balanced` whether it reached its goal."""

    balanced: bool


class MmVmscanDirectReclaimBegin(NamedTuple):
    """vmscan:mm_vmscan_direct_reclaim_begin — the allocation found no page above the min watermark, and reclaims for itself."""

    order: int
    gfp_flags: int


class MmVmscanDirectReclaimEnd(NamedTuple):
    """vmscan:mm_vmscan_direct_reclaim_end — so many pages were freed."""

    nr_reclaimed: int


class MmVmscanLruShrinkInactive(NamedTuple):
    """vmscan:mm_vmscan_lru_shrink_inactive — pages from the end of an inactive list were looked at, and some freed."""

    nr_scanned: int
    nr_reclaimed: int
    nr_dirty: int
    nr_writeback: int
    nr_activate: int
    nr_ref_keep: int
    priority: int
    file: bool


class MmVmscanLruShrinkActive(NamedTuple):
    """vmscan:mm_vmscan_lru_shrink_active — pages from the end of an active list were moved to the inactive one."""

    nr_taken: int
    nr_active: int
    nr_deactivated: int
    priority: int
    file: bool


class MmShrinkSlabStart(NamedTuple):
    """vmscan:mm_shrink_slab_start — a shrinker that could free `cache_items` objects is to look at `total_scan` of them."""

    shrinker: str
    cache_items: int
    total_scan: int
    priority: int


class MmShrinkSlabEnd(NamedTuple):
    """vmscan:mm_shrink_slab_end — it has looked at `total_scan` objects, and `retval` have left their list."""

    shrinker: str
    total_scan: int
    retval: int


class MmVmscanWriteFolio(NamedTuple):
    """vmscan:mm_vmscan_write_folio — reclaim writes the page in frame `pfn` to slot `slot` of the swap area."""

    pfn: int
    slot: int


class SwapReadpage(NamedTuple):
    """sim:swap_readpage — the page in slot `slot` of the swap area was read into frame `pfn`."""

    pfn: int
    slot: int


class MmFilemapAddToPageCache(NamedTuple):
    """filemap:mm_filemap_add_to_page_cache — frame `pfn` holds page `pgoff` of a file from now on."""

    path: str
    pgoff: int
    pfn: int


class MmFilemapDeleteFromPageCache(NamedTuple):
    """filemap:mm_filemap_delete_from_page_cache — frame `pfn` no longer holds page `pgoff` of a file."""

    path: str
    pgoff: int
    pfn: int


class WritebackSinglePage(NamedTuple):
    """sim:writeback_page — page `pgoff` of a file, in frame `pfn`, was written to the disk."""

    path: str
    pgoff: int
    pfn: int


class WritebackStart(NamedTuple):
    """writeback:writeback_start — the flusher writes `nr_pages` dirty pages, and why."""

    reason: str
    nr_pages: int


class OomKillProcess(NamedTuple):
    """sim:oom_kill_process — nothing could be reclaimed: the process with the most points dies. `scores`: (pid, points) of all."""

    pid: int
    scores: tuple[tuple[int, int], ...]


class MarkVictim(NamedTuple):
    """oom:mark_victim — nothing could be reclaimed: this process is killed."""

    pid: int
