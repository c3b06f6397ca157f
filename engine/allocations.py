"""What a program knows of its blocks: how much it asked for behind each pointer, by which command, and when it gave it back.

glibc keeps none of this: a chunk's header tells its size, not what was asked for. The views need it: for waste inside a
block, for leaks, and to say which command freed a block first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

ASKED_BITS: Final = 32
"""What is noted of a block that was given: the machine's version then, and in so many low bits the bytes asked for."""


class Allocation(NamedTuple):
    """The last block at one pointer: `asked` bytes. Versions are those that commands made: the first command makes 1."""

    asked: int
    given: int
    """The version that malloc or its kin made."""
    freed: int | None
    """The version that free or realloc made by taking it back; None while the program has it."""


class Undo(NamedTuple):
    """What stood at each pointer before some commands."""

    given: list[tuple[int, int | None]]
    freed: list[tuple[int, int | None]]


class Allocations:
    """The last block at each pointer that the program ever got.

    The operations write into `given` and `freed`, which are plain dicts, since every malloc and free passes here. What is
    older lies in two more: so the newest entries can be told from what stood there before, and taken back (engine/undo.py).
    """

    __slots__ = ("_freed_before", "_given_before", "freed", "given")

    def __init__(self) -> None:
        self.given: dict[int, int] = {}
        """By pointer, since the last `settle`: version << ASKED_BITS | bytes asked for. One number costs malloc the least."""
        self.freed: dict[int, int] = {}
        """By pointer, the machine's version when the block was given back, since the last `settle`."""
        self._given_before: dict[int, int] = {}
        self._freed_before: dict[int, int] = {}

    def at(self, pointer: int) -> Allocation | None:
        """The last block at exactly this pointer, freed or not."""
        given = self.given.get(pointer, self._given_before.get(pointer))
        if given is None:
            return None
        version, asked = given >> ASKED_BITS, given & (1 << ASKED_BITS) - 1
        freed = self.freed.get(pointer, self._freed_before.get(pointer, -1))
        return Allocation(asked, version + 1, freed + 1 if freed > version else None)

    def live(self) -> Iterator[tuple[int, Allocation]]:
        """(pointer, block) of each block that the program has, in the order in which their pointers were first given."""
        for pointer in self._given_before | self.given:
            block = self.at(pointer)
            if block is not None and block.freed is None:
                yield pointer, block

    def copy(self) -> Allocations:
        """A forked process's."""
        twin = Allocations()
        twin._given_before, twin._freed_before = self.all()
        return twin

    def all(self) -> tuple[dict[int, int], dict[int, int]]:
        """All of `given` and `freed`, however old."""
        return self._given_before | self.given, self._freed_before | self.freed

    def settle(self) -> Undo:
        """What was written since the last time is old from now on. Gives what it replaced, for `take_back`."""
        given, freed = self._given_before, self._freed_before
        undo = Undo([(at, given.get(at)) for at in self.given], [(at, freed.get(at)) for at in self.freed])
        given.update(self.given)
        freed.update(self.freed)
        self.given.clear()
        self.freed.clear()
        return undo

    def take_back(self, undo: Undo) -> None:
        """Makes it what it was before the commands whose `settle` gave `undo`; nothing was written since."""
        for pointer, given in reversed(undo.given):
            if given is None:
                del self._given_before[pointer]
            else:
                self._given_before[pointer] = given
        for pointer, freed in reversed(undo.freed):
            if freed is None:
                del self._freed_before[pointer]
            else:
                self._freed_before[pointer] = freed
