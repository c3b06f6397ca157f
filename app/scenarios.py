"""The library of scenarios: programs that each show one thing, in folders of content, by theme."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from app.language import Program, read_program
from app.session_text import machine_of_words
from app.words import catalogues, language

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.config import MachineConfig

FOLDER: Final = Path(__file__).parent / "content" / "scenarios"
FIRST: Final = "first-malloc"
"""The one that a newcomer sees."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One program of the library: NN-NAME.pw, whose head says the rest."""

    name: str
    title: str
    about: str
    theme: str
    text: str
    program: Program
    config: MachineConfig


def scenarios() -> Mapping[str, Scenario]:
    """All of them by name, in the library's order: that of the numbers in front of their names.

    They are told in the language that is spoken: a folder of its tag has the same programs with its words. One that is
    not there is told in English.
    """
    return _library(language().tag)


@cache
def _library(tag: str) -> Mapping[str, Scenario]:
    found = (_read(_told_in(tag, path)) for path in sorted(FOLDER.glob("*.pw")))
    return {scenario.name: scenario for scenario in found}


def _told_in(tag: str, path: Path) -> Path:
    own = FOLDER / tag / path.name
    return own if own.is_file() else path


def name_of(text: str) -> str:
    """Which of the library a program is, in any language; nothing where it is none."""
    return _names().get(text.rstrip(), "")


@cache
def _names() -> Mapping[str, str]:
    libraries = (_library(tag) for tag in catalogues())
    return {scenario.text.rstrip(): scenario.name for library in libraries for scenario in library.values()}


def themes() -> Mapping[str, tuple[Scenario, ...]]:
    """The scenarios by theme, in order."""
    found: dict[str, tuple[Scenario, ...]] = {}
    for scenario in scenarios().values():
        found[scenario.theme] = (*found.get(scenario.theme, ()), scenario)
    return found


def _read(path: Path) -> Scenario:
    text = path.read_text("utf-8")
    program = read_program(text, corpus=False)
    assert not program.mistakes, f"{path.name}: {program.mistakes[0]}"
    return Scenario(
        name=path.stem.partition("-")[2],
        title=program.title,
        about=program.about,
        theme=program.directive("theme"),
        text=text,
        program=program,
        config=machine_of_words(program.directive("machine")),
    )
