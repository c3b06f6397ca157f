"""/m/ID/compare: the session's commands once more with one setting changed, both runs side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import anyio.to_thread
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from app.compare import THREADS, CompareError, Side
from app.machines import Machines, ReplayDiffers, UnknownMachine
from app.pages.compare_page import ComparePage, compare_page
from app.pages.contexts import MissingPage
from app.pages.playground import templates
from app.words import refusal
from engine.config import ConfigError

if TYPE_CHECKING:
    from starlette.responses import Response

UNPROCESSABLE: Final = 422
NOT_FOUND: Final = 404

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@router.get("/m/{machine_id}/compare")
async def compare(request: Request, machine_id: str, name: str = "swappiness", value: str = "") -> Response:
    """Both runs, or just the form where no value is given yet."""
    machines = request.app.state.machines
    assert isinstance(machines, Machines)
    try:
        side = await machines.look(
            machine_id, lambda session: Side(session.config, tuple(session.commands[: session.version]))
        )
    except (UnknownMachine, ReplayDiffers) as gone:
        return _render(request, "missing.html", MissingPage(refusal(gone)), NOT_FOUND)
    try:
        page = await anyio.to_thread.run_sync(compare_page, machine_id, side, name, value, limiter=THREADS)
    except (CompareError, ConfigError) as error:
        return _render(request, "compare.html", ComparePage(machine_id, name, value, error=str(error)), UNPROCESSABLE)
    return _render(request, "compare.html", page, 200)


def _render(request: Request, name: str, page: object, status: int) -> Response:
    response: Response = templates.TemplateResponse(
        request, name, {"page": page}, status_code=status, headers={"Cache-Control": "no-store"}
    )
    return response
