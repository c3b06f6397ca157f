"""Places as people write them ("a", "a+16", 0x0804e1a0), for the views that take one."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from engine.machine import Machine

Place: TypeAlias = int | str
"""A slot, a slot with an offset, or an address, as commands take it."""


def address_of(machine: Machine, place: Place, field: str, pid: int) -> int:
    """The address that process `pid` means by `place`. Raises CommandError naming `field`; KeyError for an unknown pid."""
    return machine.processes[pid].resolve(place, field)
