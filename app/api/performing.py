"""Commands that are sent over REST: read, performed, answered. Short ones at once, long ones in slices."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, TypeVar

from pydantic_core import to_json

from app.api.bodies import read_programme
from app.command_json import outcome_json
from app.problems import command_problem
from engine.outcome import CommandError

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from starlette.datastructures import State
    from starlette.types import Receive

    from app.machines import Machines, Performed
    from app.work import Steps

    T = TypeVar("T")

LONG: Final = 64
"""From so many commands on, nothing of the request is done on the event loop, and one who goes away is noticed."""
JSON: Final = "application/json"


async def performed(state: State, machine_id: str, body: bytes, receive: Receive) -> bytes:
    """Performs the commands in the body on the machine; gives the JSON to answer. Raises what becomes a problem.

    Where the client goes away meanwhile, a long program is taken back, and what is answered does not matter.
    """
    machines: Machines = state.machines
    asked = read_programme(body, state.settings)
    performing = machines.advance(machine_id, asked.commands, asked.version)
    try:
        if len(asked.commands) < LONG:
            return _at_once(await performing)
        done = await unless_gone(receive, performing)
    except CommandError as error:
        raise command_problem(error, asked.pointer) from None
    return b"" if done is None else await machines.work.in_slices(_in_steps(done), bounded=False)


async def unless_gone(receive: Receive, work: Coroutine[None, None, T]) -> T | None:
    """What `work` gives; None where the client went away before, and the work was taken back."""
    working = asyncio.ensure_future(work)
    watching = asyncio.ensure_future(_gone(receive))
    try:
        await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return await working
        working.cancel()
        await asyncio.wait({working})
        return None
    finally:
        watching.cancel()


async def _gone(receive: Receive) -> None:
    """Returns when the client has closed the connection. The body must have been read."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _at_once(done: Performed) -> bytes:
    return to_json({**done._asdict(), "outcomes": [outcome_json(outcome) for outcome in done.outcomes]})


def _in_steps(done: Performed) -> Steps[bytes]:
    """The same bytes, an outcome at each step."""
    head = to_json({**done._asdict(), "outcomes": []})
    parts = []
    for outcome in done.outcomes:
        parts.append(to_json(outcome_json(outcome)))
        yield
    return head.removesuffix(b"]}") + b",".join(parts) + b"]}"
