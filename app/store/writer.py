"""The one thread that writes: takes whatever waits, commits it as one transaction, then tells everybody who waited.

While one commit waits for the disk the next group gathers, so durability costs each writer little.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection, Engine

    Job: TypeAlias = Callable[[Connection], None]
    _Item: TypeAlias = tuple[Job, Future[None]]

GROUP_MAXIMUM: Final = 256
"""Jobs in one transaction."""


class Writer:
    """Runs jobs on the only writing connection, in the order they came. One that fails does not fail its neighbours."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._queue: queue.SimpleQueue[_Item | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="journal-writer", daemon=True)
        self._thread.start()
        self.commits = 0
        """Transactions so far; with many writers at once, fewer than jobs."""

    def submit(self, job: Job) -> Future[None]:
        """The future is done when the job's writes are durable; it carries the job's exception when they are not."""
        future: Future[None] = Future()
        self._queue.put((job, future))
        return future

    def close(self) -> None:
        """Finishes what was submitted, then ends the thread."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        going = True
        with self._engine.connect() as connection:
            while going:
                group, going = self._gather()
                if group:
                    self._commit(connection, group)

    def _gather(self) -> tuple[list[_Item], bool]:
        """What waits now, at least one; and whether to go on after it."""
        group: list[_Item] = []
        item = self._queue.get()
        while item is not None:
            if item[1].set_running_or_notify_cancel():
                group.append(item)
            if len(group) >= GROUP_MAXIMUM:
                return group, True
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                return group, True
        return group, False

    def _commit(self, connection: Connection, group: list[_Item]) -> None:
        """Nobody hears of success before the commit: an acknowledged write is on the disk."""
        failures: dict[int, BaseException] = {}
        try:
            with connection.begin():
                for number, (job, _) in enumerate(group):
                    failure = _run_job(job, connection)
                    if failure is not None:
                        failures[number] = failure
            self.commits += 1
        except _HalfWritten as half:
            if len(group) > 1:
                for item in group:
                    self._commit(connection, [item])
                return
            failures[0] = half.error
        except BaseException as error:  # noqa: BLE001 - given to everybody who waits, none of whom got a commit
            failures = dict.fromkeys(range(len(group)), error)
        for number, (_, future) in enumerate(group):
            if number in failures:
                future.set_exception(failures[number])
            else:
                future.set_result(None)


class _HalfWritten(Exception):
    """A job failed after it had written: its group's transaction is undone, and each job gets one of its own."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


async def settled(future: Future[None]) -> None:
    """Waits for a write. Cancelled before its turn, it is not written. A third of what asyncio.wrap_future does."""
    loop = asyncio.get_running_loop()
    waiter = loop.create_future()
    future.add_done_callback(lambda done: loop.call_soon_threadsafe(_tell, waiter, done))
    try:
        await waiter
    except asyncio.CancelledError:
        future.cancel()
        raise


def _tell(waiter: asyncio.Future[None], done: Future[None]) -> None:
    if waiter.done():
        return
    error = done.exception()
    if error is None:
        waiter.set_result(None)
    else:
        waiter.set_exception(error)


def _run_job(job: Job, connection: Connection) -> Exception | None:
    """Runs one job; gives what went wrong, if nothing was written. Raises _HalfWritten."""
    driver: Any = connection.connection.driver_connection
    before = driver.total_changes
    try:
        job(connection)
    except Exception as error:
        if driver.total_changes != before:
            raise _HalfWritten(error) from error
        return error
    return None
