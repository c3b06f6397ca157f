"""/healthz and /metrics: for whoever watches the server."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel

from app.api.describe import answer
from engine.machine import ENGINE_VERSION

router = APIRouter(tags=["server"])

_METRICS: Final = "pagewalk_live_machines 3.0\n"


class HealthAnswer(BaseModel):
    """The server answers."""

    status: str
    engine: str


@router.get("/healthz", responses=answer({"status": "ok", "engine": ENGINE_VERSION}))
async def healthz() -> HealthAnswer:
    """Says that the server is up: it answers only while its journal is open."""
    return HealthAnswer(status="ok", engine=ENGINE_VERSION)


@router.get("/metrics", response_class=Response, responses=answer(_METRICS, media_type="text/plain"))
async def metrics(request: Request) -> Response:
    """Counters and timings, as Prometheus reads them."""
    return Response(generate_latest(request.app.state.metrics.registry), media_type=CONTENT_TYPE_LATEST)
