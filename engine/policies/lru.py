"""LRU: the page that was not used for longest goes."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from engine.policies.policy import Kept

if TYPE_CHECKING:
    from engine.policies.references import References


class Lru:
    """The pages by their last use."""

    __slots__ = ("_pages",)

    def __init__(self, references: References, frames: int) -> None:
        self._pages: OrderedDict[int, None] = OrderedDict()

    def use(self, page: int) -> None:
        """It is the youngest now."""
        self._pages.move_to_end(page)

    def evict(self) -> int:
        """The one that was not used for longest."""
        return self._pages.popitem(last=False)[0]

    def load(self, page: int) -> None:
        """As the youngest."""
        self._pages[page] = None

    def queue(self) -> list[Kept]:
        """By last use."""
        return [Kept(page) for page in self._pages]


def lru_victims(references: References, frames: int) -> tuple[int, list[int]]:
    """Misses, and who went, without a list of pages: the references themselves are in the order of use.

    What is in memory was last used at `oldest` or later; the next to go is the page of the first reference from there on
    that was its page's last.
    """
    ids = references.ids
    last = [-1] * references.limit
    victims: list[int] = []
    evicted = victims.append
    oldest, free = 0, frames
    for now, page in enumerate(ids):
        if last[page] < oldest:
            if free:
                free -= 1
            else:
                victim = ids[oldest]
                while last[victim] != oldest:
                    oldest += 1
                    victim = ids[oldest]
                oldest += 1
                evicted(victim)
        last[page] = now
    return frames - free + len(victims), references.named(victims)
