"""What went wrong, told as RFC 9457 says: application/problem+json, with the field that was wrong named in `errors`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import structlog
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from app.machines import HistoryFull, ReplayDiffers, UnknownBranch, UnknownMachine, VersionConflict
from app.store.journal import JournalConflict
from app.work import OverBudget
from engine.config import ConfigError
from engine.outcome import CommandError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fastapi import FastAPI
    from starlette.requests import Request
    from starlette.responses import Response

MEDIA_TYPE: Final = "application/problem+json"
TYPES: Final = "/problems#"
"""Where a problem's type leads: a page of this server that says what the kind means (RFC 9457, 3.1.1)."""
KINDS: Final = {
    "not-json": 400,
    "cross-origin": 403,
    "unknown-machine": 404,
    "unknown-process": 404,
    "unknown-view": 404,
    "unknown-file": 404,
    "unknown-branch": 404,
    "conflict": 409,
    "history-full": 409,
    "other-engine": 409,
    "body-too-large": 413,
    "too-many-commands": 413,
    "body": 422,
    "command": 422,
    "config": 422,
    "parameter": 422,
    "compare": 422,
    "policies": 422,
    "over-budget": 422,
    "our-mistake": 500,
}
"""Every kind of problem, and its status. They are the API's: none is ever renamed."""
_OF_STATUS: Final = {413: "body-too-large"}
"""Kinds of what the framework itself refuses; the rest of that says all there is to say by its status."""
ERRORS_MAXIMUM: Final = 20
"""Mistakes told at once."""

log = structlog.get_logger(__name__)


class FieldError(BaseModel):
    """One mistake in what was sent."""

    field: str = Field(examples=["size"])
    detail: str = Field(examples=["size is -1; it can be 0 to 4294967295"])
    index: int | None = Field(default=None, description="Which command of the list, from 0.", examples=[0])
    pointer: str | None = Field(default=None, description="Where in the body, as a JSON pointer.", examples=["/0/size"])


class Problem(BaseModel):
    """The body of every error (RFC 9457)."""

    type: str = Field(default="about:blank", examples=["/problems#command"])
    title: str = Field(examples=["A command was refused"])
    status: int = Field(examples=[422])
    detail: str | None = Field(default=None, examples=["command 0: size is -1; it can be 0 to 4294967295"])
    errors: list[FieldError] | None = None


class ProblemError(Exception):
    """Raised where a request cannot be served; becomes the answer."""

    def __init__(
        self, status: int, kind: str, title: str, detail: str | None = None, errors: Sequence[FieldError] = ()
    ) -> None:
        super().__init__(detail or title)
        self.problem = Problem(
            type=f"{TYPES}{kind}",
            title=title,
            status=status,
            detail=detail,
            errors=list(errors)[:ERRORS_MAXIMUM] or None,
        )


