"""Memory as a debugger prints it, and the frames behind pages; looked at without an access by the program."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from engine import views
from engine.outcome import CommandError
from engine.views.probe import Probe

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.machine import Machine

UNITS_MAXIMUM: Final = 1024
PAGES_MAXIMUM: Final = 256
_FORMAT: Final = re.compile(r"(?P<count>\d*)(?P<letters>[a-z]*)", re.ASCII)
_SIZES: Final = {"b": 1, "h": 2, "w": 4}
_ACROSS: Final = {1: 8, 2: 8, 4: 4}
_PAGE: Final = 4096
_END: Final = 1 << 32


class Unreadable(Exception):
    """What cannot be shown: the message is a debugger's."""


def examined(machine: Machine, pid: int, form: str, place: str) -> str:
    """gdb's x/FORM PLACE: x/16xw a. Raises Unreadable."""
    count, write, size = _form(form)
    start = resolved(machine, pid, place)
    probe = Probe(machine.kernel, machine.processes[pid].task.mm)
    across = _ACROSS[size]
    lines = []
    for first in range(0, count, across):
        address = start + first * size
        values = [_value(probe, address + at * size, size) for at in range(min(across, count - first))]
        readable = values[: values.index(None)] if None in values else values
        words = "".join(f"\t{write(value, size)}" for value in readable if value is not None)
        if readable:
            lines.append(f"{address:#x}:{words}\n")
        if len(readable) < len(values):
            lines.append(f"Cannot access memory at address {address + len(readable) * size:#x}\n")
            break
    return "".join(lines)


def pagemap_text(machine: Machine, pid: int, place: str, pages: int) -> str:
    """A line a page: where it is, and which frame is behind it. Raises Unreadable."""
    start = resolved(machine, pid, place) & -_PAGE
    lines = []
    for number in range(min(pages, PAGES_MAXIMUM)):
        address = start + number * _PAGE
        if address >= _END:
            break
        walk = views.page_walk(machine, address, pid)
        lines.append(f"{address:08x}  {'not present' if walk.pfn is None else f'frame {walk.pfn:#07x}'}\n")
    return "".join(lines)


def resolved(machine: Machine, pid: int, place: str) -> int:
    """The address that a place names. Raises Unreadable."""
    try:
        return machine.processes[pid].resolve(place, "place")
    except CommandError as error:
        raise Unreadable(str(error)) from None


def _form(form: str) -> tuple[int, Callable[[int, int], str], int]:
    """(count, how a value is written, bytes of each)."""
    found = _FORMAT.fullmatch(form)
    letters = "" if found is None else found["letters"]
    if found is None or set(letters) - set("xducbhw"):
        raise Unreadable(f"x/{form}: write a count, a format (x d u c) and a size (b h w), such as x/16xw")
    count = int(found["count"] or 1)
    if count > UNITS_MAXIMUM:
        raise Unreadable(f"x/{form}: at most {UNITS_MAXIMUM} units are shown")
    size = next((_SIZES[letter] for letter in letters if letter in _SIZES), 1 if "c" in letters else 4)
    letter = next((letter for letter in letters if letter in "xduc"), "x")
    return count, _WRITERS[letter], size


def _value(probe: Probe, address: int, size: int) -> int | None:
    """The little-endian number at `address`, byte by byte: it may lie across a word or a page. None where nothing is."""
    value = 0
    for at in range(size):
        word = probe.word(address + at & ~3) if address + at < _END else None
        if word is None:
            return None
        value |= (word >> ((address + at & 3) << 3) & 0xFF) << (at << 3)
    return value


def _signed(value: int, size: int) -> str:
    bits = size << 3
    return str(value - (1 << bits) if value >> bits - 1 else value)


def _letter(value: int, size: int) -> str:
    shown = chr(value) if 32 <= value < 127 else f"\\{value:03o}"
    return f"{_signed(value, size)} '{shown}'"


_WRITERS: Final[dict[str, Callable[[int, int], str]]] = {
    "x": lambda value, size: f"0x{value:0{size * 2}x}",
    "d": _signed,
    "u": lambda value, size: str(value),
    "c": _letter,
}
