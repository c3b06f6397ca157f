"""/keys: the list of keys as a page, for whoever has no scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from app.pages.key_list import KEYS
from app.pages.rendering import HxType, render, templates

if TYPE_CHECKING:
    from starlette.responses import Response

templates.env.globals["key_groups"] = KEYS
router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@router.get("/keys")
async def keys(request: Request, hx_type: HxType = None) -> Response:
    """What each key does."""
    return render(request, "keys.html", None, hx_type)
