"""The API's description: bodies that are read by hand, problems, and the models behind both."""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import TypeAdapter

from app.api.answers import OUTCOME_MODEL
from app.api.bodies import MachineBody, ProgrammeBody, StepBody, TextBody
from app.api.examples import PROBLEM
from app.api.policy_bodies import PolicyBody
from app.command_json import COMMANDS
from app.problems import MEDIA_TYPE, Problem
from engine.commands import LIMITS, OpenFile

REFERENCE: Final = "#/components/schemas/{model}"
_MEANINGS: Final = {
    400: "The body is not JSON",
    404: "There is no such machine, view or file",
    409: "The machine is at another version",
    413: "The body or its list is too long",
    422: "Something in it is wrong: `errors` names each field",
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of an operation that can fail in these ways."""
    content = {MEDIA_TYPE: {"schema": {"$ref": REFERENCE.format(model="Problem")}, "example": PROBLEM}}
    return {status: {"description": _MEANINGS[status], "content": content} for status in statuses}


def answer(example: Any, status: int = 200, media_type: str = "application/json") -> dict[int | str, dict[str, Any]]:
    """The `responses` entry that shows what success looks like."""
    return {status: {"content": {media_type: {"example": example}}}}


def takes(schema: dict[str, Any], examples: dict[str, Any]) -> dict[str, Any]:
    """The `openapi_extra` of an operation that reads its body by hand."""
    return {
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema, "examples": examples}}}
    }


def reference(name: str) -> dict[str, Any]:
    """A schema among the components."""
    return {"$ref": REFERENCE.format(model=name)}


def describe(app: FastAPI) -> None:
    """Completes `app.openapi()` with what FastAPI does not see."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
            schema.setdefault("components", {}).setdefault("schemas", {}).update(_components())
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _components() -> dict[str, Any]:
    schemas: dict[str, Any] = {}
    for model in (MachineBody, ProgrammeBody, StepBody, TextBody, PolicyBody, Problem, OUTCOME_MODEL):
        schema = TypeAdapter(model).json_schema(ref_template=REFERENCE)
        schemas |= schema.pop("$defs", {}) | {model.__name__: schema}
    commands = COMMANDS.json_schema(ref_template=REFERENCE)
    kinds = commands.pop("$defs")
    for kind in kinds.values():
        _complete(kind)
    schemas |= kinds
    schemas["Commands"] = commands
    return schemas


def _complete(command: dict[str, Any]) -> None:
    """Adds what the engine demands of a command and its types do not say: that `op` is there, and numbers' limits."""
    command["required"] = ["op", *command.get("required", [])]
    for name, field in command["properties"].items():
        if name in LIMITS and field.get("type") == "integer" and command["title"] != OpenFile.__name__:
            field["minimum"], field["maximum"] = LIMITS[name]
