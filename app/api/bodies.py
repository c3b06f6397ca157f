"""Bodies of requests: read strictly, straight into the engine's own classes, mistakes told by command and field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, Final, NamedTuple, TypeVar

from fastapi import Depends, Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails, from_json

from app.command_json import COMMANDS
from app.problems import FieldError, ProblemError
from app.scenarios import Scenario, scenarios
from app.settings import Settings
from engine.commands import Command
from engine.config import PRESETS, MachineConfig
from engine.outcome import CommandError

_STRICT: Final = ConfigDict(strict=True, extra="forbid")
_UNION_TAG: Final = "union_tag"

M = TypeVar("M", bound=BaseModel)


class MachineBody(BaseModel):
    """The machine to build: a preset, or one's own; what is given beside a preset changes it."""

    model_config = _STRICT

    preset: str | None = Field(default=None, json_schema_extra={"enum": [*PRESETS, None]})
    scenario: str | None = Field(default=None, description="A program of the library: its machine, and it performed.")
    ram_mb: int | None = Field(default=None, description="RAM in MB, 16 to 4096.")
    swap_mb: int | None = Field(default=None, description="Swap in MB, 0 to 4096.")
    disk_mb: int | None = Field(default=None, description="The disk in MB, 0 to 4096.")
    seed: int | None = Field(default=None, description="Of the machine's own randomness.")
    tlb_entries: int | None = Field(default=None, description="Translations that the TLB holds, 1 to 4096.")
    root_fs: str | None = Field(default=None, json_schema_extra={"enum": ["ext4", "tmpfs", None]})
    sysctls: dict[str, int] = Field(default_factory=dict, description="Settings under /proc/sys/vm, by name.")

    def config(self) -> MachineConfig:
        """The configuration asked for. Raises ConfigError, ProblemError."""
        if self.scenario is not None:
            return self._scenario().config
        if self.preset is not None and self.preset not in PRESETS:
            detail = f"preset is {self.preset!r}; it can be {', '.join(PRESETS)}"
            field = FieldError(field="preset", detail=detail, pointer="/preset")
            raise ProblemError(422, "config", "The machine cannot be built", detail, [field])
        base = MachineConfig() if self.preset is None else PRESETS[self.preset]
        given = self.model_dump(exclude_none=True, exclude={"preset", "scenario", "sysctls"})
        return replace(base, **given, sysctls=tuple(sorted(self.sysctls.items())))

    def commands(self) -> list[Command]:
        """What is to be performed at once."""
        return [] if self.scenario is None else self._scenario().program.commands

    def _scenario(self) -> Scenario:
        found = scenarios().get(self.scenario or "")
        detail = ""
        if found is None:
            detail = f"scenario is {self.scenario!r}; it can be {', '.join(scenarios())}"
        elif self.model_fields_set != {"scenario"}:
            detail = "a scenario brings its own machine: leave the other fields out"
        if found is None or detail:
            field = FieldError(field="scenario", detail=detail, pointer="/scenario")
            raise ProblemError(422, "config", "The machine cannot be built", detail, [field])
        return found


class ProgrammeBody(BaseModel):
    """Commands to perform, all or none, if the machine is still at `version`."""

    model_config = _STRICT

    commands: list[Annotated[Command, Field(discriminator="op")]]
    version: int | None = Field(default=None, ge=0, description="Refused with 409 when the machine is at another.")


class StepBody(BaseModel):
    """The version to step to: after how many of its commands the machine shall stand."""

    model_config = _STRICT

    version: int = Field(ge=0)


class TextBody(BaseModel):
    """A program in the small language, the corpus's, or a log of ltrace."""

    model_config = _STRICT

    program: str = Field(max_length=1 << 20)


class Programme(NamedTuple):
    """What a request wants performed. `pointer` leads to the list of commands in its body."""

    commands: list[Command]
    version: int | None
    pointer: str


class Order(NamedTuple):
    """The machine that a request wants, and what is to be performed on it at once."""

    config: MachineConfig
    commands: list[Command]


