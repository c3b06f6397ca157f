"""Where long work is done: in threads, in slices between which everybody else goes first.

Python runs one thread at a time, so a long program slows everybody wherever it runs. Here it works for a millisecond, then
waits until nobody else is at work; but never long, so that it ends however many others there are.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from math import inf
from time import perf_counter, sleep, thread_time
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

import anyio.to_thread
from anyio import CapacityLimiter

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    T = TypeVar("T")
    Steps: TypeAlias = Generator[None, None, T]
    """Work in steps, each of which is soon done. Closed before its end, it takes back what it did."""

SLICE_SECONDS: Final = 0.001
"""For how long a long program works before it looks whether others are at work."""
PATIENCE_SECONDS: Final = 0.008
"""How long it then waits for them at most: it gets a ninth of the time even where others never pause."""
_GAP_SECONDS: Final = 0.0001
"""Long enough for another thread to begin."""


class OverBudget(Exception):
    """A request's work took more of the server's time than one request may have. Nothing was changed."""

    def __init__(self, limit: float) -> None:
        super().__init__(
            f"this takes more than the {limit:g} s of the server's processor that one request can have;"
            " nothing was performed: send it in parts"
        )
        self.limit = limit


class Abandoned(Exception):
    """Who asked for the work has gone: it was taken back."""


class Pace:
    """For work in a thread of its own that does not come in steps: between its parts it lets others begin."""

    def __init__(self) -> None:
        self._end = perf_counter() + SLICE_SECONDS

    def give_way(self) -> None:
        """After a slice's time, lets another thread begin; before, does nothing."""
        if perf_counter() >= self._end:
            sleep(_GAP_SECONDS)
            self._end = perf_counter() + SLICE_SECONDS


class Work:
    """The threads in which sessions are asked and moved. All its coroutines belong to one event loop."""

    def __init__(self, threads: int = 4, budget_seconds: float = 20) -> None:
        self._threads = CapacityLimiter(threads)
        self._budget_seconds = budget_seconds
        self._others = 0
        """Requests whose work is short, and not yet done."""

    @contextmanager
    def going_first(self) -> Iterator[None]:
        """Inside, long programs give way."""
        self._others += 1
        try:
            yield
        finally:
            self._others -= 1

    async def in_thread(self, work: Callable[[], T]) -> T:
        """What `work` gives, which may take a while."""
        return await anyio.to_thread.run_sync(work, limiter=self._threads)

    async def in_slices(self, steps: Steps[T], *, bounded: bool = True) -> T:
        """What `steps` return. Raises OverBudget, if `bounded`. Cancelled, it closes the steps before the next one."""
        gone = threading.Event()
        budget = self._budget_seconds if bounded else inf
        working = asyncio.ensure_future(self.in_thread(lambda: self._slices(steps, gone, budget)))
        try:
            return await asyncio.shield(working)
        except asyncio.CancelledError:
            gone.set()
            await asyncio.wait([working])
            working.exception()  # looked at: nobody else will
            raise

    def _slices(self, steps: Steps[T], gone: threading.Event, budget: float) -> T:
        last = thread_time() + budget
        end = perf_counter() + SLICE_SECONDS
        while True:
            try:
                next(steps)
            except StopIteration as done:
                result: T = done.value
                return result
            if perf_counter() < end:
                continue
            if gone.is_set() or thread_time() > last:
                steps.close()
                raise Abandoned if gone.is_set() else OverBudget(budget)
            self._give_way()
            end = perf_counter() + SLICE_SECONDS

    def _give_way(self) -> None:
        """Lets others begin, and waits for those who have."""
        patience = perf_counter() + PATIENCE_SECONDS
        sleep(_GAP_SECONDS)
        while self._others and perf_counter() < patience:
            sleep(_GAP_SECONDS)


def run_at_once(steps: Steps[T]) -> T:
    """What the steps return, one after the other."""
    while True:
        try:
            next(steps)
        except StopIteration as done:
            result: T = done.value
            return result
