"""What is here: everything known of one address, from the chunk down to the buddy block."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.views.address_space import Region, region_at
from engine.views.frame import FrameView, frame
from engine.views.heap import ChunkView, chunk_at, heap
from engine.views.page_walk import PageWalkView, page_walk
from engine.views.processes import Slot

if TYPE_CHECKING:
    from engine.machine import Machine


@dataclass(frozen=True, slots=True)
class AtView:
    """One address of one process: its chunk, region, translation and frame, each None where there is none."""

    pid: int
    address: int
    slots: tuple[Slot, ...]
    """Pointer variables that hold exactly this address."""
    chunk: ChunkView | None
    region: Region | None
    walk: PageWalkView
    frame: FrameView | None


def at(machine: Machine, address: int, pid: int = 0) -> AtView:
    """What process `pid` has at `address`. Raises KeyError for an unknown pid."""
    slots = machine.processes[pid].slots
    walk = page_walk(machine, address, pid)
    return AtView(
        pid=pid,
        address=address,
        slots=tuple(Slot(name, pointer) for name, pointer in slots.items() if pointer == address),
        chunk=chunk_at(heap(machine, pid), address),
        region=region_at(machine, pid, address),
        walk=walk,
        frame=None if walk.pfn is None else frame(machine, walk.pfn),
    )
