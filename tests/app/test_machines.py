"""The machines service: a few live machines, all of them in the journal, and never one ahead of it."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from typing import TYPE_CHECKING

import pytest

from app.machines import HistoryFull, Machines, ReplayDiffers, UnknownBranch, UnknownMachine, VersionConflict
from app.store.entries import Entry, Standing
from app.store.journal import Journal, JournalConflict
from engine.commands import Exit, Fork, Free, Malloc, Trim, Wait
from engine.config import MachineConfig
from engine.outcome import CommandError
from engine.session import Session

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from engine.commands import Command

pytestmark = pytest.mark.anyio

SMALL = MachineConfig(ram_mb=16)
SECONDS = 30


def mallocs(*sizes: int) -> list[Command]:
    return [Malloc(size=size, as_=f"s{size}") for size in sizes]


async def digest(machines: Machines, machine_id: str) -> str:
    return await machines.look(machine_id, lambda session: session.machine.digest())


def session_of(commands: Sequence[Command]) -> Session:
    session = Session(SMALL)
    session.perform_all(commands)
    return session


async def test_a_machine_is_replayed_as_it_was_after_a_restart(journal: Journal) -> None:
    before = Machines(journal)
    held = await before.create(SMALL)
    await before.perform(held.id, mallocs(100, 200, 5000))
    expected = await digest(before, held.id)
    after = Machines(journal)
    again = await after.get(held.id)
    assert again is not held
    assert (again.id, again.created, again.session.version) == (held.id, held.created, 3)
    assert again.session.chain == held.session.chain
    assert await digest(after, held.id) == expected


async def test_a_step_back_is_still_there_after_a_restart_and_so_is_the_way_forward(journal: Journal) -> None:
    before = Machines(journal)
    held = await before.create(SMALL)
    await before.perform(held.id, mallocs(100, 200, 5000))
    await before.go_to(held.id, 1)
    expected = await digest(before, held.id)
    after = Machines(journal)
    assert (await after.get(held.id)).session.version == 1
    assert await digest(after, held.id) == expected
    await after.go_to(held.id, 3)
    assert await digest(after, held.id) == session_of(mallocs(100, 200, 5000)).machine.digest()


async def test_performing_at_an_earlier_version_is_the_same_machine_after_a_restart(journal: Journal) -> None:
    before = Machines(journal)
    held = await before.create(SMALL)
    await before.perform(held.id, mallocs(100, 200, 5000))
    await before.go_to(held.id, 1)
    await before.perform(held.id, mallocs(300))
    expected = session_of(mallocs(100, 300))
    for machines in (before, Machines(journal)):
        session = (await machines.get(held.id)).session
        assert (session.version, len(session.commands), session.chain) == (2, 2, expected.chain)
        assert await digest(machines, held.id) == expected.machine.digest()


async def test_machines_that_were_not_used_for_long_leave_memory_and_come_back(journal: Journal) -> None:
    machines = Machines(journal, live=2)
    first, second = await machines.create(SMALL), await machines.create(SMALL)
    await machines.perform(first.id, mallocs(100))
    third = await machines.create(SMALL)
    assert machines.live == 2
    assert [held.gone for held in (first, second, third)] == [False, True, False]
    again = await machines.get(second.id)
    assert again is not second
    assert await machines.perform(second.id, mallocs(100)) == await machines.perform(third.id, mallocs(100))


async def test_a_machine_at_work_is_not_put_out_of_memory(journal: Journal) -> None:
    machines = Machines(journal, live=1)
    held = await machines.create(SMALL)
    async with held.lock:
        other = await machines.create(SMALL)
        assert (held.gone, other.gone, machines.live) == (False, False, 2)
    await machines.create(SMALL)
    assert (held.gone, other.gone, machines.live) == (True, True, 1)


async def test_all_who_ask_for_a_sleeping_machine_at_once_get_the_same_one(journal: Journal) -> None:
    held = await Machines(journal).create(SMALL)
    machines = Machines(journal)
    assert len({id(each) for each in await asyncio.gather(*(machines.get(held.id) for _ in range(10)))}) == 1


async def test_programmes_for_one_machine_wait_for_each_other(journal: Journal) -> None:
    machines = Machines(journal)
    held = await machines.create(SMALL)
    done = await asyncio.gather(*(machines.advance(held.id, mallocs(size, size)) for size in range(16, 176, 16)))
    assert sorted(each.version for each in done) == list(range(2, 22, 2))
    assert (await Machines(journal).get(held.id)).session.chain == held.session.chain


async def test_a_refused_command_leaves_the_machine_its_later_versions_and_its_journal(journal: Journal) -> None:
    machines = Machines(journal)
    held = await machines.create(SMALL)
    await machines.perform(held.id, mallocs(100, 200))
    await machines.go_to(held.id, 1)
    before = await digest(machines, held.id)
    with pytest.raises(CommandError) as caught:
        await machines.perform(held.id, [*mallocs(300), Free(ptr="nowhere")])
    assert (caught.value.index, caught.value.field) == (1, "ptr")
    assert (await machines.get(held.id)) is held
    assert (held.session.version, len(held.session.commands)) == (1, 2)
    assert await digest(machines, held.id) == before
    assert await digest(Machines(journal), held.id) == before


async def test_a_history_that_was_left_can_be_returned_to_even_after_a_restart(journal: Journal) -> None:
    machines = Machines(journal)
    held = await machines.create(SMALL)
    await machines.perform(held.id, mallocs(100, 200, 300))
    was = await digest(machines, held.id)
    await machines.go_to(held.id, 1)
    await machines.perform(held.id, mallocs(400))
    here = await digest(machines, held.id)
    later = Machines(journal)
    [branch] = await later.branches(held.id)
    assert (branch.base, branch.length) == (1, 2)
    await later.take_branch(held.id, branch.number)
    session = (await later.get(held.id)).session
    assert (session.version, len(session.commands)) == (1, 3)
    await later.go_to(held.id, 3)
    assert await digest(later, held.id) == was
    [other] = await later.branches(held.id)
    await later.take_branch(held.id, other.number)
    await later.go_to(held.id, 2)
    assert await digest(later, held.id) == here == await digest(Machines(journal), held.id)


async def test_commands_that_the_history_has_next_are_stepped_over_and_what_is_later_stays(journal: Journal) -> None:
    machines = Machines(journal)
    held = await machines.create(SMALL)
    first = await machines.advance(held.id, mallocs(100, 200, 300))
    await machines.go_to(held.id, 0)
    again = await machines.advance(held.id, mallocs(100, 200))
    assert (again.version, again.outcomes) == (2, first.outcomes[:2])
    assert len(held.session.commands) == 3
    assert await machines.branches(held.id) == ()
    assert (await Machines(journal).get(held.id)).session.version == 2


async def test_the_history_parts_at_the_first_command_that_is_another(journal: Journal) -> None:
    machines = Machines(journal)
    held = await machines.create(SMALL)
    await machines.perform(held.id, mallocs(100, 200, 300))
    await machines.go_to(held.id, 0)
    await machines.perform(held.id, mallocs(100, 200, 400, 500))
    [branch] = await machines.branches(held.id)
    assert (branch.base, branch.length) == (2, 1)
    assert (await Machines(journal).get(held.id)).session.commands == mallocs(100, 200, 400, 500)


async def test_commands_beyond_the_whole_of_the_history_leave_nothing(journal: Journal) -> None:
    machines = Machines(journal)
    held = await machines.create(SMALL)
    await machines.perform(held.id, mallocs(100, 200))
    await machines.go_to(held.id, 0)
    await machines.perform(held.id, mallocs(100, 200, 300))
    assert await machines.branches(held.id) == ()
    assert (await Machines(journal).get(held.id)).session.commands == mallocs(100, 200, 300)


async def test_a_branch_that_is_not_there_is_refused(journal: Journal) -> None:
    machines = Machines(journal)
    held = await machines.create(SMALL)
    with pytest.raises(UnknownBranch, match="there is no branch 7"):
        await machines.take_branch(held.id, 7)
    assert (await machines.get(held.id)) is held


async def test_a_branch_that_another_engine_recorded_is_not_taken(journal: Journal) -> None:
    machines = Machines(journal)
    held = await machines.create(SMALL)
    await machines.perform(held.id, mallocs(100, 200))
    await machines.go_to(held.id, 1)
    await machines.perform(held.id, mallocs(300))

    def other_results(connection: Connection) -> None:
        connection.exec_driver_sql("UPDATE branch_commands SET chain = 'other'")

    await asyncio.wrap_future(journal.writer.submit(other_results))
    before = await digest(machines, held.id)
    with pytest.raises(ReplayDiffers, match="command 2 gives another result"):
        await machines.take_branch(held.id, 1)
    assert await digest(machines, held.id) == before


@pytest.mark.parametrize("refused", [Wait(pid=1, child=1), Fork(pid=1, child=1), Free(pid=1, ptr="nowhere")])
async def test_a_refused_command_of_another_process_leaves_no_trace(journal: Journal, refused: Command) -> None:
    machines = Machines(journal)
    held = await machines.create(SMALL)
    await machines.perform(held.id, [*mallocs(100), Fork(child=1), Trim()])
    before = await digest(machines, held.id)
    with pytest.raises(CommandError):
        await machines.perform(held.id, [refused])
    assert await digest(machines, held.id) == before
    await machines.perform(held.id, [Exit(pid=1)])
    assert await digest(Machines(journal), held.id) == await digest(machines, held.id)


async def test_a_programme_for_another_version_is_refused(journal: Journal) -> None:
    machines = Machines(journal)
    held = await machines.create(SMALL)
    await machines.perform(held.id, mallocs(100), expected_version=0)
    with pytest.raises(VersionConflict) as caught:
        await machines.perform(held.id, mallocs(100), expected_version=0)
    assert (caught.value.expected, caught.value.version) == (0, 1)


async def test_a_history_has_an_end(journal: Journal) -> None:
    machines = Machines(journal, history=3)
    held = await machines.create(SMALL)
    await machines.perform(held.id, mallocs(100, 200))
    with pytest.raises(HistoryFull):
        await machines.perform(held.id, mallocs(100, 200))
    await machines.perform(held.id, mallocs(100))
    assert held.session.version == 3


async def test_a_machine_that_somebody_else_moved_is_read_again(journal: Journal) -> None:
    ours, theirs = Machines(journal), Machines(journal)
    held = await ours.create(SMALL)
    await theirs.perform(held.id, mallocs(100))
    with pytest.raises(JournalConflict):
        await ours.perform(held.id, mallocs(200))
    assert held.gone
    assert [outcome.op for outcome in await ours.perform(held.id, [Free(ptr="s100")])] == ["free"]
    assert (await ours.get(held.id)).session.version == 2


async def test_what_the_journal_could_not_keep_did_not_happen(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    machines = Machines(journal)
    held = await machines.create(SMALL)
    await machines.perform(held.id, mallocs(100))
    before = await digest(machines, held.id)

    def full(_id: str, _before: Standing, _entries: Sequence[Entry], _fork: Standing | None) -> Future[None]:
        future: Future[None] = Future()
        future.set_exception(OSError("No space left on device"))
        return future

    with monkeypatch.context() as patch:
        patch.setattr(journal, "append", full)
        with pytest.raises(OSError, match="No space"):
            await machines.perform(held.id, mallocs(5000))
    assert await digest(machines, held.id) == before
    assert (await machines.get(held.id)).session.version == 1


async def test_who_goes_away_in_the_middle_leaves_the_machine_and_its_journal_agreed(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    machines = Machines(journal)
    held = await machines.create(SMALL)
    asked = asyncio.Event()

    def never(_id: str, _before: Standing, _entries: Sequence[Entry], _fork: Standing | None) -> Future[None]:
        asked.set()
        return Future()

    with monkeypatch.context() as patch:
        patch.setattr(journal, "append", never)
        task = asyncio.create_task(machines.perform(held.id, mallocs(100)))
        async with asyncio.timeout(SECONDS):
            await asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert held.gone
    assert (await machines.get(held.id)).session.version == 0


async def test_a_deleted_machine_is_unknown_to_all(journal: Journal) -> None:
    machines = Machines(journal)
    held = await machines.create(SMALL)
    await machines.delete(held.id)
    for each in (machines, Machines(journal)):
        with pytest.raises(UnknownMachine):
            await each.get(held.id)


async def test_a_journal_that_another_engine_wrote_is_not_shown_as_something_else(journal: Journal) -> None:
    machines = Machines(journal)
    held = await machines.create(SMALL)
    foreign = Entry(1, '{"op":"malloc","size":100,"as":"a"}', "what another engine's outcome gave")
    journal.append(held.id, Standing(0, held.session.chain), [foreign]).result(SECONDS)
    with pytest.raises(ReplayDiffers, match="command 1 gives another result") as caught:
        await Machines(journal).get(held.id)
    assert caught.value.version == 1
