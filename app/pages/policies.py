"""/policies: the policy lab's page. Its whole state is its form, so that a link can hold it; it needs no script."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import anyio.to_thread
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from starlette.datastructures import UploadFile

from app.pages.playground import templates
from app.pages.policy_page import LabForm, PolicyPage, policy_page
from app.policy_lab import THREADS, LabError

if TYPE_CHECKING:
    from starlette.datastructures import FormData, QueryParams
    from starlette.responses import Response

UNPROCESSABLE: Final = 422
_TRACE_BYTES: Final = 3 << 20

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@router.get("/policies")
async def lab(request: Request) -> Response:
    """The lab, with what the link asks for, or with the textbook's example."""
    return await _show(request, _form(request.query_params, ""))


@router.post("/policies")
async def compare(request: Request) -> Response:
    """The same from the form, whose trace may be a file."""
    async with request.form() as given:
        upload = given.get("file")
        text = ""
        if isinstance(upload, UploadFile) and upload.filename:
            text = (await upload.read(_TRACE_BYTES)).decode("utf-8", "replace")
        return await _show(request, _form(given, text))


def _form(given: QueryParams | FormData, uploaded: str) -> LabForm:
    values = {name: value for name, value in given.multi_items() if isinstance(value, str)}
    policies = tuple(value for name, value in given.multi_items() if name == "policies" and isinstance(value, str))
    if uploaded:
        values["trace"] = uploaded
        values["kind"] = ""
    return LabForm.of(values, policies)


async def _show(request: Request, form: LabForm) -> Response:
    status = 200
    try:
        page = await anyio.to_thread.run_sync(policy_page, form, limiter=THREADS)
    except LabError as error:
        page, status = PolicyPage(form, error=error), UNPROCESSABLE
    response: Response = templates.TemplateResponse(
        request, "policies.html", {"page": page}, status_code=status, headers={"Cache-Control": "no-store"}
    )
    return response
