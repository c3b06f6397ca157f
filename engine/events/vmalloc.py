"""Events of the kernel's own address space: areas of vmalloc(), and high memory mapped by kmap()."""

from typing import NamedTuple


class VmapAreaAllocated(NamedTuple):
    """sim:alloc_vmap_area — the kernel addresses [address, address + 4096 * pages) are taken; a guard page follows."""

    address: int
    pages: int


class VmapAreaFreed(NamedTuple):
    """sim:free_vmap_area_noflush — an area is unmapped; its addresses are used again once enough such areas have gathered."""

    address: int
    pages: int


class VmapAreasPurged(NamedTuple):
    """sim:purge_vmap_area_lazy — the addresses of `areas` freed areas may be used again."""

    areas: int


class KmapHigh(NamedTuple):
    """sim:kmap_high — the frame, which is in high memory, can be reached at `address`."""

    pfn: int
    address: int


class KunmapHigh(NamedTuple):
    """sim:kunmap_high — nobody needs the frame at `address` any more; the entry stays until the table has been gone through."""

    pfn: int
    address: int
