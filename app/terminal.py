"""The terminal: what a shell and a debugger on the machine would print. It only looks; nothing is performed.

Numbers that name something here, addresses and frames, are pieces of their own, so that a page can make links of them.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final, NamedTuple

from app.terminal_memory import Unreadable, examined, pagemap_text
from app.terminal_objects import (
    NoSuchObject,
    Piece,
    frames,
    free_numbers,
    lru,
    named_numbers,
    pagetype_numbers,
    pmap_numbers,
    ps_numbers,
    slab,
    slab_numbers,
    slots,
    vmstat_numbers,
)
from app.terminal_tables import free_text, pmap_text, ps_text, slabtop_text, vmstat_text
from app.words import refusal, t, word
from engine import views

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from engine.machine import Machine

LINE_MAXIMUM: Final = 200
OUTPUT_LINES: Final = 400
_EXAMINE: Final = re.compile(r"x(?:/(?P<format>\w*))?", re.ASCII)
_HEXADECIMAL: Final = re.compile(r"\b(?:0x[0-9a-f]{6,8}|[0-9a-f]{8})\b")
_FRAME: Final = re.compile(r"\b0x[0-9a-f]{5}\b")
_COUNT: Final = re.compile(r"\d+")


class Answer(NamedTuple):
    """What a line printed. `failed`: it could not be done."""

    pieces: tuple[Piece, ...]
    failed: bool = False

    @property
    def text(self) -> str:
        """All of it as plain text."""
        return "".join(piece.text for piece in self.pieces)


class _Refused(Exception):
    """A line that cannot be done: the message is what a shell would say."""


def ask(machine: Machine, line: str, pid: int = 0) -> Answer:
    """What `line` prints, typed in a shell of process `pid`'s machine. Never raises."""
    words = line[:LINE_MAXIMUM].split()
    if not words:
        return Answer(())
    try:
        return _done(machine, words, pid)
    except (_Refused, Unreadable, NoSuchObject) as refused:
        return Answer((Piece(f"{refusal(refused)}\n"),), failed=True)


def _done(machine: Machine, words: list[str], pid: int) -> Answer:
    if _EXAMINE.fullmatch(words[0]):
        return _linked(_examine(machine, _living("x", machine, pid), words), "address")
    command = _COMMANDS.get(words[0])
    if command is None:
        near = get_close_matches(words[0], _COMMANDS, 1)
        if near:
            raise _Refused(f"{words[0]}: there is no such command here; did you mean {near[0]}?")
        raise _Refused(f"{words[0]}: there is no such command here; help lists those that there are")
    return command(machine, pid, words[1:])


def _living(command: str, machine: Machine, pid: int) -> int:
    """The process's own number, if it has not ended: then nothing is left of its memory."""
    if machine.processes[pid].ended is not None:
        raise _Refused(f"{command}: process {pid} has ended")
    return pid


def _linked(text: str, *kinds: str) -> Answer:
    """The text, cut off where it is too long, with what looks like an address or a frame as pieces."""
    lines = text.splitlines(keepends=True)
    if len(lines) > OUTPUT_LINES:
        lines = [*lines[:OUTPUT_LINES], t("terminal.lines_more", lines=len(lines) - OUTPUT_LINES) + "\n"]
    return Answer(tuple(_pieces("".join(lines), kinds)))


def _pieces(text: str, kinds: tuple[str, ...]) -> Iterator[Piece]:
    if not kinds:
        yield Piece(text)
        return
    kind = kinds[0]
    pattern, at = _HEXADECIMAL if kind == "address" else _FRAME, 0
    for found in pattern.finditer(text):
        yield from _pieces(text[at : found.start()], kinds[1:])
        yield Piece(found.group(), kind, int(found.group(), 16))
        at = found.end()
    yield from _pieces(text[at:], kinds[1:])


# --- the commands ----------------------------------------------------------------------------------------------------


def _cat(machine: Machine, pid: int, words: list[str]) -> Answer:
    if not words:
        raise _Refused("cat: which file? cat /proc/buddyinfo")
    pieces: list[Piece] = []
    for path in words:
        pieces += _file(machine, pid, path).pieces
    return Answer(tuple(pieces))


def _file(machine: Machine, pid: int, path: str) -> Answer:
    parts = path.strip("/").split("/")
    if parts[:3] == ["proc", "sys", "vm"] and len(parts) == 4:
        return Answer((Piece(f"{_setting(machine, parts[3])}\n"),))
    if parts[0] != "proc" or len(parts) not in (2, 3):
        raise _Refused(f"cat: {path}: No such file or directory (there are files under /proc)")
    if len(parts) == 3:
        pid = _living("cat", machine, pid if parts[1] == "self" else _pid("cat", machine, parts[1]))
    elif f"self/{parts[1]}" in FILES:
        _living("cat", machine, pid)
    try:
        text = machine.proc_file(parts[-1], pid)
    except KeyError:
        raise _Refused(f"cat: {path}: No such file or directory") from None
    if parts[-1] == "buddyinfo":
        return _buddyinfo(machine, text)
    if parts[-1] in ("meminfo", "vmstat", "zoneinfo"):
        return Answer(named_numbers(text))
    if parts[-1] == "slabinfo":
        return Answer(slab_numbers(machine, text, name_last=False))
    if parts[-1] == "pagetypeinfo":
        return Answer(pagetype_numbers(machine, text))
    return _linked(text, *(("address",) if parts[-1] in ("maps", "smaps", "iomem") else ()))


