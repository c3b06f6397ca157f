"""The translation look-aside buffer: the last translations, so that most accesses need no walk.

Entries are page-table words by virtual page number. When it is full, the oldest entry goes (first in, first out).
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from array import array


class FlushReason(StrEnum):
    """Why translations were thrown away."""

    CR3 = "cr3"
    """Another address space was switched to (mov cr3)."""
    PAGE = "invlpg"
    """One page's entry was changed."""
    ALL = "all"
    """Many entries were changed, or paging was switched."""
    SEGMENT = "segment"
    """The data segment was loaded anew: what the fast path keeps no longer holds."""


class NoPages(dict[int, "array[int]"]):
    """A fast path that keeps nothing: every access goes through the TLB itself, and is counted there."""

    def __setitem__(self, vpn: int, frame: array[int]) -> None:
        """Nothing is kept."""


class Tlb:
    """At most `capacity` translations, with the figures that a learner asks for.

    Hits are counted only by a TLB made with `counts_hits`: then there is no fast path, and an access costs the host more.
    """

    __slots__ = (
        "capacity",
        "counts_hits",
        "entries",
        "evictions",
        "flushes",
        "hits",
        "misses",
        "read_pages",
        "write_pages",
    )

    def __init__(self, capacity: int, *, counts_hits: bool = False) -> None:
        self.capacity = capacity
        self.counts_hits = counts_hits
        self.entries: dict[int, int] = {}
        """Virtual page number -> the page-table word that was walked to (for a 4 MB page, the 4 KB part of it)."""
        self.read_pages: dict[int, array[int]] = NoPages() if counts_hits else {}
        self.write_pages: dict[int, array[int]] = NoPages() if counts_hits else {}
        """The frames behind entries that may be read, or written, right now: the fast path (see `cpu.py`)."""
        self.hits = 0
        self.misses = 0
        self.evictions = 0
        self.flushes: dict[FlushReason, int] = {}

    def insert(self, vpn: int, entry: int) -> None:
        """Adds a translation; when there is no room, the oldest goes for it."""
        if len(self.entries) >= self.capacity and vpn not in self.entries:
            self.drop(next(iter(self.entries)))
            self.evictions += 1
        self.entries[vpn] = entry

    def drop(self, vpn: int) -> bool:
        """Forgets one translation; whether there was one."""
        self.read_pages.pop(vpn, None)
        self.write_pages.pop(vpn, None)
        return self.entries.pop(vpn, None) is not None

    def clear(self) -> None:
        """Forgets every translation."""
        self.entries.clear()
        self.forget_fast_paths()

    def forget_fast_paths(self) -> None:
        """Empties the fast path, and only that: the next access of each page looks at the entries again."""
        self.read_pages.clear()
        self.write_pages.clear()

    def count_flush(self, reason: FlushReason) -> None:
        """Remembers that a flush happened, and why."""
        self.flushes[reason] = self.flushes.get(reason, 0) + 1
