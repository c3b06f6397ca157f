"""Labs with the kernel alone: no process, no libc, only calls into the page allocator, and what its lists then look like.

`KernelMachine.boot(ram_mb)` is such a machine fresh from boot; `KernelMachine.from_start(...)` one that goes on where a real
one was recorded. Other tasks of that real machine do not exist here: nothing but the caller allocates or frees.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias, TypedDict

from engine.clock import Clock
from engine.hardware.ram import Ram
from engine.kernel.gfp import (
    _GFP_NORETRY,
    _GFP_NOWARN,
    GFP_DMA,
    GFP_HIGHUSER_MOVABLE,
    GFP_KERNEL,
    GFP_USER,
)
from engine.kernel.memblock import boot_zones
from engine.kernel.mmzone import NO_PFN, Zone
from engine.kernel.page_alloc import PageAllocator
from engine.kernel.vmstat import Vmstat
from engine.kernel.zone_state import ZoneLists, zone_lists, zones_from_lists
from engine.kernel.zoneinfo import read_zoneinfo
from engine.trace import Trace

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from engine.kernel.mm_types import Page

AllocKind: TypeAlias = Literal["movable", "user", "kernel", "dma"]
"""What the pages are for."""

_TRY_ONCE: Final = _GFP_NORETRY | _GFP_NOWARN
GFP_OF_KIND: Final[Mapping[AllocKind, int]] = {
    "movable": GFP_HIGHUSER_MOVABLE | _TRY_ONCE,
    "user": GFP_USER | _TRY_ONCE,
    "kernel": GFP_KERNEL | _TRY_ONCE,
    "dma": GFP_DMA | GFP_KERNEL | _TRY_ONCE,
}


class Recorded(TypedDict):
    """_machine.json: what a recorded machine's /proc files said."""

    proc: Mapping[str, str]


class Start(TypedDict):
    """NAME.start.json: the free lists with which a program began, by zone."""

    zones: Mapping[str, ZoneLists]


class _Nobody:
    """Reclaim and the OOM killer of a machine without processes: there is nothing to reclaim and nobody to kill."""

    __slots__ = ()

    def wakeup_kswapd(self, zone: Zone, order: int) -> None:
        """Nobody sleeps."""

    def try_to_free_pages(self, order: int) -> int:
        """No page can be reclaimed."""
        return 0

    def zone_reclaimable_pages(self, zone: Zone) -> int:
        """No page is on an LRU list."""
        return 0

    def out_of_memory(self) -> None:
        """Linux panics when there is nobody left to kill."""
        raise MemoryError("out of memory and no killable processes")


class _Siblings(NamedTuple):
    """The kernel around the page allocator."""

    clock: Clock
    ram: Ram
    trace: Trace
    vmstat: Vmstat
    vmscan: _Nobody
    oom_kill: _Nobody


class KernelMachine:
    """A machine whose kernel is called directly. The caller names each block by a number of his own choice."""

    __slots__ = ("blocks", "page_alloc", "trace")

    def __init__(self, zones: Sequence[Zone], frames: int, trace_capacity: int = 0) -> None:
        clock = Clock()
        self.trace = Trace(clock, trace_capacity)
        self.trace.on = trace_capacity > 0
        siblings = _Siblings(clock, Ram(frames), self.trace, Vmstat(), _Nobody(), _Nobody())
        self.page_alloc = PageAllocator(siblings, zones)
        self.blocks: dict[int, Page] = {}
        """What the caller has not freed yet."""

    @classmethod
    def boot(cls, ram_mb: int, trace_capacity: int = 0) -> KernelMachine:
        """A machine with `ram_mb` MB as it comes up."""
        found = boot_zones(ram_mb)
        return cls(found.zones, found.frames, trace_capacity)

    @classmethod
    def from_start(cls, machine: Recorded, start: Start) -> KernelMachine:
        """The machine of a recording, at the start of one of its programs.

        Its pageblocks' types and which of its pages are user memory are not recorded: see zone_state.py.
        """
        marks = read_zoneinfo(machine["proc"]["zoneinfo"])
        state = zones_from_lists(marks, start["zones"])
        made = cls(state.zones, state.zones[-1].zone_end_pfn)
        made.page_alloc.mem_map.update(state.mem_map)
        return made

    def alloc(self, ident: int, order: int, kind: AllocKind = "movable") -> int:
        """alloc_pages(): the first frame of a block of 2**order pages, or -1. A block that had the name is forgotten, not freed."""
        page = self.page_alloc.alloc_pages(GFP_OF_KIND[kind], order)
        if page is None:
            self.blocks.pop(ident, None)
            return NO_PFN
        self.blocks[ident] = page
        return page.pfn

    def free(self, ident: int) -> None:
        """__free_pages() of the block; nothing where there is none."""
        page = self.blocks.pop(ident, None)
        if page is not None:
            self.page_alloc.free_pages(page, page.order)

    def counts(self) -> dict[str, list[int]]:
        """/proc/buddyinfo: free blocks of each order, by zone."""
        return {zone.name: [area.nr_free for area in zone.free_area] for zone in self.page_alloc.zones}

    def lists(self) -> dict[str, ZoneLists]:
        """The free lists and the CPU's lists, each from its head on, by zone."""
        return {zone.name: zone_lists(zone) for zone in self.page_alloc.zones}
