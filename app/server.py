"""`pagewalk serve`: runs the application under uvicorn, one process, one writer to the journal."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any, Final

import uvicorn

from app.main import create_app
from app.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.types import ASGIApp

_COLLECT_AFTER: Final = 20_000
"""Objects made, more than let go, before Python looks for circles among them. Requests leave none behind."""


def serve(host: str | None, port: int | None, data: Path | None) -> None:
    """Serves until it is told to stop. What is None comes from the environment (PAGEWALK_…), or else from the defaults."""
    given: dict[str, Any] = {"host": host, "port": port, "data": data}
    settings = Settings(**{name: value for name, value in given.items() if value is not None})
    run(create_app(settings), settings.host, settings.port)


def run(app: ASGIApp, host: str, port: int) -> None:
    """Runs `app` under uvicorn. The collector leaves alone what is there by now, a third of a million objects."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER, 20, 20)
    uvicorn.run(
        app,
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=2,
        server_header=False,
    )
