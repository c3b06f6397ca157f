"""/m/ID/snapshot.svg and .png: the session's picture as a file of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import anyio.to_thread
import resvg_py
from anyio import CapacityLimiter
from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse, Response

from app.machines import Machines, ReplayDiffers, UnknownMachine
from app.pages.snapshot import place_of, snapshot_svg
from engine.outcome import CommandError

if TYPE_CHECKING:
    from engine.session import Session

NOT_FOUND: Final = 404
UNPROCESSABLE: Final = 422
ZOOM: Final = 2.0
"""Pixels of a PNG for each unit of the drawing."""
THREADS: Final = CapacityLimiter(1)
"""PNGs drawn at the same moment."""
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
"""A drawing has its style inside, and nothing else: no script, nothing from outside."""

router = APIRouter(include_in_schema=False)


@router.get("/m/{machine_id}/snapshot.svg")
async def snapshot_as_svg(request: Request, machine_id: str, at: str = "", pid: int = 0) -> Response:
    """The picture as SVG: light or dark as the reader's system is."""
    drawn = await _drawn(request, machine_id, at, pid)
    if isinstance(drawn, Response):
        return drawn
    headers = {"content-security-policy": _POLICY, "cache-control": "no-store"}
    return Response(drawn, media_type="image/svg+xml", headers=headers)


@router.get("/m/{machine_id}/snapshot.png")
async def snapshot_as_png(request: Request, machine_id: str, at: str = "", pid: int = 0) -> Response:
    """The picture as PNG, light, with the fonts that the server has."""
    drawn = await _drawn(request, machine_id, at, pid)
    if isinstance(drawn, Response):
        return drawn
    png = await anyio.to_thread.run_sync(lambda: resvg_py.svg_to_bytes(svg_string=drawn, zoom=ZOOM), limiter=THREADS)
    return Response(png, media_type="image/png", headers={"cache-control": "no-store"})


async def _drawn(request: Request, machine_id: str, at: str, pid: int) -> str | Response:
    machines = request.app.state.machines
    assert isinstance(machines, Machines)

    def draw(session: Session) -> str:
        return snapshot_svg(session.machine, place_of(session.machine, at.strip(), pid), len(session.commands))

    try:
        return await machines.look(machine_id, draw)
    except (UnknownMachine, ReplayDiffers) as gone:
        return PlainTextResponse(f"{gone}\n", NOT_FOUND)
    except CommandError as error:
        return PlainTextResponse(f"{error.field}: {error}\n", UNPROCESSABLE)
