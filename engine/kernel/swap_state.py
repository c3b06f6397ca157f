"""mm/swap_state.c: the swap cache: pages that have a slot in the swap area, found by it.

A page is here from the moment it gets its slot until the slot is needed no more: while it is written, while several
processes may still fault it in, and after it was read back, so that it need not be written again unless it changes.
Readahead is by the slots' neighbourhood: an aligned block of up to 2**page-cluster slots, smaller when its pages are not used.

Left out: readahead by virtual address, which Linux uses on disks that do not turn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.kernel.gfp import _GFP_HIGH, _GFP_NOMEMALLOC, _GFP_NOWARN, GFP_HIGHUSER_MOVABLE
from engine.kernel.mm_types import (
    PG_DIRTY,
    PG_READAHEAD,
    PG_SWAPBACKED,
    PG_SWAPCACHE,
    PG_UPTODATE,
    PG_WRITEBACK,
    Page,
)
from engine.kernel.pgtable import SWAP_OFFSET_SHIFT, swap_entry_to_pte
from engine.kernel.swapfile import NO_SLOT, SWAP_HAS_CACHE
from engine.kernel.workingset import NO_SHADOW
from engine.kernel.xarray import XArray

if TYPE_CHECKING:
    from engine.kernel.kernel import Kernel

_SHIFT_MASK: Final = 31
"""An x86 CPU shifts by the low five bits of the count."""
SWAP_ADDRESS_SPACE_SHIFT: Final = 14
RECLAIM_GFP: Final = _GFP_HIGH | _GFP_NOMEMALLOC | _GFP_NOWARN
"""How hard reclaim tries to get a node for a page that it wants to swap out: not by reclaim."""


class SwapState:
    """The swap cache of the one area."""

    __slots__ = ("_last_readahead", "_previous", "hits", "kernel", "pages", "shadows", "spaces")

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.pages: dict[int, Page] = {}
        """Slot -> page."""
        self.shadows: dict[int, int] = {}
        """Slot -> what its reclaimed page left behind (workingset.py)."""
        self.spaces: dict[int, XArray] = {}
        """swapper_spaces: the nodes of the trees that hold both, one tree for 64 MB of the area."""
        self.hits = 0
        """swapin_readahead_hits: pages read ahead and used since the last readahead."""
        self._previous = 0
        self._last_readahead = 0

    # --- in and out --------------------------------------------------------------------------------------------------

    def add_to_swap(self, page: Page) -> bool:
        """add_to_swap(): gives an anonymous page a slot; False when there is none."""
        offset = self.kernel.swapfile.get_swap_page()
        if offset == NO_SLOT:
            return False
        if self.add_to_swap_cache(page, offset, RECLAIM_GFP) is None:
            self.kernel.swapfile.put_swap_folio(offset)
            return False
        page.flags |= PG_DIRTY
        return True

    def space(self, offset: int) -> XArray:
        """swap_address_space(): the tree of the slot's 64 MB of the area."""
        number = offset >> SWAP_ADDRESS_SPACE_SHIFT
        found = self.spaces.get(number)
        if found is None:
            found = self.spaces[number] = XArray(None)
        return found

    def add_to_swap_cache(self, page: Page, offset: int, gfp: int) -> int | None:
        """add_to_swap_cache(): the cache has the page, and a reference to it; gives the shadow that was there, or NO_SHADOW.

        None, and nothing has changed, where there is no memory for a node of its tree.
        """
        kernel = self.kernel
        shadow = self.shadows.pop(offset, NO_SHADOW)
        if shadow != NO_SHADOW:
            kernel.xarray.replace(self.space(offset), offset, value=False)
        elif not kernel.xarray.store(self.space(offset), offset, gfp):
            return None
        page.refcount += 1
        page.flags |= PG_SWAPCACHE
        page.private = swap_entry_to_pte(0, offset)
        self.pages[offset] = page
        stat = kernel.vmstat
        stat.nr_file_pages += 1
        stat.nr_swapcached += 1
        return shadow

    def remove(self, page: Page, shadow: int = NO_SHADOW) -> int:
        """__delete_from_swap_cache(): the cache forgets the page, but for its shadow, if any; gives its slot.

        The cache's reference is the caller's now.
        """
        offset = page.private >> SWAP_OFFSET_SHIFT
        del self.pages[offset]
        if shadow == NO_SHADOW:
            self.kernel.xarray.erase(self.space(offset), offset, value=False)
        else:
            self.shadows[offset] = shadow
            self.kernel.xarray.replace(self.space(offset), offset, value=True)
        page.private = 0
        page.flags &= ~PG_SWAPCACHE
        stat = self.kernel.vmstat
        stat.nr_file_pages -= 1
        stat.nr_swapcached -= 1
        return offset

    def clear_shadow(self, offset: int) -> None:
        """clear_shadow_from_swap_cache(): the slot is free, and what its page left behind is of no use."""
        if self.shadows.pop(offset, NO_SHADOW) != NO_SHADOW:
            self.kernel.xarray.erase(self.space(offset), offset, value=True)

    def delete_from_swap_cache(self, page: Page) -> None:
        """delete_from_swap_cache(): the same, its slot and its reference given back."""
        self.kernel.swapfile.put_swap_folio(self.remove(page))
        self.kernel.swap.put_page(page)

    def swap_cache_get_folio(self, offset: int) -> Page | None:
        """swap_cache_get_folio(): the slot's page, if it is in memory; counts a hit of readahead."""
        page = self.pages.get(offset)
        if page is not None and page.flags & PG_READAHEAD and not page.flags & PG_WRITEBACK:
            page.flags &= ~PG_READAHEAD
            self.kernel.vmstat.swap_ra_hit += 1
            self.hits += 1
        return page

    # --- reading -----------------------------------------------------------------------------------------------------

    def swapin_readahead(self, offset: int) -> Page | None:
        """swap_cluster_readahead(): reads the slot's page and its neighbours; None without memory.

        The caller gets a reference. The page may not be up to date: then the disk failed.
        """
        mask = self._swapin_nr_pages(offset) - 1
        kernel = self.kernel
        first, last = max(offset & ~mask, 1), min(offset | mask, kernel.swapfile.total_pages)
        for neighbour in range(first, last + 1) if mask else ():
            page = self._read_swap_cache_async(neighbour)
            if page is not None and neighbour != offset:
                page.flags |= PG_READAHEAD
                kernel.vmstat.swap_ra += 1
        page = self.pages.get(offset) or self._read_swap_cache_async(offset)
        if page is not None:
            page.refcount += 1
        kernel.page_io.wait_on_read()
        return page

    def force_swapin(self, entry: int) -> None:
        """MADV_WILLNEED: the entry's page is read, and nobody waits for it."""
        self._read_swap_cache_async(entry >> SWAP_OFFSET_SHIFT)
        self.kernel.page_io.done_reading()

    def _read_swap_cache_async(self, offset: int) -> Page | None:
        """__read_swap_cache_async(): a frame for the slot's page joins the cache, and is read; None where it is there already,
        nobody wants it, or there is no memory."""
        kernel = self.kernel
        usage = kernel.swapfile.swap_map[offset]
        if not usage or usage & SWAP_HAS_CACHE:
            return None
        page = kernel.page_alloc.alloc_pages(GFP_HIGHUSER_MOVABLE, 0)
        if page is None:
            return None
        usage = kernel.swapfile.swap_map[offset]
        if not usage or usage & SWAP_HAS_CACHE:
            # Memory was so short that somebody was killed for it: the slot's owner.
            kernel.page_alloc.free_pages(page, 0)
            return None
        kernel.swapfile.swap_map[offset] = usage | SWAP_HAS_CACHE
        page.flags |= PG_SWAPBACKED
        shadow = self.add_to_swap_cache(page, offset, GFP_HIGHUSER_MOVABLE)
        if shadow is None:
            kernel.swapfile.put_swap_folio(offset)
            kernel.page_alloc.free_pages(page, 0)
            return None
        page.refcount -= 1
        if shadow != NO_SHADOW:
            kernel.workingset.refault(page, shadow)
        kernel.swap.lru_cache_add(page)
        if kernel.page_io.swap_readpage(page):
            page.flags |= PG_UPTODATE
        return page

    def _swapin_nr_pages(self, offset: int) -> int:
        """swapin_nr_pages(): how many slots to read, by how many of those read ahead before were used."""
        most = 1 << (self.kernel.sysctl["page-cluster"] & _SHIFT_MASK)
        if most <= 1:
            return 1
        hits, self.hits = self.hits, 0
        if not hits:
            pages = 2 if offset in (self._previous + 1, self._previous - 1) else 1
            self._previous = offset
        else:
            pages = 4
            while pages < hits + 2:
                pages <<= 1
        self._last_readahead = max(min(pages, most), self._last_readahead // 2)
        return self._last_readahead
