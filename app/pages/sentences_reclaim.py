"""What the events of reclaim, swap and the page cache say in plain words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from app.pages import formats, keys
from app.pages.sentence import Sentence
from engine.events import vmscan

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def _list(event: vmscan.MmVmscanLruShrinkInactive | vmscan.MmVmscanLruShrinkActive) -> str:
    return "file pages" if event.file else "anonymous pages"


def _shrink_inactive(event: vmscan.MmVmscanLruShrinkInactive) -> Sentence:
    kept = f", {event.nr_activate} were in use and go back to the active list" if event.nr_activate else ""
    words = f"Of {formats.times(event.nr_scanned, 'page')} from the end of the inactive {_list(event)},"
    return Sentence(f"{words} {event.nr_reclaimed} are freed{kept}.", "shrink_inactive_list")


def _shrink_active(event: vmscan.MmVmscanLruShrinkActive) -> Sentence:
    words = f"{formats.times(event.nr_deactivated, 'page')} from the end of the active {_list(event)} become inactive."
    return Sentence(words, "shrink_active_list")


def _scores(event: vmscan.OomKillProcess) -> Sentence:
    scores = ", ".join(f"process {pid}: {points}" for pid, points in event.scores)
    words = f"Nothing is left to reclaim. Process {event.pid} has the most points and is killed ({scores})."
    return Sentence(words, "oom_kill_process")


RECLAIM: Final[Mapping[type, Callable[[Any], Sentence]]] = {
    vmscan.MmVmscanWakeupKswapd: lambda e: Sentence(
        f"Zone {e.zone} has {formats.times(e.free_pages, 'free page')}, the low watermark is {e.low}: kswapd is woken.",
        "wakeup_kswapd",
        (keys.zone(e.zone),),
    ),
    vmscan.MmVmscanKswapdWake: lambda _: Sentence(
        "kswapd runs, until every zone is above its high watermark.", "balance_pgdat"
    ),
    vmscan.MmVmscanKswapdSleep: lambda e: Sentence(
        "kswapd sleeps again" + (": there is enough." if e.balanced else ", though there is not enough."),
        "kswapd_try_to_sleep",
    ),
    vmscan.MmVmscanDirectReclaimBegin: lambda _: Sentence(
        "There is no page above the min watermark: who allocates must reclaim.", "try_to_free_pages"
    ),
    vmscan.MmVmscanDirectReclaimEnd: lambda e: Sentence(
        f"Direct reclaim ends: {formats.times(e.nr_reclaimed, 'page')} freed.", "try_to_free_pages"
    ),
    vmscan.MmVmscanLruShrinkInactive: _shrink_inactive,
    vmscan.MmVmscanLruShrinkActive: _shrink_active,
    vmscan.MmVmscanWriteFolio: lambda e: Sentence(
        f"Frame {formats.pfn(e.pfn)} is written to slot {e.slot} of the swap area.", "pageout", (keys.frame(e.pfn),)
    ),
    vmscan.SwapReadpage: lambda e: Sentence(
        f"Slot {e.slot} of the swap area is read into frame {formats.pfn(e.pfn)}.",
        "swap_readpage",
        (keys.frame(e.pfn),),
    ),
    vmscan.MmFilemapAddToPageCache: lambda e: Sentence(
        f"Frame {formats.pfn(e.pfn)} is page {e.pgoff} of {e.path} in the page cache.",
        "filemap_add_folio",
        (keys.frame(e.pfn),),
    ),
    vmscan.MmFilemapDeleteFromPageCache: lambda e: Sentence(
        f"Page {e.pgoff} of {e.path} leaves the page cache.", "filemap_unaccount_folio", (keys.frame(e.pfn),)
    ),
    vmscan.WritebackSinglePage: lambda e: Sentence(
        f"Page {e.pgoff} of {e.path} is written to the disk.", "writepage", (keys.frame(e.pfn),)
    ),
    vmscan.OomKillProcess: _scores,
    vmscan.MarkVictim: lambda e: Sentence(f"Process {e.pid} is marked: it is killed.", "mark_oom_victim"),
}
