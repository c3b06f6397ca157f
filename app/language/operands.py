"""What an operand stands for: numbers, sizes with K, M and G, places, choices. Each raises CommandError naming its field."""

from __future__ import annotations

import re
from types import NoneType, UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin

from engine import commands
from engine.outcome import CommandError

SIZES: Final = frozenset(
    ("size", "length", "old_length", "new_length", "offset", "delta", "limit", "pad", "depth", "alignment", "count")
)
"""Fields that count bytes (or may well be as large): 64K is understood."""
ON: Final = {"on": True, "1": True, "yes": True, "true": True, "off": False, "0": False, "no": False, "false": False}
PARAMETERS: Final = {
    "M_MXFAST": 1,
    "M_TRIM_THRESHOLD": -1,
    "M_TOP_PAD": -2,
    "M_MMAP_THRESHOLD": -3,
    "M_MMAP_MAX": -4,
    "M_CHECK_ACTION": -5,
    "M_PERTURB": -6,
    "M_ARENA_TEST": -7,
    "M_ARENA_MAX": -8,
}
"""mallopt's parameters by glibc's own names."""
UNLIMITED: Final = 0xFFFFFFFF
_UNITS: Final = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_SIZE: Final = re.compile(r"(?P<amount>\w+?)(?P<unit>[KMG])i?B?", re.IGNORECASE | re.ASCII)
_OFFSET: Final = re.compile(r"(?P<base>[^+-]+)(?P<sign>[+-])(?P<offset>.+)")
_ESCAPES: Final = {"n": "\n", "t": "\t", "0": "\0", "\\": "\\", "'": "'"}
_NOTHING: Final = ("anon", "none", "-")


def converted(name: str, word: str, hint: Any) -> Any:
    """The word as the field `name`, whose type is `hint`. Raises CommandError."""
    if hint == commands.Place:
        return place(word)
    if hint is str:
        return word
    if hint is int:
        return number(name, word)
    if hint is bool:
        if word.lower() not in ON:
            raise CommandError(name, f"{name} is {word!r}; it can be on or off")
        return ON[word.lower()]
    origin = get_origin(hint)
    if origin is Literal:
        return choice(name, word, get_args(hint))
    if origin is tuple and get_args(hint)[0] is int:
        return tuple(number(name, part) for part in word.split(","))
    if origin is tuple:
        return tuple(choice(name, part, get_args(get_args(hint)[0])) for part in word.split(","))
    if origin in (Union, UnionType) and NoneType in get_args(hint):
        return None if word in _NOTHING else number(name, word)
    raise AssertionError(f"no conversion for {hint}")


def choice(name: str, word: str, choices: tuple[str, ...]) -> str:
    """One of `choices`."""
    if word not in choices:
        raise CommandError(name, f"{name} is {word!r}; it can be {', '.join(choices)}")
    return word


def number(name: str, word: str) -> int:
    """A whole number: 4096, 0x1000, 'A'; 64K where bytes are counted; M_MXFAST for mallopt."""
    if name == "parameter" and word.upper() in PARAMETERS:
        return PARAMETERS[word.upper()]
    if name == "limit" and word == "unlimited":
        return UNLIMITED
    if word.startswith("'"):
        letter = word[1:-1]
        return ord(_ESCAPES.get(letter[1:], letter[-1:]) if letter.startswith("\\") else letter)
    try:
        return _whole(word) if name not in SIZES else _bytes(word)
    except ValueError:
        examples = "4096, 64K or 0x1000" if name in SIZES else "4096 or 0x1000"
        raise CommandError(name, f"{name} is {word!r}; write a whole number, such as {examples}") from None


def place(word: str) -> str:
    """A place as the engine takes it: an offset such as 4K becomes 4096. Whether the slot is there, the engine says."""
    found = _OFFSET.fullmatch(word)
    if found is None or _SIZE.fullmatch(found["offset"]) is None:
        return word
    try:
        return f"{found['base']}{found['sign']}{_bytes(found['offset'])}"
    except ValueError:
        return word


def size_words(value: int) -> str:
    """A count of bytes as people write it: 64K, 2M, 100."""
    for unit in ("G", "M", "K"):
        if value and value % _UNITS[unit] == 0 and abs(value) // _UNITS[unit] < 10_000:
            return f"{value // _UNITS[unit]}{unit}"
    return str(value)


def _bytes(word: str) -> int:
    found = None if word[:2].lower() == "0x" else _SIZE.fullmatch(word.lstrip("+-"))
    if found is None:
        return _whole(word)
    sign = -1 if word.startswith("-") else 1
    return sign * _whole(found["amount"]) * _UNITS[found["unit"].upper()]


def _whole(word: str) -> int:
    sign = -1 if word.startswith("-") else 1
    digits = word.lstrip("+-").replace("_", "")
    return sign * int(digits, 16 if digits[:2].lower() == "0x" else 10)
