"""What every request passes through: security headers, the cross-origin guard, the body limit, metrics.

Plain ASGI throughout: Starlette's BaseHTTPMiddleware costs seventy times as much a layer.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from app.problems import ProblemError, problem_response

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from app.metrics import Metrics

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
SECURITY_HEADERS: Final = (
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
)
_TOO_LARGE: Final = 413
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class SecurityHeaders:
    """Adds the security headers to every answer that does not set them itself."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = {name.lower() for name, _ in message["headers"]}
                extra = [header for header in SECURITY_HEADERS if header[0] not in present]
                message["headers"] = [*message["headers"], *extra]
            await send(message)

        await self.app(scope, receive, send_secured if scope["type"] == "http" else send)


class CrossOriginGuard:
    """Refuses what another site's page makes a browser send. The rules are those of Go's CrossOriginProtection.

    On plain HTTP a browser sends no Sec-Fetch-Site: then Origin must name this host. Programs send neither, and may.
    """

    def __init__(self, app: ASGIApp, trusted: frozenset[str] = frozenset()) -> None:
        self.app = app
        self.trusted = trusted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in _SAFE or self._is_ours(scope):
            await self.app(scope, receive, send)
            return
        refusal = ProblemError(403, "cross-origin", "Cross-origin request refused")
        await problem_response(refusal.problem)(scope, receive, send)

    def _is_ours(self, scope: Scope) -> bool:
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        site, origin = headers.get(b"sec-fetch-site"), headers.get(b"origin")
        if origin is not None and origin in self.trusted:
            return True
        if site is not None:
            return site in ("same-origin", "none")
        return origin is None or urlsplit(origin).netloc == headers.get(b"host")


class DeclaredBodyLimit:
    """Refuses a body whose Content-Length is too large with a problem.

    A body without a declared length is stopped by Starlette's limiter, on its way in, as an HTTPException.
    """

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self.app = app
        self.limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and _declared_length(scope) > self.limit:
            await self._refuse(scope, receive, send)
            return
        await self.app(scope, receive, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = ProblemError(_TOO_LARGE, "body-too-large", "Content Too Large", f"a body can have {self.limit} bytes")
        await problem_response(refusal.problem, {"connection": "close"})(scope, receive, send)


def _declared_length(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0


class RequestMetrics:
    """Measures each request under its route's template, so that ids do not become labels."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status, start = 500, perf_counter()

        async def send_observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, send_observed)
        finally:
            route = getattr(scope.get("route"), "path_format", None) or "(none)"
            self.metrics.observe(scope["method"], route, status, perf_counter() - start)
