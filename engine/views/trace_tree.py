"""Why the last step happened: its records as a tree of causes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from engine.events import Event, event_name
from engine.events.machine import CommandPerformed
from engine.kernel.entry import SystemCallNumber
from engine.trace import NO_CAUSE

if TYPE_CHECKING:
    from engine.commands import Command
    from engine.machine import Machine
    from engine.trace import Record

SYSTEM_CALL_NAMES: Final = {call.value: call.name.lower() for call in SystemCallNumber}
"""What the numbers in SystemCall events mean."""


@dataclass(frozen=True, slots=True)
class TraceNode:
    """One event and what followed from it. Times in simulated nanoseconds since boot; `name` is the tracepoint's."""

    seq: int
    name: str
    event: Event
    start_ns: int
    end_ns: int
    children: tuple[TraceNode, ...]

    @property
    def ns(self) -> int:
        """How long it took."""
        return self.end_ns - self.start_ns


@dataclass(frozen=True, slots=True)
class TraceTreeView:
    """The last command's tree. `lost`: the ring was too small for all of it, and its beginning is gone."""

    command: Command | None
    start_ns: int
    ns: int
    roots: tuple[TraceNode, ...]
    records: int
    lost: bool


def trace_tree(machine: Machine) -> TraceTreeView:
    """What the last command caused; empty before the first one."""
    records = last_records(machine)
    if not records or machine.version == 0:
        return TraceTreeView(None, machine.time_ns, 0, (), 0, lost=machine.version > 0)
    start, count = records[0].start_ns, len(records)
    head = records[0].event
    if not isinstance(head, CommandPerformed):
        return TraceTreeView(None, start, machine.time_ns - start, _tree(records, NO_CAUSE), count, lost=True)
    roots = _tree(records[1:], records[0].seq)
    return TraceTreeView(head.command, start, machine.time_ns - start, roots, count, lost=False)


def last_records(machine: Machine) -> list[Record]:
    """The records since the last command began, that command's own first if the ring still has it."""
    return list(machine.trace.records(machine.trace.last_command()))


def _tree(records: list[Record], root: int) -> tuple[TraceNode, ...]:
    below: dict[int, list[Record]] = {}
    known = {record.seq for record in records}
    for record in records:
        cause = record.cause if record.cause in known else root
        below.setdefault(cause, []).append(record)

    def node(record: Record) -> TraceNode:
        children = tuple(node(child) for child in below.get(record.seq, ()))
        name = event_name(record.event)
        return TraceNode(record.seq, name, record.event, record.start_ns, record.end_ns, children)

    return tuple(node(record) for record in below.get(root, ()))
