"""The short way to the machines: what a grader sends by the thousand passes through no layers and no router.

POST /machines/ID/commands is answered here with the same code as its route (machines.perform_commands), which is what the
description tells of, and under the same rules as everything else: cross-origin guard, body limit, security headers,
metrics. The layers and FastAPI's routing are three times as much work as performing a command.
"""

from __future__ import annotations

import re
from time import perf_counter
from typing import TYPE_CHECKING, Final

from starlette.requests import Request

from app import problems
from app.api import API_PREFIX
from app.api.performing import JSON, performed
from app.middleware import SECURITY_HEADERS

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from app.metrics import Metrics
    from app.settings import Settings

PATH: Final = API_PREFIX + "/machines/{machine_id}/commands"
_PATH: Final = re.compile(re.escape(API_PREFIX) + "/machines/([^/]+)/commands")
_FROM_A_PAGE: Final = frozenset({b"origin", b"sec-fetch-site"})
_HEADERS: Final = ((b"content-type", JSON.encode()), *SECURITY_HEADERS)
_OK: Final = 200


class CommandsLane:
    """Answers what programs send it, and hands on everything else: what a page sends, or has no length, or too much."""

    def __init__(self, app: ASGIApp, settings: Settings, metrics: Metrics) -> None:
        self.app = app
        self.limit = settings.body_limit
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = _PATH.fullmatch(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        if found is None or not self._is_plain(scope["headers"]):
            await self.app(scope, receive, send)
            return
        start, status = perf_counter(), 500
        try:
            body = await _body(receive)
            try:
                content = await performed(scope["app"].state, found[1], body, receive)
            except Exception as error:  # noqa: BLE001 - what is no problem is raised again
                response = await problems.answer(Request(scope), error)
                status, content = response.status_code, bytes(response.body)
                response.headers.raw.extend(SECURITY_HEADERS)
                await response(scope, receive, send)
            else:
                status = _OK
                headers = [(b"content-length", b"%d" % len(content)), *_HEADERS]
                await send({"type": "http.response.start", "status": _OK, "headers": headers})
                await send({"type": "http.response.body", "body": content})
        finally:
            self.metrics.observe("POST", PATH, status, perf_counter() - start)

    def _is_plain(self, headers: list[tuple[bytes, bytes]]) -> bool:
        """Whether no layer would have a say: a declared length within the limit, and nothing that a browser's page sends."""
        length = -1
        for name, value in headers:
            if name in _FROM_A_PAGE:
                return False
            if name == b"content-length" and value.isdigit():
                length = int(value)
        return 0 <= length <= self.limit


async def _body(receive: Receive) -> bytes:
    """The whole body."""
    message: Message = await receive()
    body: bytes = message.get("body", b"")
    if not message.get("more_body"):
        return body
    parts = [body]
    while message.get("more_body"):
        message = await receive()
        parts.append(message.get("body", b""))
    return b"".join(parts)
