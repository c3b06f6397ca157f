"""/machines/{id}/compare: the machine's commands run again from boot beside a changed run, the first difference named."""

from __future__ import annotations

from typing import Annotated, Any, Final

import anyio.to_thread
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import to_json

from app.api import API_PREFIX
from app.api.bodies import read_body
from app.api.describe import answer, problems, takes
from app.api.service import Service
from app.command_json import command_document, outcome_json
from app.compare import THREADS, CompareError, Comparison, Difference, Done, Side, compare, with_command, with_sysctls
from app.problems import FieldError, ProblemError
from engine.commands import Command

router = APIRouter(prefix=API_PREFIX + "/machines/{machine_id}/compare", tags=["looking"])

EXAMPLES: Final[dict[str, Any]] = {
    "setting": {"summary": "Another setting from boot on", "value": {"sysctls": {"swappiness": 100}}},
    "command": {
        "summary": "Another first command",
        "value": {"index": 0, "command": {"op": "malloc", "size": 24, "as": "a"}},
    },
}
_SCHEMA: Final = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "sysctls": {"type": "object", "additionalProperties": {"type": "integer"}},
        "index": {"type": "integer", "minimum": 0},
        "command": {"$ref": "#/components/schemas/Malloc", "description": "Any command."},
    },
}
_EXAMPLE: Final = {
    "first": {
        "kind": "outcome",
        "index": 0,
        "left": {"command": {"op": "malloc", "size": 100, "as": "a"}, "outcome": {"op": "malloc", "ret": 134537632}},
        "right": {"command": {"op": "malloc", "size": 24, "as": "a"}, "outcome": {"op": "malloc", "ret": 134537632}},
    },
    "differences": [],
    "left_ns": 5300,
    "right_ns": 5300,
    "figures": [{"name": "pgmajfault", "left": 4, "right": 2}],
}


class CompareBody(BaseModel):
    """What is changed: settings under /proc/sys/vm from boot on, or command number `index` (from 0), or both."""

    model_config = ConfigDict(strict=True, extra="forbid")

    sysctls: dict[str, int] = Field(default_factory=dict)
    index: int | None = None
    command: Annotated[Command, Field(discriminator="op")] | None = None

    def changed(self, side: Side) -> Side:
        """The other run. Raises CompareError."""
        if (self.index is None) != (self.command is None):
            missing = "index" if self.index is None else "command"
            raise CompareError(missing, f"{missing} is missing: index and command go together")
        if self.index is not None and self.command is not None:
            side = with_command(side, self.index, self.command)
        return with_sysctls(side, self.sysctls)


@router.post("", responses={**answer(_EXAMPLE), **problems(400, 404, 409, 422)}, openapi_extra=takes(_SCHEMA, EXAMPLES))
async def compare_runs(machine_id: str, request: Request, machines: Service) -> Response:
    """Runs the commands up to the machine's version twice from boot, the second time with the change. The machine stays."""
    body = await read_body(request, CompareBody)
    side = await machines.look(
        machine_id, lambda session: Side(session.config, tuple(session.commands[: session.version]))
    )
    try:
        found = await anyio.to_thread.run_sync(compare, side, body.changed(side), limiter=THREADS)
    except CompareError as error:
        field = FieldError(field=error.field, detail=str(error), pointer=f"/{error.field}")
        raise ProblemError(422, "compare", "These cannot be compared", str(error), [field]) from None
    return Response(to_json(_document(found)), media_type="application/json")


def _document(found: Comparison) -> dict[str, Any]:
    return {
        "first": found.first and _difference(found.first),
        "differences": [_difference(each) for each in found.differences],
        "left_ns": found.left_ns,
        "right_ns": found.right_ns,
        "figures": [{"name": each.name, "left": each.left, "right": each.right} for each in found.figures],
    }


def _difference(each: Difference) -> dict[str, Any]:
    return {
        "kind": each.kind.value,
        "index": each.index,
        "left": _done(each.left, each.left_command),
        "right": _done(each.right, each.right_command),
    }


def _done(done: Done | None, command: Command | None) -> dict[str, Any] | None:
    if done is None or command is None:
        return None
    told: dict[str, Any] = {"command": command_document(command), "ns": done.ns}
    if done.outcome is None:
        return told | {"refused": done.refused}
    return told | {"outcome": outcome_json(done.outcome)}
