"""Sessions that leave their machine: as a link, as JSON, as text, as a C program; and links that are opened or embedded."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response as PlainResponse
from markupsafe import Markup

from app.command_json import command_document, config_to_json, outcome_json
from app.export_c import export_c, result_line
from app.machines import HistoryFull, ReplayDiffers, UnknownMachine
from app.middleware import CONTENT_SECURITY_POLICY
from app.pages.drawing import DrawnPage, draw
from app.pages.machine_parts import machine_page
from app.pages.playground import (
    NOT_FOUND,
    SEE_OTHER,
    UNPROCESSABLE,
    HxType,
    machines_of_request,
    missing,
    render,
    texts_of_request as texts_of,
)
from app.pages.shown import KEPT, wanted
from app.session_text import session_text
from app.share import LINK_MAXIMUM, Shared, ShareError, is_kept, kept_name, packed, read_shared, unpacked
from app.words import ENGLISH, language, refusal, speaking, t
from app.words.negotiation import PARAMETER
from engine.config import ConfigError
from engine.machine import ENGINE_VERSION
from engine.outcome import CommandError
from engine.session import Session

if TYPE_CHECKING:
    from starlette.responses import Response

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

LINES_SHOWN: Final = 400
EMBED_COMMANDS_MAXIMUM: Final = 2000
_EMBEDDABLE: Final = CONTENT_SECURITY_POLICY.replace("frame-ancestors 'none'", "frame-ancestors *")


@dataclass(frozen=True, slots=True)
class SharePage:
    """/m/ID/share: the link of a session as it stands."""

    machine_id: str
    link: str
    kept: bool
    commands: int
    frame: str


@dataclass(frozen=True, slots=True)
class SharedPage:
    """/s/CODE: what a link holds, before it is opened."""

    code: str
    title: str
    about: str
    machine: str
    commands: int
    text: str


# --- out of a machine ------------------------------------------------------------------------------------------------


@router.get("/m/{machine_id}.json")
async def session_json(request: Request, machine_id: str) -> Response:
    """The session as JSON: configuration, commands and what each gave."""
    return await _told(request, machine_id, _document, "application/json")


@router.get("/m/{machine_id}.txt")
async def session_plain(request: Request, machine_id: str) -> Response:
    """The session as plain text, each command with its result."""
    return await _told(request, machine_id, _plain, "text/plain; charset=utf-8")


@router.get("/m/{machine_id}.pw")
async def session_program(request: Request, machine_id: str) -> Response:
    """The session as a program."""
    return await _told(request, machine_id, _text, "text/plain; charset=utf-8", "session.pw")


@router.get("/m/{machine_id}.c")
async def session_c(request: Request, machine_id: str) -> Response:
    """The session as a C program."""
    return await _told(request, machine_id, _c, "text/x-c; charset=utf-8", "program.c")


async def _told(request: Request, machine_id: str, tell: Any, media_type: str, name: str = "") -> Response:
    """In English whoever asks: a program that is exported prints the very same."""
    try:
        with speaking(ENGLISH):
            content: str = await machines_of_request(request).look(machine_id, tell)
    except (UnknownMachine, ReplayDiffers) as gone:
        return PlainTextResponse(f"{gone}\n", NOT_FOUND)
    headers = {"content-disposition": f'attachment; filename="{name}"'} if name else {}
    return PlainResponse(content, media_type=media_type, headers=headers)


def _commands(session: Session) -> Any:
    return session.commands[: session.version]


def _document(session: Session) -> str:
    document = {
        "engine": ENGINE_VERSION,
        "config": json.loads(config_to_json(session.config)),
        "version": session.version,
        "chain": session.chain,
        "commands": [command_document(command) for command in _commands(session)],
        "outcomes": [outcome_json(outcome) for outcome in session.outcomes[: session.version]],
    }
    return json.dumps(document, default=str) + "\n"


def _text(session: Session) -> str:
    return session_text(session.config, _commands(session))


def _plain(session: Session) -> str:
    head = session_text(session.config, [])
    lines = map(result_line, _commands(session), session.outcomes[: session.version])
    return head + "".join(f"{line}\n" for line in lines)


def _c(session: Session) -> str:
    return export_c(_commands(session))


@router.get("/m/{machine_id}/share")
async def share(request: Request, machine_id: str, hx_type: HxType = None) -> Response:
    """The link of the session as it stands: it holds the session, or names it where it is long."""
    try:
        text = await machines_of_request(request).look(machine_id, _text)
    except (UnknownMachine, ReplayDiffers) as gone:
        return missing(request, refusal(gone), hx_type)
    root = str(request.base_url).rstrip("/")
    code = packed(text)
    if len(f"{root}/s/{code}") > LINK_MAXIMUM:
        code = kept_name(text)
        await texts_of(request).keep_share(code, text, datetime.now(UTC).isoformat(timespec="seconds"))
    frame = f'<iframe src="{root}/embed/{code}" width="900" height="600" title="{t("share.frame_title")}"></iframe>'
    page = SharePage(machine_id, f"{root}/s/{code}", is_kept(code), text.count("\n") - 1, frame)
    return render(request, "share.html", page, hx_type)


# --- a link ----------------------------------------------------------------------------------------------------------


async def _shared(request: Request, code: str) -> Shared:
    """What a link holds. Raises ShareError, ConfigError."""
    if not is_kept(code):
        return read_shared(unpacked(code))
    text = await texts_of(request).share(code)
    if text is None:
        raise ShareError("there is no session under this link")
    return read_shared(text)


@router.get("/s/{code}.json")
async def shared_json(request: Request, code: str) -> Response:
    """The shared session as JSON: configuration and commands."""
    try:
        found = await _shared(request, code)
    except (ShareError, ConfigError) as error:
        return PlainTextResponse(f"{error}\n", NOT_FOUND)
    commands = [command_document(command) for command in found.program.commands]
    document = {"engine": ENGINE_VERSION, "config": json.loads(config_to_json(found.config)), "commands": commands}
    return PlainResponse(json.dumps(document) + "\n", media_type="application/json")


@router.get("/s/{code}.txt")
async def shared_text(request: Request, code: str) -> Response:
    """The shared session as a program."""
    try:
        return PlainTextResponse((await _shared(request, code)).text)
    except (ShareError, ConfigError) as error:
        return PlainTextResponse(f"{error}\n", NOT_FOUND)


@router.get("/s/{code}")
async def shared(request: Request, code: str, hx_type: HxType = None) -> Response:
    """What a link holds, and a button that opens it: following a link makes no machine."""
    try:
        found = await _shared(request, code)
    except (ShareError, ConfigError) as error:
        return missing(request, refusal(error), hx_type)
    lines = found.text.rstrip().split("\n")
    shown = (
        lines
        if len(lines) <= LINES_SHOWN
        else [*lines[:LINES_SHOWN], t("share.lines_more", lines=len(lines) - LINES_SHOWN)]
    )
    page = SharedPage(
        code=code,
        title=found.program.title or t("share.a_session"),
        about=found.program.about,
        machine=f"{found.config.ram_mb} MB",
        commands=len(found.program.lines),
        text="\n".join(shown),
    )
    return render(request, "shared.html", page, hx_type)


@router.post("/s/{code}")
async def open_shared(request: Request, code: str, hx_type: HxType = None) -> Response:
    """A machine of one's own on which the shared session was performed."""
    try:
        found = await _shared(request, code)
        held = await machines_of_request(request).create(found.config)
        await machines_of_request(request).perform(held.id, found.program.commands)
    except (ShareError, ConfigError, HistoryFull, CommandError) as error:
        return missing(request, refusal(f"this session cannot be opened: {error}"), hx_type)
    return RedirectResponse(f"/m/{held.id}", SEE_OTHER)