async def read_machine(request: Request) -> Order:
    """The machine in the body."""
    body = await read_body(request, MachineBody)
    return Order(body.config(), body.commands())


async def read_step(request: Request) -> int:
    """The version in the body."""
    return (await read_body(request, StepBody)).version


async def read_text(request: Request) -> str:
    """The program in the body."""
    return (await read_body(request, TextBody)).program


def read_programme(body: bytes, settings: Settings) -> Programme:
    """The commands in the body: a list, or an object with the list and the version that it is meant for."""
    document = _parsed(body)
    listed = isinstance(document, list)
    items = document if listed else document.get("commands") if isinstance(document, dict) else None
    _check_length(items, settings)
    try:
        if listed:
            return Programme(COMMANDS.validate_json(body, strict=True), None, "")
        whole = ProgrammeBody.model_validate_json(body, strict=True)
        return Programme(whole.commands, whole.version, "/commands")
    except ValidationError as error:
        raise validation_problem(error, "A command was refused; none was performed") from None


def validation_problem(error: ValidationError, title: str) -> ProblemError:
    """All that was wrong with a body, each mistake with its command and field."""
    found: dict[tuple[int | None, str, str], FieldError] = {}
    for details in error.errors(include_url=False):
        mistake = _field_error(details)
        key = mistake.index, mistake.field, mistake.pointer or ""
        if key in found:
            found[key].detail += f"; or: {mistake.detail}"
        else:
            found[key] = mistake
    first = next(iter(found.values()))
    where = f"command {first.index}: " if first.index is not None else ""
    return ProblemError(422, "body", title, f"{where}{first.field}: {first.detail}", list(found.values()))


Ordered = Annotated[Order, Depends(read_machine)]
Step = Annotated[int, Depends(read_step)]
Text = Annotated[str, Depends(read_text)]


async def read_body(request: Request, model: type[M]) -> M:
    """The body as `model` says, strictly. Raises ProblemError."""
    body = await request.body()
    _parsed(body)
    try:
        return model.model_validate_json(body, strict=True)
    except ValidationError as error:
        raise validation_problem(error, "The body is not what this takes") from None


def _parsed(body: bytes) -> Any:
    try:
        return from_json(body)
    except ValueError as error:
        raise ProblemError(400, "not-json", "The body is not JSON", str(error)) from None


def _check_length(items: object, settings: Settings) -> None:
    if isinstance(items, list) and len(items) > settings.programme_limit:
        detail = f"{len(items)} commands; one request can have {settings.programme_limit}"
        field = FieldError(field="commands", detail=detail)
        raise ProblemError(413, "too-many-commands", "Too many commands", detail, [field])


def _field_error(details: ErrorDetails) -> FieldError:
    """One of pydantic's findings. A command's place in `loc` is (index, op, field, …)."""
    loc: Sequence[int | str] = details["loc"]
    prefix = ""
    if len(loc) > 1 and loc[0] == "commands":
        prefix, loc = "/commands", loc[1:]
    if not loc or not isinstance(loc[0], int):
        field = str(loc[0]) if loc else "body"
        return FieldError(field=field, detail=details["msg"], pointer=_pointer(prefix, loc))
    index, inside = loc[0], loc[2:]
    context: Mapping[str, Any] = details.get("ctx", {})
    cause = context.get("error")
    if isinstance(cause, CommandError):
        inside, detail = (cause.field,), str(cause)
    elif details["type"].startswith(_UNION_TAG):
        inside, detail = ("op",), _wrong_op(context)
    else:
        detail = details["msg"]
    field = str(inside[0]) if inside else "command"
    return FieldError(field=field, detail=detail, index=index, pointer=_pointer(prefix, (index, *inside[:1])))


def _wrong_op(context: Mapping[str, Any]) -> str:
    tags = str(context.get("expected_tags", "")).replace("'", "")
    return f"op is {context['tag']!r}; it can be {tags}" if "tag" in context else "op is missing: it names the command"


def _pointer(prefix: str, path: Sequence[int | str]) -> str:
    return prefix + "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)
