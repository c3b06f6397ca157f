"""The journal: what it acknowledged is there, and only who knows where a machine stands may move it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from threading import Event
from typing import TYPE_CHECKING

import pytest

from app.store.branches import BRANCHES_MAXIMUM, OWN, Branch, path
from app.store.entries import Entry, Standing
from app.store.journal import FILE_NAME, Journal, JournalConflict, JournalFormat, JournalInUse, Recorded

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Connection

BOOTED = Standing(0, "c0")
SECONDS = 30
"""Long enough for any commit; a test waits so long only when it fails."""


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(tmp_path)
    yield journal
    journal.close()


def create(journal: Journal, machine_id: str = "m") -> None:
    journal.create(machine_id, "{}", "1", "2026-11-23T10:00:00+00:00", BOOTED.chain).result(SECONDS)


def entries(first: int, last: int, branch: str = "c") -> list[Entry]:
    return [
        Entry(version, f'{{"op":"trim","pad":{version}}}', f"{branch}{version}") for version in range(first, last + 1)
    ]


def append(
    journal: Journal, before: Standing, added: list[Entry], machine_id: str = "m", fork: Standing | None = None
) -> None:
    journal.append(machine_id, before, added, fork).result(SECONDS)


def recorded(journal: Journal, machine_id: str = "m") -> Recorded:
    found = journal.read(machine_id)
    assert found is not None
    return found


def test_a_new_machine_stands_at_version_0_without_commands(journal: Journal) -> None:
    create(journal)
    assert recorded(journal) == Recorded("{}", "1", "2026-11-23T10:00:00+00:00", BOOTED, [])


def test_an_unknown_machine_is_none(journal: Journal) -> None:
    assert journal.read("nobody") is None


def test_commands_are_in_the_file_when_the_future_is_done(journal: Journal, tmp_path: Path) -> None:
    create(journal)
    append(journal, BOOTED, entries(1, 3))
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as other:
        assert other.execute("SELECT version, chain FROM commands").fetchall() == [(1, "c1"), (2, "c2"), (3, "c3")]
        assert other.execute("SELECT version, chain FROM machines").fetchall() == [(3, "c3")]


def test_a_second_writer_of_the_same_version_is_refused_and_writes_nothing(journal: Journal) -> None:
    create(journal)
    append(journal, BOOTED, entries(1, 2))
    with pytest.raises(JournalConflict):
        append(journal, BOOTED, entries(1, 1, branch="d"))
    assert recorded(journal).entries == entries(1, 2)


def test_a_writer_with_another_history_of_the_same_length_is_refused(journal: Journal) -> None:
    create(journal)
    append(journal, BOOTED, entries(1, 2))
    with pytest.raises(JournalConflict):
        append(journal, Standing(2, "d2"), entries(3, 3, branch="d"))
    assert recorded(journal).standing == Standing(2, "c2")


def test_the_key_itself_refuses_a_version_that_is_there(journal: Journal, tmp_path: Path) -> None:
    create(journal)
    append(journal, BOOTED, entries(1, 1))
    with (
        closing(sqlite3.connect(tmp_path / FILE_NAME)) as other,
        pytest.raises(sqlite3.IntegrityError, match=r"commands\.machine_id, commands\.version"),
    ):
        other.execute("INSERT INTO commands VALUES ('m', 1, '{}', 'd1')")


def test_stepping_back_keeps_the_later_commands(journal: Journal) -> None:
    create(journal)
    append(journal, BOOTED, entries(1, 3))
    journal.stand("m", Standing(3, "c3"), Standing(1, "c1")).result(SECONDS)
    assert recorded(journal)[3:] == (Standing(1, "c1"), entries(1, 3))


def step(journal: Journal, before: Standing, after: Standing) -> None:
    journal.stand("m", before, after).result(SECONDS)


def test_what_came_after_is_a_branch_once_the_history_parts(journal: Journal) -> None:
    create(journal)
    append(journal, BOOTED, entries(1, 3))
    step(journal, Standing(3, "c3"), Standing(1, "c1"))
    append(journal, Standing(1, "c1"), entries(2, 2, branch="d"), fork=Standing(1, "c1"))
    assert recorded(journal)[3:] == (Standing(2, "d2"), [*entries(1, 1), *entries(2, 2, branch="d")])
    assert journal.branches("m") == (Branch(1, OWN, 1, 2, '{"op":"trim","pad":2}'),)
    assert journal.branch("m", 1) == entries(2, 3)


def test_a_history_that_parts_where_nobody_said_is_refused(journal: Journal) -> None:
    create(journal)
    append(journal, BOOTED, entries(1, 3))
    step(journal, Standing(3, "c3"), Standing(1, "c1"))
    before = recorded(journal)
    for fork in (None, Standing(1, "d1"), Standing(2, "d2")):
        with pytest.raises(JournalConflict):
            append(journal, Standing(1, "c1"), entries(2, 2, branch="d"), fork=fork)
    assert recorded(journal) == before
    assert journal.branches("m") == ()


def test_a_branch_that_is_taken_changes_places_with_the_history(journal: Journal) -> None:
    create(journal)
    append(journal, BOOTED, entries(1, 3))
    step(journal, Standing(3, "c3"), Standing(1, "c1"))
    append(journal, Standing(1, "c1"), entries(2, 2, branch="d"), fork=Standing(1, "c1"))
    journal.take("m", Standing(2, "d2"), Standing(1, "c1"), [1]).result(SECONDS)
    assert recorded(journal)[3:] == (Standing(1, "c1"), entries(1, 3))
    assert journal.branches("m") == (Branch(1, OWN, 1, 1, '{"op":"trim","pad":2}'),)
    assert journal.branch("m", 1) == entries(2, 2, branch="d")


def test_a_branch_of_a_branch_stays_with_the_commands_it_went_off_from(journal: Journal) -> None:
    create(journal)
    append(journal, BOOTED, entries(1, 4))
    step(journal, Standing(4, "c4"), Standing(3, "c3"))
    append(journal, Standing(3, "c3"), entries(4, 4, branch="d"), fork=Standing(3, "c3"))
    step(journal, Standing(4, "d4"), Standing(1, "c1"))
    append(journal, Standing(1, "c1"), entries(2, 2, branch="e"), fork=Standing(1, "c1"))
    # The first branch, c4, goes off from c3, which is in the second.
    assert [branch[:4] for branch in journal.branches("m")] == [(1, 2, 3, 1), (2, OWN, 1, 3)]
    way = [branch.number for branch in path(journal.branches("m"), 1)]
    assert way == [2, 1]
    journal.take("m", Standing(2, "e2"), Standing(3, "c3"), way).result(SECONDS)
    assert recorded(journal).entries == entries(1, 4)
    assert [branch[:4] for branch in journal.branches("m")] == [(1, OWN, 3, 1), (2, OWN, 1, 1)]
    assert journal.branch("m", 1) == entries(4, 4, branch="d")
    assert journal.branch("m", 2) == entries(2, 2, branch="e")


def test_a_branch_that_goes_on_from_the_end_is_used_up_when_it_is_taken(journal: Journal) -> None:
    create(journal)
    append(journal, BOOTED, entries(1, 2))
    step(journal, Standing(2, "c2"), Standing(1, "c1"))
    append(journal, Standing(1, "c1"), entries(2, 2, branch="d"), fork=Standing(1, "c1"))
    journal.take("m", Standing(2, "d2"), Standing(1, "c1"), [1]).result(SECONDS)

    def forget_the_last(connection: Connection) -> None:
        connection.exec_driver_sql("DELETE FROM commands WHERE version = 2")

    journal.writer.submit(forget_the_last).result(SECONDS)
    journal.take("m", Standing(1, "c1"), Standing(1, "c1"), [1]).result(SECONDS)
    assert recorded(journal).entries == [*entries(1, 1), *entries(2, 2, branch="d")]
    assert journal.branches("m") == ()


def test_of_too_many_branches_the_oldest_that_nobody_needs_is_forgotten(journal: Journal) -> None:
    create(journal)
    append(journal, BOOTED, entries(1, 2))
    at = Standing(2, "c2")
    for number in range(BRANCHES_MAXIMUM + 2):
        step(journal, at, Standing(1, "c1"))
        append(journal, Standing(1, "c1"), entries(2, 2, branch=f"b{number}."), fork=Standing(1, "c1"))
        at = Standing(2, f"b{number}.2")
    assert [branch.number for branch in journal.branches("m")] == list(range(3, BRANCHES_MAXIMUM + 3))
    assert journal.branch("m", 2) == []


def test_a_journal_of_the_format_before_branches_is_extended(tmp_path: Path) -> None:
    old = Journal(tmp_path)
    create(old)
    append(old, BOOTED, entries(1, 2))
    old.close()
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as other:
        other.executescript("DROP TABLE branches; DROP TABLE branch_commands; PRAGMA user_version=1")
    journal = Journal(tmp_path)
    try:
        assert recorded(journal).entries == entries(1, 2)
        assert journal.branches("m") == ()
    finally:
        journal.close()


def test_stepping_to_a_version_of_another_history_is_refused(journal: Journal) -> None:
    create(journal)
    append(journal, BOOTED, entries(1, 3))
    journal.stand("m", Standing(3, "c3"), BOOTED).result(SECONDS)
    with pytest.raises(JournalConflict):
        journal.stand("m", BOOTED, Standing(2, "d2")).result(SECONDS)
    assert recorded(journal).standing == BOOTED


def test_deleting_a_machine_deletes_its_commands_and_no_others(journal: Journal, tmp_path: Path) -> None:
    for machine_id in ("m", "n"):
        create(journal, machine_id)
        append(journal, BOOTED, entries(1, 2), machine_id)
    journal.delete("m").result(SECONDS)
    assert journal.read("m") is None
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as other:
        assert other.execute("SELECT machine_id, version FROM commands").fetchall() == [("n", 1), ("n", 2)]


def test_what_waits_together_is_one_commit_and_a_conflict_fails_alone(journal: Journal) -> None:
    for number in range(10):
        create(journal, f"m{number}")
    started, release = Event(), Event()

    def hold(_connection: Connection) -> None:
        started.set()
        assert release.wait(SECONDS)

    commits = journal.writer.commits
    holding = journal.writer.submit(hold)
    assert started.wait(SECONDS)
    futures = [journal.append(f"m{number}", BOOTED, entries(1, 1)) for number in range(10)]
    loser = journal.append("m3", BOOTED, entries(1, 1, branch="d"))
    release.set()
    for future in (holding, *futures):
        assert future.result(SECONDS) is None
    with pytest.raises(JournalConflict):
        loser.result(SECONDS)
    assert journal.writer.commits == commits + 2
    assert [recorded(journal, f"m{number}").standing for number in range(10)] == [Standing(1, "c1")] * 10


def test_readers_may_only_query(journal: Journal) -> None:
    with journal._reading.connect() as connection, pytest.raises(Exception, match="readonly database"):
        connection.exec_driver_sql("DELETE FROM machines")


def test_strict_durability_waits_for_the_disk_at_each_commit(tmp_path: Path) -> None:
    found = {}
    for durability in ("strict", "relaxed"):
        journal = Journal(tmp_path / durability, durability)
        with journal._writing.connect() as connection:
            mode = connection.exec_driver_sql("PRAGMA journal_mode").scalar_one()
            found[durability] = mode, connection.exec_driver_sql("PRAGMA synchronous").scalar_one()
        journal.close()
    assert found == {"strict": ("wal", 2), "relaxed": ("wal", 1)}


def test_a_second_server_on_the_same_folder_is_refused_until_the_first_is_gone(tmp_path: Path) -> None:
    first = Journal(tmp_path)
    with pytest.raises(JournalInUse, match="in use by another server"):
        Journal(tmp_path)
    create(first)
    first.close()
    second = Journal(tmp_path)
    assert recorded(second).standing == BOOTED
    second.close()


def test_a_file_of_another_format_is_refused_and_left_alone(tmp_path: Path) -> None:
    Journal(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as other:
        other.execute("PRAGMA user_version=99")
    with pytest.raises(JournalFormat, match="format 99"):
        Journal(tmp_path)
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as other:
        assert other.execute("PRAGMA user_version").fetchone() == (99,)


def test_a_job_that_fails_after_it_wrote_is_undone_alone(journal: Journal) -> None:
    for machine_id in ("m", "n"):
        create(journal, machine_id)
    started, release = Event(), Event()

    def hold(_connection: Connection) -> None:
        started.set()
        assert release.wait(SECONDS)

    def half(connection: Connection) -> None:
        connection.exec_driver_sql("UPDATE machines SET chain='half' WHERE id='n'")
        raise OSError("in the middle")

    holding = journal.writer.submit(hold)
    assert started.wait(SECONDS)
    before, failing = journal.append("m", BOOTED, entries(1, 1)), journal.writer.submit(half)
    after = journal.append("m", Standing(1, "c1"), entries(2, 2))
    release.set()
    for future in (holding, before, after):
        assert future.result(SECONDS) is None
    with pytest.raises(OSError, match="in the middle"):
        failing.result(SECONDS)
    assert recorded(journal).standing == Standing(2, "c2")
    assert recorded(journal, "n").standing == BOOTED
