"""/machines/{id}/trace: what happened, when, and because of what."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Query

from app.api import API_PREFIX, examples
from app.api.answers import TraceAnswer, trace_answer
from app.api.describe import answer, problems
from app.api.service import Service

router = APIRouter(prefix=API_PREFIX + "/machines/{machine_id}/trace", tags=["looking"])

RECORDS_MAXIMUM: Final = 5000


@router.get("", responses={**answer(examples.TRACE), **problems(404, 409, 422)})
async def read_trace(
    machine_id: str,
    machines: Service,
    first: Annotated[int, Query(ge=0, description="The seq to begin with.")] = 0,
    limit: Annotated[int, Query(ge=1, le=RECORDS_MAXIMUM)] = 500,
) -> TraceAnswer:
    """The causal trace: a ring of records, of which the oldest go first."""
    return await machines.look(machine_id, lambda session: trace_answer(session, first, limit))
