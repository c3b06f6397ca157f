"""/scenarios, /programs, /completions: the library, what a program means, and what could stand in a line."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from pydantic import BaseModel

from app.api import API_PREFIX, examples
from app.api.bodies import Text
from app.api.describe import answer, problems, reference, takes
from app.command_json import command_document
from app.language import complete, names_before, read_program
from app.scenarios import Scenario, scenarios
from app.words import ENGLISH, catalogue, speaking

router = APIRouter(prefix=API_PREFIX, tags=["programs"])

LINE_MAXIMUM: Final = 1000
_BODIES: Final = {"program": {"summary": "Two lines", "value": {"program": "a = malloc 100\nfrea a\n"}}}


class ScenarioAnswer(BaseModel):
    """A program of the library."""

    name: str
    title: str
    about: str
    theme: str
    program: str
    commands: list[dict[str, Any]]


class ScenariosAnswer(BaseModel):
    """The library, in its order."""

    scenarios: list[ScenarioAnswer]


class MistakeAnswer(BaseModel):
    """What is wrong with a line; line and column count from 1."""

    line: int
    column: int
    length: int
    message: str


class ProgramAnswer(BaseModel):
    """What a program means. With a mistake in it, nothing of it should be performed."""

    commands: list[dict[str, Any]]
    mistakes: list[MistakeAnswer]


class CandidateAnswer(BaseModel):
    """A word that fits, and what it is."""

    text: str
    what: str


class CompletionAnswer(BaseModel):
    """The candidates for the word in columns [start, end) of the line, counted from 0."""

    start: int
    end: int
    candidates: list[CandidateAnswer]


@router.get("/scenarios", responses=answer(examples.SCENARIOS))
async def read_scenarios() -> ScenariosAnswer:
    """The library of scenarios: each is a program that shows one thing."""
    return ScenariosAnswer(scenarios=[_scenario(each) for each in scenarios().values()])


@router.post(
    "/programs",
    responses={**answer(examples.PROGRAM_READ), **problems(400, 413, 422)},
    openapi_extra=takes(reference("TextBody"), _BODIES),
)
async def read_text_program(text: Text) -> ProgramAnswer:
    """Reads a program without performing it: its commands, as a machine takes them, or what is wrong with its lines."""
    program = read_program(text)
    mistakes = [
        MistakeAnswer(line=each.line + 1, column=each.column + 1, length=each.length, message=each.message)
        for each in program.mistakes
    ]
    return ProgramAnswer(commands=[command_document(command) for command in program.commands], mistakes=mistakes)


@router.get("/completions", responses={**answer(examples.COMPLETION), **problems(422)})
async def read_completions(
    line: Annotated[str, Query(max_length=LINE_MAXIMUM, description="The line that is being written.")] = "",
    column: Annotated[int | None, Query(ge=0, description="Where in it; at its end unless told.")] = None,
    before: Annotated[
        str, Query(max_length=4 * LINE_MAXIMUM, description="The lines before it, for their names.")
    ] = "",
    lang: Annotated[str, Query(max_length=35, description="The language of `what`, such as zh; else English.")] = "",
) -> CompletionAnswer:
    """What the word being written could be."""
    slots, processes = names_before(before.splitlines())
    with speaking(catalogue(lang) or ENGLISH):
        found = complete(line, len(line) if column is None else column, slots, processes)
    return CompletionAnswer(
        start=found.start,
        end=found.end,
        candidates=[CandidateAnswer(text=each.text, what=each.what) for each in found.candidates],
    )


def _scenario(scenario: Scenario) -> ScenarioAnswer:
    return ScenarioAnswer(
        name=scenario.name,
        title=scenario.title,
        about=scenario.about,
        theme=scenario.theme,
        program=scenario.text,
        commands=[command_document(command) for command in scenario.program.commands],
    )
