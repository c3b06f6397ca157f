"""mm/madvise.c, the half that works on pages: what advice does to those that are present.

Left out: huge pages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.hardware.paging import PTE_ACCESSED, PTE_DIRTY
from engine.kernel.mm_types import (
    PAGE_SHIFT,
    PG_ACTIVE,
    PG_ANON,
    PG_DIRTY,
    PG_LRU,
    PG_REFERENCED,
    PG_SWAPCACHE,
    PG_UNEVICTABLE,
    Page,
    VmArea,
)
from engine.kernel.pgtable import PTE_THERE

if TYPE_CHECKING:
    from engine.kernel.kernel import Kernel


class Advice:
    """MADV_FREE, MADV_COLD, MADV_PAGEOUT, MADV_WILLNEED on ranges that the caller has checked."""

    __slots__ = ("kernel",)

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel

    def free(self, vma: VmArea, start: int, end: int) -> None:
        """madvise_free_pte_range(): the pages may be thrown away instead of swapped, until they are written again."""
        kernel, mm = self.kernel, vma.vm_mm
        kernel.swap.lru_add_drain()
        for _, pfn, table, first, last in kernel.memory.present_tables(mm, start, end):
            table = kernel.ram.writable(pfn)
            for index in range(first, last):
                entry = table[index]
                if not entry:
                    continue
                if not entry & PTE_THERE:
                    kernel.swapfile.free_swap_and_cache(entry)
                    mm.swap_rss -= 1
                    table[index] = 0
                    continue
                page = kernel.memory.normal_page(entry)
                if page is None or not page.flags & PG_ANON or not self._clean(page):
                    continue
                table[index] = entry & ~(PTE_ACCESSED | PTE_DIRTY)
                kernel.swap.mark_page_lazyfree(page)
        kernel.memory.flush_tlb_mm(mm)

    def _clean(self, page: Page) -> bool:
        """Forgets that the page's content is wanted; not where another process wants it."""
        if page.flags & (PG_SWAPCACHE | PG_DIRTY):
            if page.mapcount != 1:
                return False
            if page.flags & PG_SWAPCACHE:
                self.kernel.swapfile.folio_free_swap(page)
            page.flags &= ~PG_DIRTY
        return True

    def cold(self, vma: VmArea, start: int, end: int) -> None:
        """madvise_cold_or_pageout_pte_range(pageout = false): the pages are the next to be reclaimed."""
        kernel = self.kernel
        kernel.swap.lru_add_drain()
        for page in self._private_pages(vma, start, end):
            if page.flags & PG_LRU and page.flags & PG_ACTIVE and not page.flags & PG_UNEVICTABLE:
                kernel.swap.remove(page)
                page.flags &= ~(PG_ACTIVE | PG_REFERENCED)
                kernel.swap.lru_cache_add(page)
                kernel.vmstat.pgdeactivate += 1
        kernel.memory.flush_tlb_mm(vma.vm_mm)

    def pageout(self, vma: VmArea, start: int, end: int) -> None:
        """madvise_cold_or_pageout_pte_range(pageout = true): the pages are reclaimed now, as far as they can be."""
        self.kernel.swap.lru_add_drain()
        pages = self._private_pages(vma, start, end)
        self.kernel.memory.flush_tlb_mm(vma.vm_mm)
        self.kernel.vmscan.reclaim_pages(pages)

    def _private_pages(self, vma: VmArea, start: int, end: int) -> list[Page]:
        """The pages that only this process maps, their accessed bits cleared."""
        kernel = self.kernel
        pages = []
        for _, pfn, table, first, last in kernel.memory.present_tables(vma.vm_mm, start, end):
            table = kernel.ram.writable(pfn)
            for index in range(first, last):
                entry = table[index]
                if not entry & PTE_THERE:
                    continue
                page = kernel.memory.normal_page(entry)
                if page is None or page.mapcount != 1:
                    continue
                table[index] = entry & ~PTE_ACCESSED
                page.flags &= ~PG_REFERENCED
                pages.append(page)
        return pages

    def _swapin_walk(self, vma: VmArea, start: int, end: int) -> None:
        """swapin_walk_pmd_entry(): pages that are in swap are read."""
        for _, _, table, first, last in self.kernel.memory.present_tables(vma.vm_mm, start, end):
            for index in range(first, last):
                entry = table[index]
                if entry and not entry & PTE_THERE:
                    self.kernel.swap_state.force_swapin(entry)

    def willneed(self, vma: VmArea, start: int, end: int) -> None:
        """madvise_willneed() for a file: its pages are read in now, without waiting for the faults."""
        if vma.vm_file is None:
            self._swapin_walk(vma, start, end)
            return
        first = (start - vma.vm_start >> PAGE_SHIFT) + vma.vm_pgoff
        self.kernel.filemap.force_page_cache_readahead(vma.vm_file.inode, first, end - start >> PAGE_SHIFT)
