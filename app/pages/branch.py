"""/m/ID/branch: go back, change one command or one setting, see both runs side by side, and go on in either."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import anyio.to_thread
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from app.compare import THREADS, CompareError
from app.machines import HistoryFull, Machines, ReplayDiffers, UnknownBranch, UnknownMachine, VersionConflict
from app.pages.branch_page import Asked, BranchPage, accepted, blank, branch_page, branching
from app.pages.contexts import MissingPage
from app.pages.playground import machines_of_request, shown_of_request, turn_to
from app.pages.rendering import HxType, missing, templates
from app.store.journal import JournalConflict
from app.words import refusal
from engine.config import ConfigError
from engine.outcome import CommandError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.responses import Response

    from app.pages.branch_page import Branching
    from engine.session import Session

UNPROCESSABLE: Final = 422
NOT_FOUND: Final = 404
CONFLICT: Final = 409
SEE_OTHER: Final = 303

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@router.get("/m/{machine_id}/branch")
async def branch(request: Request, machine_id: str) -> Response:
    """Both runs, or just the forms where nothing is asked yet. The machine stays as it is."""
    asked = _asked(request.query_params)
    machines = machines_of_request(request)
    try:
        page = await machines.look(machine_id, lambda session: blank(session, machine_id, asked))
        if not asked.anything:
            return _render(request, page)
        try:
            of = await machines.look(machine_id, lambda session: branching(session, asked))
            page = await anyio.to_thread.run_sync(branch_page, page, of, limiter=THREADS)
        except (CompareError, CommandError, ConfigError) as error:
            return _render(request, page, error)
    except (UnknownMachine, ReplayDiffers) as gone:
        return _missing(request, str(gone))
    return _render(request, page)


@router.post("/m/{machine_id}/branch")
async def go_on(request: Request, machine_id: str) -> Response:
    """Makes the changed run the machine's history, which then stands right after the change; the other is kept as a branch."""
    form = await request.form()
    asked = _asked({name: value for name, value in form.items() if isinstance(value, str)})
    machines = machines_of_request(request)
    try:
        page = await machines.look(machine_id, lambda session: blank(session, machine_id, asked))
        try:
            of = await machines.look(machine_id, lambda session: branching(session, asked))
            await _perform(machines, machine_id, of)
        except (CompareError, CommandError, ConfigError, HistoryFull) as error:
            return _render(request, page, error)
        except (VersionConflict, JournalConflict) as error:
            return _render(request, page, error, CONFLICT)
    except (UnknownMachine, ReplayDiffers) as gone:
        return _missing(request, str(gone))
    return RedirectResponse(f"/m/{machine_id}", SEE_OTHER)


@router.post("/m/{machine_id}/branches/{number}")
async def return_to(request: Request, machine_id: str, number: int, hx_type: HxType = None) -> Response:
    """Returns to a history that was left."""
    shown = shown_of_request(request, machine_id)
    try:
        await machines_of_request(request).take_branch(machine_id, number)
    except (UnknownMachine, UnknownBranch, ReplayDiffers) as gone:
        return missing(request, refusal(gone), hx_type)
    return await turn_to(request, machine_id, shown.unchosen(0), hx_type)


async def _perform(machines: Machines, machine_id: str, of: Branching) -> None:
    """Raises CompareError, CommandError, HistoryFull, VersionConflict."""
    commands, _ = await anyio.to_thread.run_sync(accepted, of, limiter=THREADS)
    before = await machines.look(machine_id, _standing)
    await machines.go_to(machine_id, of.base)
    try:
        await machines.perform(machine_id, commands, of.base)
    except BaseException:
        await machines.go_to(machine_id, before)
        raise
    await machines.go_to(machine_id, of.base + (1 if commands else 0))


def _standing(session: Session) -> int:
    return session.version


def _asked(values: Mapping[str, str]) -> Asked:
    pid = values.get("pid", "")
    return Asked(
        step=values.get("step", "").strip(),
        words=values.get("words", "").strip(),
        since=values.get("from", "").strip(),
        name=values.get("name", "").strip(),
        value=values.get("value", "").strip(),
        pid=int(pid) if pid.isdecimal() and len(pid) < 10 else 0,
    )


def _missing(request: Request, words: str) -> Response:
    return templates.TemplateResponse(request, "missing.html", {"page": MissingPage(words)}, status_code=NOT_FOUND)


def _render(
    request: Request, page: BranchPage, error: Exception | None = None, status: int = UNPROCESSABLE
) -> Response:
    field = f"{error.field}: " if isinstance(error, CommandError) else ""
    told = page if error is None else page.refused(f"{field}{error}")
    response: Response = templates.TemplateResponse(
        request,
        "branch.html",
        {"page": told},
        status_code=200 if error is None else status,
        headers={"Cache-Control": "no-store"},
    )
    return response
