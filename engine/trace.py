"""The causal trace: what happened, when, and because of what.

A record is one event with its simulated time and its cause, another record. Causes are opened at a few boundaries
(command, libc call, system call, page fault, direct reclaim, kswapd, writeback, OOM kill, exit) and everything emitted
until they close is their consequence. The records are a bounded ring: the oldest go first.

An entry of the ring is a tuple that begins with the time and the cause. Then comes what it tells: an event whole; or its type
and its fields one by one, which is what code that runs all the time appends (one tuple instead of three); or a command; or
the mark that the cause was closed.
"""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from engine.events.machine import CommandPerformed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from engine.clock import Clock
    from engine.events import Event

NO_CAUSE: Final = -1
Entry = tuple[Any, ...]
"""(time, cause, event), (time, cause, type of event, its fields …), (time, cause, command) or (time, cause, _CLOSED)."""
OLDEST_KEPT: Final = 512
"""Records that a mark keeps, in case the ring drops them."""


class Record(NamedTuple):
    """One event as it is shown. `seq` counts from 0 at boot; `cause` is the seq of its cause, or NO_CAUSE for a command."""

    seq: int
    start_ns: int
    cause: int
    event: Event
    end_ns: int
    """When it closed; equal to start_ns for an event that opened nothing."""


class TraceMark(NamedTuple):
    """Where the trace stood, and the oldest records, which what follows may push out of the ring."""

    total: int
    cause: int
    length: int
    oldest: tuple[Entry, ...]


_CLOSED: Final = None
"""Marks in the ring that the record named as its cause was closed at this time."""


class Cause:
    """An open cause: what is emitted before it closes is its consequence. Use it in a `with`."""

    __slots__ = ("_trace", "outer", "seq", "start_ns")

    def __init__(self, trace: Trace, seq: int, outer: int, start_ns: int) -> None:
        self._trace = trace
        self.seq = seq
        self.outer = outer
        self.start_ns = start_ns

    def __enter__(self) -> Cause:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._trace.close(self)


