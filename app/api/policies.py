"""/policies: the same page references under several replacement policies. No machine is needed."""

from __future__ import annotations

from typing import Any, Final

import anyio.to_thread
from fastapi import APIRouter, Request

from app.api import API_PREFIX
from app.api.bodies import read_body
from app.api.describe import answer, problems, reference, takes
from app.api.policy_bodies import CurveAnswer, FrameAnswer, PolicyAnswer, PolicyBody, RunAnswer, StepAnswer
from app.policy_lab import THREADS, LabAnswer, LabError, ask
from app.problems import FieldError, ProblemError
from engine.policies import Step

router = APIRouter(prefix=API_PREFIX + "/policies", tags=["policy lab"])

EXAMPLES: Final[dict[str, Any]] = {
    "belady": {
        "summary": "Belady's anomaly",
        "value": {"references": [1, 2, 3, 4, 1, 2, 5, 1, 2, 3, 4, 5], "frames": 3, "policies": ["fifo"], "curve_to": 5},
    },
    "trace": {
        "summary": "A trace with addresses, and the frame tables",
        "value": {"trace": "0x08049f20 r\n0x0804a000 w\n", "page_shift": 12, "frames": 1, "steps": 40},
    },
    "pattern": {
        "summary": "A generated string",
        "value": {"pattern": {"kind": "zipf", "length": 10000, "pages": 500, "seed": 1}, "frames": 100},
    },
}
EXAMPLE: Final = {
    "references": 12,
    "distinct": 5,
    "frames": 3,
    "runs": [{"policy": "fifo", "hits": 3, "misses": 9, "evictions": 6, "written_back": 0, "steps": []}],
    "curves": [{"policy": "fifo", "misses": [12, 12, 9, 10, 5], "anomalies": [4]}],
}


@router.post(
    "",
    responses={**answer(EXAMPLE), **problems(400, 413, 422)},
    openapi_extra=takes(reference("PolicyBody"), EXAMPLES),
)
async def compare_policies(request: Request) -> PolicyAnswer:
    """Hits, misses and evictions of each policy over the same references; the frames step by step where they are asked for."""
    body = await read_body(request, PolicyBody)
    try:
        question = body.question()
        found = await anyio.to_thread.run_sync(ask, question, limiter=THREADS)
    except LabError as error:
        field = FieldError(field=error.field, detail=str(error), pointer=_pointer(error.field))
        raise ProblemError(422, "policies", "These cannot be compared", str(error), [field]) from None
    return _answer(found, question.frames)


def _pointer(field: str) -> str:
    return f"/pattern/{field}" if field in ("kind", "length", "pages", "seed") else f"/{field}"


def _answer(found: LabAnswer, frames: int) -> PolicyAnswer:
    return PolicyAnswer(
        references=len(found.trace.pages),
        distinct=found.distinct,
        frames=frames,
        runs=[
            RunAnswer(
                policy=each.run.policy,
                hits=each.run.hits,
                misses=each.run.misses,
                evictions=each.run.evictions,
                written_back=each.written_back,
                steps=[_step(step) for step in each.steps],
            )
            for each in found.runs
        ],
        curves=[
            CurveAnswer(policy=curve.policy, misses=[*curve.misses], anomalies=[*curve.anomalies])
            for curve in found.curves
        ],
    )


def _step(step: Step) -> StepAnswer:
    frames = [slot and FrameAnswer(place=slot.place, **slot.kept._asdict()) for slot in step.frames]
    return StepAnswer(
        number=step.number, page=step.page, hit=step.hit, frame=step.frame, victim=step.victim, frames=frames
    )
