"""Commands as people type them: `malloc a 100`, `a = malloc 100`, `malloc(100)`, `write a+4 7`, `@1 free a`.

The order of the words is that of the command's own fields, the slot that takes the result first; later fields may be left
out where they have a default. The forms of the page use the same conversions.
"""

from __future__ import annotations

import re
from dataclasses import MISSING, Field, fields
from types import NoneType, UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from engine import commands
from engine.commands import Command
from engine.outcome import CommandError

_CLASSES: Final[dict[str, type[Command]]] = {
    kind.__dataclass_fields__["op"].default: kind for kind in get_args(Command)
}
_ALIASES: Final = {"freeaddr": "free", "open": "file", "store": "write", "load": "read"}
_SLOT_FIRST: Final = "as_"
_NOT_TYPED: Final = ("op", "pid")
_TOKEN: Final = re.compile(r"[^\s,()=;]+(?:,[^\s,()=;]+)*|=")
_ON: Final = {"on": True, "1": True, "yes": True, "true": True, "off": False, "0": False, "no": False, "false": False}
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"
_HINTS: Final = {kind: get_type_hints(kind) for kind in _CLASSES.values()}


def operations() -> tuple[str, ...]:
    """The first words that are understood."""
    return tuple(_CLASSES)


def usage(op: str) -> str:
    """How a command is typed: "malloc AS SIZE"."""
    words = [f"[{name}]" if _optional(found) else name for name, found in _typed(_CLASSES[op])]
    return " ".join([op, *words])


def next_slot(taken: frozenset[str]) -> str:
    """The first of a, b, …, z, a1, … that is not taken."""
    for round_ in range(1000):
        for letter in _LETTERS:
            name = f"{letter}{round_ or ''}"
            if name not in taken:
                return name
    return "a"


def command_of_words(text: str, pid: int, slots: frozenset[str]) -> Command:
    """The command that `text` says, done by process `pid` unless it begins with @N. Raises CommandError naming the field."""
    tokens = _TOKEN.findall(text.replace(", ", " ").strip())
    if tokens and tokens[0].startswith("@"):
        pid = _number("pid", tokens.pop(0)[1:])
    if not tokens:
        raise CommandError("words", "type a command, such as: malloc a 100")
    if len(tokens) > 2 and tokens[1] == "=":
        tokens = [tokens[2], tokens[0], *tokens[3:]]
    op = _ALIASES.get(tokens[0].lower(), tokens[0].lower())
    if op not in _CLASSES:
        raise CommandError("words", f"{tokens[0]!r} is no command; there are {', '.join(_CLASSES)}")
    typed = _typed(_CLASSES[op])
    given = tokens[1:]
    needed = sum(not _optional(found) for _, found in typed)
    if typed and typed[0][1].name == _SLOT_FIRST and op not in ("realloc", "mremap") and len(given) == needed - 1:
        given = [next_slot(slots), *given]
    if not needed <= len(given) <= len(typed):
        raise CommandError("words", f"{op} is typed so: {usage(op)}")
    return command_of_fields(op, pid, {name: word for (name, _), word in zip(typed, given, strict=False)})


def command_of_fields(op: str, pid: int, values: dict[str, str]) -> Command:
    """The command `op` with its fields as text; one that is empty takes its default. Raises CommandError naming the field."""
    kind = _CLASSES.get(op)
    if kind is None:
        raise CommandError("op", f"{op!r} is no command")
    arguments: dict[str, Any] = {"pid": pid}
    for name, found in _typed(kind):
        word = values.get(name, "").strip()
        if word:
            arguments[found.name] = _converted(name, word, _HINTS[kind][found.name])
        elif not _optional(found):
            raise CommandError(name, f"{name} is empty; {_wanted(name, _HINTS[kind][found.name])}")
    return kind(**arguments)


def words_of_command(command: Command) -> str:
    """The command as it would be typed, defaults left out."""
    words: list[str] = [command.op]
    pending: list[str] = []
    for _, found in _typed(type(command)):
        value = getattr(command, found.name)
        pending.append(_word(value))
        if not _optional(found) or value != found.default:
            words += pending
            pending = []
    text = " ".join(words)
    return f"@{command.pid} {text}" if command.pid else text


def _typed(kind: type[Command]) -> list[tuple[str, Field[Any]]]:
    """(name as typed, field), in the order of the words."""
    found = [field for field in fields(kind) if field.name not in _NOT_TYPED]
    found.sort(key=lambda field: field.name != _SLOT_FIRST)
    return [(field.name.rstrip("_"), field) for field in found]


def _optional(found: Field[Any]) -> bool:
    return found.default is not MISSING


def _converted(name: str, word: str, hint: Any) -> Any:
    if hint == commands.Place or hint is str:
        return word
    if hint is int:
        return _number(name, word)
    if hint is bool:
        if word.lower() not in _ON:
            raise CommandError(name, f"{name} is {word!r}; it can be on or off")
        return _ON[word.lower()]
    origin = get_origin(hint)
    if origin is Literal:
        return _choice(name, word, get_args(hint))
    if origin is tuple:
        return tuple(_choice(name, part, get_args(get_args(hint)[0])) for part in word.split(","))
    if origin in (Union, UnionType) and NoneType in get_args(hint):
        return None if word in ("anon", "none", "-") else _number(name, word)
    raise AssertionError(f"no conversion for {hint}")


def _choice(name: str, word: str, choices: tuple[str, ...]) -> str:
    if word not in choices:
        raise CommandError(name, f"{name} is {word!r}; it can be {', '.join(choices)}")
    return word


def _number(name: str, word: str) -> int:
    sign = -1 if word.startswith("-") else 1
    digits = word.lstrip("+-").replace("_", "")
    try:
        base = 16 if digits[:2].lower() == "0x" else 10
        return sign * int(digits, base)
    except ValueError:
        raise CommandError(name, f"{name} is {word!r}; write a whole number, such as 4096 or 0x1000") from None


def _wanted(name: str, hint: Any) -> str:
    if name == "as":
        return "name the slot that takes the pointer, such as a"
    if hint == commands.Place:
        return "write a slot, a slot with an offset, or an address: a, a+16, 0x0804e008"
    if hint is int:
        return "write a whole number, such as 4096 or 0x1000"
    return "write what it is to be"


def _word(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple):
        return ",".join(value)
    return "anon" if value is None else str(value)
