"""/problems: what the kinds of errors mean that the API answers with, and what to do. Their `type` leads here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from app.pages.rendering import HxType, render
from app.problems import KINDS
from app.words import word

if TYPE_CHECKING:
    from starlette.responses import Response

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@dataclass(frozen=True, slots=True)
class ProblemKind:
    """One kind: the anchor that a `type` ends with, the status that it comes with, and what it means."""

    name: str
    status: int
    meaning: str


@dataclass(frozen=True, slots=True)
class ProblemsPage:
    """All kinds."""

    kinds: tuple[ProblemKind, ...]


@router.get("/problems")
async def problems(request: Request, hx_type: HxType = None) -> Response:
    """The kinds of problems."""
    kinds = tuple(ProblemKind(name, status, word("problems.kinds", name)) for name, status in KINDS.items())
    return render(request, "problems.html", ProblemsPage(kinds), hx_type)
