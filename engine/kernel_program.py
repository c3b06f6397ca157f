"""Labs with the kernel alone: no process, no libc, only calls into the page and slab allocators, and what they then hold.

`KernelMachine.boot(ram_mb)` is such a machine fresh from boot; `KernelMachine.from_start(...)` one that goes on where a real
one was recorded. Other tasks of that real machine do not exist here: nothing but the caller allocates or frees.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeAlias, TypedDict

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
from engine.kernel.mm_types import PAGE_OFFSET, PAGE_SHIFT, Page
from engine.kernel.mmzone import NO_PFN, Watermark, Zone
from engine.kernel.page_alloc import PageAllocator
from engine.kernel.slab_common import cache_show
from engine.kernel.slub import Slub
from engine.kernel.vmstat import Vmstat
from engine.kernel.zone_state import ZoneLists, ZoneSizes, zone_lists, zones_from_lists, zones_from_sizes
from engine.kernel.zoneinfo import read_zoneinfo
from engine.trace import Trace

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from engine.kernel.slub_cache import KmemCache

__all__ = [
    "GFP_OF_KIND",
    "AllocKind",
    "Figures",
    "KernelMachine",
    "ObjectPlace",
    "Recorded",
    "Start",
    "ZoneFigures",
    "ZoneLists",
    "ZoneSizes",
    "figures_of",
]

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
    """_machine.json: what a recorded machine's /proc files said, and its RAM in MB, in digits."""

    proc: Mapping[str, str]
    mem_mb: str


class Start(TypedDict, total=False):
    """NAME.start.json: the free lists with which a program began, by zone. A slab program's start tells nothing."""

    zones: Mapping[str, ZoneLists]


class ObjectPlace(TypedDict):
    """Where an object of a cache lies: its frame, its slab's first frame, and the bytes from there."""

    pfn: int
    slab_pfn: int
    off: int


class ZoneFigures(TypedDict):
    """One zone's marks, in pages, as /proc/zoneinfo names them."""

    name: str
    min: int
    low: int
    high: int
    protection: Sequence[int]
    pcp_high: int
    pcp_batch: int


class Figures(TypedDict):
    """What a kernel computes from the sizes of its zones."""

    min_free_kbytes: int
    zones: Sequence[ZoneFigures]


def figures_of(sizes: Sequence[ZoneSizes]) -> Figures:
    """The figures of a machine whose zones (lowest first, those with RAM) have these sizes."""
    zones = zones_from_sizes(sizes)
    return {
        "min_free_kbytes": zones[0].zone_pgdat.min_free_kbytes,
        "zones": [
            {
                "name": zone.name,
                "min": zone.watermark[Watermark.MIN],
                "low": zone.watermark[Watermark.LOW],
                "high": zone.watermark[Watermark.HIGH],
                "protection": list(zone.lowmem_reserve),
                "pcp_high": zone.per_cpu_pageset.high,
                "pcp_batch": zone.per_cpu_pageset.batch,
            }
            for zone in zones
        ],
    }


class _Nobody:
    """Reclaim and the OOM killer of a machine without processes: there is nothing to reclaim and nobody to kill."""

    __slots__ = ()

    def wakeup_kswapd(self, zone: Zone, order: int, highest: int) -> None:
        """Nobody sleeps."""

    def try_to_free_pages(self, order: int, gfp: int, highest: int) -> int:
        """No page can be reclaimed."""
        return 0

    def zone_reclaimable_pages(self, zone: Zone) -> int:
        """No page is on an LRU list."""
        return 0

    def out_of_memory(self, gfp: int, order: int) -> bool:
        """Linux panics when there is nobody left to kill."""
        raise MemoryError("out of memory and no killable processes")


