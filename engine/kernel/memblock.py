"""mm/memblock.c: physical memory before there is a page allocator, and how it is handed over.

The BIOS tells which frames are RAM; the kernel lies in some, takes others for its tables, and gives the rest to the zones:

    pfn 0     0x100         0x1000                                     0x36bfe (MAXMEM)
    | 1 MB |  free | kernel | free ... | hash, percpu, memmap | initrd | free, one by one ...
    | reserved, DMA |                ZONE_NORMAL                       | ZONE_HIGHMEM

Sizes are those of Debian 12's 686 kernel under QEMU. It needs KERNEL_AT_16MB of RAM to start; below that a small kernel of
ours lies at 1 MB. A reserved frame is reserved for good: what initialisation borrows and gives back (the initial RAM disk,
the kernel's init code) counts as borrowed only for the watermarks, and is on the free lists from the start.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from engine.clock import Clock
from engine.kernel.gfp import MAX_NR_ZONES, ZoneType
from engine.kernel.mm_types import PAGE_SHIFT, PAGE_SIZE
from engine.kernel.mmzone import (
    MAX_ORDER,
    MIGRATE_TYPES,
    PAGEBLOCK_NR_PAGES,
    Pglist,
    Zone,
)
from engine.kernel.page_alloc_buddy import free_one_page
from engine.kernel.page_alloc_init import init_marks
from engine.trace import Trace

if TYPE_CHECKING:
    from collections.abc import Sequence

PAGES_PER_MB: Final = (1 << 20) >> PAGE_SHIFT
MAX_DMA_PFN: Final = 16 * PAGES_PER_MB
MAXMEM_PFN: Final = 0x36BFE
"""arch/x86/include/asm/pgtable_32_areas.h: low memory ends where 128 MB of kernel address space are left for vmalloc."""
PCI_HOLE_RAM_MB: Final = 3584
PCI_HOLE_PFN: Final = 3072 * PAGES_PER_MB
"""From PCI_HOLE_RAM_MB on QEMU moves what lies above 3 GB beyond 4 GB, where this kernel cannot reach."""

BIOS_DATA_PFNS: Final = 1
EBDA_PFN: Final = 0x9F
LOW_MEMORY_PFN: Final = 0x100
"""The first MB: the kernel keeps off it, for BIOSes write there."""
ACPI_PAGES: Final = 35
"""What the BIOS keeps at the top of RAM for its tables."""

KERNEL_AT_16MB: Final = 40
"""MB of RAM from which on Debian's kernel can start."""
INITRD_PAGES: Final = 700
"""The initial RAM disk at the top of low memory, freed once it has been unpacked."""
SIZEOF_STRUCT_PAGE: Final = 40
HASH_BUCKET_SIZE: Final = 4
DENTRY_HASH_SCALE: Final = 13
INODE_HASH_SCALE: Final = 14
PERCPU_PAGES: Final = 33
"""The CPU's own variables; the first page is its GDT."""
_PERCPU_GAP_PAGES: Final = 2


class ReservedRange(NamedTuple):
    """Frames [start_pfn, end_pfn) that the allocator never gets, and whose they are."""

    start_pfn: int
    end_pfn: int
    owner: str

    @property
    def pages(self) -> int:
        """Frames in the range."""
        return self.end_pfn - self.start_pfn


class KernelImage(NamedTuple):
    """Where the kernel lies: its first frame, and how many pages each part takes."""

    start_pfn: int
    code: int
    rodata: int
    data: int
    init: int
    """Freed at the end of boot."""
    data_after_init: int
    alternatives: int
    """Freed at the end of boot."""
    bss: int
    brk: int
    """Page tables made before there was an allocator."""

    @property
    def data_pfn(self) -> int:
        """First frame of the data."""
        return self.start_pfn + self.code + self.rodata

    @property
    def bss_pfn(self) -> int:
        """First frame of the bss."""
        return self.data_pfn + self.data + self.init + self.data_after_init + self.alternatives

    def ranges(self) -> list[ReservedRange]:
        """The parts that stay."""
        parts = (
            ("kernel code", self.code),
            ("kernel rodata", self.rodata),
            ("kernel data", self.data),
            ("", self.init),
            ("kernel data", self.data_after_init),
            ("", self.alternatives),
            ("kernel bss", self.bss),
            ("kernel page tables", self.brk),
        )
        found, pfn = [], self.start_pfn
        for owner, pages in parts:
            if owner:
                found.append(ReservedRange(pfn, pfn + pages, owner))
            pfn += pages
        return found


