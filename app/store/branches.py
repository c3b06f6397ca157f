"""Histories that a machine left for another: kept beside its own, so that it can return to each.

A branch holds the commands after version `base` of its parent, which is another branch or the machine's own history (0). When the
machine's history parts, what came after becomes a branch; when a branch is taken, the two change places, and the branches that
went off from either stay with the commands that they went off from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from sqlalchemy import and_, case, delete, func, insert, literal, or_, select, update

from app.store import schema
from app.store.entries import Entry

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection

OWN: Final = 0
"""The parent of a branch that goes off from the machine's own history."""
BRANCHES_MAXIMUM: Final = 12
"""Branches kept of one machine; the oldest from which no other goes off is forgotten for a new one."""
COMMANDS_MAXIMUM: Final = 200_000
"""Commands kept in one machine's branches, likewise."""
_BETWEEN: Final = -1
"""The number of commands that are changing places."""

_TABLE: Final = schema.branches
_KEPT: Final = schema.branch_commands
_COLUMNS: Final = ("machine_id", "version", "command", "chain")


class Branch(NamedTuple):
    """A history that was left: `length` commands after version `base` of `parent`, beginning with `first` (JSON)."""

    number: int
    parent: int
    base: int
    length: int
    first: str


def read(connection: Connection, machine_id: str) -> tuple[Branch, ...]:
    """A machine's branches, in the order of their numbers."""
    counted = (
        select(_KEPT.c.number, func.count().label("length"), func.min(_KEPT.c.version).label("version"))
        .where(_KEPT.c.machine_id == machine_id)
        .group_by(_KEPT.c.number)
        .subquery()
    )
    rows = connection.execute(
        select(_TABLE.c.number, _TABLE.c.parent, _TABLE.c.base, counted.c.length, _KEPT.c.command)
        .join(counted, counted.c.number == _TABLE.c.number)
        .join(
            _KEPT,
            and_(
                _KEPT.c.machine_id == machine_id,
                _KEPT.c.number == counted.c.number,
                _KEPT.c.version == counted.c.version,
            ),
        )
        .where(_TABLE.c.machine_id == machine_id)
        .order_by(_TABLE.c.number)
    )
    return tuple(Branch(*row) for row in rows)


def commands(connection: Connection, machine_id: str, number: int) -> list[Entry]:
    """A branch's own commands."""
    rows = connection.execute(
        select(_KEPT.c.version, _KEPT.c.command, _KEPT.c.chain).where(_of(machine_id, number)).order_by(_KEPT.c.version)
    )
    return [Entry(*row) for row in rows]


def path(branches: tuple[Branch, ...], number: int) -> list[Branch]:
    """The branches that lead to `number`, that one last. Raises KeyError where there is no such branch."""
    known = {branch.number: branch for branch in branches}
    found = [known[number]]
    while found[0].parent != OWN:
        found.insert(0, known[found[0].parent])
    return found


# --- in a transaction of the journal's -------------------------------------------------------------------------------


def part(connection: Connection, machine_id: str, base: int) -> None:
    """What the machine's own history has after version `base` becomes a branch, if there is anything."""
    largest = select(func.coalesce(func.max(_TABLE.c.number), 0)).where(_TABLE.c.machine_id == machine_id)
    number = connection.scalars(largest).one() + 1
    if not _put_aside(connection, machine_id, base, number):
        return
    later = and_(_TABLE.c.machine_id == machine_id, _TABLE.c.parent == OWN, _TABLE.c.base > base)
    connection.execute(update(_TABLE).where(later).values(parent=number))
    connection.execute(insert(_TABLE).values(machine_id=machine_id, number=number, parent=OWN, base=base))
    _forget_some(connection, machine_id, number)


def take(connection: Connection, machine_id: str, number: int) -> None:
    """A branch that goes off from the machine's own history and what that has after the same version change places."""
    base = connection.scalars(select(_TABLE.c.base).where(_is(machine_id, number))).one()
    left = _put_aside(connection, machine_id, base, _BETWEEN)
    own = schema.commands
    found = select(*(_KEPT.c[name] for name in _COLUMNS)).where(_of(machine_id, number))
    connection.execute(insert(own).from_select(_COLUMNS, found))
    connection.execute(delete(_KEPT).where(_of(machine_id, number)))
    connection.execute(update(_KEPT).where(_of(machine_id, _BETWEEN)).values(number=number))
    swapped = or_(_TABLE.c.parent == number, and_(_TABLE.c.parent == OWN, _TABLE.c.base > base))
    parent = case((_TABLE.c.parent == number, OWN), else_=number)
    connection.execute(update(_TABLE).where(_TABLE.c.machine_id == machine_id, swapped).values(parent=parent))
    if not left:
        connection.execute(delete(_TABLE).where(_is(machine_id, number)))


def _put_aside(connection: Connection, machine_id: str, base: int, number: int) -> int:
    """Moves the own history's commands after `base` to branch `number`; gives how many."""
    own = schema.commands
    later = and_(own.c.machine_id == machine_id, own.c.version > base)
    found = select(own.c.machine_id, literal(number), own.c.version, own.c.command, own.c.chain).where(later)
    columns = ("machine_id", "number", "version", "command", "chain")
    connection.execute(insert(_KEPT).from_select(columns, found))
    return connection.execute(delete(own).where(later)).rowcount


def _forget_some(connection: Connection, machine_id: str, newest: int) -> None:
    """Forgets the oldest branches until no more are kept than may be; never one that another needs, nor the newest."""
    kept = list(read(connection, machine_id))
    while len(kept) > BRANCHES_MAXIMUM or sum(branch.length for branch in kept) > COMMANDS_MAXIMUM:
        needed = {branch.parent for branch in kept} | {newest}
        oldest = next((branch for branch in kept if branch.number not in needed), None)
        if oldest is None:
            return
        kept.remove(oldest)
        connection.execute(delete(_KEPT).where(_of(machine_id, oldest.number)))
        connection.execute(delete(_TABLE).where(_is(machine_id, oldest.number)))


def _of(machine_id: str, number: int) -> ColumnElement[bool]:
    return and_(_KEPT.c.machine_id == machine_id, _KEPT.c.number == number)


def _is(machine_id: str, number: int) -> ColumnElement[bool]:
    return and_(_TABLE.c.machine_id == machine_id, _TABLE.c.number == number)
