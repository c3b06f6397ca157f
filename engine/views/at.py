"""What is here: everything known of one byte, frame, swap slot or page of a file, from whichever side one comes.

chunk ↔ region ↔ directory and table entry ↔ frame ↔ zone and buddy block ↔ page of a file or swap slot.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from engine.outcome import CommandError
from engine.views.address_space import Region, region_at
from engine.views.file_page import FilePageView, file_page, file_page_at, file_page_held, file_page_in_slot
from engine.views.frame import FrameView, frame
from engine.views.heap import ChunkView, HeapView, chunk_at, heap
from engine.views.page_walk import PageWalkView, page_walk
from engine.views.processes import Slot
from engine.views.swap_slot import SwapSlotView, swap_slot

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.machine import Machine
    from engine.views.mapped_at import MappedAt

    HeapOf: TypeAlias = Callable[[Machine, int], HeapView]
    """Gives the heap of a process: who has looked at it already need not do so again."""


@dataclass(frozen=True, slots=True)
class AtView:
    """One address of one process: its chunk, region, translation, frame, page of a file, swap slot; None where there is none."""

    pid: int
    address: int
    slots: tuple[Slot, ...]
    """Pointer variables that hold exactly this address."""
    chunk: ChunkView | None
    region: Region | None
    walk: PageWalkView
    frame: FrameView | None
    file_page: FilePageView | None
    """What the region maps here, even before anybody looked: not what a private copy became."""
    swap_slot: SwapSlotView | None


@dataclass(frozen=True, slots=True)
class ElsewhereView:
    """A frame, a swap slot or a page of a file that no process maps now."""

    frame: FrameView | None
    file_page: FilePageView | None
    swap_slot: SwapSlotView | None


def at(
    machine: Machine,
    address: int | None = None,
    pid: int = 0,
    pfn: int | None = None,
    slot: int | None = None,
    file: str = "",
    page: int = 0,
) -> AtView | ElsewhereView:
    """What there is at an address, in frame `pfn`, in swap slot `slot`, or in page `page` of the file at path `file`.

    Of what is mapped, the place in process `pid` or else the first. Raises CommandError for what does not exist.
    """
    if address is not None:
        return at_address(machine, address, pid)
    if pfn is not None:
        return at_frame(machine, pfn, pid)
    if slot is not None:
        return at_swap_slot(machine, slot, pid)
    if file:
        return at_file_page(machine, file, page, pid)
    raise CommandError("address", "one of address, pfn, slot and file is needed")


def at_address(machine: Machine, address: int, pid: int = 0, heap_of: HeapOf = heap) -> AtView:
    """What process `pid` has at `address`. Raises KeyError for an unknown pid."""
    slots = machine.processes[pid].slots
    walk = page_walk(machine, address, pid)
    found = None if walk.pfn is None else frame(machine, walk.pfn)
    slot = walk.swap_slot if walk.swap_slot is not None else None if found is None else found.slot
    return AtView(
        pid=pid,
        address=address,
        slots=tuple(Slot(name, pointer) for name, pointer in slots.items() if pointer == address),
        chunk=chunk_at(heap_of(machine, pid), address),
        region=region_at(machine, pid, address),
        walk=walk,
        frame=found,
        file_page=file_page_at(machine, address, pid),
        swap_slot=None if slot is None else swap_slot(machine, slot),
    )


def at_frame(machine: Machine, pfn: int, pid: int = 0, heap_of: HeapOf = heap) -> AtView | ElsewhereView:
    """What is in frame `pfn`. Raises CommandError where the machine has no such frame."""
    found = frame(machine, pfn)
    if found is None:
        raise CommandError("pfn", f"there is no frame {pfn:#x}; the last one is {machine.kernel.ram.size - 1:#x}")
    here = nearest(found.mapped_at, pid)
    if here is not None:
        return at_address(machine, here.address, here.pid, heap_of)
    page = machine.kernel.page_alloc.mem_map.get(pfn)
    file = None if page is None else file_page_held(machine, page)
    return ElsewhereView(found, file, None if found.slot is None else swap_slot(machine, found.slot))


def at_swap_slot(machine: Machine, slot: int, pid: int = 0, heap_of: HeapOf = heap) -> AtView | ElsewhereView:
    """What is in slot `slot` of the swap area. Raises CommandError where there is no such slot."""
    found = swap_slot(machine, slot)
    cached = None if found.pfn is None else frame(machine, found.pfn)
    here = nearest(found.named_at or (() if cached is None else cached.mapped_at), pid)
    if here is not None:
        return at_address(machine, here.address, here.pid, heap_of)
    return ElsewhereView(cached, file_page_in_slot(machine.kernel, slot) if found.file is not None else None, found)


def at_file_page(
    machine: Machine, path: str, index: int, pid: int = 0, heap_of: HeapOf = heap
) -> AtView | ElsewhereView:
    """What page `index` of a file is. Raises CommandError where there is no such file or page."""
    found = file_page(machine, path, index)
    here = nearest(found.mapped_at, pid)
    if here is not None:
        return at_address(machine, here.address, here.pid, heap_of)
    cached = None if found.pfn is None else frame(machine, found.pfn)
    return ElsewhereView(cached, found, None if found.slot is None else swap_slot(machine, found.slot))


def nearest(places: tuple[MappedAt, ...], pid: int) -> MappedAt | None:
    """The place in process `pid`, else the first; None where there is none."""
    return next((place for place in places if place.pid == pid), places[0] if places else None)
