"""The TLB: what the CPU remembers, how often that helped, and what made it forget."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from app.pages import formats, keys
from app.pages.sentences_faults import flush_words
from app.words import t

if TYPE_CHECKING:
    from app.pages.marks import Chosen, Mark, Marks
    from engine.views.tlb import Flush, TlbView

ENTRIES_SHOWN: Final = 16
FLUSHES_SHOWN: Final = 12
_REASONS: Final = {"cr3": "mov cr3", "invlpg": "invlpg", "all": "all", "segment": "mov ds"}


@dataclass(frozen=True, slots=True)
class TlbRow:
    """One translation."""

    mark: Mark
    page: str
    href: str
    frame: str
    frame_href: str
    bits: str


@dataclass(frozen=True, slots=True)
class TlbPanel:
    """The table and its figures."""

    summary: str
    figures: tuple[tuple[str, str, str], ...]
    """(name, figure, what it means)."""
    flushes: tuple[tuple[str, str, str], ...]
    """(instruction, how often, why)."""
    flushed: tuple[str, ...]
    """What the last command made it forget."""
    rows: tuple[TlbRow, ...]
    left_out: int


def tlb_panel(tlb: TlbView, chosen: Chosen, marks: Marks) -> TlbPanel:
    """The panel. Entries are those of the process that runs, the newest first."""
    return TlbPanel(
        summary=_summary(tlb),
        figures=_figures(tlb),
        flushes=tuple(
            (_REASONS.get(reason, reason), formats.count(count), flush_words(reason)) for reason, count in tlb.flushes
        ),
        flushed=tuple(_flushed(flush) for flush in tlb.flushed[:FLUSHES_SHOWN]),
        rows=tuple(
            TlbRow(
                mark=marks.of(keys.page(entry.vpn), keys.frame(entry.pfn)),
                page=formats.address(entry.vpn << formats.PAGE_SHIFT),
                href=chosen.href_of(entry.vpn << formats.PAGE_SHIFT, tlb.pid),
                frame=formats.pfn(entry.pfn),
                frame_href=chosen.frame_href(entry.pfn),
                bits=" ".join(entry.flags),
            )
            for entry in reversed(tlb.entries[-ENTRIES_SHOWN:])
        ),
        left_out=max(0, len(tlb.entries) - ENTRIES_SHOWN),
    )


def _summary(tlb: TlbView) -> str:
    used, capacity = len(tlb.entries), tlb.capacity
    if tlb.hits is None:
        return t("tlb.summary", used=used, capacity=capacity, pid=tlb.pid, misses=tlb.misses)
    return t("tlb.summary_hits", used=used, capacity=capacity, pid=tlb.pid, hits=tlb.hits, misses=tlb.misses)


def _figures(tlb: TlbView) -> tuple[tuple[str, str, str], ...]:
    found = [
        (t("tlb.misses"), formats.count(tlb.misses), t("tlb.misses_are")),
        (t("tlb.evictions"), formats.count(tlb.evictions), t("tlb.evictions_are")),
    ]
    if tlb.hits is not None:
        accesses = tlb.hits + tlb.misses
        share = f"{100 * tlb.hits / accesses:.1f} %" if accesses else t("tlb.none")
        found.insert(0, (t("tlb.hits"), formats.count(tlb.hits), t("tlb.hits_are", share=share)))
    return tuple(found)


def _flushed(flush: Flush) -> str:
    why = flush_words(flush.reason)
    if flush.address is not None:
        return t("tlb.flushed_page", address=formats.address(flush.address), why=why)
    return t("tlb.flushed", entries=flush.entries, why=why)
