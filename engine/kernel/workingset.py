"""mm/workingset.c: tells whether a page that comes back was thrown out too soon.

A page that is reclaimed leaves a shadow: the age of its list at that moment. When the page is faulted in again, the
difference to the age now is how many pages were moved meanwhile: its refault distance. If that many more pages would have
fitted, had the other lists' pages gone, the page is made active at once.

    shadow = age in 14 bits << 1 | (the page had been active before)

The age has 14 bits because a shadow is one word of a tree, which says also which memory cgroup and node the page was of:
distances are known modulo 16,384 pages.

Nodes of a file's tree that hold nothing but shadows are on a list, for reclaim to take the oldest (shrinker.py). The swap cache's
are not, in Linux 6.1.

Left out: memory cgroups.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.kernel.mm_types import PG_ACTIVE, PG_SWAPBACKED, PG_WORKINGSET, Page
from engine.kernel.swap import LruList
from engine.kernel.xarray import XA_CHUNK_SHIFT, XA_CHUNK_SIZE

if TYPE_CHECKING:
    from engine.kernel.kernel import Kernel
    from engine.kernel.xarray import XaNode, XArray

NO_SHADOW: Final = -1
_EVICTION_BITS: Final = 14
"""BITS_PER_LONG less EVICTION_SHIFT: 32 - (1 + 1 + 16)."""
_EVICTION_MASK: Final = (1 << _EVICTION_BITS) - 1


class Workingset:
    """The age of the lists, and what it says about pages that come back."""

    __slots__ = ("_bucket_order", "kernel", "nonresident_age", "shadow_nodes")

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.nonresident_age = 0
        """Pages evicted or activated since boot."""
        self.shadow_nodes: dict[int, tuple[XArray, XaNode]] = {}
        """Nodes of files' trees that hold shadows alone, the oldest first, by address."""
        pages = sum(zone.managed_pages for zone in kernel.boot.zones)
        self._bucket_order = max((pages - 1).bit_length() - _EVICTION_BITS, 0)

    def eviction(self, page: Page) -> int:
        """workingset_eviction(): the shadow that the page leaves behind."""
        age = self.nonresident_age
        self.nonresident_age = age + 1
        return (age >> self._bucket_order & _EVICTION_MASK) << 1 | bool(page.flags & PG_WORKINGSET)

    def refault(self, page: Page, shadow: int) -> None:
        """workingset_refault(): the page that left `shadow` is back, and not yet on a list."""
        stat, swap = self.kernel.vmstat, self.kernel.swap
        distance = self.nonresident_age - (shadow >> 1 << self._bucket_order) & _EVICTION_MASK
        file = not page.flags & PG_SWAPBACKED
        if file:
            stat.workingset_refault_file += 1
        else:
            stat.workingset_refault_anon += 1
        if distance > self._competing_pages(file):
            return
        page.flags |= PG_ACTIVE
        self.nonresident_age += 1
        if file:
            stat.workingset_activate_file += 1
        else:
            stat.workingset_activate_anon += 1
        if not shadow & 1:
            return
        page.flags |= PG_WORKINGSET
        swap.lru_note_cost(file, 1)
        if file:
            stat.workingset_restore_file += 1
        else:
            stat.workingset_restore_anon += 1

    def update_node(self, xa: XArray, node: XaNode) -> None:
        """workingset_update_node(): puts a node on the list of those that hold shadows alone, or takes it off."""
        listed = self.shadow_nodes
        if node.count and node.count == node.nr_values:
            if node.address not in listed:
                listed[node.address] = xa, node
                self.kernel.vmstat.workingset_nodes += 1
        elif node.address in listed:
            del listed[node.address]
            self.kernel.vmstat.workingset_nodes -= 1

    def scan_shadow_nodes(self, nr_to_scan: int) -> int:
        """scan_shadow_nodes(): frees so many of the oldest nodes on the list, with their shadows; how many there were."""
        kernel, listed = self.kernel, self.shadow_nodes
        isolated = min(nr_to_scan, len(listed))
        for _ in range(isolated):
            address = next(iter(listed))
            xa, node = listed.pop(address)
            kernel.vmstat.workingset_nodes -= 1
            kernel.vmstat.workingset_nodereclaim += 1
            mapping = xa.owner
            assert mapping is not None
            first = node.key << XA_CHUNK_SHIFT
            for index in range(first, first + XA_CHUNK_SIZE):
                mapping.shadows.pop(index, None)
            kernel.xarray.delete_leaf(xa, node)
            kernel.inode.inode_add_lru(mapping.host)
        return isolated

    def _competing_pages(self, file: bool) -> int:
        """Pages on the lists that would have had to go for the page to stay."""
        lists = self.kernel.swap.lists
        pages = len(lists[LruList.ACTIVE_FILE])
        if not file:
            pages += len(lists[LruList.INACTIVE_FILE])
        if self.kernel.swapfile.nr_swap_pages > 0:
            pages += len(lists[LruList.ACTIVE_ANON])
            if file:
                pages += len(lists[LruList.INACTIVE_ANON])
        return pages

    def activation(self) -> None:
        """workingset_activation(): an inactive page became active."""
        self.nonresident_age += 1
