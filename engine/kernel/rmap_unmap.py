"""mm/rmap.c, the half that reclaim uses: was the page used since somebody last looked? and: nobody maps it any more.

Left out: huge pages, migration entries, locking. Neither function flushes the TLB page by page: whoever unmaps flushes all
of it when he is done with a batch, as Linux does (try_to_unmap_flush()).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.hardware.paging import PTE_ACCESSED, PTE_DIRTY, PTE_PRESENT
from engine.hardware.tlb import FlushReason
from engine.kernel.mm_types import (
    PAGE_SHIFT,
    PG_ANON,
    PG_ANON_EXCLUSIVE,
    PG_DIRTY,
    PG_SWAPBACKED,
    PGDIR_SHIFT,
    VM_LOCKED,
    VM_SEQ_READ,
    Page,
    VmArea,
)
from engine.kernel.pgtable import PTE_THERE, PTRS_PER_PTE

if TYPE_CHECKING:
    from array import array

    from engine.kernel.kernel import Kernel

_INDEX: Final = PTRS_PER_PTE - 1


Place = tuple["VmArea", int, "array[int]", int]
"""Where a page is mapped: the region, the page table's frame, its words, and which of them maps the page."""


class RmapUnmap:
    """folio_referenced() and try_to_unmap()."""

    __slots__ = ("kernel", "unflushed")

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.unflushed = False
        """Whether entries were cleared that the TLB may still remember."""

    def _places(self, page: Page) -> list[Place]:
        """page_vma_mapped_walk() over rmap_walk(): every entry that maps the page."""
        found: list[Place] = []
        ram = self.kernel.ram
        frames, shared = ram.frames, ram.shared
        pfn, left = page.pfn, page.mapcount
        index = page.index
        mapping = page.mapping
        for vma in mapping.vmas if page.flags & PG_ANON else mapping.i_mmap:  # type: ignore[attr-defined]
            start = vma.vm_start
            address = start + (index - vma.vm_pgoff << PAGE_SHIFT)
            if not start <= address < vma.vm_end:
                continue
            upper = frames[vma.vm_mm.pgd][address >> PGDIR_SHIFT]
            if not upper & PTE_PRESENT:
                continue
            table_pfn = upper >> PAGE_SHIFT
            table = ram.own(table_pfn) if table_pfn in shared else frames[table_pfn]
            at = address >> PAGE_SHIFT & _INDEX
            entry = table[at]
            if entry >> PAGE_SHIFT == pfn and entry & PTE_THERE:
                found.append((vma, table_pfn, table, at))
                left -= 1
                if not left:
                    break
        return found

    def folio_referenced(self, page: Page) -> tuple[int, int]:
        """folio_referenced(): (how many mappings used the page since the last look, the flags of their regions).

        The accessed bits are cleared. VM_LOCKED among the flags: the page is in a locked region, and is marked so now.
        """
        if not page.mapcount:
            return 0, 0
        referenced = vm_flags = 0
        written = self.kernel.ram.written
        for vma, table_pfn, table, at in self._places(page):
            flags = vma.vm_flags
            if flags & VM_LOCKED:
                self.kernel.mlock.mlock_folio(page)
                return referenced, vm_flags | VM_LOCKED
            if table[at] & PTE_ACCESSED:
                table[at] &= ~PTE_ACCESSED
                written.add(table_pfn)
                if not flags & VM_SEQ_READ:
                    referenced += 1
                    vm_flags |= flags
        return referenced, vm_flags

    def try_to_unmap(self, page: Page) -> None:
        """try_to_unmap(): nobody maps the page any more; an anonymous page's entries name its swap slot instead.

        A page of a locked region, or one that MADV_FREE gave up and that was written since, stays mapped.
        """
        for place in self._places(page):
            if place[0].vm_flags & VM_LOCKED:
                self.kernel.mlock.mlock_folio(page)
                return
            if not self._unmap_one(page, place):
                return

    def _unmap_one(self, page: Page, place: Place) -> bool:
        """try_to_unmap_one()."""
        vma, table_pfn, table, at = place
        kernel, mm = self.kernel, vma.vm_mm
        entry = table[at]
        if entry & PTE_DIRTY:
            self._take_dirty_bit(page)
        flags = page.flags
        if mm.rss > mm.hiwater_rss:
            mm.hiwater_rss = mm.rss
        left_behind = 0
        if flags & PG_ANON:
            if not flags & PG_SWAPBACKED:
                if flags & PG_DIRTY or page.refcount != page.mapcount:
                    page.flags |= PG_SWAPBACKED
                    return False
            else:
                left_behind = page.private
                kernel.swapfile.swap_duplicate(left_behind)
                mm.swap_rss += 1
                page.flags = flags & ~PG_ANON_EXCLUSIVE
            mm.anon_rss -= 1
        else:
            kernel.memory.count_file_page(mm, page, -1)
        table[at] = left_behind
        kernel.ram.written.add(table_pfn)
        self.unflushed = True
        kernel.rmap.page_remove_rmap(page)
        page.refcount -= 1
        return True

    def _take_dirty_bit(self, page: Page) -> None:
        """folio_mark_dirty(): what the entry knew, the page knows."""
        if page.flags & PG_ANON:
            page.flags |= PG_DIRTY
        else:
            self.kernel.page_writeback.set_page_dirty(page)

    def try_to_unmap_flush(self) -> None:
        """try_to_unmap_flush(): the TLB forgets what was unmapped."""
        if self.unflushed:
            self.unflushed = False
            self.kernel.flush_tlb(FlushReason.ALL)
