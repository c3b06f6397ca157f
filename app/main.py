"""The composition root: settings in, the application out. Everything that lives as long as the server is made here."""

from __future__ import annotations

import sqlite3
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog
from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.staticfiles import StaticFiles

from app import pages, problems
from app.api import API_PREFIX, compare, health, machines, policies, proc, programs, trace, views
from app.api.describe import describe
from app.api.lane import CommandsLane
from app.machines import Machines
from app.metrics import Metrics
from app.middleware import CrossOriginGuard, DeclaredBodyLimit, RequestMetrics, SecurityHeaders
from app.settings import Settings
from app.store.journal import Journal
from app.store.texts import Texts
from app.words.negotiation import SpokenLanguage
from app.work import Work
from engine.machine import ENGINE_VERSION

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

STATIC: Final = Path(__file__).parents[1] / "static"
_DESCRIPTION: Final = (
    "A simulated 32-bit Linux machine: its memory, from malloc to the page frames, one command at a time."
)

log = structlog.get_logger(__name__)


def create_app(settings: Settings | None = None) -> FastAPI:
    """The application. Without `settings`, they come from the environment (PAGEWALK_…)."""
    settings = settings or Settings()
    metrics = Metrics()
    app = FastAPI(
        title="Pagewalk",
        version=ENGINE_VERSION,
        description=_DESCRIPTION,
        openapi_url=f"{API_PREFIX}/openapi.json",
        docs_url=None,
        redoc_url=None,
        # Asked of every request, whether or not anybody listens: we have metrics of our own.
        telemetry={"tracing": False, "metrics": False, "logs": False},
        lifespan=_lifespan,
        middleware=[
            Middleware(CommandsLane, settings=settings, metrics=metrics),
            Middleware(RequestMetrics, metrics=metrics),
            Middleware(SecurityHeaders),
            Middleware(SpokenLanguage),
            Middleware(CrossOriginGuard, trusted=settings.trusted_origins),
            Middleware(DeclaredBodyLimit, limit=settings.body_limit),
            Middleware(RequestBodyLimitMiddleware, max_body_size=settings.body_limit),
        ],
    )
    app.state.settings = settings
    app.state.metrics = metrics
    problems.install(app)
    # Each router knows its whole path: of nested prefixes, the metrics would see only the innermost.
    for part in (machines, views, proc, trace, programs, policies, compare, health):
        app.include_router(part.router)
    for page in pages.routers:
        app.include_router(page)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    describe(app)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Opens the journal, and closes it after the last request. Refuses to start beside another server."""
    settings: Settings = app.state.settings
    journal = Journal(settings.data, settings.durability)
    work = Work(settings.engine_threads, settings.programme_seconds)
    try:
        app.state.machines = Machines(
            journal,
            live=settings.live_machines,
            history=settings.history_limit,
            host_memory_mb=settings.host_memory_mb,
            work=work,
        )
        app.state.texts = Texts(journal)
        app.state.metrics.watch(app.state.machines, journal)
        log.info("started", data=str(settings.data), engine=ENGINE_VERSION, sqlite=sqlite3.sqlite_version)
        yield
    finally:
        journal.close()
