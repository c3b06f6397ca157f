"""/machines: make one, read it, give it commands, step it back and forth, forget it."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response

from app.api import API_PREFIX, examples
from app.api.answers import (
    BranchesAnswer,
    HistoryAnswer,
    MachineAnswer,
    PerformedAnswer,
    StandingAnswer,
    branches_answer,
    history_answer,
    machine_answer,
    standing_answer,
)
from app.api.bodies import Ordered, Step
from app.api.describe import answer, problems, reference, takes
from app.api.performing import JSON, performed
from app.api.service import Service
from app.machines import Machines

router = APIRouter(prefix=API_PREFIX + "/machines", tags=["machines"])

_PROGRAMME: Final = {"oneOf": [reference("Commands"), reference("ProgrammeBody")]}
HISTORY_MAXIMUM: Final = 10_000


@router.post(
    "",
    status_code=201,
    response_model=MachineAnswer,
    responses={**answer(examples.MACHINE, 201), **problems(400, 413, 422)},
    openapi_extra=takes(reference("MachineBody"), examples.MACHINE_BODIES),
)
async def create_machine(ordered: Ordered, machines: Service, request: Request, response: Response) -> MachineAnswer:
    """Boots a machine, and performs a scenario on it if one is named. Its id is the only key to it: who knows it may use it."""
    held = await machines.create(ordered.config)
    await machines.perform(held.id, ordered.commands)
    response.headers["location"] = request.app.url_path_for("read_machine", machine_id=held.id)
    return await _state(machines, held.id)


@router.get("/{machine_id}", responses={**answer(examples.MACHINE), **problems(404, 409)})
async def read_machine(machine_id: str, machines: Service) -> MachineAnswer:
    """The machine as it stands, with the digest of its whole state."""
    return await _state(machines, machine_id)


@router.post(
    "/{machine_id}/commands",
    response_model=PerformedAnswer,
    responses={**answer(examples.PERFORMED), **problems(400, 404, 409, 413, 422)},
    openapi_extra=takes(_PROGRAMME, examples.PROGRAMME_BODIES),
)
async def perform_commands(machine_id: str, request: Request) -> Response:
    """Performs all the commands or none, and gives each one's outcome. What is answered is kept, whatever happens."""
    return Response(
        await performed(request.app.state, machine_id, await request.body(), request.receive), media_type=JSON
    )


@router.get("/{machine_id}/commands", responses={**answer(examples.HISTORY), **problems(404, 409, 422)})
async def read_commands(
    machine_id: str,
    machines: Service,
    first: Annotated[int, Query(ge=0)] = 0,
    limit: Annotated[int, Query(ge=1, le=HISTORY_MAXIMUM)] = 1000,
) -> HistoryAnswer:
    """The machine's history: its commands, and what each gave. With the configuration it is the whole session."""
    return await machines.look(machine_id, lambda session: history_answer(session, first, limit))


@router.post(
    "/{machine_id}/version",
    responses={**answer(examples.STANDING), **problems(400, 404, 409, 413, 422)},
    openapi_extra=takes(reference("StepBody"), examples.STEP_BODIES),
)
async def step(machine_id: str, version: Step, machines: Service) -> StandingAnswer:
    """Steps back or forward. A command that is performed at an earlier version begins another history; the old one is kept
    as a branch."""
    await machines.go_to(machine_id, version)
    return await machines.look(machine_id, standing_answer)


@router.get("/{machine_id}/branches", responses={**answer(examples.BRANCHES), **problems(404, 409)})
async def read_branches(machine_id: str, machines: Service) -> BranchesAnswer:
    """The histories that the machine left when a command was performed at an earlier version. The oldest are forgotten in time."""
    return branches_answer(await machines.branches(machine_id))


@router.post("/{machine_id}/branches/{number}", responses={**answer(examples.STANDING), **problems(404, 409)})
async def take_branch(machine_id: str, number: int, machines: Service) -> StandingAnswer:
    """Returns to a history that was left, at the version where it begins; the present one becomes a branch in its place."""
    await machines.take_branch(machine_id, number)
    return await machines.look(machine_id, standing_answer)


@router.delete("/{machine_id}", status_code=204, responses={**answer(None, 204), **problems(404, 409)})
async def delete_machine(machine_id: str, machines: Service) -> None:
    """Forgets the machine for good."""
    await machines.delete(machine_id)


async def _state(machines: Machines, machine_id: str) -> MachineAnswer:
    created = (await machines.get(machine_id)).created
    return await machines.look(machine_id, lambda session: machine_answer(machine_id, created, session))
