"""`pagewalk serve`: runs the application under uvicorn, one process, one writer to the journal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import uvicorn

from app.main import create_app
from app.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path


def serve(host: str | None, port: int | None, data: Path | None) -> None:
    """Serves until it is told to stop. What is None comes from the environment (PAGEWALK_…), or else from the defaults."""
    given: dict[str, Any] = {"host": host, "port": port, "data": data}
    settings = Settings(**{name: value for name, value in given.items() if value is not None})
    uvicorn.run(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=2,
        server_header=False,
    )
