"""What a replacement policy is: told of each use and each load, it names who goes."""

from __future__ import annotations

from typing import NamedTuple, Protocol


class Kept(NamedTuple):
    """One page in memory, as its policy sees it. Flags that the policy does not know are None."""

    page: int
    referenced: bool | None = None
    """CLOCK: the reference bit. Linux: PG_referenced, set when a scan found the page used."""
    accessed: bool | None = None
    """Linux: the accessed bit in the page table, set by the CPU, cleared by each scan."""
    active: bool | None = None
    """Linux: on the active list."""
    next_use: int | None = None
    """OPT: the number of the reference that uses it next; -1 for never."""


class Policy(Protocol):
    """Which page goes. The caller loads only what is not in memory, and evicts before it loads when memory is full."""

    def use(self, page: int) -> None:
        """A page that is in memory is used."""

    def evict(self) -> int:
        """Chooses a page in memory, forgets it, and gives it."""

    def load(self, page: int) -> None:
        """A page comes into memory, and is used."""

    def queue(self) -> list[Kept]:
        """The pages in memory in the order in which the policy looks at them, from where it would look first."""
