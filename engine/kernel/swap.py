"""mm/swap.c: a page's last reference, and its first place on the LRU lists.

Left out: most of the per-CPU batches (pagevecs) in front of the lists: a page is on its list at once. The batch of pages
that MADV_FREE gave up is kept, for smaps shows when it has been worked off.
"""

from __future__ import annotations

from collections import OrderedDict
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from engine.kernel.mm_types import (
    PG_ACTIVE,
    PG_ANON,
    PG_DIRTY,
    PG_LOCKED,
    PG_LRU,
    PG_MLOCKED,
    PG_RECLAIM,
    PG_REFERENCED,
    PG_SWAPBACKED,
    PG_SWAPCACHE,
    PG_UNEVICTABLE,
    PG_WRITEBACK,
    VM_LOCKED,
    Page,
    VmArea,
)

if TYPE_CHECKING:
    from engine.kernel.kernel import Kernel


PAGEVEC_SIZE: Final = 15
"""How many pages a batch holds: with the last it is worked off."""
_LAZYFREE_MASK: Final = PG_LRU | PG_ANON | PG_SWAPBACKED | PG_SWAPCACHE | PG_UNEVICTABLE
_CAN_BE_LAZYFREE: Final = PG_LRU | PG_ANON | PG_SWAPBACKED


class LruList(IntEnum):
    """include/linux/mmzone.h: enum lru_list."""

    INACTIVE_ANON = 0
    ACTIVE_ANON = 1
    INACTIVE_FILE = 2
    ACTIVE_FILE = 3
    UNEVICTABLE = 4


_INACTIVE_ANON, _ACTIVE_ANON, _INACTIVE_FILE, _ACTIVE_FILE, _UNEVICTABLE = LruList


def folio_lru_list(page: Page) -> LruList:
    """folio_lru_list(): the list that the page's flags name."""
    flags = page.flags
    if flags & PG_UNEVICTABLE:
        return _UNEVICTABLE
    if flags & PG_SWAPBACKED:
        return _ACTIVE_ANON if flags & PG_ACTIVE else _INACTIVE_ANON
    return _ACTIVE_FILE if flags & PG_ACTIVE else _INACTIVE_FILE


