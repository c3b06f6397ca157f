"""The causal trace: what happened, when, and because of what.

A record is one event with its simulated time and its cause, another record. Causes are opened at a few boundaries
(command, libc call, system call, page fault, direct reclaim, kswapd, writeback, OOM kill, exit) and everything emitted
until they close is their consequence. The records are bounded: the oldest go first.

An entry of the ring is a tuple that begins with the time and the cause. Then comes what it tells: an event whole; or its type
and its fields one by one, which is what code that runs all the time appends (one tuple instead of three); or a command; or
the mark that the cause was closed.
"""

from __future__ import annotations

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
SLACK: Final = 512
"""Records that are held at least, beyond those that can be seen, once some have been dropped."""


class Record(NamedTuple):
    """One event as it is shown. `seq` counts from 0 at boot; `cause` is the seq of its cause, or NO_CAUSE for a command."""

    seq: int
    start_ns: int
    cause: int
    event: Event
    end_ns: int
    """When it closed; equal to start_ns for an event that opened nothing."""


class TraceMark(NamedTuple):
    """Where the trace stood."""

    total: int
    cause: int


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
    """The records and the cause that is open now. With `on` False nothing is recorded, and nothing else changes.

    The last `capacity` records can be seen. Some more are held, so that the oldest go many at a time, and so that the trace
    can be rewound a little.
    """

    __slots__ = ("capacity", "cause", "clock", "dropped", "limit", "on", "ring")

    def __init__(self, clock: Clock, capacity: int) -> None:
        self.clock = clock
        self.capacity = capacity
        self.limit = capacity + 2 * SLACK
        """How many entries there may be when somebody looks whether some have to go (`trim`)."""
        self.ring: list[Entry] = []
        """Oldest first. What runs at every command appends to it itself, as `emit` does; who may do so without end trims it."""
        self.dropped = 0
        """Entries that are held no more."""
        self.cause = NO_CAUSE
        self.on = True

    @property
    def total(self) -> int:
        """Records made since boot, closings counted: the seq of the next one."""
        return self.dropped + len(self.ring)

    def trim(self) -> None:
        """Drops the oldest entries. To be called where there are more than `limit`."""
        many = len(self.ring) - self.capacity - SLACK
        del self.ring[:many]
        self.dropped += many

    def emit(self, event: Event) -> None:
        """States that `event` happened now, because of the open cause."""
        if self.on:
            self.ring.append((self.clock.ns, self.cause, event))
            if len(self.ring) > self.limit:
                self.trim()

    def enter(self, event: Event) -> None:
        """Emits `event` and makes it the cause of all that follows, until `leave`. For where `with trace.open()` is too slow:
        the caller remembers `cause` and the time as they were before, and leaves whatever happens."""
        if self.on:
            outer, self.cause = self.cause, self.dropped + len(self.ring)
            self.ring.append((self.clock.ns, outer, event))
            if len(self.ring) > self.limit:
                self.trim()

    def leave(self, outer: int, start_ns: int) -> None:
        """Ends the open cause, entered at `start_ns`: the trace goes on under `outer`."""
        if self.on and self.clock.ns != start_ns:
            self.ring.append((self.clock.ns, self.cause, _CLOSED))
        self.cause = outer

    def open(self, event: Event) -> Cause:
        """Emits `event` and makes it the cause of all that follows, until the result is left."""
        outer = self.cause
        self.enter(event)
        return Cause(self, self.cause, outer, self.clock.ns)

    def close(self, cause: Cause) -> None:
        """Ends `cause`: the trace goes on under what was open before it."""
        if self.on and self.clock.ns != cause.start_ns:
            self.ring.append((self.clock.ns, cause.seq, _CLOSED))
        self.cause = cause.outer

    def retract(self, total: int) -> None:
        """Takes back the records made since `total` was the count: what they told did not happen."""
        del self.ring[max(0, total - self.dropped) :]

    def mark(self) -> TraceMark:
        """Where the trace stands, for `rewind`."""
        return TraceMark(self.total, self.cause)

    def can_rewind(self, mark: TraceMark) -> bool:
        """Whether every record is held that could be seen at the mark."""
        return self.dropped <= max(0, mark.total - self.capacity)

    def rewind(self, mark: TraceMark) -> None:
        """Makes the trace what it was at the mark."""
        self.retract(mark.total)
        self.cause = mark.cause

    def take(self) -> tuple[Entry, ...]:
        """The records that can be seen, to be put back with `put`; they are immutable, so that copies may share them."""
        return tuple(self._last(self.capacity))

    def put(self, records: tuple[Entry, ...]) -> None:
        """Holds what `take` gave, and nothing else."""
        total = self.total
        self.ring[:] = records
        self.dropped = total - len(records)

    def _last(self, count: int) -> list[Entry]:
        """The last `count` entries, or all that can be seen."""
        return self.ring[max(0, len(self.ring) - min(count, self.capacity)) :]

    def __getstate__(self) -> tuple[object, ...]:
        """Without the records: whoever copies a trace takes them along himself, if he wants them."""
        return self.clock, self.capacity, self.total, self.cause, self.on

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.clock, self.capacity, self.dropped, self.cause, self.on = state
        self.limit = self.capacity + 2 * SLACK
        self.ring = []

    def last_command(self) -> int:
        """The seq of the last command that was begun; that of the oldest record that is held, where it is gone."""
        seen = self._last(self.capacity)
        for back, entry in enumerate(reversed(seen), 1):
            if _is_command(entry[2]):
                return self.total - back
        return self.total - len(seen)

    def records(self, first: int = 0) -> Iterator[Record]:
        """The records from seq `first` on that the ring still holds, oldest first. The cost is that of these alone."""
        wanted = self._last(max(0, self.total - first))
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
        wanted = self._last(max(0, self.total - first))
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