def _buddyinfo(machine: Machine, text: str) -> Answer:
    """Each count of blocks leads to the first of them."""
    pieces: list[Piece] = []
    for line, zone in zip(text.splitlines(keepends=True), views.buddy(machine), strict=True):
        behind = line.index(zone.zone) + len(zone.zone)
        pieces.append(Piece(line[:behind]))
        at = behind
        for found, order in zip(_COUNT.finditer(line, behind), zone.orders, strict=False):
            first = next((blocks.first[0] for blocks in order.lists if blocks.first), None)
            pieces.append(Piece(line[at : found.start()]))
            pieces.append(Piece(found.group()) if first is None else Piece(found.group(), "frame", first))
            at = found.end()
        pieces.append(Piece(line[at:]))
    return Answer(tuple(pieces))


def _ls(machine: Machine, pid: int, words: list[str]) -> Answer:
    return Answer((Piece("  ".join(f"/proc/{name}" for name in FILES) + "\n"),))


def _pid(command: str, machine: Machine, word: str) -> int:
    if word.isdigit() and int(word) in machine.processes:
        return int(word)
    known = ", ".join(map(str, machine.processes))
    raise _Refused(f"{command}: there is no process {word}; there are {known}")


def _setting(machine: Machine, name: str) -> str:
    told = machine.kernel.sysctl.told()
    if name == "drop_caches":
        raise _Refused("sysctl: permission denied on key 'vm.drop_caches': it can only be written")
    if name not in told:
        raise _Refused(f"sysctl: there is no vm.{name}; there are {', '.join(told)}")
    return told[name]


def _sysctl(machine: Machine, pid: int, words: list[str]) -> Answer:
    if not words or words == ["-a"]:
        return Answer((Piece("".join(f"vm.{name} = {v}\n" for name, v in machine.kernel.sysctl.told().items())),))
    if "=" in "".join(words):
        raise _Refused("sysctl: this terminal only looks; type sysctl swappiness 10 as a command, so that it is a step")
    names = [word.removeprefix("vm.") for word in words]
    return Answer((Piece("".join(f"vm.{name} = {_setting(machine, name)}\n" for name in names)),))


def _pmap(machine: Machine, pid: int, words: list[str]) -> Answer:
    extended = "-x" in words
    named = [word for word in words if not word.startswith("-")]
    pid = _living("pmap", machine, _pid("pmap", machine, named[0]) if named else pid)
    return Answer(pmap_numbers(pmap_text(machine, pid, extended=extended)))


def _examine(machine: Machine, pid: int, words: list[str]) -> str:
    if len(words) != 2:
        raise _Refused("x: write the format and the place: x/16xw a, x/4xb 0x0804e1a0")
    return examined(machine, pid, words[0].partition("/")[2], words[1])


def _pagemap(machine: Machine, pid: int, words: list[str]) -> Answer:
    if not words:
        raise _Refused("pagemap: write the place and how many pages: pagemap m 4")
    count = words[1] if len(words) > 1 else "1"
    if not count.isdigit():
        raise _Refused(f"pagemap: {count!r} is no count of pages")
    text = pagemap_text(machine, _living("pagemap", machine, pid), words[0], int(count))
    return _linked(text, "address", "frame")


def _free(machine: Machine, pid: int, words: list[str]) -> Answer:
    unit = {"-m": 1024, "-g": 1 << 20}.get(words[0] if words else "", 1)
    return Answer(free_numbers(free_text(machine, unit)))


def _vmstat(machine: Machine, pid: int, words: list[str]) -> Answer:
    text = vmstat_text(machine, totals="-s" in words)
    return Answer((Piece(text),) if "-s" in words else vmstat_numbers(text))


def _help(machine: Machine, pid: int, words: list[str]) -> Answer:
    return Answer((Piece("".join(f"{form:<28}{word('terminal.help', form)}\n" for form in HELP)),))


HELP: Final = (
    "cat /proc/FILE",
    "cat /proc/PID/FILE",
    "cat /proc/sys/vm/NAME",
    "ls /proc",
    "free [-m]",
    "vmstat [-s]",
    "slabtop -o",
    "pmap [-x] [PID]",
    "ps",
    "dmesg",
    "x/16xw PLACE",
    "pagemap PLACE [PAGES]",
    "frames [ACCOUNT]",
    "slab CACHE",
    "lru LIST",
    "slots",
    "help",
)
FILES: Final = (
    "buddyinfo", "iomem", "meminfo", "pagetypeinfo", "slabinfo", "swaps", "vmstat", "zoneinfo",
    "self/maps", "self/oom_score", "self/smaps", "self/smaps_rollup", "self/status",
)  # fmt: skip
_COMMANDS: Final[dict[str, Callable[[Machine, int, list[str]], Answer]]] = {
    "help": _help,
    "cat": _cat,
    "ls": _ls,
    "free": _free,
    "vmstat": _vmstat,
    "slabtop": lambda machine, pid, words: Answer(slab_numbers(machine, slabtop_text(machine), name_last=True)),
    "pmap": _pmap,
    "ps": lambda machine, pid, words: Answer(ps_numbers(ps_text(machine))),
    "dmesg": lambda machine, pid, words: _linked(machine.kernel.log.text(), "address"),
    "sysctl": _sysctl,
    "pagemap": _pagemap,
    "frames": lambda machine, pid, words: Answer(frames(machine, words)),
    "slab": lambda machine, pid, words: Answer(slab(machine, words)),
    "lru": lambda machine, pid, words: Answer(lru(machine, words)),
    "slots": lambda machine, pid, words: Answer(slots(machine)),
}
