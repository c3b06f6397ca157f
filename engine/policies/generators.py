"""Reference strings of known shape, the same on every host: integers alone, and chance of our own."""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate, islice
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

from engine.chance import Chance

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_WEIGHT: Final = 1 << 40
_HOT_SHARE: Final = 8
"""scan: one reference in so many goes to the pages that are read through once."""


class Pattern(NamedTuple):
    """What to generate: so many references to so many pages. `seed` for those that need chance."""

    kind: str
    length: int
    pages: int
    seed: int = 0


def chance(seed: int) -> Iterator[int]:
    """Random words of 64 bits."""
    source = Chance(seed)
    while True:
        yield source.word()


def loop(pattern: Pattern) -> list[int]:
    """Round and round: 0, 1, 2, … and again from 0. One frame too few, and LRU misses every time."""
    return [number % pattern.pages for number in range(pattern.length)]


def scan(pattern: Pattern) -> list[int]:
    """Chance within `pages` pages that are in use, and every eighth reference to a page that is never used again."""
    words = chance(pattern.seed)
    return [
        pattern.pages + number // _HOT_SHARE if number % _HOT_SHARE == _HOT_SHARE - 1 else next(words) % pattern.pages
        for number in range(pattern.length)
    ]


def zipf(pattern: Pattern) -> list[int]:
    """Few pages are used often, many seldom: page k as often as 1 / (k + 1)."""
    sums = list(accumulate(_WEIGHT // rank for rank in range(1, pattern.pages + 1)))
    return [bisect_right(sums, word % sums[-1]) for word in islice(chance(pattern.seed), pattern.length)]


def shift(pattern: Pattern) -> list[int]:
    """A working set of a quarter of the pages, which moves on by half its size eight times in the run."""
    working = max(1, pattern.pages // 4)
    stretch = max(1, pattern.length // 8)
    words = chance(pattern.seed)
    return [
        (number // stretch * max(1, working // 2) + next(words) % working) % pattern.pages
        for number in range(pattern.length)
    ]


GENERATORS: Final[Mapping[str, Callable[[Pattern], list[int]]]] = MappingProxyType(
    {"loop": loop, "scan": scan, "zipf": zipf, "shift": shift}
)
PATTERNS: Final = tuple(GENERATORS)
