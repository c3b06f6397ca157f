"""mm/vmscan.c: shrink_slab(): reclaim asks the kernel's own caches for memory, each by its shrinker.

A shrinker says how many objects it could free. The share of them that is scanned is twice that of the LRU lists' pages at the
same priority, or less where an object costs more to make again (its seeks). What is too little for a batch is put off.

There are three: names and inodes of each file system (super_cache_scan()), and nodes of the page cache that hold nothing but
shadows (scan_shadow_nodes()).

Left out: shrinkers of memory cgroups, of other drivers and file systems.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from engine.clock import COSTS
from engine.events.vmscan import MmShrinkSlabEnd, MmShrinkSlabStart
from engine.kernel.gfp import _GFP_FS, GFP_KERNEL
from engine.kernel.xarray import XA_CHUNK_SHIFT

if TYPE_CHECKING:
    from engine.kernel.kernel import Kernel
    from engine.kernel.super import SuperBlock

DEFAULT_SEEKS: Final = 2
SHRINK_BATCH: Final = 128
SUPER_BATCH: Final = 1024
_PERCENT: Final = 100


class ShrinkerKind(Protocol):
    """What a cache does for its shrinker."""

    name: str
    seeks: int
    batch: int

    def count_objects(self, kernel: Kernel) -> int:
        """How many objects could be freed."""
        ...

    def scan_objects(self, kernel: Kernel, nr_to_scan: int, gfp: int) -> int | None:
        """Looks at so many, and frees what it can; how many left the list. None: not now (SHRINK_STOP)."""
        ...


class SuperShrinker:
    """The shrinker of a file system: its names first, for they hold the inodes."""

    __slots__ = ("batch", "name", "sb", "seeks")

    def __init__(self, sb: SuperBlock) -> None:
        self.sb = sb
        self.name = f"{sb.fs}:{sb.s_id}"
        self.seeks = DEFAULT_SEEKS
        self.batch = SUPER_BATCH

    def count_objects(self, kernel: Kernel) -> int:
        """super_cache_count(): what is on the two lists, as vfs_cache_pressure weighs it."""
        found = len(self.sb.s_dentry_lru) + len(self.sb.s_inode_lru)
        return found * kernel.sysctl["vfs_cache_pressure"] // _PERCENT

    def scan_objects(self, kernel: Kernel, nr_to_scan: int, gfp: int) -> int | None:
        """super_cache_scan(): each list gets its share, and one more."""
        if not gfp & _GFP_FS:
            return None
        dentries, inodes = len(self.sb.s_dentry_lru), len(self.sb.s_inode_lru)
        total = dentries + inodes + 1
        freed = kernel.dcache.prune_dcache_sb(self.sb, nr_to_scan * dentries // total + 1)
        return freed + kernel.inode.prune_icache_sb(self.sb, nr_to_scan * inodes // total + 1)


class ShadowShrinker:
    """The shrinker of the page cache's nodes that hold shadows alone: they may be an eighth of a node for each page."""

    __slots__ = ("batch", "name", "seeks")

    def __init__(self) -> None:
        self.name = "mm-shadow"
        self.seeks = 0
        """Such a node costs nothing to make again."""
        self.batch = SHRINK_BATCH

    def count_objects(self, kernel: Kernel) -> int:
        """count_shadow_nodes(): those beyond what shadows of use could need."""
        stat = kernel.vmstat
        pages = sum(map(len, kernel.swap.lists)) + stat.nr_slab_reclaimable + stat.nr_slab_unreclaimable
        return max(len(kernel.workingset.shadow_nodes) - (pages >> XA_CHUNK_SHIFT - 3), 0)

    def scan_objects(self, kernel: Kernel, nr_to_scan: int, gfp: int) -> int | None:
        """scan_shadow_nodes()."""
        return kernel.workingset.scan_shadow_nodes(nr_to_scan)


class Shrinkers:
    """shrinker_list, in the order of registration, and what each has put off."""

    __slots__ = ("kernel", "nr_deferred", "shrinkers")

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        supers = [SuperShrinker(sb) for sb in kernel.super]
        self.shrinkers: tuple[ShrinkerKind, ...] = (*supers[:2], ShadowShrinker(), *supers[2:])
        self.nr_deferred = [0] * len(self.shrinkers)
        """Objects that each should have scanned, and has not."""

    def shrink_slab(self, gfp: int, priority: int) -> int:
        """shrink_slab(): every shrinker once, at reclaim's present urgency; how many objects left their lists."""
        return sum(self._do_shrink_slab(number, gfp, priority) for number in range(len(self.shrinkers)))

    def _do_shrink_slab(self, number: int, gfp: int, priority: int) -> int:
        """do_shrink_slab()."""
        kernel, shrinker = self.kernel, self.shrinkers[number]
        freeable = shrinker.count_objects(kernel)
        if not freeable:
            return 0
        deferred = self.nr_deferred[number]
        delta = 4 * (freeable >> priority) // shrinker.seeks if shrinker.seeks else freeable // 2
        total_scan = min((deferred >> priority) + delta, 2 * freeable)
        freed = scanned = 0
        if total_scan < min(shrinker.batch, freeable):
            self.nr_deferred[number] = min(deferred + delta, 2 * freeable)
            return 0
        with kernel.trace.open(MmShrinkSlabStart(shrinker.name, freeable, total_scan, priority)):
            while total_scan >= shrinker.batch or total_scan >= freeable:
                nr_to_scan = min(shrinker.batch, total_scan)
                found = shrinker.scan_objects(kernel, nr_to_scan, gfp)
                if found is None:
                    break
                freed += found
                kernel.vmstat.slabs_scanned += nr_to_scan
                kernel.clock.ns += COSTS.scan_object * nr_to_scan
                total_scan -= nr_to_scan
                scanned += nr_to_scan
            if kernel.trace.on:
                kernel.trace.emit(MmShrinkSlabEnd(shrinker.name, scanned, freed))
        self.nr_deferred[number] = min(max(deferred + delta - scanned, 0), 2 * freeable)
        return freed

    def drop_slab(self) -> None:
        """drop_slab(): shrinks with the greatest urgency, until that yields little: each round must free twice as much."""
        shift = 0
        while self.shrink_slab(GFP_KERNEL, 0) >> shift > 1:
            shift += 1
