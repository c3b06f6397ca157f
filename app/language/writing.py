"""Commands written down: `line_of_command` as a program's line, `words_of_command` in the short form of the command field."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.language import grammar
from app.language.names import name_of
from app.language.operands import PARAMETERS, SIZES, size_words
from engine.commands import Fork, Mallopt, Mmap, Mremap, OpenFile, Realloc, Sysctl, Wait

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.commands import Command

_PARAMETER_NAMES: Final = {number: name for name, number in PARAMETERS.items()}
_MINIMUM_SHORTENED: Final = 4096
_NO_FLAGS: Final = "none"
_PLACES: Final = ("ptr", "address")


def words_of_command(command: Command) -> str:
    """The command as it would be typed, defaults left out: "malloc a 100"."""
    words: list[str] = [command.op]
    pending: list[str] = []
    for _, found in grammar.typed(type(command)):
        value = getattr(command, found.name)
        pending.append(_word(value))
        if not grammar.optional(found) or value != found.default:
            words += pending
            pending = []
    text = " ".join(words)
    return f"@{command.pid} {text}" if command.pid else text


def line_of_command(command: Command) -> str:
    """The command as a line of a program: "a = malloc 100", "m = mmap 64K rw private". parse_line gives an equal one."""
    match command:
        case Realloc():
            text = f"{command.as_} = realloc {command.as_} {_size(command.size)}"
        case Mremap():
            stay = "" if command.may_move else " stay"
            lengths = f"{_size(command.old_length)} {_size(command.new_length)}"
            text = f"{command.as_} = mremap {command.as_} {lengths}{stay}"
        case Mmap():
            text = _mmap(command)
        case Fork() | Wait():
            text = f"{command.op} {name_of(command.child)}"
        case OpenFile() if command.size < 0:
            text = f"file {command.file} {command.path}"
        case Sysctl():
            text = " ".join(["sysctl", command.name, *map(str, (command.value, *command.rest))])
        case Mallopt() if command.parameter in _PARAMETER_NAMES:
            text = f"mallopt {_PARAMETER_NAMES[command.parameter]} {command.value}"
        case _:
            text = _plain(command)
    return f"@{name_of(command.pid)} {text}" if command.pid else text


def program_of(commands: Iterable[Command]) -> str:
    """The commands as a program, a line each."""
    return "".join(f"{line_of_command(command)}\n" for command in commands)


def _plain(command: Command) -> str:
    words: list[str] = []
    pending: list[str] = []
    slot = ""
    for name, found in grammar.typed(type(command)):
        value = getattr(command, found.name)
        if found.name == grammar.SLOT:
            slot = f"{value} = "
            continue
        pending.append(_operand(name, value))
        if not grammar.optional(found) or value != found.default:
            words += pending
            pending = []
    return " ".join([f"{slot}{command.op}", *words])


def _mmap(command: Mmap) -> str:
    words = [f"{command.as_} = mmap {_size(command.length)} {command.prot or 'none'}", *(command.flags or (_NO_FLAGS,))]
    if command.file is not None:
        words.append(f"file {command.file}" + (f" {_size(command.offset)}" if command.offset else ""))
    elif command.offset:
        words.append(f"offset {_size(command.offset)}")
    if command.hint != 0:
        words.append(f"at {_place(command.hint)}")
    return " ".join(words)


def _size(value: int) -> str:
    return size_words(value) if abs(value) >= _MINIMUM_SHORTENED and value % _MINIMUM_SHORTENED == 0 else str(value)


def _operand(name: str, value: object) -> str:
    if isinstance(value, int) and name in SIZES:
        return _size(value)
    if isinstance(value, int) and name in _PLACES:
        return _place(value)
    return _word(value)


def _place(value: int | str) -> str:
    return f"{value:#010x}" if isinstance(value, int) else value


def _word(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple):
        return ",".join(map(str, value)) or _NO_FLAGS
    return "anon" if value is None else str(value)
