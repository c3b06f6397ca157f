"""The templates, and how an answer is made of one: the whole page, or for htmx only the part that it swaps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

from fastapi import Header
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from jinja2_fragments.fastapi import Jinja2Blocks

from app.pages.contexts import MissingPage
from app.words import html, language, refusal, shown, word
from app.words.negotiation import language_links

if TYPE_CHECKING:
    from fastapi import Request
    from starlette.responses import Response

TEMPLATES: Final = Path(__file__).parents[2] / "templates"
NOT_FOUND: Final = 404
UNPROCESSABLE: Final = 422
SEE_OTHER: Final = 303

templates = Jinja2Blocks(
    env=Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    ),
    context_processors=[lambda request: {"language": language(), "languages": language_links(request)}],
)
templates.env.globals.update(t=shown, html=html, word=word, refusal=refusal)

HxType = Annotated[str | None, Header(alias="HX-Request-Type")]
"""htmx says "partial" when it will swap just a part of the page."""


def render(request: Request, name: str, page: object, hx_type: str | None = None, status: int = 200) -> Response:
    """The whole page, or for htmx only the part that it swaps."""
    block = "content" if hx_type == "partial" else None
    headers = {"Vary": "HX-Request-Type", "Cache-Control": "no-store"}
    if status == UNPROCESSABLE:
        headers["HX-Push-Url"] = "false"
    response: Response = templates.TemplateResponse(
        request, name, {"page": page}, block_name=block, status_code=status, headers=headers
    )
    return response


def missing(request: Request, words: str, hx_type: str | None) -> Response:
    """The page that says what is not here."""
    return render(request, "missing.html", MissingPage(words), hx_type, NOT_FOUND)
