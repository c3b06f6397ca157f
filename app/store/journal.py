"""The journal: every machine's configuration and commands, in one SQLite file that one process writes.

SQLite before 3.51.3 can corrupt a write-ahead log that two connections write at the same moment, so there is one writing
connection, in one thread, and a lock on the folder refuses a second process. Readers may only query.
"""

from __future__ import annotations

import fcntl
from sqlite3 import IntegrityError
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeVar

from sqlalchemy import bindparam, create_engine, delete, event, insert, select, update
from sqlalchemy.dialects import sqlite
from sqlalchemy.pool import StaticPool

from app.store import branches, schema
from app.store.entries import Entry, Standing
from app.store.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from sqlalchemy import Connection, Engine, Update
    from sqlalchemy.sql import ClauseElement

    T = TypeVar("T")

FILE_NAME: Final = "journal.sqlite3"
LOCK_NAME: Final = "journal.lock"
_BUSY_MS: Final = 5000
_SYNCHRONOUS: Final = {"strict": "FULL", "relaxed": "NORMAL"}


class JournalInUse(RuntimeError):
    """Another process has this journal open: Pagewalk runs as one process for each data folder."""


class JournalFormat(RuntimeError):
    """The file was written by another version of Pagewalk, whose tables differ."""


class JournalConflict(Exception):
    """The machine does not stand where the writer thought: somebody else was first. Nothing was written."""


class Recorded(NamedTuple):
    """A machine as the journal has it. `standing` may lie before the last of `entries`: it was stepped back."""

    config: str
    engine_version: str
    created: str
    standing: Standing
    entries: list[Entry]


class Journal:
    """Writes give a future that is done when they are durable; reads are for worker threads."""

    def __init__(self, folder: Path, durability: str = "strict") -> None:
        """Opens or makes the journal in `folder`. Raises JournalInUse, JournalFormat."""
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = _lock(folder)
        url = f"sqlite:///{folder / FILE_NAME}"
        self._writing = create_engine(url, poolclass=StaticPool, connect_args={"check_same_thread": False})
        _on_connect(self._writing, f"synchronous={_SYNCHRONOUS[durability]}", begin="BEGIN IMMEDIATE")
        self._reading = create_engine(url)
        _on_connect(self._reading, "query_only=ON", begin="BEGIN")
        try:
            _make_tables(self._writing)
        except BaseException:
            self._release()
            raise
        self.writer = Writer(self._writing)

    def close(self) -> None:
        """Finishes what was submitted and lets the folder go."""
        self.writer.close()
        self._release()

    def _release(self) -> None:
        self._reading.dispose()
        self._writing.dispose()
        self._lock.close()

    # --- writing -----------------------------------------------------------------------------------------------------

    def create(self, machine_id: str, config: str, engine_version: str, created: str, chain: str) -> Future[None]:
        """A new machine, at version 0."""
        row = {
            "id": machine_id,
            "config": config,
            "engine_version": engine_version,
            "created": created,
            "version": 0,
            "chain": chain,
        }
        return self.writer.submit(lambda connection: _do(connection, insert(schema.machines).values(row)))

    def append(
        self, machine_id: str, before: Standing, entries: Sequence[Entry], fork: Standing | None = None
    ) -> Future[None]:
        """Adds commands, the machine standing at `before`. Raises JournalConflict in the future.

        With `fork`, the commands after that version, where the machine's history parts, become a branch of their own.
        """
        move = _moving(machine_id, before, Standing(entries[-1].version, entries[-1].chain))

        def job(connection: Connection) -> None:
            # Every action comes by here: the driver itself takes a tenth of what SQLAlchemy's execute does.
            driver: Any = connection.connection.driver_connection
            if driver.execute(_MOVE, move).rowcount != 1:
                raise JournalConflict(machine_id)
            if fork is not None:
                _expect(connection, machine_id, fork)
                branches.part(connection, machine_id, fork.version)
            try:
                driver.executemany(_ADD, [(machine_id, *entry) for entry in entries])
            except IntegrityError:
                raise JournalConflict(machine_id) from None

        return self.writer.submit(job)

    def take(self, machine_id: str, before: Standing, after: Standing, path: Sequence[int]) -> Future[None]:
        """Makes branch `path[-1]` the machine's history, whose own becomes a branch, and stands it at `after`, where it begins.

        `path` names the branches that lead to it, the first of which goes off from the machine's own history. Raises
        JournalConflict in the future.
        """

        def job(connection: Connection) -> None:
            for number in path:
                branches.take(connection, machine_id, number)
            _expect(connection, machine_id, after)
            _move(connection, machine_id, before, after)

        return self.writer.submit(job)

    def stand(self, machine_id: str, before: Standing, after: Standing) -> Future[None]:
        """Steps to another version of the kept history. Raises JournalConflict in the future."""

        def job(connection: Connection) -> None:
            _expect(connection, machine_id, after)
            _move(connection, machine_id, before, after)

        return self.writer.submit(job)

    def delete(self, machine_id: str) -> Future[None]:
        """Forgets a machine and its commands."""
        rows = delete(schema.machines).where(schema.machines.c.id == machine_id)
        return self.writer.submit(lambda connection: _do(connection, rows))

    # --- reading -----------------------------------------------------------------------------------------------------

    def read(self, machine_id: str) -> Recorded | None:
        """All that is kept of a machine, as of one moment; None when there is no such machine."""
        machines, commands = schema.machines, schema.commands
        with self._reading.begin() as connection:
            row = connection.execute(select(machines).where(machines.c.id == machine_id)).one_or_none()
            if row is None:
                return None
            rows = connection.execute(
                select(commands.c.version, commands.c.command, commands.c.chain)
                .where(commands.c.machine_id == machine_id)
                .order_by(commands.c.version)
            )
            entries = [Entry(*entry) for entry in rows]
        return Recorded(row.config, row.engine_version, row.created, Standing(row.version, row.chain), entries)

    def branches(self, machine_id: str) -> tuple[branches.Branch, ...]:
        """The histories that a machine left, in the order of their numbers."""
        return self.look(lambda connection: branches.read(connection, machine_id))

    def branch(self, machine_id: str, number: int) -> list[Entry]:
        """A branch's own commands; none where there is no such branch."""
        return self.look(lambda connection: branches.commands(connection, machine_id, number))

    def look(self, question: Callable[[Connection], T]) -> T:
        """What `question` finds, as of one moment."""
        with self._reading.begin() as connection:
            return question(connection)


