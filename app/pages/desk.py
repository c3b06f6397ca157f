"""The editor's requests: keep a program, load a scenario, perform it whole or line by line. Works as plain forms."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from app.import_logs import LogError, import_log, looks_like_a_log
from app.language import Mistake, Program, program_of, read_program
from app.machines import HistoryFull, UnknownMachine
from app.pages.desk_panel import OnTheDesk
from app.pages.playground import (
    SEE_OTHER,
    HxType,
    machines_of_request,
    missing,
    show,
    shown_of_request,
    texts_of_form,
    texts_of_request,
    turn_to,
)
from app.pages.program_panel import Noted, done_lines, read_draft
from app.pages.shown import Shown
from app.programs import ProgramError
from app.rep_traces import HEADER, parse_rep
from app.scenarios import scenarios
from app.session_text import machine_of_words
from app.store.texts import Draft
from app.words import refusal, t
from engine.config import ConfigError
from engine.outcome import CommandError

if TYPE_CHECKING:
    from starlette.responses import Response

    from engine.session import Session

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

TEXT_MAXIMUM: Final = 64_000


@router.post("/m/{machine_id}/program")
async def program(request: Request, machine_id: str, hx_type: HxType = None) -> Response:
    """What the editor's buttons ask for; the program is kept whatever comes of it."""
    values = texts_of_form(await request.form())
    shown = shown_of_request(request, machine_id)
    shown = shown.unchosen(shown.pid).opened("program")
    asked, text = values.get("do", "keep"), values.get("program", "").replace("\r\n", "\n").strip("\n")
    try:
        kept = await texts_of_request(request).draft(machine_id)
        if asked == "load":
            await _load(request, machine_id, values.get("scenario", ""))
            return await turn_to(request, machine_id, shown, hx_type)
        if asked == "boot":
            return await _boot(request, text)
        draft, note = _read(text, kept)
        noted = await _perform(request, machine_id, asked, draft, kept)
    except UnknownMachine as unknown:
        return missing(request, refusal(unknown), hx_type)
    noted = replace(noted, note=noted.note or note)
    if noted.mistakes or noted.note:
        brought = OnTheDesk(await texts_of_request(request).draft(machine_id), noted)
        return await show(request, machine_id, shown, hx_type, brought=brought)
    return await turn_to(request, machine_id, shown, hx_type)


async def _load(request: Request, machine_id: str, name: str) -> None:
    """Puts a scenario into the editor."""
    scenario = scenarios().get(name)
    text = "" if scenario is None else scenario.text.rstrip("\n")
    await _keep(request, machine_id, Draft(text, 0))


async def _boot(request: Request, text: str) -> Response:
    """Boots the machine that the program is meant for, with the program in its editor."""
    try:
        config = machine_of_words(read_program(text).directive("machine"))
    except ConfigError:
        config = machine_of_words("")
    held = await machines_of_request(request).create(replace(config, tlb_hits=True))
    await texts_of_request(request).keep_draft(held.id, Draft(text, 0))
    return RedirectResponse(Shown().opened("program").path(held.id), SEE_OTHER)


async def _keep(request: Request, machine_id: str, draft: Draft) -> None:
    """Raises UnknownMachine."""
    await machines_of_request(request).get(machine_id)
    await texts_of_request(request).keep_draft(machine_id, draft)


def _read(text: str, kept: Draft | None) -> tuple[Draft, str]:
    """The program that was sent, and a word on how it was read: logs of other tools become programs."""
    base = 0 if kept is None else kept.base
    text = text[:TEXT_MAXIMUM]
    lines = text.split("\n")
    try:
        if looks_like_a_log(lines):
            found = import_log(text)
            note = t("desk.read_as_log", calls=len(found.commands), left_out=found.left_out)
            return Draft(program_of(found.commands).rstrip(), base), note
        if _looks_like_a_trace(lines):
            commands = [operation.line.command for operation in parse_rep(text).operations]
            return Draft(program_of(commands).rstrip(), base), t("desk.read_as_trace")
    except (LogError, ProgramError) as error:
        return Draft(text, base), refusal(error)
    return Draft(text, base), ""


def _looks_like_a_trace(lines: list[str]) -> bool:
    """Whether the first lines are the numbers with which a malloc-lab trace begins."""
    head = [line.strip() for line in lines if line.strip()][: len(HEADER)]
    return len(head) == len(HEADER) and all(line.isdigit() for line in head)


async def _perform(request: Request, machine_id: str, asked: str, draft: Draft, kept: Draft | None) -> Noted:
    """Performs what was asked of the program. What the machine refuses is noted at its line; what came before stays done."""
    machines = machines_of_request(request)
    version = await machines.look(machine_id, lambda session: session.version)
    if asked == "run":
        draft = draft._replace(base=0)
    elif asked == "here" or (asked == "next" and kept is None):
        draft = draft._replace(base=version)
    await _keep(request, machine_id, draft)
    program = await machines.look(machine_id, lambda session: read_draft(session, draft))
    if program.mistakes or asked not in ("run", "here", "next") or not program.lines:
        return Noted()
    if asked == "next":
        return await _next(request, machine_id, draft, program)
    if asked == "run":
        await machines.go_to(machine_id, 0)
    return await _all(request, machine_id, program)


async def _all(request: Request, machine_id: str, program: Program) -> Noted:
    machines, limit = machines_of_request(request), request.app.state.settings.programme_limit
    if len(program.lines) > limit:
        message = f"the program has {len(program.lines)} commands; {limit} are performed at once"
        return Noted((Mistake(program.lines[limit].index, 0, 0, message),))
    try:
        await machines.perform(machine_id, program.commands)
    except CommandError as error:
        done = error.index or 0
        await machines.perform(machine_id, program.commands[:done])
        return Noted((program.mistake_of(done, error),))
    except HistoryFull as full:
        return Noted((Mistake(0, 0, 0, str(full)),))
    return Noted()


async def _next(request: Request, machine_id: str, draft: Draft, program: Program) -> Noted:
    """Performs the first line that is not done; one that was stepped back over is stepped over again."""
    machines = machines_of_request(request)

    def where(session: Session) -> tuple[int | None, bool]:
        versions = done_lines(session, program, draft.base)
        number = next((at for at, version in enumerate(versions) if version is None), None)
        version = session.version
        ahead = number is not None and session.commands[version : version + 1] == [program.commands[number]]
        return number, ahead

    number, ahead = await machines.look(machine_id, where)
    if number is None:
        return Noted(note=t("desk.all_done"))
    try:
        if ahead:
            version = await machines.look(machine_id, lambda session: session.version)
            await machines.go_to(machine_id, version + 1)
        else:
            await machines.perform(machine_id, [program.commands[number]])
    except CommandError as error:
        return Noted((program.mistake_of(number, error),))
    except HistoryFull as full:
        return Noted((Mistake(program.lines[number].index, 0, 0, str(full)),))
    return Noted()
