"""The small language in which people tell a machine what to do: on the page, in a file, over REST.

grammar says which commands there are, line reads one, program a whole file, completion offers words, writing writes
commands down.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.language.completion import Candidate, Completion, complete, names_before
from app.language.grammar import command_of_fields, next_slot, operations, usage
from app.language.line import LineError, parse_line
from app.language.names import ProcessNames
from app.language.program import Line, Mistake, Program, is_corpus, processes_before, read_program
from app.language.writing import line_of_command, program_of, words_of_command

if TYPE_CHECKING:
    from engine.commands import Command

__all__ = [
    "Candidate",
    "Completion",
    "Line",
    "LineError",
    "Mistake",
    "ProcessNames",
    "Program",
    "command_of_fields",
    "command_of_words",
    "complete",
    "is_corpus",
    "line_of_command",
    "names_before",
    "next_slot",
    "operations",
    "parse_line",
    "processes_before",
    "program_of",
    "read_program",
    "usage",
    "words_of_command",
]


def command_of_words(text: str, pid: int, slots: frozenset[str], taken: frozenset[int] = frozenset({0})) -> Command:
    """The command that one line says, done by process `pid` unless it begins with @. Raises LineError, a CommandError."""
    return parse_line(text, pid, slots, ProcessNames(taken)).command
