"""A program as it runs: its task in the kernel, its libc, and its pointer variables (slots)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from engine.allocations import Allocations
from engine.outcome import CommandError, Ended, returned

if TYPE_CHECKING:
    from engine.kernel.task import Task
    from engine.libc.malloc import Libc

_ADDRESS_MASK: Final = 0xFFFFFFFF
_PLACE: Final = re.compile(r"(?P<base>[A-Za-z_]\w*|\d\w*)(?:(?P<sign>[+-])(?P<offset>\w+))?", re.ASCII)


class Process:
    """One process, living or ended. Slots are the program's own variables: they keep a pointer after free."""

    __slots__ = ("allocations", "ended", "freed", "libc", "null_slots", "pid", "slots", "task")

    def __init__(self, pid: int, task: Task, libc: Libc, slots: dict[str, int], *, null_slots: bool) -> None:
        self.pid = pid
        self.task = task
        self.libc = libc
        self.slots = slots
        self.null_slots = null_slots
        """A slot that was never set holds NULL, as a C program's static array would; otherwise naming it is an error."""
        self.allocations = Allocations()
        self.ended: Ended | None = None
        self.freed = returned("free", pid, None)
        """The outcome of each of its free()s, which are all alike."""

    def resolve(self, place: int | str, field: str) -> int:
        """The address that `place` names. Raises CommandError for an unknown slot or what is no place."""
        if isinstance(place, int):
            if not 0 <= place <= _ADDRESS_MASK:
                raise CommandError(field, f"{field} is {place}; an address can be 0 to {_ADDRESS_MASK:#x}")
            return place
        value = self.slots.get(place)
        if value is not None:
            return value
        return resolve_in(self.slots, place, field, null_slots=self.null_slots)


def resolve_in(
    slots: dict[str, int], place: int | str, field: str, noun: str = "slot", *, null_slots: bool = False
) -> int:
    """The address that `place` names among `slots`. Raises CommandError for an unknown slot or what is no place."""
    if isinstance(place, int):
        return _address(place, place, field)
    match = _PLACE.fullmatch(place)
    if match is None:
        raise CommandError(field, f"{field} is {place!r}; a place is a {noun}, a {noun} with an offset, or an address")
    word = match["base"]
    if word[0].isdigit():
        address = _address(_number(word, field), word, field)
    elif word in slots:
        address = slots[word]
    elif null_slots:
        address = 0
    else:
        known = ", ".join(sorted(slots)[:12]) or "none yet"
        raise CommandError(field, f"{field} names the {noun} {word!r}, which holds nothing; {noun}s: {known}")
    if match["sign"]:
        offset = _number(match["offset"], field)
        address += offset if match["sign"] == "+" else -offset
    return address & _ADDRESS_MASK


def _address(number: int, written: int | str, field: str) -> int:
    if not 0 <= number <= _ADDRESS_MASK:
        raise CommandError(field, f"{field} is {written}; an address can be 0 to {_ADDRESS_MASK:#x}")
    return number


def _number(word: str, field: str) -> int:
    try:
        return int(word, 0) if not word.startswith("0") or word[1:2] in "xXoObB" else int(word, 10)
    except ValueError:
        raise CommandError(field, f"{word!r} is no number; write 4096 or 0x1000") from None
