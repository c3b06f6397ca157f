"""A session as one C program that does the same on a real Linux and prints each result as told() does.

Nothing that the program does for itself uses malloc or asks for memory, so the heap is the session's alone.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

from app.export_c_parts import HEAD, PARTS, PROCESSES, START
from app.export_c_steps import c_string, can_do, step, variable
from app.language import line_of_command
from app.outcome_words import told
from engine.commands import Fork

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from engine.commands import Command
    from engine.config import MachineConfig
    from engine.outcome import Outcome

LABEL_WIDTH: Final = 32
_SLOTS_A_LINE: Final = 8


def export_c(commands: Sequence[Command], title: str = "") -> str:
    """The program's source: `gcc -m32 -O0 -no-pie -o program program.c && setarch -R ./program`."""
    forks = any(isinstance(command, Fork) for command in commands)
    body = list(_body(commands)) if forks else [_alone(command) for command in commands]
    source = "\n".join(body)
    parts = [text for needed, text in PARTS.items() if any(f"{word}(" in source for word in needed)]
    if forks:
        parts.append(PROCESSES)
    head = HEAD.replace("TITLE", _comment(title or "A session of Pagewalk"))
    return "\n".join([head, *parts, _variables(commands), START.replace("BODY", source)])


def results_text(config: MachineConfig, commands: Sequence[Command], outcomes: Sequence[Outcome]) -> str:
    """What the C program should print: each line and its result."""
    lines = [f"# the heap begins at 0x{config.image.brk:08x}"]
    lines += [result_line(*each) for each in zip(commands, outcomes, strict=True)]
    return "\n".join(lines) + "\n"


def result_line(command: Command, outcome: Outcome) -> str:
    """One command and its result, as the C program prints them."""
    return f"{line_of_command(command):<{LABEL_WIDTH}} {told(outcome)}"


def _alone(command: Command) -> str:
    return _indented(1, [_label(command), *step(command)])


def _body(commands: Sequence[Command]) -> Iterable[str]:
    """Each line is done by its own process; who has done its line hands the turn to whose line is next."""
    for command, following in pairwise([*commands, None]):
        assert command is not None
        after = following.pid if following is not None else command.pid
        inner = _indented(2, [_label(command), *step(command), "pass();"])
        yield f"    if (mine({command.pid}, {after})) {{\n{inner}\n    }}"


def _label(command: Command) -> str:
    return f"line({c_string(line_of_command(command))});"


def _indented(depth: int, lines: Iterable[str]) -> str:
    return "\n".join("    " * depth + line for line in lines)


def _variables(commands: Sequence[Command]) -> str:
    """The program's pointers, in the order in which the commands name them."""
    names = dict.fromkeys(name for command in commands if can_do(command) for name in _slots(command))
    found = [variable(name) for name in names]
    rows = [found[at : at + _SLOTS_A_LINE] for at in range(0, len(found), _SLOTS_A_LINE)]
    return "".join(f"static char {', '.join(f'*{name}' for name in row)};\n" for row in rows)


def _slots(command: Command) -> Iterable[str]:
    for field in ("as_", "ptr", "address", "hint"):
        place = getattr(command, field, None)
        if isinstance(place, str) and place and not place[0].isdigit():
            yield place.partition("+")[0].partition("-")[0]


def _comment(text: str) -> str:
    return text.replace("*/", "* /").replace("\n", " ")