def _do(connection: Connection, statement: Any) -> None:
    connection.execute(statement)


def _move_statement() -> Update:
    """Compare and swap: only who knows where the machine stands, and by which history, may move it."""
    table = schema.machines
    return (
        update(table)
        .where(
            table.c.id == bindparam("machine_id"),
            table.c.version == bindparam("version_before"),
            table.c.chain == bindparam("chain_before"),
        )
        .values(version=bindparam("version_after"), chain=bindparam("chain_after"))
    )


def _moving(machine_id: str, before: Standing, after: Standing) -> dict[str, str | int]:
    """What the statement is given."""
    return {
        "machine_id": machine_id,
        "version_before": before.version,
        "chain_before": before.chain,
        "version_after": after.version,
        "chain_after": after.chain,
    }


def _move(connection: Connection, machine_id: str, before: Standing, after: Standing) -> None:
    """Raises JournalConflict unless the machine stands at `before`."""
    if connection.execute(_move_statement(), _moving(machine_id, before, after)).rowcount != 1:
        raise JournalConflict(machine_id)


def _sql(statement: ClauseElement, paramstyle: Literal["named", "qmark"]) -> str:
    return str(statement.compile(dialect=sqlite.dialect(paramstyle=paramstyle)))


_MOVE: Final = _sql(_move_statement(), "named")
_ADD: Final = _sql(insert(schema.commands), "qmark")
"""A row is the machine's id and an Entry."""


def _expect(connection: Connection, machine_id: str, standing: Standing) -> None:
    """Raises JournalConflict unless the machine's own history has that standing."""
    table = schema.commands
    kept = select(table.c.chain).where(table.c.machine_id == machine_id, table.c.version == standing.version)
    if standing.version and connection.scalar(kept) != standing.chain:
        raise JournalConflict(machine_id)


def _lock(folder: Path) -> Any:
    """The open lock file. It is let go by the kernel when the process ends, however it ends."""
    file = (folder / LOCK_NAME).open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise JournalInUse(
            f"{folder} is in use by another server; Pagewalk runs as one process (no --workers) for each data folder"
        ) from None
    return file


def _on_connect(engine: Engine, pragma: str, *, begin: str) -> None:
    """Sets each new connection up, and makes every transaction a real one from its first statement."""

    @event.listens_for(engine, "connect")
    def connected(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        for setting in (
            "journal_mode=WAL",
            f"busy_timeout={_BUSY_MS}",
            "foreign_keys=ON",
            "trusted_schema=OFF",
            pragma,
        ):
            connection.execute(f"PRAGMA {setting}")

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        connection.exec_driver_sql(begin)


def _make_tables(engine: Engine) -> None:
    with engine.begin() as connection:
        found = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
        if found not in (0, *schema.EXTENDED, schema.SCHEMA_VERSION):
            raise JournalFormat(f"the journal has format {found}; this Pagewalk writes {schema.SCHEMA_VERSION}")
        schema.metadata.create_all(connection)
        connection.exec_driver_sql(f"PRAGMA user_version={schema.SCHEMA_VERSION}")
