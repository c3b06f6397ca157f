"""Chance that is the same on every host and every Python: SplitMix64 (Steele, Lea and Flood), a counter, mixed."""

from __future__ import annotations

from typing import Final

_WORD: Final = (1 << 64) - 1
_GOLDEN: Final = 0x9E3779B97F4A7C15


class Chance:
    """A source of random words, begun with a seed. One for each purpose."""

    __slots__ = ("state",)

    def __init__(self, seed: int) -> None:
        self.state = seed & _WORD

    def word(self) -> int:
        """The next 64 bits."""
        self.state = self.state + _GOLDEN & _WORD
        mixed = self.state
        mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9 & _WORD
        mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB & _WORD
        return mixed ^ mixed >> 31

    def below(self, limit: int) -> int:
        """A number from 0 to `limit` - 1."""
        return self.word() % limit
