"""FIFO: the page that came first goes first, used or not."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from engine.policies.policy import Kept

if TYPE_CHECKING:
    from engine.policies.references import References


class Fifo:
    """A queue of arrivals."""

    __slots__ = ("_arrivals",)

    def __init__(self, references: References, frames: int) -> None:
        self._arrivals: deque[int] = deque()

    def use(self, page: int) -> None:
        """Nothing: that is its weakness."""

    def evict(self) -> int:
        """The oldest."""
        return self._arrivals.popleft()

    def load(self, page: int) -> None:
        """To the end of the queue."""
        self._arrivals.append(page)

    def queue(self) -> list[Kept]:
        """By arrival."""
        return [Kept(page) for page in self._arrivals]


def fifo_victims(references: References, frames: int) -> tuple[int, list[int]]:
    """Misses, and who went. The pages that were loaded are the queue itself."""
    ids = references.ids
    resident = bytearray(references.limit)
    loaded: list[int] = []
    oldest = 0
    for page in ids:
        if resident[page]:
            continue
        if len(loaded) - oldest == frames:
            resident[loaded[oldest]] = 0
            oldest += 1
        resident[page] = 1
        loaded.append(page)
    return len(loaded), references.named(loaded[:oldest])