def _embeddable(found: Shared) -> Shared:
    if len(found.program.lines) > EMBED_COMMANDS_MAXIMUM:
        raise ShareError(f"a session of more than {EMBED_COMMANDS_MAXIMUM} commands cannot be embedded; open it")
    return found


@router.get("/embed/{code}")
async def embed(request: Request, code: str) -> Response:
    """The pictures of a shared session, to be looked at inside another page."""
    try:
        found = _embeddable(await _shared(request, code))
        shown = wanted(request.url.query, None)

        def question(session: Session) -> Any:
            return draw(machine_page(session, code, replace(shown, open=(), term="")))

        page = await machines_of_request(request).imagine(found.config, found.program.commands, question)
    except (ShareError, ConfigError, CommandError) as error:
        return PlainTextResponse(f"{error}\n", UNPROCESSABLE)
    if PARAMETER in request.query_params:
        page = _in_language(page)
    response = render(request, "embed.html", page)
    response.headers["content-security-policy"] = _EMBEDDABLE
    return response


def _in_language(page: DrawnPage) -> DrawnPage:
    """The pictures with links and forms that ask for the language spoken here: a frame in another page has no cookie."""
    tag = language().tag
    link, field = f'href="?{PARAMETER}={tag}&amp;', f'<input type="hidden" name="{PARAMETER}" value="{tag}">'
    parts = {
        name: Markup(str(part).replace('href="?', link).replace(KEPT, field))  # noqa: S704 - templates' output and a tag
        for name, part in page.parts.items()
    }
    return page._replace(parts=parts)
