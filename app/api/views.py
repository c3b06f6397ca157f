"""/machines/{id}/views/{name}: what a screen shows, as data. The views' own signatures say what they may be asked."""

from __future__ import annotations

import re
from collections.abc import Callable
from inspect import Parameter, signature
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request, Response
from pydantic import TypeAdapter, ValidationError

from app.api import API_PREFIX
from app.api.describe import answer, problems
from app.api.service import Service
from app.api.view_json import view_json
from app.problems import FieldError, ProblemError
from engine.outcome import CommandError
from engine.session import Session
from engine.views import SESSION_VIEWS, VIEWS

router = APIRouter(prefix=API_PREFIX + "/machines/{machine_id}/views", tags=["looking"])

_EXAMPLE: Final = {"zones": [{"name": "DMA", "free": [{"order": 0, "blocks": [17, 19]}]}]}
_HEXADECIMAL: Final = re.compile(r"0[xX][0-9a-fA-F]+")
_TYPES: Final[dict[str, TypeAdapter[Any]]] = {
    "int": TypeAdapter(int),
    "int | None": TypeAdapter(int | None),
    "str": TypeAdapter(str),
    "bool": TypeAdapter(bool),
    "Place": TypeAdapter(int | str),
}
"""What a view's parameter may be, by its annotation. Addresses are whole numbers; 0x… is understood too, and in a Place a slot."""
_ALL: Final = (*VIEWS, *SESSION_VIEWS)


_PARAMETERS: Final[list[dict[str, Any]]] = [
    {"name": name, "in": "query", "required": False, "schema": {"type": "integer", "minimum": 0}, "description": what}
    for name, what in (
        ("pid", "Whose: of views of a process. 0 is the first."),
        ("address", "Of page_walk, page_sharing and at; of chunk, where it may be a slot too. 0x… is understood."),
        ("pfn", "Of frame, buddy_tree and at: a page frame's number."),
        ("slot", "Of swap_slot and at: a slot of the swap area."),
        ("page", "Of file_page and at, beside file: which page of the file, from 0."),
    )
]
_PARAMETERS.extend(
    {"name": name, "in": "query", "required": False, "schema": {"type": "string"}, "description": what}
    for name, what in (
        ("pointer", 'Of would_free: a slot, a slot with an offset ("a+16"), or an address.'),
        ("cache", "Of slab: the cache whose slabs are told object by object."),
        ("file", 'Of file_page and at: the path of a file that a process opened or mapped, such as "/bin/student".'),
    )
)


@router.get(
    "/{name}",
    responses={**answer(_EXAMPLE), **problems(404, 409, 422)},
    openapi_extra={"parameters": _PARAMETERS},
)
async def read_view(
    machine_id: str,
    name: Annotated[str, Path(json_schema_extra={"enum": [*_ALL]})],
    request: Request,
    machines: Service,
) -> Response:
    """A view of the machine by name. Query parameters are the view's own (pid=, address=, …)."""
    view = VIEWS.get(name) or SESSION_VIEWS.get(name)
    if view is None:
        detail = f"there is no view {name!r}; there are {', '.join(_ALL)}"
        raise ProblemError(404, "unknown-view", "Unknown view", detail, [FieldError(field="name", detail=detail)])
    arguments = _arguments(view, dict(request.query_params))
    content = await machines.look(machine_id, lambda session: _seen(name, session, arguments))
    return Response(content, media_type="application/json")


def _seen(name: str, session: Session, arguments: dict[str, Any]) -> bytes:
    """The view as JSON. A process, frame, slot or address that is not there is the asker's mistake."""
    pid = arguments.get("pid", 0)
    if pid not in session.machine.processes:
        raise _wrong("pid", f"there is no process {pid}")
    try:
        if name in SESSION_VIEWS:
            return view_json(SESSION_VIEWS[name](session, **arguments))
        return view_json(VIEWS[name](session.machine, **arguments))
    except CommandError as error:
        raise _wrong(error.field, str(error)) from None
    except LookupError as error:
        raise _wrong(next(iter(arguments), "name"), str(error)) from None


def _arguments(view: Callable[..., Any], given: dict[str, str]) -> dict[str, Any]:
    parameters = list(signature(view).parameters.values())[1:]
    known = {parameter.name: parameter for parameter in parameters}
    for name in given:
        if name not in known:
            raise _wrong(name, f"this view takes {', '.join(known) or 'no parameters'}")
    for name, parameter in known.items():
        if parameter.default is Parameter.empty and name not in given:
            raise _wrong(name, f"{name} is missing")
    return {name: _converted(known[name], text) for name, text in given.items()}


def _converted(parameter: Parameter, text: str) -> Any:
    value: str | int = int(text, 16) if _HEXADECIMAL.fullmatch(text) else text
    try:
        return _TYPES[str(parameter.annotation)].validate_python(value)
    except ValidationError as error:
        raise _wrong(parameter.name, f"{parameter.name} is {text!r}: {error.errors()[0]['msg']}") from None


def _wrong(field: str, detail: str) -> ProblemError:
    return ProblemError(422, "parameter", "A parameter is wrong", detail, [FieldError(field=field, detail=detail)])
