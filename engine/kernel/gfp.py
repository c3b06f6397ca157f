"""include/linux/gfp_types.h: what an allocation may do, where it may look, and what its pages are for.

A gfp mask ("get free page") says all of it in one word:

     31     20 19 18 17 16 15 14 13 12 11 10  9  8  7  6  5  4  3  2  1  0
    +---------+--+--+--+--+--+--+--+--+--+--+--+--+--+--+--+--+--+--+--+--+
    |ACCT .. H|NM|CO|ME|NR|NF|RM|NW|WR|KS|DR|AT|ZE|FS|IO|HI|RE|MO|32|HM|DM|
    +---------+--+--+--+--+--+--+--+--+--+--+--+--+--+--+--+--+--+--+--+--+
     how hard to try, what to do on failure   |reclaim |    |type |  zone  |

Left out: KASAN's and lockdep's bits, NUMA.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

_GFP_DMA: Final = 0x01
_GFP_HIGHMEM: Final = 0x02
_GFP_DMA32: Final = 0x04
"""Means nothing here: i386 has no ZONE_DMA32."""
_GFP_MOVABLE: Final = 0x08
"""The page can be moved elsewhere by migration, or given up by reclaim."""
_GFP_RECLAIMABLE: Final = 0x10
"""The page belongs to a cache that a shrinker can empty."""
_GFP_HIGH: Final = 0x20
_GFP_IO: Final = 0x40
_GFP_FS: Final = 0x80
_GFP_ZERO: Final = 0x100
_GFP_ATOMIC: Final = 0x200
_GFP_DIRECT_RECLAIM: Final = 0x400
_GFP_KSWAPD_RECLAIM: Final = 0x800
_GFP_WRITE: Final = 0x1000
_GFP_NOWARN: Final = 0x2000
_GFP_RETRY_MAYFAIL: Final = 0x4000
_GFP_NOFAIL: Final = 0x8000
_GFP_NORETRY: Final = 0x10000
_GFP_MEMALLOC: Final = 0x20000
_GFP_COMP: Final = 0x40000
_GFP_NOMEMALLOC: Final = 0x80000
_GFP_HARDWALL: Final = 0x100000
_GFP_THISNODE: Final = 0x200000
_GFP_ACCOUNT: Final = 0x400000

_GFP_RECLAIM: Final = _GFP_DIRECT_RECLAIM | _GFP_KSWAPD_RECLAIM
GFP_ZONEMASK: Final = _GFP_DMA | _GFP_HIGHMEM | _GFP_DMA32 | _GFP_MOVABLE
GFP_MOVABLE_MASK: Final = _GFP_RECLAIMABLE | _GFP_MOVABLE
GFP_MOVABLE_SHIFT: Final = 3

GFP_ATOMIC: Final = _GFP_HIGH | _GFP_ATOMIC | _GFP_KSWAPD_RECLAIM
GFP_KERNEL: Final = _GFP_RECLAIM | _GFP_IO | _GFP_FS
GFP_KERNEL_ACCOUNT: Final = GFP_KERNEL | _GFP_ACCOUNT
GFP_NOWAIT: Final = _GFP_KSWAPD_RECLAIM
GFP_NOIO: Final = _GFP_RECLAIM
GFP_NOFS: Final = _GFP_RECLAIM | _GFP_IO
GFP_USER: Final = GFP_KERNEL | _GFP_HARDWALL
GFP_DMA: Final = _GFP_DMA
GFP_HIGHUSER: Final = GFP_USER | _GFP_HIGHMEM
GFP_HIGHUSER_MOVABLE: Final = GFP_HIGHUSER | _GFP_MOVABLE

# mm/internal.h: what one attempt may do, worked out of the gfp mask
ALLOC_WMARK_MIN: Final = 0
ALLOC_WMARK_LOW: Final = 1
ALLOC_WMARK_HIGH: Final = 2
ALLOC_NO_WATERMARKS: Final = 0x4
ALLOC_WMARK_MASK: Final = ALLOC_NO_WATERMARKS - 1
ALLOC_OOM: Final = 0x8
ALLOC_NON_BLOCK: Final = 0x10
"""The caller cannot wait: it may take 25 % of the min watermark, 62.5 % with ALLOC_MIN_RESERVE."""
ALLOC_MIN_RESERVE: Final = _GFP_HIGH
"""The caller may take half of the min watermark."""
ALLOC_HIGHATOMIC: Final = 0x200
"""The caller may use pageblocks of MIGRATE_HIGHATOMIC."""
ALLOC_KSWAPD: Final = _GFP_KSWAPD_RECLAIM
ALLOC_RESERVES: Final = ALLOC_NON_BLOCK | ALLOC_MIN_RESERVE | ALLOC_HIGHATOMIC | ALLOC_OOM


class ZoneType(IntEnum):
    """include/linux/mmzone.h: enum zone_type, lowest memory first."""

    DMA = 0
    """Below 16 MB: what the ISA bus's DMA can reach."""
    NORMAL = 1
    """The rest of what the kernel maps directly."""
    HIGHMEM = 2
    """Above some 876 MB: the kernel must map such a page before it can touch it."""
    MOVABLE = 3
    """Always empty here (it needs kernelcore= or movablecore=), but a request's index all the same."""


MAX_NR_ZONES: Final = len(ZoneType)

GFP_ZONE_TABLE: Final[tuple[ZoneType, ...]] = (
    ZoneType.NORMAL,
    ZoneType.DMA,
    ZoneType.HIGHMEM,
    ZoneType.NORMAL,
    ZoneType.NORMAL,
    ZoneType.NORMAL,
    ZoneType.NORMAL,
    ZoneType.NORMAL,
    ZoneType.NORMAL,
    ZoneType.DMA,
    ZoneType.MOVABLE,
    ZoneType.NORMAL,
    ZoneType.NORMAL,
    ZoneType.NORMAL,
    ZoneType.NORMAL,
    ZoneType.NORMAL,
)
"""The highest zone of each combination of GFP_ZONEMASK's bits; two zones at once are a bug, and get NORMAL."""
