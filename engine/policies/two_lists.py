"""Linux's two lists, as mm/swap.c, mm/vmscan.c and mm/workingset.c of 6.1 keep them for mapped anonymous pages.

A page comes to the young end of the inactive list, its accessed bit set. When a frame is needed, the oldest inactive page is
looked at: used since the last look (accessed), it is kept, and marked referenced; used again by the next look, it becomes
active; not used, it goes. The active list is shortened, without asking who is used, while the inactive one is shorter than
it, or pages came back too soon: each page that goes leaves its age behind (a shadow), and one that is back after fewer
evictions and activations than the active list is long becomes active at once.

Left out: batches of 32 pages (one is looked at here), priorities, kswapd and its watermarks, file pages beside anonymous
ones, and the bits of a shadow that Linux has no room for.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from engine.policies.policy import Kept

if TYPE_CHECKING:
    from engine.policies.references import References


class _State:
    """One page's bits."""

    __slots__ = ("accessed", "referenced")

    def __init__(self) -> None:
        self.accessed = True
        self.referenced = False


class TwoLists:
    """The active and the inactive list, oldest page first."""

    __slots__ = ("_active", "_age", "_inactive", "_refaulted", "_shadows")

    def __init__(self, references: References, frames: int) -> None:
        self._active: OrderedDict[int, _State] = OrderedDict()
        self._inactive: OrderedDict[int, _State] = OrderedDict()
        self._shadows: dict[int, int] = {}
        self._age = 0
        """lruvec->nonresident_age: evictions and activations so far."""
        self._refaulted = False
        """Whether a page became active by refault since reclaim last ended."""

    def use(self, page: int) -> None:
        """The CPU sets the accessed bit; no list is touched."""
        state = self._inactive.get(page) or self._active[page]
        state.accessed = True

    def load(self, page: int) -> None:
        """workingset_refault(), then the list: inactive, or active if the page went too soon."""
        shadow = self._shadows.pop(page, None)
        if shadow is not None and self._age - shadow <= len(self._active):
            self._age += 1
            self._refaulted = True
            self._active[page] = _State()
        else:
            self._inactive[page] = _State()

    def evict(self) -> int:
        """shrink_lruvec(), until one page is free."""
        may_deactivate = self._refaulted or self._inactive_is_low()
        while True:
            victim = self._shrink_inactive() if self._inactive else None
            if may_deactivate and self._active:
                self._shrink_active()
            if victim is not None:
                self._refaulted = False
                return victim
            may_deactivate = self._refaulted or self._inactive_is_low()

    def queue(self) -> list[Kept]:
        """The inactive pages, then the active ones, each from the oldest."""
        return [
            Kept(page, state.referenced, state.accessed, active)
            for pages, active in ((self._inactive, False), (self._active, True))
            for page, state in pages.items()
        ]

    def _inactive_is_low(self) -> bool:
        """inactive_is_low(), of less than a gigabyte: the ratio is 1."""
        return len(self._inactive) < len(self._active)

    def _shrink_inactive(self) -> int | None:
        """folio_check_references() of the oldest inactive page: reclaimed, kept or made active."""
        page, state = self._inactive.popitem(last=False)
        accessed, referenced = state.accessed, state.referenced
        state.accessed, state.referenced = False, accessed
        if not accessed:
            self._shadows[page] = self._age
            self._age += 1
            return page
        if referenced:
            self._age += 1
            self._active[page] = state
        else:
            self._inactive[page] = state
        return None

    def _shrink_active(self) -> None:
        """shrink_active_list(): the oldest active page becomes inactive; its accessed bit is cleared, and not asked."""
        page, state = self._active.popitem(last=False)
        state.accessed = False
        self._inactive[page] = state