class Swap:
    """The LRU lists and the way onto and off them. A list's newest page is its last key; reclaim takes the oldest."""

    __slots__ = ("anon_cost", "file_cost", "kernel", "lists", "lru_lazyfree")

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.anon_cost = 0
        self.file_cost = 0
        """What reclaiming anonymous and file pages has cost lately, in pages written or read back; old costs fade."""
        self.lists: tuple[OrderedDict[int, Page], ...] = tuple(OrderedDict() for _ in LruList)
        self.lru_lazyfree: list[Page] = []
        """lru_pvecs.lru_lazyfree: pages given up by MADV_FREE that are not on the file list yet; each holds a reference."""

    def lru_cache_add(self, page: Page) -> None:
        """lru_cache_add(): the page can be found by reclaim from now on."""
        page.flags |= PG_LRU
        self.lists[folio_lru_list(page)][page.pfn] = page

    def lru_cache_add_inactive_or_unevictable(self, page: Page, vma: VmArea) -> None:
        """The same for a page just made for `vma`: a locked region's pages are never reclaimed."""
        if not vma.vm_flags & VM_LOCKED and page.flags & (PG_SWAPBACKED | PG_ACTIVE) == PG_SWAPBACKED:
            page.flags |= PG_LRU
            self.lists[_INACTIVE_ANON][page.pfn] = page
            return
        if vma.vm_flags & VM_LOCKED:
            page.flags |= PG_UNEVICTABLE | PG_MLOCKED
            self.kernel.vmstat.unevictable_pgs_mlocked += 1
            self.kernel.vmstat.unevictable_pgs_culled += 1
        page.flags |= PG_LRU
        self.lists[folio_lru_list(page)][page.pfn] = page

    def mark_page_accessed(self, page: Page) -> None:
        """mark_page_accessed(): the second access of an inactive page makes it active."""
        if not page.flags & PG_REFERENCED:
            page.flags |= PG_REFERENCED
        elif page.flags & PG_LRU and not page.flags & (PG_ACTIVE | PG_UNEVICTABLE):
            self.remove(page)
            page.flags = page.flags & ~PG_REFERENCED | PG_ACTIVE
            self.lru_cache_add(page)
            self.kernel.vmstat.pgactivate += 1
            self.kernel.workingset.activation()

    def folio_rotate_reclaimable(self, page: Page) -> None:
        """folio_rotate_reclaimable(): a page that reclaim had written goes to the end of its inactive list, to be freed next."""
        if page.flags & (PG_LRU | PG_LOCKED | PG_DIRTY | PG_UNEVICTABLE) != PG_LRU:
            return
        if page.flags & PG_ACTIVE:
            self.remove(page)
            page.flags &= ~PG_ACTIVE
            self.lru_cache_add(page)
        self.lists[folio_lru_list(page)].move_to_end(page.pfn, last=False)
        self.kernel.vmstat.pgrotated += 1

    def deactivate_file_folio(self, page: Page) -> None:
        """deactivate_file_folio(): a page that should have been dropped, and could not be, goes first when reclaim comes."""
        if page.flags & (PG_LRU | PG_UNEVICTABLE) != PG_LRU or page.mapcount:
            return
        was_active = page.flags & PG_ACTIVE
        self.remove(page)
        page.flags &= ~(PG_ACTIVE | PG_REFERENCED)
        self.lru_cache_add(page)
        if page.flags & (PG_WRITEBACK | PG_DIRTY):
            page.flags |= PG_RECLAIM
        else:
            self.lists[folio_lru_list(page)].move_to_end(page.pfn, last=False)
            self.kernel.vmstat.pgrotated += 1
        if was_active:
            self.kernel.vmstat.pgdeactivate += 1

    def lru_note_cost(self, file: bool, pages: int) -> None:
        """lru_note_cost(): reclaiming from these lists cost `pages` transfers.

        Both costs are halved when they reach a quarter of the lists' length.
        """
        if file:
            self.file_cost += pages
        else:
            self.anon_cost += pages
        if self.file_cost + self.anon_cost > sum(map(len, self.lists[: LruList.UNEVICTABLE])) // 4:
            self.file_cost //= 2
            self.anon_cost //= 2

    def mark_page_lazyfree(self, page: Page) -> None:
        """mark_page_lazyfree(): the page goes to the inactive file list, where reclaim finds it first, with its batch."""
        if page.flags & _LAZYFREE_MASK != _CAN_BE_LAZYFREE:
            return
        page.refcount += 1
        self.lru_lazyfree.append(page)
        if len(self.lru_lazyfree) == PAGEVEC_SIZE:
            self.lru_add_drain()

    def lru_add_drain(self) -> None:
        """lru_add_drain(): works the batch off."""
        if not self.lru_lazyfree:
            return
        batch, self.lru_lazyfree = self.lru_lazyfree, []
        for page in batch:
            self._lru_lazyfree_fn(page)
            self.put_page(page)

    def _lru_lazyfree_fn(self, page: Page) -> None:
        if page.flags & _LAZYFREE_MASK != _CAN_BE_LAZYFREE:
            return
        self.remove(page)
        page.flags &= ~(PG_ACTIVE | PG_REFERENCED | PG_SWAPBACKED)
        self.lru_cache_add(page)
        self.kernel.vmstat.pglazyfree += 1

    def remove(self, page: Page) -> None:
        """lruvec_del_folio()."""
        del self.lists[folio_lru_list(page)][page.pfn]
        page.flags &= ~PG_LRU

    def put_page(self, page: Page) -> None:
        """put_page(): drops a reference; the last one gives the frame back to the page allocator."""
        if page.refcount > 1:
            page.refcount -= 1
            return
        if page.flags & PG_LRU:
            self.remove(page)
        self.kernel.page_alloc.free_pages(page, page.order)

    def size(self, which: LruList) -> int:
        """Pages on a list."""
        return len(self.lists[which])
