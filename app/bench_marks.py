"""What every benchmark tells: a ratio beside its mark."""

from __future__ import annotations

from typing import Final, NamedTuple

ROUNDS: Final = 5


class Mark(NamedTuple):
    """One line of the table. `at_most`: the ratio must not be above the mark; else not below."""

    what: str
    ratio: float
    mark: float
    at_most: bool
    unit: str = ""

    @property
    def holds(self) -> bool:
        """Whether the mark is met."""
        return self.ratio <= self.mark if self.at_most else self.ratio >= self.mark
