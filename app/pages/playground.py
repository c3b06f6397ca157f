"""The playground: choose a machine, ask things of it, step through what happened. Every page works without scripts."""

from __future__ import annotations

from dataclasses import replace
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
from app.pages.desk_panel import OnTheDesk
from app.scenarios import scenarios
from app.store.texts import Draft, Texts
from app.words import html, language, refusal, t, word
from app.words.negotiation import language_links
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
    ),
    context_processors=[lambda request: {"language": language(), "languages": language_links(request)}],
)
templates.env.globals.update(t=t, html=html, word=word, refusal=refusal)

HxType = Annotated[str | None, Header(alias="HX-Request-Type")]
"""htmx says "partial" when it will swap just a part of the page."""


def machines_of_request(request: Request) -> Machines:
    """The service that create_app's lifespan made."""
    machines = request.app.state.machines
    assert isinstance(machines, Machines)
    return machines


def texts_of_request(request: Request) -> Texts:
    """What people write and share."""
    texts = request.app.state.texts
    assert isinstance(texts, Texts)
    return texts


def render(request: Request, name: str, page: object, hx_type: str | None = None, status: int = 200) -> Response:
    """The whole page, or for htmx only the part that it swaps."""
    block = "content" if hx_type == "partial" else None
    headers = {"Vary": "HX-Request-Type", "Cache-Control": "no-store"}
    if status == UNPROCESSABLE:
        headers["HX-Push-Url"] = "false"
    response: Response = templates.TemplateResponse(
        request, name, {"page": page}, block_name=block, status_code=status, headers=headers
    )
    return response


def missing(request: Request, words: str, hx_type: str | None) -> Response:
    """The page that says what is not here."""
    return render(request, "missing.html", MissingPage(words), hx_type, NOT_FOUND)


@router.get("/")
async def start(request: Request, hx_type: HxType = None) -> Response:
    """The machines to choose from."""
    return render(request, "start.html", start_page(), hx_type)


@router.post("/m")
async def create(
    request: Request,
    preset: Annotated[str, Form()] = "",
    scenario: Annotated[str, Form()] = "",
    hx_type: HxType = None,
) -> Response:
    """Boots a machine, and shows it; a scenario's with its program in the editor and the first line done."""
    story = scenarios().get(scenario)
    config = PRESETS.get(preset) if story is None else story.config
    if config is None:
        error = refusal(f"preset is {preset!r}; it can be {', '.join(PRESETS)}")
        return render(request, "start.html", start_page(error), hx_type, UNPROCESSABLE)
    held = await machines_of_request(request).create(replace(config, tlb_hits=True))
    if story is not None:
        await texts_of_request(request).keep_draft(held.id, Draft(story.text.rstrip(), 0))
        await machines_of_request(request).perform(held.id, story.program.commands[:1])
    return RedirectResponse(f"/m/{held.id}", SEE_OTHER)


@router.get("/m/{machine_id}")
async def machine(
    request: Request,
    machine_id: str,
    at: str = "",
    frame: str = "",
    pid: int = 0,
    term: str = "",
    hx_type: HxType = None,
) -> Response:
    """The machine as it stands, with one address or frame chosen, and what the terminal prints."""
    return await show(request, machine_id, Wanted(at, frame, pid, term), hx_type)


@router.post("/m/{machine_id}/do")
async def perform(
    request: Request, machine_id: str, pid: int = 0, at: str = "", term: str = "", hx_type: HxType = None
) -> Response:
    """Performs one command, from a form's fields or from words; then shows what it was about."""
    values = texts_of_form(await request.form())
    op = values.get("op", WORDS)
    wanted = Wanted(at, "", pid, term)
    try:
        command = await _command(request, machine_id, op, pid, values)
        await machines_of_request(request).perform(machine_id, [command])
    except CommandError as error:
        return await show(request, machine_id, wanted, hx_type, Refused(op, values, error))
    except HistoryFull as full:
        return await show(request, machine_id, wanted, hx_type, Refused(op, values, CommandError("history", str(full))))
    except UnknownMachine as unknown:
        return missing(request, refusal(unknown), hx_type)
    return RedirectResponse(machine_path(machine_id, command.pid, term), SEE_OTHER)


@router.post("/m/{machine_id}/go")
async def go(request: Request, machine_id: str, pid: int = 0, term: str = "", hx_type: HxType = None) -> Response:
    """Steps back or forward in the history."""
    version = texts_of_form(await request.form()).get("version", "")
    try:
        await machines_of_request(request).go_to(machine_id, _version(version))
    except CommandError as error:
        return await show(request, machine_id, Wanted("", "", pid, term), hx_type, Refused("go", {}, error))
    except UnknownMachine as unknown:
        return missing(request, refusal(unknown), hx_type)
    return RedirectResponse(machine_path(machine_id, pid, term), SEE_OTHER)


def machine_path(machine_id: str, pid: int = 0, term: str = "") -> str:
    """Where a machine's page is, with what stays from step to step: the process that is shown, the terminal's line."""
    query = urlencode({name: value for name, value in (("pid", pid), ("term", term)) if value})
    return f"/m/{machine_id}" + (f"?{query}" if query else "")


def _version(word: str) -> int:
    if not word.isdigit():
        raise CommandError("version", f"version is {word!r}; write a whole number")
    return int(word)


def texts_of_form(form: FormData) -> dict[str, str]:
    """A form's fields, without files."""
    return {name: value for name, value in form.items() if isinstance(value, str)}


async def _command(request: Request, machine_id: str, op: str, pid: int, values: dict[str, str]) -> Command:
    if op != WORDS:
        return command_of_fields(op, pid, values)

    def slots(session: Session) -> frozenset[str]:
        process = session.machine.processes.get(pid)
        own = frozenset() if process is None else frozenset(process.slots)
        return own | frozenset(session.machine.kernel_slots)

    return command_of_words(values.get(WORDS, ""), pid, await machines_of_request(request).look(machine_id, slots))


async def show(
    request: Request,
    machine_id: str,
    wanted: Wanted,
    hx_type: str | None,
    refused: Refused | None = None,
    brought: OnTheDesk | None = None,
) -> Response:
    """The machine's page; `brought` is what the editor has to say, where it was the editor that asked."""
    brought = brought or OnTheDesk(await texts_of_request(request).draft(machine_id))

    def question(session: Session) -> Any:
        return machine_page(session, machine_id, wanted, refused, replace(brought, term=wanted.term))

    try:
        page = await machines_of_request(request).look(machine_id, question)
    except (UnknownMachine, ReplayDiffers, VersionConflict) as gone:
        return missing(request, refusal(gone), hx_type)
    wrong = refused is not None or page.at_error or page.frame_error or brought.noted.mistakes
    return render(request, "machine.html", page, hx_type, UNPROCESSABLE if wrong else 200)
