"""Why the last step happened: its records as a tree of causes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from engine.events import Event, event_name
from engine.events.machine import CommandPerformed
from engine.kernel.entry import SystemCallNumber
from engine.trace import NO_CAUSE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.commands import Command
    from engine.machine import Machine
    from engine.trace import Record

SYSTEM_CALL_NAMES: Final = {call.value: call.name.lower() for call in SystemCallNumber}
"""What the numbers in SystemCall events mean."""


@dataclass(frozen=True, slots=True)
class TraceNode:
    """One event and what followed from it. Times in simulated nanoseconds since boot; `name` is the tracepoint's.

    `own_ns` passed under it alone; `cost_ns` with all that followed from it, also what was done later or meanwhile, as kswapd
    does: a node's cost is its own time and its children's costs, to the nanosecond.
    """

    seq: int
    name: str
    event: Event
    start_ns: int
    end_ns: int
    own_ns: int
    cost_ns: int
    children: tuple[TraceNode, ...]


@dataclass(frozen=True, slots=True)
class TraceTreeView:
    """The last command's tree. `lost`: the ring was too small for all of it, and its beginning is gone.

    The command took `ns`: `own_ns` in the program itself, the rest is the costs of the roots.
    """

    command: Command | None
    start_ns: int
    ns: int
    own_ns: int
    roots: tuple[TraceNode, ...]
    records: int
    lost: bool


def trace_tree(machine: Machine) -> TraceTreeView:
    """What the last command caused; empty before the first one."""
    records = last_records(machine)
    if not records or machine.version == 0:
        return TraceTreeView(None, machine.time_ns, 0, 0, (), 0, lost=machine.version > 0)
    head = records[0]
    command = head.event.command if isinstance(head.event, CommandPerformed) else None
    spent = machine.trace.spent(head.seq)
    own = spent.pop(NO_CAUSE, 0)
    if command is None:
        roots = _tree(records, NO_CAUSE, spent)
    else:
        own += spent.pop(head.seq, 0)
        roots = _tree(records[1:], head.seq, spent)
    return TraceTreeView(
        command=command,
        start_ns=head.start_ns,
        ns=machine.time_ns - head.start_ns,
        own_ns=own,
        roots=roots,
        records=len(records),
        lost=command is None,
    )


def last_records(machine: Machine) -> list[Record]:
    """The records since the last command began, that command's own first if the ring still has it."""
    return list(machine.trace.records(machine.trace.last_command()))


def _tree(records: list[Record], root: int, spent: Mapping[int, int]) -> tuple[TraceNode, ...]:
    below: dict[int, list[Record]] = {}
    known = {record.seq for record in records}
    for record in records:
        cause = record.cause if record.cause in known else root
        below.setdefault(cause, []).append(record)

    def node(record: Record) -> TraceNode:
        children = tuple(node(child) for child in below.get(record.seq, ()))
        own = spent.get(record.seq, 0)
        return TraceNode(
            seq=record.seq,
            name=event_name(record.event),
            event=record.event,
            start_ns=record.start_ns,
            end_ns=record.end_ns,
            own_ns=own,
            cost_ns=own + sum(child.cost_ns for child in children),
            children=children,
        )

    return tuple(node(record) for record in below.get(root, ()))
