"""The editor's panel: the program, how far it has been performed, what each line gave, and what is wrong with a line."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from app.language import Mistake, Program, processes_before, read_program
from app.language.tokens import without_comment
from app.outcome_words import faults_words, told
from app.scenarios import name_of, themes
from app.session_text import machine_of_words
from app.words import refusal, t
from engine.config import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.store.texts import Draft
    from engine.session import Session

LINES_SHOWN: Final = 80
RESULT_WIDTH: Final = 200


@dataclass(frozen=True, slots=True)
class Noted:
    """What was found when somebody sent the program: mistakes of the machine's, or a word on how it was read."""

    mistakes: tuple[Mistake, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class ProgramRow:
    """A line of the program that says something, and what came of it."""

    number: int
    text: str
    state: str
    """done, next, later or wrong."""
    result: str
    column: int
    """Where a mistake is, from 1; 0 where there is none."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A scenario to load."""

    name: str
    title: str
    about: str


@dataclass(frozen=True, slots=True)
class ProgramPanel:
    """What the panel shows."""

    text: str
    rows: tuple[ProgramRow, ...]
    rows_before: int
    rows_after: int
    done: int
    total: int
    next_words: str
    mistakes: tuple[str, ...]
    note: str
    themes: tuple[tuple[str, tuple[Choice, ...]], ...]
    other_machine: str
    """What machine the program asks for, if this is another."""
    scenario: str
    """Which of the library it is, if it is one."""


def read_draft(session: Session, draft: Draft) -> Program:
    """The program in the editor, its children numbered after those that the machine had when it began."""
    return read_program(draft.text, taken=processes_before(session.commands[: draft.base]))


def done_lines(session: Session, program: Program, base: int) -> list[int | None]:
    """The version after which each of the program's operations was done, as far as it was; None where it was not.

    Commands that somebody gave in between do not count.
    """
    versions: list[int | None] = []
    at = base
    for command in program.commands:
        while at < session.version and session.commands[at] != command:
            at += 1
        if at >= session.version:
            break
        at += 1
        versions.append(at)
    return versions + [None] * (len(program.lines) - len(versions))


def program_summary(draft: Draft | None) -> str:
    """What is said of a program whose panel is closed."""
    lines = 0 if draft is None else sum(bool(without_comment(line).strip()) for line in draft.text.split("\n"))
    return t("panel.program_lines", lines=lines) if lines else t("panel.program_write")


def program_panel(session: Session, draft: Draft | None, noted: Noted) -> ProgramPanel:
    """The panel of a machine."""
    text = "" if draft is None else draft.text
    program = Program((), ()) if draft is None else read_draft(session, draft)
    versions = [] if draft is None else done_lines(session, program, draft.base)
    done = sum(version is not None for version in versions)
    mistakes = (*program.mistakes, *noted.mistakes)
    rows = _rows(session, text, program, versions, mistakes)
    centre = next((row.number for row in rows if row.state in ("wrong", "next")), len(rows))
    first = max(0, min(centre - LINES_SHOWN // 2, len(rows) - LINES_SHOWN))
    shown = rows[first : first + LINES_SHOWN]
    return ProgramPanel(
        text=text,
        rows=shown,
        rows_before=first,
        rows_after=len(rows) - first - len(shown),
        done=done,
        total=len(program.lines),
        next_words=program.lines[done].text if done < len(program.lines) and not mistakes else "",
        mistakes=tuple(refusal(mistake) for mistake in mistakes),
        note=noted.note,
        themes=tuple(
            (theme, tuple(Choice(each.name, each.title, each.about) for each in found))
            for theme, found in themes().items()
        ),
        other_machine=_asked_machine(session, program),
        scenario=name_of(text),
    )


def _asked_machine(session: Session, program: Program) -> str:
    """The machine that the program's head asks for, if it is another than this."""
    here, words = session.config, program.directive("machine")
    try:
        same = not words or replace(machine_of_words(words), tlb_hits=here.tlb_hits) == here
    except ConfigError:
        return ""
    return "" if same else words


def _rows(
    session: Session, text: str, program: Program, versions: list[int | None], mistakes: Sequence[Mistake]
) -> tuple[ProgramRow, ...]:
    wrong = {mistake.line: mistake for mistake in reversed(mistakes)}
    operations = {line.index: number for number, line in enumerate(program.lines)}
    upcoming = next((number for number, version in enumerate(versions) if version is None), None)
    found = []
    for index, line in enumerate(text.split("\n")):
        mistake, number = wrong.get(index), operations.get(index)
        if mistake is not None:
            found.append(ProgramRow(index + 1, _shown(line), "wrong", refusal(mistake.message), mistake.column + 1))
        elif number is not None:
            version = versions[number]
            state = "done" if version is not None else "next" if number == upcoming and not mistakes else "later"
            result = "" if version is None else _result(session, version)
            found.append(ProgramRow(index + 1, _shown(line), state, result, 0))
    return tuple(found)


def _shown(line: str) -> str:
    """The line without its comment: that can be read in the editor."""
    return without_comment(line).strip()


def _result(session: Session, version: int) -> str:
    outcome = session.outcomes[version - 1]
    words = t("page.comma").join(part for part in (told(outcome).strip(), faults_words(outcome)) if part)
    return words if len(words) <= RESULT_WIDTH else f"{words[:RESULT_WIDTH]} …"
