"""What the events of page faults and of the TLB say in plain words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from app.pages import formats, keys
from app.pages.sentence import Sentence
from engine.events import memory

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from engine.events import Event

FLUSH_WORDS: Final = {
    "cr3": "another address space was switched to",
    "invlpg": "its table entry was changed",
    "all": "many table entries were changed",
    "segment": "the data segment was loaded anew",
}
"""Why translations are forgotten, by FlushReason."""
_MAPERR: Final = 1


def _flush(event: memory.TlbFlush) -> Sentence:
    why = FLUSH_WORDS.get(event.reason, event.reason)
    if event.address >= 0:
        page = (keys.page(event.address >> 12),)
        return Sentence(f"The CPU forgets its translation of {formats.address(event.address)}: {why}.", "invlpg", page)
    return Sentence(f"The CPU forgets {formats.times(event.entries, 'translation')}: {why}.", "flush_tlb")


def _expand_stack(event: memory.ExpandStack) -> Sentence:
    grown = formats.size(event.start - event.address)
    words = f"The stack may grow to there: it begins {grown} lower, at {formats.address(event.address)}."
    return Sentence(words, "expand_stack", (keys.region(event.address), keys.page(event.address >> 12)))


def _bad_area(event: memory.BadArea) -> Sentence:
    page = (keys.page(event.address >> 12),)
    if event.code == _MAPERR:
        words = f"No region holds {formats.address(event.address)}: SEGV_MAPERR."
        return Sentence(words, "bad_area", page)
    span = f"{event.start:08x}-{event.end:08x}"
    words = f"Region {span} does not allow this access: SEGV_ACCERR."
    return Sentence(words, "bad_area_access_error", (keys.region(event.start), *page))


def _wp_page_copy(event: memory.WpPageCopy) -> Sentence:
    left = "nobody maps it any more" if not event.mapcount else f"still mapped {formats.times(event.mapcount, 'time')}"
    words = (
        f"Copy on write parts them: {formats.address(event.address)} moves from frame {formats.pfn(event.old)}"
        f" ({left}) to a frame of its own, {formats.pfn(event.new)}."
    )
    return Sentence(
        words, "wp_page_copy", (keys.page(event.address >> 12), keys.frame(event.old), keys.frame(event.new))
    )


FAULTS: Final[Mapping[type[Event], Callable[[Any], Sentence]]] = {
    memory.TlbFlush: _flush,
    memory.ExpandStack: _expand_stack,
    memory.BadArea: _bad_area,
    memory.WpPageCopy: _wp_page_copy,
}