class KernelMachine:
    """A machine whose kernel is called directly. The caller names blocks, caches and objects by numbers of his own choice."""

    __slots__ = (
        "blocks",
        "caches",
        "clock",
        "objects",
        "oom_kill",
        "page_alloc",
        "ram",
        "slub",
        "trace",
        "vmscan",
        "vmstat",
    )

    def __init__(self, zones: Sequence[Zone], frames: int, trace_capacity: int = 0) -> None:
        self.clock = Clock()
        self.ram = Ram(frames)
        self.trace = Trace(self.clock, trace_capacity)
        self.trace.on = trace_capacity > 0
        self.vmstat = Vmstat()
        self.vmscan = self.oom_kill = _Nobody()
        self.page_alloc = PageAllocator(self, zones)
        self.slub = Slub(self, nomerge=True)
        self.blocks: dict[int, Page] = {}
        """Blocks that the caller has not freed yet."""
        self.caches: dict[int, KmemCache] = {}
        """Caches that the caller created, oldest first."""
        self.objects: dict[int, tuple[KmemCache, int]] = {}
        """Objects that the caller has not freed yet, with their kernel addresses."""

    @classmethod
    def boot(cls, ram_mb: int, trace_capacity: int = 0) -> KernelMachine:
        """A machine with `ram_mb` MB as it comes up."""
        found = boot_zones(ram_mb)
        return cls(found.zones, found.frames, trace_capacity)

    @classmethod
    def from_start(cls, machine: Recorded, start: Start) -> KernelMachine:
        """The machine of a recording, at the start of one of its programs; freshly booted where the start tells no lists.

        Its pageblocks' types and which of its pages are user memory are not recorded: see zone_state.py.
        """
        lists = start.get("zones")
        if lists is None:
            return cls.boot(int(machine["mem_mb"]))
        marks = read_zoneinfo(machine["proc"]["zoneinfo"])
        state = zones_from_lists(marks, lists)
        made = cls(state.zones, state.zones[-1].zone_end_pfn)
        made.page_alloc.mem_map.update(state.mem_map)
        return made

    # --- pages -------------------------------------------------------------------------------------------------------

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

    def freed_by_others(self, pfn: int, order: int) -> None:
        """Another task gives back a block that it held when the lists of the start were told: its kernel stack, say."""
        page = self.page_alloc.mem_map[pfn] = Page(pfn, order)
        self.page_alloc.free_pages(page, order)

    def counts(self) -> dict[str, list[int]]:
        """/proc/buddyinfo: free blocks of each order, by zone."""
        return {zone.name: zone.nr_free_by_order() for zone in self.page_alloc.zones}

    def lists(self) -> dict[str, ZoneLists]:
        """The free lists and the CPU's lists, each from its head on, by zone."""
        return {zone.name: zone_lists(zone) for zone in self.page_alloc.zones}

    # --- objects -----------------------------------------------------------------------------------------------------

    def create_cache(self, ident: int, name: str, size: int, align: int) -> None:
        """kmem_cache_create() for objects of `size` bytes at multiples of `align` (0: as Linux likes), never merged."""
        self.caches[ident] = self.slub.kmem_cache_create(name, size, align, 0)

    def alloc_object(self, cache: int, ident: int) -> ObjectPlace | None:
        """kmem_cache_alloc(): where the object lies; None when memory is out. Raises KeyError for an unknown cache."""
        found = self.caches[cache]
        address = self.slub.kmem_cache_alloc(found)
        if address is None:
            return None
        self.objects[ident] = found, address
        slab_pfn = self.slub.slab_of(address).pfn
        physical = address - PAGE_OFFSET
        return {"pfn": physical >> PAGE_SHIFT, "slab_pfn": slab_pfn, "off": physical - (slab_pfn << PAGE_SHIFT)}

    def free_object(self, ident: int) -> None:
        """kmem_cache_free(). Raises KeyError where no object has the name."""
        cache, address = self.objects.pop(ident)
        self.slub.kmem_cache_free(cache, address)

    def ksize(self, size: int) -> int:
        """What kmalloc(size) really gives, in bytes; 0 where it fails. It is freed again."""
        address = self.slub.kmalloc(size)
        if address is None:
            return 0
        given = self.slub.ksize(address)
        self.slub.kfree(address)
        return given

    def slabinfo(self) -> list[str]:
        """The /proc/slabinfo lines of the caller's caches, the newest first, as Linux lists them."""
        return [cache_show(cache) for cache in reversed(self.caches.values())]