DEBIAN_686: Final = KernelImage(0x1000, 2332, 797, 312, 228, 21, 8, 116, 16)
"""Linux 6.1.0-50-686, without address-space randomisation."""
SMALL_KERNEL: Final = KernelImage(0x100, 512, 128, 64, 32, 4, 0, 32, 16)
"""A kernel of some 3 MB, as one would build for a machine of 16 MB. Invented."""


class BootZones(NamedTuple):
    """Physical memory as the kernel finds it once boot is over."""

    zones: list[Zone]
    """Those that have RAM, lowest first; their free lists as memblock_free_all() leaves them."""
    reserved: list[ReservedRange]
    """All other frames below `frames`, in ascending order."""
    frames: int
    """Frames from 0 to the highest that the installed RAM reaches, holes included."""
    max_low_pfn: int
    """The first frame that the kernel does not map directly."""
    image: KernelImage
    percpu_pfn: int
    """First frame of the CPU's own variables."""


def boot_zones(ram_mb: int, firmware_pages: int = ACPI_PAGES) -> BootZones:
    """The zones of a machine with `ram_mb` MB (16 or more), everything free but what is reserved for good.

    `firmware_pages` is what the BIOS keeps at the top of RAM.

    The zones' boundaries are Linux's to the frame; what it manages too, for machines that can run Debian's kernel.
    """
    installed = ram_mb * PAGES_PER_MB
    top = min(installed, PCI_HOLE_PFN) if ram_mb >= PCI_HOLE_RAM_MB else installed
    max_pfn = top - firmware_pages
    max_low_pfn = min(max_pfn, MAXMEM_PFN)
    pgdat = free_area_init(max_pfn, max_low_pfn)
    image = DEBIAN_686 if ram_mb >= KERNEL_AT_16MB else SMALL_KERNEL
    initrd = INITRD_PAGES if image is DEBIAN_686 else 0
    tables = _early_tables(pgdat, max_pfn, max_low_pfn - initrd)
    reserved = _alike(
        ReservedRange(0, BIOS_DATA_PFNS, "BIOS data"),
        ReservedRange(BIOS_DATA_PFNS, EBDA_PFN, "first MB"),
        ReservedRange(EBDA_PFN, LOW_MEMORY_PFN, "BIOS and video"),
        *image.ranges(),
        *tables,
        ReservedRange(max_pfn, top, "ACPI tables"),
        *([ReservedRange(top, installed, "beyond 4 GB")] if top < installed else ()),
    )
    memblock_free_all(pgdat, reserved, max_low_pfn)
    init_marks(pgdat, image.init + initrd)
    percpu = next(r.start_pfn for r in tables if r.owner == "per-CPU data")
    return BootZones(pgdat.populated_zones(), list(reserved), installed, max_low_pfn, image, percpu)


def free_area_init(max_pfn: int, max_low_pfn: int) -> Pglist:
    """free_area_init(): the node's zones, with nothing free in them yet."""
    pgdat = Pglist()
    bounds = (1, min(MAX_DMA_PFN, max_low_pfn), max_low_pfn, max_pfn, max_pfn)
    for zone_type in ZoneType:
        start, end = bounds[zone_type], bounds[zone_type + 1]
        spanned = end - start
        present = spanned - (LOW_MEMORY_PFN - EBDA_PFN) if zone_type == ZoneType.DMA else spanned
        pgdat.node_zones.append(Zone(pgdat, zone_type, start if spanned else 0, spanned, present))
    assert len(pgdat.node_zones) == MAX_NR_ZONES
    vm_total_pages = sum(zone.present_pages for zone in pgdat.node_zones) - _memmap_pages(max_low_pfn)
    pgdat.page_group_by_mobility_disabled = vm_total_pages < PAGEBLOCK_NR_PAGES * MIGRATE_TYPES
    return pgdat


