"""Names of processes: a program says `fork child` and `@child …`; the machine knows numbers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from engine.commands import PROCESSES_MAXIMUM
from engine.outcome import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterable

FIRST: Final = ("parent", "main")
"""Process 0, the program itself."""
_CHILD: Final = re.compile(r"child(\d*)", re.ASCII)
_NAME: Final = re.compile(r"[A-Za-z_]\w{0,31}", re.ASCII)


class ProcessNames:
    """The processes of one program, in the order in which its lines make them.

    `parent` is process 0. `child` is process 1 and `child2` process 2 without any line saying so, so that one line by
    itself is understood; other names get the next free number when they are forked.
    """

    def __init__(self, taken: Iterable[int] = (0,)) -> None:
        self._taken = set(taken)
        self._numbers: dict[str, int] = {}

    def forked(self, word: str) -> int:
        """The number of a child that `fork word` makes. An empty word takes the next free number. Raises CommandError."""
        if word and word[0].isdigit():
            number = _number(word)
        elif word and (word in FIRST or not _NAME.fullmatch(word)):
            raise CommandError("child", f"{word!r} cannot name a child; write fork child, or a number such as fork 1")
        else:
            usual = _usual(word)
            number = usual if usual is not None and usual not in self._taken else self._free()
            self._numbers[word] = number
        self._taken.add(number)
        return number

    def number(self, field: str, word: str) -> int:
        """The number of a process that is named. Raises CommandError."""
        if word[:1].isdigit():
            return _number(word, field)
        if word in FIRST:
            return 0
        found = self._numbers.get(word, _usual(word))
        if found is None:
            known = ", ".join(["parent", *self._numbers]) or "parent"
            raise CommandError(field, f"there is no process {word!r} here; there are {known}, or write its number: 1")
        return found

    def known(self) -> tuple[str, ...]:
        """The names in use."""
        return FIRST[0], *self._numbers

    def _free(self) -> int:
        for number in range(1, PROCESSES_MAXIMUM):
            if number not in self._taken:
                return number
        raise CommandError("child", f"there can be {PROCESSES_MAXIMUM} processes")


def name_of(pid: int) -> str:
    """What a process is called where nobody named it: child, child2, …"""
    return "child" if pid == 1 else f"child{pid}" if pid else FIRST[0]


def _usual(word: str) -> int | None:
    found = _CHILD.fullmatch(word)
    if found is None:
        return None
    number = int(found[1] or 1)
    return number if 0 < number < PROCESSES_MAXIMUM else None


def _number(word: str, field: str = "child") -> int:
    if not word.isdigit():
        raise CommandError(field, f"{field} is {word!r}; write a name, such as child, or a whole number, such as 1")
    return int(word)
