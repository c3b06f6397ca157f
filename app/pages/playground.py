"""The playground: choose a machine, ask things of it, step through what happened. Every page works without scripts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Header, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from jinja2_fragments.fastapi import Jinja2Blocks

from app.machines import HistoryFull, Machines, ReplayDiffers, UnknownMachine, VersionConflict
from app.pages.choosing import Wanted
from app.pages.command_forms import WORDS, Refused
from app.pages.command_words import command_of_fields, command_of_words
from app.pages.contexts import MissingPage, machine_page, start_page
from engine.config import PRESETS
from engine.outcome import CommandError

if TYPE_CHECKING:
    from starlette.datastructures import FormData
    from starlette.responses import Response

    from engine.commands import Command
    from engine.session import Session

TEMPLATES: Final = Path(__file__).parents[2] / "templates"
NOT_FOUND: Final = 404
UNPROCESSABLE: Final = 422
SEE_OTHER: Final = 303

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
templates = Jinja2Blocks(
    env=Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
)

HxType = Annotated[str | None, Header(alias="HX-Request-Type")]
"""htmx says "partial" when it will swap just a part of the page."""


def _machines(request: Request) -> Machines:
    machines = request.app.state.machines
    assert isinstance(machines, Machines)
    return machines


def _render(request: Request, name: str, page: object, hx_type: str | None = None, status: int = 200) -> Response:
    """The whole page, or for htmx only the part that it swaps."""
    block = "content" if hx_type == "partial" else None
    headers = {"Vary": "HX-Request-Type", "Cache-Control": "no-store"}
    if status == UNPROCESSABLE:
        headers["HX-Push-Url"] = "false"
    response: Response = templates.TemplateResponse(
        request, name, {"page": page}, block_name=block, status_code=status, headers=headers
    )
    return response


def _missing(request: Request, words: str, hx_type: str | None) -> Response:
    return _render(request, "missing.html", MissingPage(words), hx_type, NOT_FOUND)


@router.get("/")
async def start(request: Request, hx_type: HxType = None) -> Response:
    """The machines to choose from."""
    return _render(request, "start.html", start_page(), hx_type)


@router.post("/m")
async def create(request: Request, preset: Annotated[str, Form()], hx_type: HxType = None) -> Response:
    """Boots a machine, and shows it."""
    config = PRESETS.get(preset)
    if config is None:
        error = f"preset is {preset!r}; it can be {', '.join(PRESETS)}"
        return _render(request, "start.html", start_page(error), hx_type, UNPROCESSABLE)
    held = await _machines(request).create(config)
    return RedirectResponse(f"/m/{held.id}", SEE_OTHER)


@router.get("/m/{machine_id}")
async def machine(
    request: Request, machine_id: str, at: str = "", frame: str = "", pid: int = 0, hx_type: HxType = None
) -> Response:
    """The machine as it stands, with one address or frame chosen."""
    return await _show(request, machine_id, Wanted(at, frame, pid), hx_type)


@router.post("/m/{machine_id}/do")
async def perform(request: Request, machine_id: str, pid: int = 0, at: str = "", hx_type: HxType = None) -> Response:
    """Performs one command, from a form's fields or from words; then shows what it was about."""
    values = _texts(await request.form())
    op = values.get("op", WORDS)
    wanted = Wanted(at, "", pid)
    try:
        command = await _command(request, machine_id, op, pid, values)
        await _machines(request).perform(machine_id, [command])
    except CommandError as error:
        return await _show(request, machine_id, wanted, hx_type, Refused(op, values, error))
    except HistoryFull as full:
        return await _show(
            request, machine_id, wanted, hx_type, Refused(op, values, CommandError("history", str(full)))
        )
    except UnknownMachine as unknown:
        return _missing(request, str(unknown), hx_type)
    query = urlencode({"pid": command.pid}) if command.pid else ""
    return RedirectResponse(f"/m/{machine_id}" + (f"?{query}" if query else ""), SEE_OTHER)


@router.post("/m/{machine_id}/go")
async def go(request: Request, machine_id: str, pid: int = 0, hx_type: HxType = None) -> Response:
    """Steps back or forward in the history."""
    version = _texts(await request.form()).get("version", "")
    try:
        await _machines(request).go_to(machine_id, _version(version))
    except CommandError as error:
        return await _show(request, machine_id, Wanted("", "", pid), hx_type, Refused("go", {}, error))
    except UnknownMachine as unknown:
        return _missing(request, str(unknown), hx_type)
    return RedirectResponse(f"/m/{machine_id}" + (f"?pid={pid}" if pid else ""), SEE_OTHER)


def _version(word: str) -> int:
    if not word.isdigit():
        raise CommandError("version", f"version is {word!r}; write a whole number")
    return int(word)


def _texts(form: FormData) -> dict[str, str]:
    return {name: value for name, value in form.items() if isinstance(value, str)}


async def _command(request: Request, machine_id: str, op: str, pid: int, values: dict[str, str]) -> Command:
    if op != WORDS:
        return command_of_fields(op, pid, values)

    def slots(session: Session) -> frozenset[str]:
        process = session.machine.processes.get(pid)
        own = frozenset() if process is None else frozenset(process.slots)
        return own | frozenset(session.machine.kernel_slots)

    return command_of_words(values.get(WORDS, ""), pid, await _machines(request).look(machine_id, slots))


async def _show(
    request: Request, machine_id: str, wanted: Wanted, hx_type: str | None, refused: Refused | None = None
) -> Response:
    def question(session: Session) -> Any:
        return machine_page(session, machine_id, wanted, refused)

    try:
        page = await _machines(request).look(machine_id, question)
    except (UnknownMachine, ReplayDiffers, VersionConflict) as gone:
        return _missing(request, str(gone), hx_type)
    wrong = refused is not None or page.at_error or page.frame_error
    return _render(request, "machine.html", page, hx_type, UNPROCESSABLE if wrong else 200)