def _early_tables(pgdat: Pglist, max_pfn: int, top: int) -> list[ReservedRange]:
    """What memblock_alloc() gave out, from `top` downwards; here in ascending order."""
    memmap = top - _memmap_pages(-(-max_pfn // PAGEBLOCK_NR_PAGES) * PAGEBLOCK_NR_PAGES)
    misc = memmap - 1
    percpu = misc - _PERCPU_GAP_PAGES - PERCPU_PAGES
    kernel_pages = _nr_kernel_pages(pgdat)
    buckets = sum(_hash_buckets(kernel_pages, scale) for scale in (DENTRY_HASH_SCALE, INODE_HASH_SCALE))
    # The tables begin where the last small allocation ended, within a page.
    hashes = percpu - 1 - buckets * HASH_BUCKET_SIZE // PAGE_SIZE
    return [
        ReservedRange(hashes, percpu, "dentry and inode hash"),
        ReservedRange(percpu, percpu + PERCPU_PAGES, "per-CPU data"),
        ReservedRange(misc, memmap, "early allocations"),
        ReservedRange(memmap, top, "mem_map"),
    ]


def _memmap_pages(frames: int) -> int:
    """calc_memmap_size(): pages that the struct pages of so many frames fill."""
    return -(-frames * SIZEOF_STRUCT_PAGE // PAGE_SIZE)


def _nr_kernel_pages(pgdat: Pglist) -> int:
    """free_area_init_core(): pages of low memory that are left when mem_map has been paid for."""
    pages = 0
    for zone in pgdat.node_zones:
        memmap = _memmap_pages(zone.spanned_pages)
        if zone.zone_type < ZoneType.HIGHMEM:
            pages += zone.present_pages - memmap
        elif pages > memmap * 2:
            pages -= memmap
    return pages


def _hash_buckets(kernel_pages: int, scale: int) -> int:
    """alloc_large_system_hash(): one bucket for every 2**scale bytes of low memory, rounded up to a power of two."""
    pages = -(-kernel_pages // PAGES_PER_MB) * PAGES_PER_MB
    return 1 << ((pages >> scale - PAGE_SHIFT) - 1).bit_length()


@lru_cache(maxsize=64)
def _alike(*ranges: ReservedRange) -> tuple[ReservedRange, ...]:
    """The same ranges, in one tuple for all machines that have just these: a host with many machines holds them once."""
    return ranges


def memblock_free_all(pgdat: Pglist, reserved: Sequence[ReservedRange], max_low_pfn: int) -> None:
    """memblock_free_all() and set_highmem_pages_init(): every frame that is not reserved becomes free.

    High memory is freed page by page, so that its last block ends up first; low memory in blocks as large as can be,
    each put at the tail.
    """
    trace = Trace(Clock(), 0)
    trace.on = False
    for zone in pgdat.populated_zones():
        to_tail = zone.zone_type != ZoneType.HIGHMEM
        for start, end in _free_ranges(zone, reserved):
            zone.managed_pages += end - start
            for pfn, order in _blocks(start, end):
                free_one_page(zone, pfn, order, zone.get_pageblock_migratetype(pfn), to_tail, trace)


def _free_ranges(zone: Zone, reserved: Sequence[ReservedRange]) -> list[tuple[int, int]]:
    """for_each_free_mem_range(): the zone's [start, end) between reserved ranges, in ascending order."""
    found, pfn = [], zone.zone_start_pfn
    for taken in reserved:
        if taken.start_pfn > pfn:
            found.append((pfn, min(taken.start_pfn, zone.zone_end_pfn)))
        pfn = max(pfn, taken.end_pfn)
        if pfn >= zone.zone_end_pfn:
            break
    return [(start, end) for start, end in found if start < end]


def _blocks(start: int, end: int) -> list[tuple[int, int]]:
    """__free_pages_memory(): [start, end) as (pfn, order) of the largest blocks that are aligned and fit.

    Freeing high memory's pages one by one merges them into the same blocks, in the same order.
    """
    found = []
    while start < end:
        order = min(MAX_ORDER - 1, (start & -start).bit_length() - 1, (end - start).bit_length() - 1)
        found.append((start, order))
        start += 1 << order
    return found