def problem_response(problem: Problem, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """The answer that tells `problem`."""
    content = problem.model_dump(exclude_none=True)
    return JSONResponse(content, problem.status, headers=headers, media_type=MEDIA_TYPE)


def command_problem(error: CommandError, prefix: str = "") -> ProblemError:
    """A command that the machine refused: nothing was changed. `prefix` is the JSON pointer of the list in the body."""
    where = f"command {error.index}: " if error.index is not None else ""
    pointer = f"{prefix}/{error.index}/{error.field}" if error.index is not None else f"{prefix}/{error.field}"
    field = FieldError(field=error.field, detail=str(error), index=error.index, pointer=pointer)
    return ProblemError(422, "command", "A command was refused; none was performed", f"{where}{error}", [field])


def install(app: FastAPI) -> None:
    """Makes every error of `app` a problem."""
    for kind, handler in _HANDLERS.items():
        app.add_exception_handler(kind, handler)
    app.add_exception_handler(Exception, _on_our_mistake)


async def answer(request: Request, error: Exception) -> Response:
    """The problem that `error` becomes. Raises it again where it is none: then it is a mistake of ours."""
    handler = next((_HANDLERS[kind] for kind in type(error).__mro__ if kind in _HANDLERS), None)
    if handler is None:
        raise error
    response: Response = await handler(request, error)
    return response


def _answer(error: ProblemError) -> Response:
    return problem_response(error.problem)


async def _on_problem(request: Request, error: ProblemError) -> Response:
    return _answer(error)


async def _on_command_error(request: Request, error: CommandError) -> Response:
    return _answer(command_problem(error))


async def _on_config_error(request: Request, error: ConfigError) -> Response:
    field = FieldError(field=error.field, detail=str(error), pointer=f"/{error.field}")
    return _answer(ProblemError(422, "config", "The machine cannot be built", str(error), [field]))


async def _on_unknown_machine(request: Request, error: UnknownMachine) -> Response:
    field = FieldError(field="machine_id", detail=str(error))
    return _answer(ProblemError(404, "unknown-machine", "Unknown machine", str(error), [field]))


async def _on_unknown_branch(request: Request, error: UnknownBranch) -> Response:
    field = FieldError(field="number", detail=str(error))
    return _answer(ProblemError(404, "unknown-branch", "Unknown branch", str(error), [field]))


async def _on_conflict(request: Request, error: Exception) -> Response:
    detail = str(error) if isinstance(error, VersionConflict) else "somebody else moved the machine; read it again"
    field = FieldError(field="version", detail=detail, pointer="/version")
    return _answer(ProblemError(409, "conflict", "The machine is at another version", detail, [field]))


async def _on_history_full(request: Request, error: HistoryFull) -> Response:
    return _answer(ProblemError(409, "history-full", "The machine's history is full", str(error)))


async def _on_replay_differs(request: Request, error: ReplayDiffers) -> Response:
    return _answer(ProblemError(409, "other-engine", "Recorded by another engine", str(error)))


async def _on_http_exception(request: Request, error: HTTPException) -> Response:
    headers = {name.lower(): value for name, value in (error.headers or {}).items()}
    if error.status_code == 405:
        # Starlette knows only the methods of the first route that matches the path.
        path = getattr(request.scope.get("route"), "path_format", "")
        methods = request.app.openapi()["paths"].get(path, {})
        if methods:
            headers["allow"] = ", ".join(sorted(method.upper() for method in methods))
    kind = _OF_STATUS.get(error.status_code)
    if kind is not None:
        return problem_response(ProblemError(error.status_code, kind, str(error.detail)).problem, headers)
    return problem_response(Problem(title=str(error.detail), status=error.status_code), headers)


async def _on_validation_error(request: Request, error: RequestValidationError) -> Response:
    errors = [FieldError(field=str(each["loc"][-1]), detail=each["msg"]) for each in error.errors()]
    detail = "; ".join(f"{each.field}: {each.detail}" for each in errors[:ERRORS_MAXIMUM])
    return _answer(ProblemError(422, "parameter", "A parameter is wrong", detail, errors))


async def _on_over_budget(request: Request, error: OverBudget) -> Response:
    return _answer(ProblemError(422, "over-budget", "Too much work for one request; nothing was performed", str(error)))


async def _on_our_mistake(request: Request, error: Exception) -> Response:
    log.error("unexpected", path=request.url.path, error=repr(error))
    return _answer(ProblemError(500, "our-mistake", "Internal error", "a mistake of ours; nothing was acknowledged"))


_HANDLERS: Final[dict[type, Any]] = {
    ProblemError: _on_problem,
    CommandError: _on_command_error,
    OverBudget: _on_over_budget,
    ConfigError: _on_config_error,
    UnknownMachine: _on_unknown_machine,
    UnknownBranch: _on_unknown_branch,
    VersionConflict: _on_conflict,
    JournalConflict: _on_conflict,
    HistoryFull: _on_history_full,
    ReplayDiffers: _on_replay_differs,
    HTTPException: _on_http_exception,
    RequestValidationError: _on_validation_error,
}
