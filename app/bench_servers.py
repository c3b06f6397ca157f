"""What `pagewalk bench` compares the server with: a bare reply, and a bare render of a page's templates.

Each runs in a process of its own, as `pagewalk serve` does; see bench_load.py.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from app.server import run

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Receive, Scope, Send

_JSON: Final = b"application/json"
_HTML: Final = b"text/html; charset=utf-8"


def bare(body: bytes) -> ASGIApp:
    """Answers the same bytes to everything that is asked."""
    return _answering(lambda: body, _JSON)


def bare_render() -> ASGIApp:
    """Renders the templates of a page's answer, whose context is ready, at every request: no form, no engine, no views."""
    from app.bench_pages import render_of_an_action  # noqa: PLC0415 - the other server needs none of it

    render = render_of_an_action()
    return _answering(lambda: render().encode(), _HTML)


def _answering(body: Callable[[], bytes], media_type: bytes) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        while (await receive()).get("more_body"):
            pass
        content = body()
        headers = [(b"content-type", media_type), (b"content-length", b"%d" % len(content))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    return app


async def _lifespan(receive: Receive, send: Send) -> None:
    for what in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{what}.complete"})


def main(port: str, file: str = "") -> None:
    """Runs the server that answers the file's bytes, or without one the server that renders."""
    run(bare(Path(file).read_bytes()) if file else bare_render(), "127.0.0.1", int(port))


if __name__ == "__main__":
    main(*sys.argv[1:])
