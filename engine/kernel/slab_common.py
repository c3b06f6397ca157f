"""mm/slab_common.c: what a cache is made of before any slab exists: its alignment, the kmalloc classes, merging.

Left out: kmem_cache_destroy's shrinking, usercopy regions, memory cgroups' accounting.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from engine.kernel.slub_cache import KmemCache

CACHE_LINE_SIZE: Final = 64
ARCH_SLAB_MINALIGN: Final = 8
"""__alignof__(unsigned long long) on i386: no object is aligned less."""
POINTER_SIZE: Final = 4

SLAB_HWCACHE_ALIGN: Final = 0x2000
SLAB_PANIC: Final = 0x40000
SLAB_ACCOUNT: Final = 0x4000000
SLAB_RECLAIM_ACCOUNT: Final = 0x20000
SLAB_TYPESAFE_BY_RCU: Final = 0x80000
SLAB_NO_MERGE: Final = 0x1000000
"""Ours: the creator wants a cache of its own."""

KMALLOC_SIZES: Final = (8, 16, 32, 64, 96, 128, 192, 256, 512, 1024, 2048, 4096, 8192)
"""kmalloc_info[]: the classes up to KMALLOC_MAX_CACHE_SIZE, two pages; larger requests go to the page allocator."""
KMALLOC_MAX_CACHE_SIZE: Final = KMALLOC_SIZES[-1]


def calculate_alignment(flags: int, align: int, size: int) -> int:
    """calculate_alignment(): bytes; for SLAB_HWCACHE_ALIGN a cache line, halved while two objects fit in half of it."""
    if flags & SLAB_HWCACHE_ALIGN:
        line = CACHE_LINE_SIZE
        while size <= line // 2:
            line //= 2
        align = max(align, line)
    align = max(align, ARCH_SLAB_MINALIGN)
    return align + POINTER_SIZE - 1 & -POINTER_SIZE


def kmalloc_size(size: int) -> int | None:
    """kmalloc_slab(): the class that serves `size` bytes; None for a request that takes whole pages."""
    return next((each for each in KMALLOC_SIZES if size <= each), None)


def kmalloc_name(size: int, *, reclaimable: bool = False) -> str:
    """The class's name in /proc/slabinfo: kmalloc-96, kmalloc-1k, kmalloc-rcl-128."""
    kind = "kmalloc-rcl-" if reclaimable else "kmalloc-"
    return f"{kind}{size >> 10}k" if size >= 1 << 10 else f"{kind}{size}"


def cache_show(cache: KmemCache) -> str:
    """cache_show(): the cache's line of /proc/slabinfo, without its end. SLUB has no tunables and no shared arrays."""
    free = sum(slab.objects - slab.inuse for slab in cache.node_partial.values())
    active, total, slabs = cache.total_objects - free, cache.total_objects, cache.nr_slabs
    return (
        f"{cache.name:<17} {active:6} {total:6} {cache.size:6} {cache.objects:4} {1 << cache.order:4}"
        f" : tunables {0:4} {0:4} {0:4} : slabdata {slabs:6} {slabs:6} {0:6}"
    )
