"""What the events of page faults and of the TLB say in plain words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from app.pages import formats, keys
from app.pages.sentence import Sentence
from app.words import t, word
from engine.events import memory

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from engine.events import Event

_MAPERR: Final = 1


def flush_words(reason: str) -> str:
    """Why translations are forgotten, by FlushReason."""
    return word("event.flush", reason, reason)


def _flush(event: memory.TlbFlush) -> Sentence:
    why = flush_words(event.reason)
    if event.address >= 0:
        page = (keys.page(event.address >> 12),)
        return Sentence(t("event.tlb_flush_page", address=formats.address(event.address), why=why), "invlpg", page)
    return Sentence(t("event.tlb_flush", entries=event.entries, why=why), "flush_tlb")


def _expand_stack(event: memory.ExpandStack) -> Sentence:
    grown = formats.size(event.start - event.address)
    words = t("event.expand_stack", grown=grown, address=formats.address(event.address))
    return Sentence(words, "expand_stack", (keys.region(event.address), keys.page(event.address >> 12)))


def _bad_area(event: memory.BadArea) -> Sentence:
    page = (keys.page(event.address >> 12),)
    if event.code == _MAPERR:
        return Sentence(t("event.bad_area", address=formats.address(event.address)), "bad_area", page)
    words = t("event.bad_area_access", span=f"{event.start:08x}-{event.end:08x}")
    return Sentence(words, "bad_area_access_error", (keys.region(event.start), *page))


def _wp_page_copy(event: memory.WpPageCopy) -> Sentence:
    address, old, new = formats.address(event.address), formats.pfn(event.old), formats.pfn(event.new)
    if event.mapcount:
        words = t("event.wp_page_copy", address=address, old=old, new=new, mapcount=event.mapcount)
    else:
        words = t("event.wp_page_copy_last", address=address, old=old, new=new)
    return Sentence(
        words, "wp_page_copy", (keys.page(event.address >> 12), keys.frame(event.old), keys.frame(event.new))
    )


FAULTS: Final[Mapping[type[Event], Callable[[Any], Sentence]]] = {
    memory.TlbFlush: _flush,
    memory.ExpandStack: _expand_stack,
    memory.BadArea: _bad_area,
    memory.WpPageCopy: _wp_page_copy,
}
