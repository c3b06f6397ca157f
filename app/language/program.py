"""A whole program: lines, what they mean, what is wrong with them, and what its head says of itself.

    # Copy on write
    # A child shares every page until one of the two writes.
    # machine: 64mb
    a = malloc 100          # a comment
    fork child
    @child write a 7

The first two lines of comment are its title and its sentence; `# machine:` names a preset, or holds a configuration as
JSON; `# theme:` is where it stands in the library.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from app.language.line import LineError, located, parse_line
from app.language.names import ProcessNames
from app.language.tokens import COMMENT, Token, tokens_of, without_comment
from app.programs import LINES_MAXIMUM, ProgramError, parse_program
from engine.commands import Fork
from engine.outcome import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from engine.commands import Command

MISTAKES_TOLD: Final = 20
SUFFIX: Final = ".pw"
CORPUS_SUFFIX: Final = ".t"
_DIRECTIVE: Final = re.compile(r"#\s*(machine|theme|at|engine)\s*:\s*(.+?)\s*")
_CORPUS_FIRST: Final = {"malloc": 2, "calloc": 3, "realloc": 2, "memalign": 3, "usable": 1, "mmap": 6, "mremap": 4}
"""The corpus's operations that begin with a slot's number, and how many operands they have at least."""
_CORPUS_ONLY: Final = ("freeaddr",)


@dataclass(frozen=True, slots=True)
class Line:
    """One operation of a program; `index` is its line from 0."""

    index: int
    text: str
    command: Command
    places: dict[str, Token]


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong with a line. Line and column count from 0."""

    line: int
    column: int
    length: int
    message: str

    def __str__(self) -> str:
        return f"line {self.line + 1}, column {self.column + 1}: {self.message}"


@dataclass(frozen=True, slots=True)
class Program:
    """A program as it was read. With a mistake in it nothing of it should be performed."""

    lines: tuple[Line, ...]
    mistakes: tuple[Mistake, ...]
    title: str = ""
    about: str = ""
    head: tuple[tuple[str, str], ...] = ()

    @property
    def commands(self) -> list[Command]:
        """What it tells the machine."""
        return [line.command for line in self.lines]

    def directive(self, name: str) -> str:
        """What the head says under `name`; nothing where it does not."""
        return dict(self.head).get(name, "")

    def mistake_of(self, number: int, error: CommandError) -> Mistake:
        """What the machine refused: `number` counts the operations from 0."""
        line = self.lines[number]
        if not line.places:
            return Mistake(line.index, 0, len(line.text), str(error))
        found = located(error, line.places)
        return Mistake(line.index, found.column, found.length, str(found))


def read_program(
    text: str, *, taken: Iterable[int] = (0,), slots: Iterable[str] = (), corpus: bool | None = None
) -> Program:
    """Reads a program, in this language or in the corpus's (`corpus`; None: as its lines look).

    `taken` are the numbers of the processes that there are already, `slots` the pointers that are set. Never raises.
    """
    lines = text.replace("\r\n", "\n").split("\n")
    if len(lines) > LINES_MAXIMUM:
        message = f"the program has {len(lines)} lines; at most {LINES_MAXIMUM} are performed"
        return Program((), (Mistake(LINES_MAXIMUM, 0, 0, message),))
    if is_corpus(lines) if corpus is None else corpus:
        return _read_corpus(text)
    names, known = ProcessNames(taken), set(slots)
    found: list[Line] = []
    mistakes: list[Mistake] = []
    for index, line in enumerate(lines):
        if not tokens_of(line):
            continue
        try:
            command, places = parse_line(line, 0, frozenset(known), names)
        except LineError as error:
            mistakes.append(Mistake(index, error.column, error.length, str(error)))
            continue
        found.append(Line(index, without_comment(line).strip(), command, places))
        known.add(getattr(command, "as_", ""))
    title, about, head = _head(lines)
    return Program(tuple(found), tuple(mistakes[:MISTAKES_TOLD]), title, about, head)


def is_corpus(lines: Sequence[str]) -> bool:
    """Whether a program is in the corpus's language: its slots are numbers, and nothing is assigned."""
    for line in lines:
        words = [token.text for token in tokens_of(line)]
        if words and words[0].startswith("@"):
            words = words[1:]
        if not words:
            continue
        if "=" in words:
            return False
        if words[0] in _CORPUS_ONLY or any(re.fullmatch(r"s\d+([+-]\w+)?", word) for word in words[1:2]):
            return True
        least = _CORPUS_FIRST.get(words[0])
        if least is not None:
            return len(words) > least and words[1].isdigit()
    return False


def processes_before(commands: Sequence[Command]) -> set[int]:
    """The numbers of the processes that `commands` have made."""
    return {0} | {command.child for command in commands if isinstance(command, Fork)}


def _read_corpus(text: str) -> Program:
    try:
        lines = parse_program(text.replace("\r\n", "\n"))
    except ProgramError as error:
        return Program((), (Mistake(error.line, 0, 0, error.message),))
    return Program(tuple(Line(line.index, line.text, line.command, {}) for line in lines), ())


def _head(lines: Sequence[str]) -> tuple[str, str, tuple[tuple[str, str], ...]]:
    """Title, sentence and directives of the comment at the beginning."""
    words: list[str] = []
    head: list[tuple[str, str]] = []
    for line in lines:
        if not line.startswith(COMMENT):
            break
        found = _DIRECTIVE.fullmatch(line)
        if found is not None:
            head.append((found[1], found[2]))
        elif line.strip("# \t"):
            words.append(line.strip("# \t"))
    return words[0] if words else "", " ".join(words[1:]), tuple(head)
