"""The playground: choose a machine, ask things of it, step through what happened. Every page works without scripts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Final

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response as PlainResponse

from app.machines import HistoryFull, Machines, ReplayDiffers, UnknownMachine, VersionConflict
from app.pages.command_forms import WORDS, Refused
from app.pages.command_words import command_of_fields, command_of_words
from app.pages.contexts import start_page
from app.pages.desk_panel import OnTheDesk
from app.pages.drawing import DrawnPage, digests, draw, fragments
from app.pages.machine_parts import machine_page
from app.pages.rendering import NOT_FOUND, SEE_OTHER, UNPROCESSABLE, HxType, missing, render, templates
from app.pages.shown import Shown, carried, read, read_page, wanted
from app.scenarios import scenarios
from app.store.texts import Draft, Texts
from app.words import refusal
from engine.config import PRESETS
from engine.outcome import CommandError

if TYPE_CHECKING:
    from starlette.datastructures import FormData
    from starlette.responses import Response

    from engine.commands import Command
    from engine.session import Session

__all__ = ["NOT_FOUND", "SEE_OTHER", "UNPROCESSABLE", "HxType", "missing", "render", "templates"]

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

SHOWS: Final = "Pagewalk-Shows"
"""The header in which the page's script says what it shows: the digest of each part."""
PARTS: Final = {"Vary": "HX-Request-Type", "Cache-Control": "no-store", "HX-Reswap": "none"}
"""Of an answer that is made of parts: beside them nothing is swapped, even where no part has changed."""


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
    if story is None:
        return RedirectResponse(f"/m/{held.id}", SEE_OTHER)
    await texts_of_request(request).keep_draft(held.id, Draft(story.text.rstrip(), 0))
    await machines_of_request(request).perform(held.id, story.program.commands[:1])
    return RedirectResponse(Shown().opened("program").path(held.id), SEE_OTHER)


@router.get("/m/{machine_id}")
async def machine(request: Request, machine_id: str, hx_type: HxType = None) -> Response:
    """The machine as it stands, and what the address says of what is chosen, open and near (see shown.py)."""
    shown = shown_of_request(request, machine_id)
    if hx_type is None and read(request.url.query)[1].any:
        return RedirectResponse(shown.path(machine_id), SEE_OTHER)
    return await show(request, machine_id, shown, hx_type)


@router.get("/m/{machine_id}/do")
@router.get("/m/{machine_id}/go")
@router.get("/m/{machine_id}/program")
async def back(request: Request, machine_id: str) -> Response:
    """Where a form was refused, the address is the form's: from there one comes back to the page."""
    return RedirectResponse(shown_of_request(request, machine_id).path(machine_id), SEE_OTHER)


@router.post("/m/{machine_id}/do")
async def perform(request: Request, machine_id: str, hx_type: HxType = None) -> Response:
    """Performs one command, from a form's fields or from words; then shows what it was about."""
    values, shown = texts_of_form(await request.form()), shown_of_request(request, machine_id)
    op, pid = values.get("op", WORDS), _pid(request)
    try:
        command = await _command(request, machine_id, op, pid, values)
        await machines_of_request(request).perform(machine_id, [command])
    except CommandError as error:
        return await show(request, machine_id, shown, hx_type, Refused(op, values, error))
    except HistoryFull as full:
        return await show(request, machine_id, shown, hx_type, Refused(op, values, CommandError("history", str(full))))
    except UnknownMachine as unknown:
        return missing(request, refusal(unknown), hx_type)
    return await turn_to(request, machine_id, shown.unchosen(command.pid), hx_type)


@router.post("/m/{machine_id}/go")
async def go(request: Request, machine_id: str, hx_type: HxType = None) -> Response:
    """Steps back or forward in the history."""
    version = texts_of_form(await request.form()).get("version", "")
    shown = shown_of_request(request, machine_id)
    try:
        await machines_of_request(request).go_to(machine_id, _version(version))
    except CommandError as error:
        return await show(request, machine_id, shown, hx_type, Refused("go", {}, error))
    except UnknownMachine as unknown:
        return missing(request, refusal(unknown), hx_type)
    return await turn_to(request, machine_id, shown.unchosen(_pid(request)), hx_type)


def shown_of_request(request: Request, machine_id: str) -> Shown:
    """What a request wants to be shown: its address names what changes; htmx tells where the page is that asks."""
    here = request.headers.get("hx-current-url")
    return wanted(request.url.query, read_page(here, machine_id) if here else None)


def _pid(request: Request) -> int:
    """Whom a form's command is for: its address says it."""
    return read(request.url.query)[0].pid


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

    return command_of_words(values.get(WORDS, ""), pid, await machines_of_request(request).glance(machine_id, slots))


# --- answers ---------------------------------------------------------------------------------------------------------


async def turn_to(request: Request, machine_id: str, shown: Shown, hx_type: str | None) -> Response:
    """After a form: the page at its own address; htmx is answered at once, a browser goes there."""
    if hx_type is None:
        return RedirectResponse(shown.path(machine_id), SEE_OTHER)
    return await show(request, machine_id, shown, hx_type)


async def show(
    request: Request,
    machine_id: str,
    shown: Shown,
    hx_type: str | None,
    refused: Refused | None = None,
    brought: OnTheDesk | None = None,
) -> Response:
    """The machine's page; `brought` is what the editor has to say, where it was the editor that asked.

    To htmx, which says what the page shows already, only the parts that differ; whatever else asks gets the whole page.
    """
    desk = brought or OnTheDesk(await texts_of_request(request).draft(machine_id))
    has = digests(request.headers[SHOWS]) if hx_type == "partial" and SHOWS in request.headers else None

    def draw_all(session: Session) -> tuple[DrawnPage, bool]:
        page = machine_page(session, machine_id, shown, refused, desk)
        return draw(page), page.wrong

    def draw_rest(session: Session) -> tuple[str, bool]:
        page = machine_page(session, machine_id, shown, refused, desk)
        return fragments(page, has or {}), page.wrong

    look = machines_of_request(request).look
    try:
        desk = replace(desk, branches=await machines_of_request(request).branches(machine_id))
        if has is None:
            drawn, wrong = await look(machine_id, draw_all)
            answer = render(request, "machine.html", drawn, hx_type, UNPROCESSABLE if wrong else 200)
            answer.body = carried(bytes(answer.body).decode(), shown, machine_id).encode()
        else:
            drawn_parts, wrong = await look(machine_id, draw_rest)
            answer = PlainResponse(drawn_parts, UNPROCESSABLE if wrong else 200, PARTS, "text/html")
    except (UnknownMachine, ReplayDiffers, VersionConflict) as gone:
        return missing(request, refusal(gone), hx_type)
    if hx_type is not None:
        _tell_address(request, answer, shown.path(machine_id), wrong=wrong)
    answer.headers["content-length"] = str(len(answer.body))
    return answer


def _tell_address(request: Request, answer: Response, path: str, *, wrong: bool) -> None:
    """A page that is another than before gets a place in the history; what was refused has no address."""
    here = request.headers.get("hx-current-url", "")
    answer.headers["HX-Push-Url"] = "false" if wrong or here.endswith(path) else path
