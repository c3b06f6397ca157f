"""Events of the page allocator: blocks of 2**order page frames taken, split, given back and merged."""

from typing import NamedTuple


class MmPageAlloc(NamedTuple):
    """kmem:mm_page_alloc — a request was answered with the block at `pfn`, or failed: pfn is -1."""

    pfn: int
    order: int
    gfp_flags: int
    migratetype: int


class MmPageFree(NamedTuple):
    """kmem:mm_page_free — a block's last reference is gone."""

    pfn: int
    order: int


class MmPageAllocZoneLocked(NamedTuple):
    """kmem:mm_page_alloc_zone_locked — a block left the free lists, to fill the CPU's own list if `percpu_refill`."""

    pfn: int
    order: int
    migratetype: int
    percpu_refill: bool


class MmPagePcpuDrain(NamedTuple):
    """kmem:mm_page_pcpu_drain — a block went from the CPU's own list back to the free lists."""

    pfn: int
    order: int
    migratetype: int


class MmPageAllocExtfrag(NamedTuple):
    """kmem:mm_page_alloc_extfrag — a type's lists were empty, so a block of another type's was taken over."""

    pfn: int
    alloc_order: int
    fallback_order: int
    alloc_migratetype: int
    fallback_migratetype: int


class Expand(NamedTuple):
    """sim:expand — a block was halved: its upper half, `pfn` of 2**order pages, is free; the split goes on in the lower."""

    zone: str
    pfn: int
    order: int
    migratetype: int


class BuddyMerge(NamedTuple):
    """sim:buddy_merge — the block at `pfn` found its buddy at `buddy_pfn` free: both, 2**order pages each, become one."""

    zone: str
    pfn: int
    buddy_pfn: int
    order: int


class FreeOnePage(NamedTuple):
    """sim:free_one_page — merging is over: the block went on its free list, at the tail if it may soon merge again."""

    zone: str
    pfn: int
    order: int
    migratetype: int
    to_tail: bool


class DrainAllPages(NamedTuple):
    """sim:drain_all_pages — `pages` that the CPU kept for itself went back to the free lists."""

    zone: str
    pages: int
