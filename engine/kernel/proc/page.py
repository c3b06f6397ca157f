"""fs/proc/page.c: /proc/kpagecount and /proc/kpageflags: 64 bits a frame, for programs that look at memory as a whole.

kpagecount says how often a frame is mapped; kpageflags has a bit for everything that is known of it (KPF_…).
Left out: idle page tracking, hardware poison, huge pages, buffer heads (KPF_PRIVATE): their bits are never set.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.kernel.mm_types import (
    PG_ACTIVE,
    PG_ANON,
    PG_ANON_EXCLUSIVE,
    PG_DIRTY,
    PG_LOCKED,
    PG_LRU,
    PG_MLOCKED,
    PG_RECLAIM,
    PG_REFERENCED,
    PG_SLAB,
    PG_SWAPBACKED,
    PG_SWAPCACHE,
    PG_TABLE,
    PG_UNEVICTABLE,
    PG_UPTODATE,
    PG_WRITEBACK,
)

if TYPE_CHECKING:
    from engine.kernel.kernel import Kernel
    from engine.kernel.mm_types import Page

PG_HEAD: Final = 1 << 16
# include/uapi/linux/kernel-page-flags.h
KPF_BUDDY: Final = 1 << 10
KPF_MMAP: Final = 1 << 11
KPF_COMPOUND_HEAD: Final = 1 << 15
KPF_COMPOUND_TAIL: Final = 1 << 16
KPF_SLAB: Final = 1 << 7
KPF_ZERO_PAGE: Final = 1 << 24
KPF_RESERVED: Final = 1 << 32
_COPIED: Final = (
    (PG_LOCKED, 0),
    (PG_REFERENCED, 2),
    (PG_UPTODATE, 3),
    (PG_DIRTY, 4),
    (PG_LRU, 5),
    (PG_ACTIVE, 6),
    (PG_SLAB, 7),
    (PG_WRITEBACK, 8),
    (PG_RECLAIM, 9),
    (PG_ANON, 12),
    (PG_SWAPCACHE, 13),
    (PG_SWAPBACKED, 14),
    (PG_UNEVICTABLE, 18),
    (PG_TABLE, 26),
    (PG_MLOCKED, 33),
    (PG_ANON_EXCLUSIVE, 34),
    (PG_SWAPCACHE, 37),
)
"""Flags that are told as they are: the page's bit, and the number of its KPF_ bit.

The last two are bits of other names that Linux uses twice: PG_mappedtodisk and PG_owner_priv_1.
"""


def max_dump_pfn(kernel: Kernel) -> int:
    """get_max_dump_pfn(): frames from here on have no struct page."""
    return kernel.page_alloc.zones[-1].zone_end_pfn


def kpagecounts(kernel: Kernel, first: int, frames: int) -> list[int]:
    """page_mapcount() of the frames from `first` on."""
    mem_map, found = kernel.page_alloc.mem_map, [0] * frames
    for pfn in range(first, first + frames):
        page = mem_map.get(pfn)
        if page is not None and not page.flags & (PG_SLAB | PG_TABLE):
            found[pfn - first] = page.mapcount
    return found


def kpageflags(kernel: Kernel, first: int, frames: int) -> list[int]:
    """stable_page_flags() of the frames from `first` on."""
    found = [0] * frames
    end = first + frames

    def put(pfn: int, count: int, flags: int) -> None:
        for each in range(max(pfn, first), min(pfn + count, end)):
            found[each - first] |= flags

    for taken in kernel.boot.reserved:
        put(taken.start_pfn, taken.pages, KPF_RESERVED)
    for zone in kernel.page_alloc.zones:
        for order, area in enumerate(zone.free_area):
            for pfn in area.blocks:
                put(pfn, 1 << order, KPF_BUDDY)
    for pfn, page in kernel.page_alloc.mem_map.items():
        if pfn < end and pfn + (1 << page.order) > first:
            put(pfn, 1, stable_page_flags(page))
            tail = (KPF_COMPOUND_TAIL if _compound(page) else 0) | (KPF_SLAB if page.flags & PG_SLAB else 0)
            put(pfn + 1, (1 << page.order) - 1, tail)
    put(kernel.boot.empty_zero_page, 1, KPF_ZERO_PAGE)
    return found


def stable_page_flags(page: Page) -> int:
    """The KPF_ bits of a block's first page."""
    flags = page.flags
    bits = sum(1 << number for bit, number in _COPIED if flags & bit)
    if page.mapcount and not flags & PG_SLAB:
        bits |= KPF_MMAP
    return bits | KPF_COMPOUND_HEAD if _compound(page) else bits


def _compound(page: Page) -> bool:
    """SLUB asks for compound blocks (__GFP_COMP), as whoever sets PG_HEAD."""
    return bool(page.order and page.flags & (PG_HEAD | PG_SLAB))
