"""Which commands there are and how each is written: read off the engine's own classes, so that neither can lag behind."""

from __future__ import annotations

from dataclasses import MISSING, Field, fields
from typing import Any, Final, get_args, get_type_hints

from app.language.operands import converted
from engine import commands
from engine.commands import Command
from engine.outcome import CommandError

CLASSES: Final[dict[str, type[Command]]] = {kind.__dataclass_fields__["op"].default: kind for kind in get_args(Command)}
ALIASES: Final = {"freeaddr": "free", "open": "file", "store": "write", "load": "read"}
HINTS: Final = {kind: get_type_hints(kind) for kind in CLASSES.values()}
SLOT: Final = "as_"
SLOT_IS_READ: Final = ("realloc", "mremap")
"""Operations whose slot is an operand too: the pointer in it is what they work on."""
_NOT_TYPED: Final = ("op", "pid")
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"
_FORMS: Final = {
    "realloc": "a = realloc a SIZE",
    "mremap": "m = mremap m OLD_LENGTH NEW_LENGTH [stay]",
    "mmap": "m = mmap LENGTH [PROT] [FLAG…] [file N [OFFSET]] [at HINT]",
    "file": "file N PATH [SIZE]",
    "fork": "fork CHILD",
    "wait": "wait CHILD",
    "free": "free PTR",
    "sysctl": "sysctl NAME VALUE…",
}
"""Where a form says more than the fields' names do."""


def operations() -> tuple[str, ...]:
    """The first words that are understood."""
    return tuple(CLASSES)


def usage(op: str) -> str:
    """How a command is written: "a = malloc SIZE"."""
    if op in _FORMS:
        return _FORMS[op]
    words = []
    for name, found in typed(CLASSES[op]):
        if found.name != SLOT:
            words.append(f"[{name.upper()}]" if optional(found) else name.upper())
    slot = "a = " if SLOT in CLASSES[op].__dataclass_fields__ else ""
    return " ".join([f"{slot}{op}", *words])


def typed(kind: type[Command]) -> tuple[tuple[str, Field[Any]], ...]:
    """(name as typed, field), in the order of the words: the slot that takes the result first."""
    return _TYPED[kind]


def _typed(kind: type[Command]) -> tuple[tuple[str, Field[Any]], ...]:
    found = [field for field in fields(kind) if field.name not in _NOT_TYPED]
    found.sort(key=lambda field: field.name != SLOT)
    return tuple((field.name.rstrip("_"), field) for field in found)


_TYPED: Final = {kind: _typed(kind) for kind in CLASSES.values()}


def optional(found: Field[Any]) -> bool:
    """Whether the operand can be left out."""
    return found.default is not MISSING


def next_slot(taken: frozenset[str]) -> str:
    """The first of a, b, …, z, a1, … that is not taken."""
    for round_ in range(1000):
        for letter in _LETTERS:
            name = f"{letter}{round_ or ''}"
            if name not in taken:
                return name
    return "a"


def command_of_fields(op: str, pid: int, values: dict[str, str]) -> Command:
    """The command `op` with its fields as text; one that is empty takes its default. Raises CommandError naming the field."""
    kind = CLASSES.get(op)
    if kind is None:
        raise CommandError("op", f"{op!r} is no command")
    arguments: dict[str, Any] = {"pid": pid}
    for name, found in typed(kind):
        word = values.get(name, "").strip()
        if word:
            arguments[found.name] = converted(name, word, HINTS[kind][found.name])
        elif not optional(found):
            raise CommandError(name, f"{name} is empty; {_wanted(name, HINTS[kind][found.name])}")
    return kind(**arguments)


def _wanted(name: str, hint: Any) -> str:
    if name == "as":
        return "name the slot that takes the pointer, such as a"
    if hint == commands.Place:
        return "write a slot, a slot with an offset, or an address: a, a+16, 0x0804e008"
    if hint is int:
        return "write a whole number, such as 4096 or 0x1000"
    return "write what it is to be"
