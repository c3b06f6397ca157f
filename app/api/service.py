"""How an endpoint reaches the machines."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from app.machines import Machines


def machines_of(request: Request) -> Machines:
    """The service that create_app's lifespan made."""
    machines: Machines = request.app.state.machines
    return machines


Service = Annotated[Machines, Depends(machines_of)]
