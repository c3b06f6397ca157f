"""OPT, Belady's optimum: the page whose next use is farthest away goes. Nobody knows the future; it is the yardstick."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.policies.policy import Kept

if TYPE_CHECKING:
    from engine.policies.references import References

NEVER: Final = -1


class Opt:
    """The pages with their next use. Of pages never used again, the one of the lowest number goes first."""

    __slots__ = ("_next", "_now", "_pages")

    def __init__(self, references: References, frames: int) -> None:
        end = len(references)
        self._next = [use if use < end else NEVER for use in next_uses(references)]
        self._now = 0
        self._pages: dict[int, int] = {}

    def use(self, page: int) -> None:
        """Looks up when it is used next."""
        self._pages[page] = self._next[self._now]
        self._now += 1

    def evict(self) -> int:
        """The one that is needed last."""
        victim = self.queue()[0].page
        del self._pages[victim]
        return victim

    def load(self, page: int) -> None:
        """Looks up when it is used next."""
        self.use(page)

    def queue(self) -> list[Kept]:
        """Never used again first, then by next use, the latest first."""
        never = sorted(page for page, use in self._pages.items() if use == NEVER)
        again = sorted(((use, page) for page, use in self._pages.items() if use != NEVER), reverse=True)
        return [Kept(page, next_use=NEVER) for page in never] + [Kept(page, next_use=use) for use, page in again]


def next_uses(references: References) -> list[int]:
    """For each reference the number of the next one to the same page.

    Where there is none, a number past the last reference, of the page's own: the higher, the lower the page.
    """
    ids = references.ids
    now = len(ids)
    following = list(range(now + references.limit - 1, now - 1, -1))
    found = [0] * now
    for page in reversed(ids):
        now -= 1
        found[now] = following[page]
        following[page] = now
    return found


def opt_victims(references: References, frames: int) -> tuple[int, list[int]]:
    """Misses, and who went. A byte for each use to come, of every page that is in memory, is set.

    So whether a reference hits is one look at its own byte, and the page that is needed last is the last byte that is set.
    """
    ids, count = references.ids, len(references)
    kept = bytearray(count + references.limit)
    last_set = kept.rfind
    evicted: list[int] = []
    evict = evicted.append
    free, end = frames, 0
    for hit, following in zip(kept, next_uses(references), strict=False):
        if not hit:
            if free:
                free -= 1
            else:
                end = last_set(1, 0, end)
                kept[end] = 0
                evict(end)
        kept[following] = 1
        if following >= end:
            end = following + 1
    lowest = count + references.limit - 1
    victims = [ids[use] if use < count else lowest - use for use in evicted]
    return frames - free + len(victims), references.named(victims)
