"""What the last step changed, as its own records tell: a picture's marks come from the same facts as its reasons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from engine.commands import KERNEL_COMMANDS
from engine.events import libc, memory, page_alloc, slab, vmscan
from engine.events.machine import CommandPerformed
from engine.kernel.entry import SystemCallNumber
from engine.libc.chunk import CHUNK_HDR_SZ
from engine.views.trace_tree import last_records

if TYPE_CHECKING:
    from engine.machine import Machine
    from engine.trace import Record

_REGION_CALLS: Final = (
    SystemCallNumber.BRK,
    SystemCallNumber.MMAP2,
    SystemCallNumber.MREMAP,
    SystemCallNumber.MPROTECT,
    SystemCallNumber.MUNMAP,
)
_WORD: Final = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class ChangesView:
    """What the last command touched: `orders` are (zone, order) of free lists, `places` are in regions that changed."""

    chunks: frozenset[int]
    pages: frozenset[int]
    """Virtual page numbers that got or lost a frame."""
    allocated: frozenset[int]
    freed: frozenset[int]
    orders: frozenset[tuple[str, int]]
    places: frozenset[int]
    slots: frozenset[str]
    objects: frozenset[int] = frozenset()
    """Objects of slab caches that were taken or given back, by their addresses."""
    swap_slots: frozenset[int] = frozenset()
    """Slots of the swap area that were written or read."""


def changes(machine: Machine) -> ChangesView:
    """The last command's marks; none before the first one."""
    found = _Found()
    if machine.version:
        for record in last_records(machine):
            found.add(record)
        _add_command(machine, found)
    return ChangesView(
        frozenset(found.chunks),
        frozenset(found.pages),
        frozenset(found.allocated - found.freed),
        frozenset(found.freed - found.allocated),
        frozenset(found.orders),
        frozenset(found.places),
        frozenset(found.slots),
        frozenset(found.objects),
        frozenset(found.swap_slots),
    )


class _Found:
    __slots__ = (
        "allocated",
        "chunks",
        "command",
        "freed",
        "objects",
        "orders",
        "pages",
        "places",
        "slots",
        "swap_slots",
    )

    def __init__(self) -> None:
        self.chunks: set[int] = set()
        self.pages: set[int] = set()
        self.allocated: set[int] = set()
        self.freed: set[int] = set()
        self.orders: set[tuple[str, int]] = set()
        self.places: set[int] = set()
        self.slots: set[str] = set()
        self.objects: set[int] = set()
        self.swap_slots: set[int] = set()
        self.command: CommandPerformed | None = None

    def add(self, record: Record) -> None:
        """Takes in what one event says."""
        match record.event:
            case CommandPerformed() as performed:
                self.command = performed
            case page_alloc.MmPageAlloc(pfn, order) if pfn >= 0:
                self.allocated.update(range(pfn, pfn + (1 << order)))
                self.freed.difference_update(range(pfn, pfn + (1 << order)))
            case page_alloc.MmPageFree(pfn, order):
                self.freed.update(range(pfn, pfn + (1 << order)))
                self.allocated.difference_update(range(pfn, pfn + (1 << order)))
            case page_alloc.Expand(zone, _, order) | page_alloc.FreeOnePage(zone, _, order):
                self.orders.add((zone, order))
            case page_alloc.BuddyMerge(zone, _, _, order):
                self.orders.update(((zone, order), (zone, order + 1)))
            case memory.FaultDone(address) | memory.SetPte(address):
                self.pages.add(address >> 12)
            case slab.KmemCacheAlloc(_, address) | slab.KmemCacheFree(_, address):
                self.objects.add(address)
            case vmscan.MmVmscanWriteFolio(_, slot) | vmscan.SwapReadpage(_, slot):
                self.swap_slots.add(slot)
            case memory.SystemCall(number, arguments) if number in _REGION_CALLS and arguments:
                self.places.add(arguments[0] & _WORD)
            case memory.SystemCallReturn(number, result) if number in _REGION_CALLS and result > 0:
                self.places.add(result & _WORD)
            case (
                libc.FastbinGet(chunk)
                | libc.FastbinPut(chunk)
                | libc.ChunkMerged(chunk)
                | libc.TopMerged(chunk)
                | libc.TopSplit(chunk)
                | libc.BinGet(_, chunk)
                | libc.BinPut(_, chunk)
                | libc.MmapChunk(chunk)
                | libc.MremapChunk(chunk)
            ):
                self.chunks.add(chunk)
            case libc.ChunkSplit(chunk, _, remainder):
                self.chunks.update((chunk, remainder))
            case _:
                pass


def _add_command(machine: Machine, found: _Found) -> None:
    """The command's own slot or place: the tcache's events do not name the chunk."""
    if found.command is None:
        return
    command = found.command.command
    if isinstance(command, KERNEL_COMMANDS):
        return
    slots = machine.processes[command.pid].slots
    name = getattr(command, "as_", None)
    if isinstance(name, str) and name in slots:
        found.slots.add(name)
        found.chunks.add(slots[name] - CHUNK_HDR_SZ)
    place = getattr(command, "ptr", None)
    if command.op == "free" and isinstance(place, str) and place in slots:
        found.chunks.add(slots[place] - CHUNK_HDR_SZ)
