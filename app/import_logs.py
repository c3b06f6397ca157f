"""Allocator calls that a real program made, read from a log, as commands: of ltrace, or of a preloaded shim.

ltrace, with or without -f, -S, times and call addresses:

    malloc(100)                                      = 0x804e1a0
    [pid 812] realloc(0x804e1a0, 200)                = 0x804e210
    free(0x804e210)                                  = <void>

The shim prints a line a call, the result last: "malloc 100 0x804e1a0", "free 0x804e1a0", "realloc 0x804e1a0 200 0x804e210",
"calloc 4 100 0x…", "memalign 64 100 0x…". Other lines and other calls are left out, and counted.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from engine import commands as c

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.commands import Command

LINES_MAXIMUM: Final = 200_000
_CALLS: Final = {"malloc": 1, "calloc": 2, "realloc": 2, "memalign": 2, "aligned_alloc": 2, "free": 1, "cfree": 1}
"""The calls that are understood, and how many arguments each has."""
_LTRACE: Final = re.compile(
    r"(?:.*?[\s>.])?(?P<call>[a-z_]+)\((?P<arguments>[^()]*)\)\s*=\s*(?P<result><void>|\(?nil\)?|-?\w+)\s*(?:<[\d.]+>)?"
)
_UNFINISHED: Final = re.compile(r"(?:.*?[\s>.])?(?P<call>[a-z_]+)\((?P<arguments>[^()]*?)[\s,]*<unfinished \.\.\.>")
_RESUMED: Final = re.compile(
    r".*<\.\.\.\s*(?P<call>[a-z_]+)\s+resumed>[^=]*=\s*(?P<result><void>|\(?nil\)?|-?\w+)\s*(?:<.*>)?"
)
_SHIM: Final = re.compile(r"(?P<call>[a-z_]+)\s+(?P<words>(?:\w+|\(nil\))(?:\s+(?:\w+|\(nil\)))*)")
_NULLS: Final = ("nil", "(nil)", "NULL", "0", "0x0", "<void>")


class LogError(ValueError):
    """A log in which no call of the allocator was found."""


@dataclass(slots=True)
class Imported:
    """The calls of a log as commands. `left_out` counts lines of other kinds, `unknown` frees of what no line gave."""

    commands: list[Command] = field(default_factory=list)
    left_out: int = 0
    unknown: int = 0


def import_log(text: str) -> Imported:
    """The commands of a log. Raises LogError where there are none, or too many lines."""
    lines = text.splitlines()
    if len(lines) > LINES_MAXIMUM:
        raise LogError(f"the log has {len(lines)} lines; at most {LINES_MAXIMUM} are read")
    reader = _Reader()
    for line in lines:
        reader.read(line.strip())
    if not reader.found.commands:
        raise LogError(
            "no call of the allocator is in this log; a line is: malloc(100) = 0x804e1a0, or: malloc 100 0x804e1a0"
        )
    return reader.found


def looks_like_a_log(lines: Iterable[str]) -> bool:
    """Whether one of the first lines is a call with its result."""
    for line, _ in zip((line for line in lines if line.strip()), range(20), strict=False):
        if (found := _LTRACE.fullmatch(line.strip())) and found["call"] in _CALLS:
            return True
        if (shim := _SHIM.fullmatch(line.strip())) and _shim_call(shim) is not None:
            return True
    return False


class _Reader:
    """Follows which slot holds which address of the log; slots whose block was freed are used again."""

    def __init__(self) -> None:
        self.found = Imported()
        self._slots: dict[int, str] = {}
        self._spare: list[str] = []
        self._made = 0
        self._unfinished: dict[str, list[str]] = {}

    def read(self, line: str) -> None:
        """One line, stripped."""
        call, arguments, result = "", "", ""
        if found := _LTRACE.fullmatch(line):
            call, arguments, result = found["call"], found["arguments"], found["result"]
        elif found := _RESUMED.fullmatch(line):
            call, result = found["call"], found["result"]
            begun = self._unfinished.get(call)
            arguments = begun.pop() if begun else ""
        elif (found := _UNFINISHED.fullmatch(line)) and found["call"] in _CALLS:
            self._unfinished.setdefault(found["call"], []).append(found["arguments"])
            return
        elif (found := _SHIM.fullmatch(line)) and (shim := _shim_call(found)):
            call, arguments, result = shim
        words = [word.strip() for word in arguments.split(",") if word.strip()]
        numbers = [_number(word) for word in words]
        given = _number(result)
        if _CALLS.get(call) != len(words) or None in numbers or given is None:
            self.found.left_out += bool(line)
            return
        self._call(call, [number for number in numbers if number is not None], given)

    def _call(self, call: str, numbers: list[int], result: int) -> None:
        match call:
            case "malloc":
                self._add(c.Malloc(as_=self._slot(result), size=numbers[0]))
            case "calloc":
                self._add(c.Calloc(as_=self._slot(result), count=numbers[0], size=numbers[1]))
            case "memalign" | "aligned_alloc":
                self._add(c.Memalign(as_=self._slot(result), alignment=numbers[0], size=numbers[1]))
            case "realloc":
                self._realloc(numbers[0], numbers[1], result)
            case _:
                self._free(numbers[0])

    def _realloc(self, old: int, size: int, result: int) -> None:
        if not old:
            self._add(c.Malloc(as_=self._slot(result), size=size))
            return
        slot = self._slots.pop(old, None)
        if slot is None:
            self.found.unknown += 1
            self._add(c.Malloc(as_=self._slot(result), size=size))
            return
        self._add(c.Realloc(as_=slot, size=size))
        if result:
            self._slots[result] = slot
        elif size:
            self._slots[old] = slot
        else:
            self._spare.append(slot)

    def _free(self, address: int) -> None:
        if not address:
            self._add(c.Free(ptr="0"))
            return
        slot = self._slots.pop(address, None)
        if slot is None:
            self.found.unknown += 1
            return
        self._add(c.Free(ptr=slot))
        self._spare.append(slot)

    def _add(self, command: Command) -> None:
        self.found.commands.append(command)

    def _slot(self, address: int) -> str:
        """A slot for what the log has at `address`; a call that failed takes one that is spare at once."""
        if self._spare:
            slot = self._spare.pop()
        else:
            slot = f"p{self._made}"
            self._made += 1
        if address:
            self._slots[address] = slot
        else:
            self._spare.append(slot)
        return slot


def _shim_call(found: re.Match[str]) -> tuple[str, str, str] | None:
    """(call, arguments, result) of a shim's line."""
    words = found["words"].split()
    count = _CALLS.get(found["call"])
    if count is None or not words[-1].startswith(("0x", "(nil)")):
        return None
    if found["call"] in ("free", "cfree"):
        return (found["call"], words[0], "0") if len(words) == 1 else None
    return (found["call"], ", ".join(words[:-1]), words[-1]) if len(words) == count + 1 else None


def _number(word: str) -> int | None:
    if word in _NULLS:
        return 0
    try:
        value = int(word, 0)
    except ValueError:
        return None
    return value & 0xFFFFFFFFFFFFFFFF