class Trace:
    """The ring of records and the cause that is open now. With `on` False nothing is recorded, and nothing else changes."""

    __slots__ = ("cause", "clock", "on", "ring", "total")

    def __init__(self, clock: Clock, capacity: int) -> None:
        self.clock = clock
        self.ring: deque[Entry] = deque(maxlen=capacity)
        """Oldest first. What runs at every command appends to it itself, as `emit` does, and counts in `total`."""
        self.total = 0
        """Records made since boot, closings counted."""
        self.cause = NO_CAUSE
        self.on = True

    def emit(self, event: Event) -> None:
        """States that `event` happened now, because of the open cause."""
        if self.on:
            self.ring.append((self.clock.ns, self.cause, event))
            self.total += 1

    def enter(self, event: Event) -> None:
        """Emits `event` and makes it the cause of all that follows, until `leave`. For where `with trace.open()` is too slow:
        the caller remembers `cause` and the time as they were before, and leaves whatever happens."""
        if self.on:
            outer, self.cause = self.cause, self.total
            self.ring.append((self.clock.ns, outer, event))
            self.total += 1

    def leave(self, outer: int, start_ns: int) -> None:
        """Ends the open cause, entered at `start_ns`: the trace goes on under `outer`."""
        if self.on and self.clock.ns != start_ns:
            self.ring.append((self.clock.ns, self.cause, _CLOSED))
            self.total += 1
        self.cause = outer

    def open(self, event: Event) -> Cause:
        """Emits `event` and makes it the cause of all that follows, until the result is left."""
        outer = self.cause
        if self.on:
            self.cause = self.total
            self.ring.append((self.clock.ns, outer, event))
            self.total += 1
        return Cause(self, self.cause, outer, self.clock.ns)

    def close(self, cause: Cause) -> None:
        """Ends `cause`: the trace goes on under what was open before it."""
        if self.on and self.clock.ns != cause.start_ns:
            self.ring.append((self.clock.ns, cause.seq, _CLOSED))
            self.total += 1
        self.cause = cause.outer

    def retract(self, total: int) -> None:
        """Takes back the records made since `total` was the count: what they told did not happen."""
        while self.total > total and self.ring:
            self.ring.pop()
            self.total -= 1

    def mark(self) -> TraceMark:
        """Where the trace stands, for `rewind`."""
        ring = self.ring
        full = len(ring) + OLDEST_KEPT > (ring.maxlen or 0)
        return TraceMark(self.total, self.cause, len(ring), tuple(islice(ring, OLDEST_KEPT)) if full else ())

    def can_rewind(self, mark: TraceMark) -> bool:
        """Whether no more records were pushed out of the ring since the mark than it has kept."""
        return self._pushed_out(mark) <= len(mark.oldest)

    def rewind(self, mark: TraceMark) -> None:
        """Makes the trace what it was at the mark."""
        back = mark.oldest[: self._pushed_out(mark)]
        for _ in range(min(self.total - mark.total, len(self.ring))):
            self.ring.pop()
        self.ring.extendleft(reversed(back))
        self.total, self.cause = mark.total, mark.cause

    def _pushed_out(self, mark: TraceMark) -> int:
        return max(0, mark.length + self.total - mark.total - (self.ring.maxlen or 0))

    def take(self) -> tuple[Entry, ...]:
        """The ring's records, to be put back with `put`; they are immutable, so that copies may share them."""
        return tuple(self.ring)

    def put(self, records: tuple[Entry, ...]) -> None:
        """Fills the ring with what `take` gave."""
        self.ring.clear()
        self.ring.extend(records)

    def __getstate__(self) -> tuple[object, ...]:
        """Without the records: whoever copies a trace takes them along himself, if he wants them."""
        return self.clock, self.ring.maxlen, self.total, self.cause, self.on

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.clock, capacity, self.total, self.cause, self.on = state
        self.ring = deque(maxlen=capacity)

    def last_command(self) -> int:
        """The seq of the last command that was begun; that of the oldest record that is held, where it is gone."""
        for back, entry in enumerate(reversed(self.ring), 1):
            if _is_command(entry[2]):
                return self.total - back
        return self.total - len(self.ring)

    def records(self, first: int = 0) -> Iterator[Record]:
        """The records from seq `first` on that the ring still holds, oldest first. The cost is that of these alone."""
        wanted = list(islice(reversed(self.ring), max(0, self.total - first)))
        wanted.reverse()
        base = self.total - len(wanted)
        ends = self._ends(wanted, base)
        for seq, entry in enumerate(wanted, base):
            began: int = entry[0]
            if entry[2] is not _CLOSED:
                yield Record(seq, began, entry[1], _event(entry), ends.get(seq, began))

    def spent(self, first: int) -> dict[int, int]:
        """How much of the time since the entry `first` passed under each cause itself, by the cause's seq; under NO_CAUSE what
        passed after the last entry, or under causes from before `first`. All of it together is the time since `first`.

        The time before an entry passed under the cause that the entry was made under.
        """
        wanted = list(islice(reversed(self.ring), max(0, self.total - first)))
        wanted.reverse()
        base = self.total - len(wanted)
        spent: dict[int, int] = {}
        before = wanted[0][0] if wanted else self.clock.ns
        for ns, cause, *_ in wanted:
            if ns != before:
                under = cause if cause >= base else NO_CAUSE
                spent[under] = spent.get(under, 0) + ns - before
                before = ns
        if self.clock.ns != before:
            spent[NO_CAUSE] = spent.get(NO_CAUSE, 0) + self.clock.ns - before
        return spent

    def _ends(self, wanted: list[Entry], base: int) -> dict[int, int]:
        """When each record from `base` on that took time ended: where it was closed; a command where the next one began."""
        ends: dict[int, int] = {}
        command = NO_CAUSE
        for seq, (ns, cause, told, *_) in enumerate(wanted, base):
            if told is _CLOSED:
                ends[cause] = ns
            elif _is_command(told):
                ends[command], command = ns, seq
        ends[command] = self.clock.ns
        return ends


def _is_command(told: object) -> bool:
    """Whether the third word of an entry is a command: neither an event, nor the type of one, nor the mark of a closing."""
    return told is not _CLOSED and not isinstance(told, (tuple, type))


def _event(entry: Entry) -> Event:
    """The event that an entry tells of."""
    told = entry[2]
    if isinstance(told, type):
        event: Event = told(*entry[3:])
        return event
    return told if isinstance(told, tuple) else CommandPerformed(told)
