"""What the events of reclaim, swap and the page cache say in plain words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from app.pages import formats, keys
from app.pages.names import listed
from app.pages.sentence import Sentence
from app.words import t
from engine.events import vmscan

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def _shrink_inactive(event: vmscan.MmVmscanLruShrinkInactive) -> Sentence:
    scanned, reclaimed, activated = event.nr_scanned, event.nr_reclaimed, event.nr_activate
    if activated:
        words = t(
            "event.shrink_inactive_file_used" if event.file else "event.shrink_inactive_anon_used",
            scanned=scanned,
            reclaimed=reclaimed,
            activated=activated,
        )
    else:
        words = t(
            "event.shrink_inactive_file" if event.file else "event.shrink_inactive_anon",
            scanned=scanned,
            reclaimed=reclaimed,
        )
    return Sentence(words, "shrink_inactive_list")


def _shrink_active(event: vmscan.MmVmscanLruShrinkActive) -> Sentence:
    words = t("event.shrink_active_file" if event.file else "event.shrink_active_anon", pages=event.nr_deactivated)
    return Sentence(words, "shrink_active_list")


def _shrink_slab(event: vmscan.MmShrinkSlabStart) -> Sentence:
    words = t("event.shrink_slab", shrinker=event.shrinker, objects=event.cache_items, scanned=event.total_scan)
    return Sentence(words, "do_shrink_slab")


def _shrink_slab_end(event: vmscan.MmShrinkSlabEnd) -> Sentence:
    words = t("event.shrink_slab_end", shrinker=event.shrinker, scanned=event.total_scan, freed=event.retval)
    return Sentence(words, "do_shrink_slab")


def _scores(event: vmscan.OomKillProcess) -> Sentence:
    scores = listed(t("event.oom_score", pid=pid, points=points) for pid, points in event.scores)
    return Sentence(t("event.oom_kill", pid=event.pid, scores=scores), "oom_kill_process")


def _wakeup_kswapd(event: vmscan.MmVmscanWakeupKswapd) -> Sentence:
    words = t("event.wakeup_kswapd", zone=event.zone, pages=event.free_pages, low=event.low)
    return Sentence(words, "wakeup_kswapd", (keys.zone(event.zone),))


def _write_folio(event: vmscan.MmVmscanWriteFolio) -> Sentence:
    return Sentence(
        t("event.write_folio", pfn=formats.pfn(event.pfn), slot=event.slot), "pageout", (keys.frame(event.pfn),)
    )


def _swap_readpage(event: vmscan.SwapReadpage) -> Sentence:
    words = t("event.swap_readpage", slot=event.slot, pfn=formats.pfn(event.pfn))
    return Sentence(words, "swap_readpage", (keys.frame(event.pfn),))


def _page_cache_add(event: vmscan.MmFilemapAddToPageCache) -> Sentence:
    words = t("event.page_cache_add", pfn=formats.pfn(event.pfn), page=event.pgoff, path=event.path)
    return Sentence(words, "filemap_add_folio", (keys.frame(event.pfn),))


def _page_cache_delete(event: vmscan.MmFilemapDeleteFromPageCache) -> Sentence:
    words = t("event.page_cache_delete", page=event.pgoff, path=event.path)
    return Sentence(words, "filemap_unaccount_folio", (keys.frame(event.pfn),))


def _writeback(event: vmscan.WritebackSinglePage) -> Sentence:
    words = t("event.writeback", page=event.pgoff, path=event.path)
    return Sentence(words, "writepage", (keys.frame(event.pfn),))


def _writeback_start(event: vmscan.WritebackStart) -> Sentence:
    return Sentence(t("event.writeback_start", pages=event.nr_pages), "wb_writeback")


RECLAIM: Final[Mapping[type, Callable[[Any], Sentence]]] = {
    vmscan.MmVmscanWakeupKswapd: _wakeup_kswapd,
    vmscan.MmVmscanKswapdWake: lambda _: Sentence(t("event.kswapd_wake"), "balance_pgdat"),
    vmscan.MmVmscanKswapdSleep: lambda e: Sentence(
        t("event.kswapd_sleep" if e.balanced else "event.kswapd_sleep_short"), "kswapd_try_to_sleep"
    ),
    vmscan.MmVmscanDirectReclaimBegin: lambda _: Sentence(t("event.direct_reclaim"), "try_to_free_pages"),
    vmscan.MmVmscanDirectReclaimEnd: lambda e: Sentence(
        t("event.direct_reclaim_ends", pages=e.nr_reclaimed), "try_to_free_pages"
    ),
    vmscan.MmVmscanLruShrinkInactive: _shrink_inactive,
    vmscan.MmVmscanLruShrinkActive: _shrink_active,
    vmscan.MmShrinkSlabStart: _shrink_slab,
    vmscan.MmShrinkSlabEnd: _shrink_slab_end,
    vmscan.MmVmscanWriteFolio: _write_folio,
    vmscan.SwapReadpage: _swap_readpage,
    vmscan.MmFilemapAddToPageCache: _page_cache_add,
    vmscan.MmFilemapDeleteFromPageCache: _page_cache_delete,
    vmscan.WritebackStart: _writeback_start,
    vmscan.WritebackSinglePage: _writeback,
    vmscan.OomKillProcess: _scores,
    vmscan.MarkVictim: lambda e: Sentence(t("event.mark_victim", pid=e.pid), "mark_oom_victim"),
}
