"""Which language a request is answered in: ?lang=zh, else the cookie that it left, else Accept-Language, else English."""

from __future__ import annotations

from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import parse_qs, parse_qsl, urlencode

from app.words.catalogue import catalogue, catalogues
from app.words.spoken import ENGLISH, language, speaking

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from app.words.catalogue import Catalogue

COOKIE: Final = "lang"
PARAMETER: Final = "lang"
_YEAR: Final = 365 * 24 * 3600
_ENGLISH_ALWAYS: Final = ("/api/", "/static/", "/metrics")
_VARY: Final = b"accept-language, cookie"


class SpokenLanguage:
    """Answers each request in its language. The API, whose answers programs read, always speaks English."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(_ENGLISH_ALWAYS):
            await self.app(scope, receive, send)
            return
        asked = _asked(scope)
        spoken = asked or _remembered(scope) or _accepted(scope)

        async def send_in_language(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *_headers(message, spoken, asked)]
            await send(message)

        with speaking(spoken):
            await self.app(scope, receive, send_in_language)


class LanguageLink(NamedTuple):
    """One language of the switch: the page that is looked at, in it."""

    tag: str
    name: str
    short: str
    href: str
    current: bool


def language_links(request: Request) -> tuple[LanguageLink, ...]:
    """The switch of a page. A page that answers a form leads to the page that the form is on."""
    path, query = request.url.path, request.url.query
    if request.method not in ("GET", "HEAD"):
        parts = path.split("/")
        path, query = ("/".join(parts[:3]) if parts[1] == "m" and len(parts) > 3 else "/" if path == "/m" else path), ""
    kept = [(name, value) for name, value in parse_qsl(query, keep_blank_values=True) if name != PARAMETER]
    return tuple(
        LanguageLink(
            each.tag,
            each.name,
            each.short,
            f"{path}?{urlencode([*kept, (PARAMETER, each.tag)])}",
            each.tag == language().tag,
        )
        for each in catalogues().values()
    )


def _headers(message: Message, spoken: Catalogue, asked: Catalogue | None) -> list[tuple[bytes, bytes]]:
    """What the answer says of its language, if it is a page; and the cookie that remembers what was asked for."""
    media = next((value for name, value in message["headers"] if name.lower() == b"content-type"), b"")
    if not media.startswith(b"text/html"):
        return []
    found = [(b"vary", _VARY), (b"content-language", spoken.tag.encode())]
    if asked is not None:
        cookie = f"{COOKIE}={asked.tag}; Path=/; Max-Age={_YEAR}; HttpOnly; SameSite=Lax"
        found.append((b"set-cookie", cookie.encode()))
    return found


def _asked(scope: Scope) -> Catalogue | None:
    if b"lang=" not in scope["query_string"]:
        return None
    given = parse_qs(scope["query_string"].decode("latin-1")).get(PARAMETER)
    return catalogue(given[-1]) if given else None


def _remembered(scope: Scope) -> Catalogue | None:
    for name, value in scope["headers"]:
        if name == b"cookie" and b"lang=" in value:
            try:
                found = SimpleCookie(value.decode("latin-1")).get(COOKIE)
            except CookieError:
                return None
            return catalogue(found.value) if found is not None else None
    return None


def _accepted(scope: Scope) -> Catalogue:
    """The first language that the browser wants and that there is; of equal wishes, the one that it names first."""
    header = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"accept-language"), "")
    wishes = sorted((_wish(part) for part in header.split(",")[:32]), key=lambda wish: -wish[1])
    found = (catalogue(tag) for tag, quality in wishes if tag and quality > 0)
    return next((each for each in found if each is not None), ENGLISH)


def _wish(part: str) -> tuple[str, float]:
    """ "zh-CN;q=0.8" as a tag and how much it is wanted."""
    tag, _, rest = part.partition(";")
    _, _, quality = rest.partition("q=")
    try:
        return tag.strip(), float(quality) if quality else 1.0
    except ValueError:
        return tag.strip(), 0.0
