"""mm/slab_common.c: what a cache is made of before any slab exists: its alignment, the kmalloc classes, merging.

Two caches that are alike are one: a new cache whose objects fit, with less than a word to spare, in those of an old one with the
same kind of pages shares its slabs, and has no line of its own in /proc/slabinfo.

Left out: kmem_cache_destroy's shrinking, usercopy regions, memory cgroups' accounting.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.kernel.slub_cache import KmemCache

CACHE_LINE_SIZE: Final = 32
"""cache_line_size() of the recorded machine: QEMU's i386 processor tells of no larger line."""
L1_CACHE_BYTES: Final = 64
"""What the kernel was compiled for; a task_struct begins on such a boundary."""
ARCH_SLAB_MINALIGN: Final = 8
"""__alignof__(unsigned long long) on i386: no object is aligned less."""
POINTER_SIZE: Final = 4

SLAB_HWCACHE_ALIGN: Final = 0x2000
SLAB_PANIC: Final = 0x40000
SLAB_ACCOUNT: Final = 0x4000000
SLAB_RECLAIM_ACCOUNT: Final = 0x20000
SLAB_TYPESAFE_BY_RCU: Final = 0x80000
SLAB_MEM_SPREAD: Final = 0x100000
SLAB_CTOR: Final = 1 << 32
"""Ours: the creator has a constructor, so that a free object stays as it was made: its link lies behind it."""
SLAB_USERCOPY: Final = 1 << 33
"""Ours: part of the object may be copied to user space (usersize)."""
SLAB_NEVER_MERGE: Final = SLAB_TYPESAFE_BY_RCU | SLAB_CTOR | SLAB_USERCOPY
SLAB_MERGE_SAME: Final = SLAB_RECLAIM_ACCOUNT | SLAB_ACCOUNT
"""Caches that are to be one agree about these."""

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
    return word_aligned(align)


def word_aligned(size: int) -> int:
    """ALIGN(size, sizeof(void *))."""
    return size + POINTER_SIZE - 1 & -POINTER_SIZE


def find_mergeable(caches: Iterable[KmemCache], size: int, align: int, flags: int) -> KmemCache | None:
    """find_mergeable(): the oldest of `caches` (oldest first) that can serve as the new cache, too; None where none can."""
    if flags & SLAB_NEVER_MERGE:
        return None
    size = word_aligned(size)
    align = calculate_alignment(flags, align, size)
    size = size + align - 1 & -align
    for cache in caches:
        if cache.flags & SLAB_NEVER_MERGE or size > cache.size or (flags ^ cache.flags) & SLAB_MERGE_SAME:
            continue
        if not cache.size % align and cache.size - size < POINTER_SIZE:
            return cache
    return None


def kmalloc_size(size: int) -> int | None:
    """kmalloc_slab(): the class that serves `size` bytes; None for a request that takes whole pages."""
    return next((each for each in KMALLOC_SIZES if size <= each), None)


@lru_cache(maxsize=64)
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
