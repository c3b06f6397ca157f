"""Long programs: everybody else goes first, they end nevertheless, and whatever stops them takes all of them back."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from app.api.performing import LONG
from app.machines import Machines
from app.main import create_app
from app.short_work import BYTES_MAXIMUM, COMMANDS_MAXIMUM, is_short
from app.work import OverBudget, Work
from engine.commands import Calloc, Free, Malloc, Mmap, Read, Touch
from engine.config import MachineConfig
from engine.outcome import CommandError
from engine.session import Session

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from app.settings import Settings
    from app.store.journal import Journal
    from engine.commands import Command

pytestmark = pytest.mark.anyio

SMALL = MachineConfig(ram_mb=16)
SECONDS = 60
"""Longer than anything here takes; only a failure waits so long."""


def turns(count: int) -> list[Command]:
    """Commands by the hundred that end where they began."""
    pair: list[Command] = [Malloc(size=100, as_="a"), Free(ptr="a")]
    return pair * (count // 2)


# --- others go first -------------------------------------------------------------------------------------------------


async def test_other_peoples_commands_are_answered_while_a_long_program_is_under_way(journal: Journal) -> None:
    machines = Machines(journal)
    other = await machines.create(SMALL)
    answered = 0

    def under_way() -> Generator[None, None, int]:
        """It ends only after ten others were answered: it cannot be that they wait for it."""
        steps = 0
        while answered < 10:
            steps += 1
            yield
        return steps

    async with asyncio.timeout(SECONDS):
        program = asyncio.create_task(machines.work.in_slices(under_way(), bounded=False))
        for _ in range(10):
            await machines.perform(other.id, turns(2))
            answered += 1
        assert await program > 0
    assert (await machines.get(other.id)).session.version == 20


async def test_a_page_is_drawn_while_a_long_program_is_under_way(journal: Journal) -> None:
    machines = Machines(journal)
    other = await machines.create(SMALL)
    drawn = False

    def under_way() -> Generator[None, None, bool]:
        while not drawn:
            yield
        return True

    async with asyncio.timeout(SECONDS):
        program = asyncio.create_task(machines.work.in_slices(under_way(), bounded=False))
        assert await machines.look(other.id, lambda session: session.version) == 0
        drawn = True
        assert await program


async def test_a_program_ends_though_there_are_always_others(journal: Journal) -> None:
    machines = Machines(journal)
    held = await machines.create(SMALL)
    async with asyncio.timeout(SECONDS):
        with machines.work.going_first():
            assert len(await machines.perform(held.id, turns(400))) == 400


async def test_a_machine_comes_back_in_slices_too(journal: Journal) -> None:
    before = Machines(journal)
    held = await before.create(SMALL)
    await before.perform(held.id, turns(300))
    after = Machines(journal)
    with after.work.going_first():
        assert (await after.get(held.id)).session.chain == held.session.chain


# --- all or none -----------------------------------------------------------------------------------------------------


async def test_a_program_that_takes_too_long_is_taken_back_and_the_machine_goes_on(journal: Journal) -> None:
    machines = Machines(journal, work=Work(budget_seconds=0.05))
    held = await machines.create(SMALL)
    await machines.perform(held.id, [Malloc(size=64, as_="kept")])
    before = held.session.machine.digest()
    with pytest.raises(OverBudget, match=r"0\.05 s .* nothing was performed"):
        await machines.perform(held.id, turns(100_000 - 2))
    assert (await machines.get(held.id)) is held
    assert (held.session.version, held.session.machine.digest()) == (1, before)
    await machines.perform(held.id, turns(20))
    assert (await Machines(journal).get(held.id)).session.chain == held.session.chain


async def test_who_goes_away_during_a_long_program_gets_nothing_of_it_performed(journal: Journal) -> None:
    machines = Machines(journal)
    held = await machines.create(SMALL)
    begun = asyncio.get_running_loop()
    started = asyncio.Event()
    commands = turns(90_000)

    class Telling(list[Any]):
        """The commands, telling when the first of them is asked for."""

        def __iter__(self) -> Iterator[Any]:
            begun.call_soon_threadsafe(started.set)
            return super().__iter__()

    task = asyncio.create_task(machines.perform(held.id, Telling(commands)))
    async with asyncio.timeout(SECONDS):
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert held.gone
    assert (await machines.get(held.id)).session.version == 0


async def test_a_refused_command_late_in_a_long_program_takes_all_of_it_back(journal: Journal) -> None:
    machines = Machines(journal)
    held = await machines.create(SMALL)
    before = held.session.machine.digest()
    with pytest.raises(CommandError) as caught:
        await machines.perform(held.id, [*turns(1500), Free(ptr="nowhere")])
    assert (caught.value.index, held.session.version) == (1500, 0)
    assert held.session.machine.digest() == before


def test_a_session_closed_in_the_middle_of_performing_is_as_it_was() -> None:
    session = Session(SMALL)
    session.perform_all([Malloc(size=16, as_=f"s{number}") for number in range(5)])
    session.go_to(3)
    before, commands = session.machine.digest(), list(session.commands)
    performing = session.performing(turns(10))
    next(performing)
    next(performing)
    assert session.version == 5
    performing.close()
    assert (session.version, session.machine.digest(), session.commands) == (3, before, commands)


# --- what needs no slices --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("commands", "short"),
    [
        (turns(2), True),
        ([Read(ptr="a")], True),
        (turns(COMMANDS_MAXIMUM), True),
        (turns(COMMANDS_MAXIMUM + 2), False),
        ([Malloc(size=BYTES_MAXIMUM + 1, as_="a")], False),
        ([Calloc(count=1 << 16, size=1 << 10, as_="a")], False),
        ([Touch(ptr="a", length=4096)], False),
    ],
)
def test_only_what_is_soon_done_is_done_at_once(commands: list[Command], short: bool) -> None:
    assert is_short(Session(SMALL), commands) == short


def test_on_a_machine_that_uses_much_memory_a_free_may_take_long() -> None:
    session = Session(MachineConfig(ram_mb=64))
    assert is_short(session, [Free(ptr="a")])
    session.perform_all([Mmap(as_="m", length=16 << 20), Touch(ptr="m", length=16 << 20)])
    assert not is_short(session, [Free(ptr="a")])


# --- over REST -------------------------------------------------------------------------------------------------------


async def sent(app: Any, path: str, body: bytes, *, gone_at_once: bool = False) -> tuple[int, bytes]:
    """What `app` answers to a POST; `gone_at_once`: the connection is closed when the body has been sent."""
    messages = [{"type": "http.request", "body": body, "more_body": False}]
    closed = asyncio.Event()
    if gone_at_once:
        closed.set()
    answered: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if messages:
            return messages.pop()
        await closed.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        answered.append(message)

    headers = [(b"host", b"testserver"), (b"content-length", str(len(body)).encode())]
    scope = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b"",
             "headers": headers, "http_version": "1.1", "scheme": "http", "root_path": ""}  # fmt: skip
    await app(scope, receive, send)
    return answered[0]["status"], b"".join(message.get("body", b"") for message in answered[1:])


async def test_a_client_that_closes_the_connection_stops_its_program(settings: Settings) -> None:
    app = create_app(settings.model_copy(update={"programme_limit": 100_000, "body_limit": 10_000_000}))
    program = json.dumps([{"op": "malloc", "size": 100, "as": "a"}, {"op": "free", "ptr": "a"}] * 20_000).encode()
    async with app.router.lifespan_context(app):
        machine_id = json.loads((await sent(app, "/api/v1/machines", b'{"preset":"16mb"}'))[1])["id"]
        path = f"/api/v1/machines/{machine_id}/commands"
        async with asyncio.timeout(SECONDS):
            await sent(app, path, program, gone_at_once=True)
        assert (await app.state.machines.get(machine_id)).session.version == 0


async def test_a_long_answer_is_the_short_answers_put_together(settings: Settings) -> None:
    app = create_app(settings)
    commands = [{"op": "malloc", "size": 100, "as": "a"}, {"op": "free", "ptr": "a"}] * (LONG // 2)
    async with app.router.lifespan_context(app):
        ids = [json.loads((await sent(app, "/api/v1/machines", b'{"preset":"16mb"}'))[1])["id"] for _ in range(2)]
        paths = [f"/api/v1/machines/{machine_id}/commands" for machine_id in ids]
        whole = json.loads((await sent(app, paths[0], json.dumps(commands).encode()))[1])
        parts = [json.loads((await sent(app, paths[1], json.dumps([command]).encode()))[1]) for command in commands]
    assert whole["outcomes"] == [part["outcomes"][0] for part in parts]
    assert {name: whole[name] for name in ("version", "time_ns", "chain")} == {
        name: parts[-1][name] for name in ("version", "time_ns", "chain")
    }


async def test_a_spent_budget_is_a_problem_that_says_what_to_do(settings: Settings) -> None:
    app = create_app(settings.model_copy(update={"programme_seconds": 0.001, "programme_limit": 100_000}))
    program = json.dumps([{"op": "trim"}] * 5_000).encode()
    async with app.router.lifespan_context(app):
        machine_id = json.loads((await sent(app, "/api/v1/machines", b'{"preset":"16mb"}'))[1])["id"]
        status, body = await sent(app, f"/api/v1/machines/{machine_id}/commands", program)
        assert (await app.state.machines.get(machine_id)).session.version == 0
    told = json.loads(body)
    assert (status, told["type"].rpartition(":")[2].rpartition("#")[2]) == (422, "over-budget")
    assert "send it in parts" in told["detail"]
