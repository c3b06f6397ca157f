"""mm/memory.c: page tables as a whole: made, filled, moved, copied at fork, emptied and given back.

The faults of mm/memory.c are in mm_fault.py. Left out: huge pages, page-table locks, mmu notifiers.
Where one method walks a range it does so table by table, so that a hole of 4 MB costs one look.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.clock import COSTS
from engine.events.memory import PageTableAllocated, PageTableFreed, TlbFlush
from engine.hardware.paging import PTE_ACCESSED, PTE_DIRTY, PTE_PRESENT, PTE_RW
from engine.hardware.tlb import FlushReason
from engine.kernel.gfp import GFP_KERNEL
from engine.kernel.mm_types import (
    PAGE_SHIFT,
    PAGE_SIZE,
    PG_ANON,
    PG_ANON_EXCLUSIVE,
    PG_SWAPBACKED,
    PG_SWAPCACHE,
    PG_TABLE,
    PGDIR_SHIFT,
    VM_MAYWRITE,
    VM_SHARED,
    VM_WRITE,
    Mm,
    Page,
    VmArea,
)
from engine.kernel.pgtable import PAGE_TABLE, PTE_CHANGE_MASK, PTE_THERE, PTRS_PER_PTE, vm_page_prot

if TYPE_CHECKING:
    from array import array
    from collections.abc import Iterator

    from engine.kernel.kernel import Kernel

PMD_SIZE: Final = 1 << PGDIR_SHIFT
"""Bytes that one page table maps."""


class Memory:
    """The page tables of all processes. Entries are words in simulated frames; every change flushes what it must."""

    __slots__ = ("kernel", "zero_pfn")

    def __init__(self, kernel: Kernel, zero_pfn: int) -> None:
        self.kernel = kernel
        self.zero_pfn = zero_pfn
        """empty_zero_page: the frame that every untouched anonymous page reads from. It has no struct page to count."""

    # --- tables ------------------------------------------------------------------------------------------------------

    def table(self, mm: Mm, address: int) -> int | None:
        """The frame of the page table that maps `address`, or None."""
        entry = self.kernel.ram.frames[mm.pgd][address >> PGDIR_SHIFT]
        return entry >> PAGE_SHIFT if entry & PTE_PRESENT else None

    def pte_alloc(self, mm: Mm, address: int) -> int | None:
        """pte_alloc(): the page table for `address`, made if there is none. None when there is no memory for it."""
        upper = self.kernel.ram.frames[mm.pgd][address >> PGDIR_SHIFT]
        if upper & PTE_PRESENT:
            return upper >> PAGE_SHIFT
        page = self.kernel.page_alloc.alloc_pages(GFP_KERNEL, 0)
        if page is None:
            return None
        page.flags |= PG_TABLE
        page.mapping = mm
        page.index = address >> PGDIR_SHIFT
        self.kernel.clock.ns += COSTS.clear_page
        self.kernel.ram.writable(mm.pgd)[address >> PGDIR_SHIFT] = page.pfn << PAGE_SHIFT | PAGE_TABLE
        mm.pgtables_bytes += PAGE_SIZE
        self.kernel.vmstat.nr_page_table_pages += 1
        if self.kernel.trace.on:
            self.kernel.trace.emit(PageTableAllocated(address & -PMD_SIZE, page.pfn))
        return page.pfn

    def pte(self, mm: Mm, address: int) -> int:
        """The table entry of `address`; 0 where there is no table."""
        table = self.table(mm, address)
        return 0 if table is None else self.kernel.ram.frame(table)[address >> PAGE_SHIFT & PTRS_PER_PTE - 1]

    def set_pte(self, mm: Mm, address: int, entry: int) -> None:
        """set_pte_at() for an address whose table exists, with the flush that changing a present entry needs."""
        kernel = self.kernel
        upper = kernel.ram.frames[mm.pgd][address >> PGDIR_SHIFT]
        assert upper & PTE_PRESENT, f"no page table for {address:#x}"
        kernel.ram.writable(upper >> PAGE_SHIFT)[address >> PAGE_SHIFT & PTRS_PER_PTE - 1] = entry
        self.flush_tlb_page(mm, address)

    def flush_tlb_page(self, mm: Mm, address: int) -> None:
        """flush_tlb_page(): only the running address space can have translations."""
        kernel = self.kernel
        if kernel.current.mm is mm and kernel.cpu.invlpg(address) and kernel.trace.on:
            kernel.trace.emit(TlbFlush(FlushReason.PAGE, address, 1))

    def flush_tlb_mm(self, mm: Mm) -> None:
        """flush_tlb_mm(): after a change to many entries."""
        if self.kernel.current.mm is mm:
            self.kernel.flush_tlb(FlushReason.ALL)

    def present_tables(self, mm: Mm, start: int, end: int) -> Iterator[tuple[int, int, array[int], int, int]]:
        """(address, table pfn, its words for reading, first index, last index + 1) of each table there is for [start, end)."""
        directory = self.kernel.ram.frame(mm.pgd)
        address = start
        while address < end:
            stop = min(end, (address & -PMD_SIZE) + PMD_SIZE)
            entry = directory[address >> PGDIR_SHIFT]
            if entry & PTE_PRESENT:
                first = address >> PAGE_SHIFT & PTRS_PER_PTE - 1
                last = first + (stop - address + PAGE_SIZE - 1 >> PAGE_SHIFT)
                pfn = entry >> PAGE_SHIFT
                yield address, pfn, self.kernel.ram.frame(pfn), first, last
            address = stop

    # --- emptying ----------------------------------------------------------------------------------------------------

    def unmap_region(self, mm: Mm, start: int, end: int, floor: int, ceiling: int) -> None:
        """unmap_region(): gives back every page of [start, end), then the tables in it that map nothing any more.

        `floor` and `ceiling` are the ends of the regions that stay on either side (0 as ceiling: none above).
        """
        self.zap_range(mm, start, end)
        self.free_pgtables(mm, start, end, floor, ceiling)

    def zap_page_range(self, vma: VmArea, start: int, end: int) -> None:
        """zap_page_range(): what madvise(MADV_DONTNEED) does to the pages of [start, end)."""
        self.zap_range(vma.vm_mm, start, end)

    def zap_range(self, mm: Mm, start: int, end: int) -> None:
        """unmap_page_range(): clears every entry of [start, end) and drops the pages behind them."""
        cleared = False
        for address, pfn, table, first, last in self.present_tables(mm, start, end):
            if not any(table[first:last]):
                continue
            table = self.kernel.ram.writable(pfn)
            for index in range(first, last):
                entry = table[index]
                if entry:
                    table[index] = 0
                    cleared = True
                    self._drop(mm, (address & -PMD_SIZE) + (index << PAGE_SHIFT), entry)
        if cleared:
            self.flush_tlb_mm(mm)

    def _drop(self, mm: Mm, address: int, entry: int) -> None:
        if not entry & PTE_THERE:
            self.kernel.swapfile.free_swap_and_cache(entry)
            mm.swap_rss -= 1
            return
        page = self.normal_page(entry)
        if page is None:
            return
        if page.flags & PG_ANON:
            mm.anon_rss -= 1
        else:
            if entry & PTE_DIRTY:
                self.kernel.page_writeback.set_page_dirty(page)
            if entry & PTE_ACCESSED:
                self.kernel.swap.mark_page_accessed(page)
            self.count_file_page(mm, page, -1)
        self.kernel.rmap.page_remove_rmap(page)
        if page.flags & PG_SWAPCACHE and not page.mapcount:
            self.kernel.swapfile.folio_free_swap(page)
        self.kernel.swap.put_page(page)

    def normal_page(self, entry: int) -> Page | None:
        """vm_normal_page(): the struct page behind a present entry; None for the zero page and for the vdso's frames."""
        return self.kernel.page_alloc.mem_map.get(entry >> PAGE_SHIFT)

    def count_file_page(self, mm: Mm, page: Page, change: int) -> None:
        """add_mm_counter(mm_counter_file(page)): shmem pages and other files' pages are counted apart."""
        if page.flags & PG_SWAPBACKED:
            mm.shmem_rss += change
        else:
            mm.file_rss += change

    def free_pgtables(self, mm: Mm, start: int, end: int, floor: int, ceiling: int) -> None:
        """free_pgd_range(): gives back the tables of [start, end) that no region beyond floor and ceiling needs."""
        start &= -PMD_SIZE
        if start < floor:
            start += PMD_SIZE
        end = end + PMD_SIZE - 1 & -PMD_SIZE
        if ceiling and end > ceiling & -PMD_SIZE:
            end = max(ceiling & -PMD_SIZE, end - PMD_SIZE)
        for address in range(start, end, PMD_SIZE):
            table = self.table(mm, address)
            if table is not None:
                self._free_table(mm, address, table)

    def _free_table(self, mm: Mm, address: int, table: int) -> None:
        self.kernel.ram.writable(mm.pgd)[address >> PGDIR_SHIFT] = 0
        mm.pgtables_bytes -= PAGE_SIZE
        self.kernel.vmstat.nr_page_table_pages -= 1
        if self.kernel.trace.on:
            self.kernel.trace.emit(PageTableFreed(address, table))
        self.kernel.page_alloc.free_pages(self.kernel.page_alloc.mem_map[table], 0)

    # --- changing ----------------------------------------------------------------------------------------------------

    def change_protection(self, vma: VmArea, start: int, end: int) -> None:
        """mm/mprotect.c: change_protection(): gives the pages of [start, end) the rights that vma.vm_flags now say.

        A page that may be written becomes so at its next write fault, or at once where nothing has to be noticed:
        an anonymous page that is this process's alone, or a dirty page of a shared mapping (can_change_pte_writable()).
        """
        rights = vm_page_prot(vma.vm_flags)
        if vma.vm_flags & VM_SHARED and self.kernel.filemap.wants_writenotify(vma):
            rights &= ~PTE_RW
        for _, pfn, table, first, last in self.present_tables(vma.vm_mm, start, end):
            table = self.kernel.ram.writable(pfn)
            for index in range(first, last):
                entry = table[index]
                if entry & PTE_THERE:
                    table[index] = self._with_rights(vma, entry, rights)
        self.flush_tlb_mm(vma.vm_mm)

    def _with_rights(self, vma: VmArea, entry: int, rights: int) -> int:
        changed = entry & PTE_CHANGE_MASK | rights
        if not vma.vm_flags & VM_WRITE or changed & PTE_RW or not changed & PTE_PRESENT or not changed & PTE_DIRTY:
            return changed
        if vma.vm_flags & VM_SHARED:
            return changed | PTE_RW
        page = self.normal_page(entry)
        alone = page is not None and page.flags & PG_ANON and page.flags & PG_ANON_EXCLUSIVE
        return changed | PTE_RW if alone else changed

    def move_page_tables(self, vma: VmArea, old: int, new_vma: VmArea, new: int, length: int) -> int:
        """mm/mremap.c: move_page_tables(): the pages keep their frames and get another address.

        Gives the bytes that it came to: less than `length` where there was no memory for a table at the new place.
        """
        mm, done = vma.vm_mm, 0
        while done < length:
            here = min(length - done, _to_next_table(old + done), _to_next_table(new + done))
            if self.table(mm, old + done) is not None:
                if self.pte_alloc(mm, new + done) is None:
                    break
                self._move_ptes(mm, old + done, new + done, here)
            done += here
        self.flush_tlb_mm(mm)
        return done

    def _move_ptes(self, mm: Mm, old: int, new: int, length: int) -> None:
        """move_ptes(): `length` bytes, within one table at either end."""
        for offset in range(0, length, PAGE_SIZE):
            entry = self.pte(mm, old + offset)
            if entry:
                self.set_pte(mm, old + offset, 0)
                self.set_pte(mm, new + offset, entry)

    # --- fork --------------------------------------------------------------------------------------------------------

    def copy_page_range(self, child: VmArea, parent: VmArea) -> bool:
        """copy_page_range(): the child shares the parent's frames; of private regions neither may write from now on.

        A region without anonymous pages is not copied: the child's own faults fill it from the page cache.
        Returns False when there is no memory for a page table.
        """
        if parent.anon_vma is None:
            return True
        private = parent.vm_flags & (VM_SHARED | VM_MAYWRITE) == VM_MAYWRITE
        for address, pfn, table, first, last in self.present_tables(parent.vm_mm, parent.vm_start, parent.vm_end):
            child_pfn = self.pte_alloc(child.vm_mm, address)
            if child_pfn is None:
                return False
            child_table = self.kernel.ram.writable(child_pfn)
            table = self.kernel.ram.writable(pfn)
            for index in range(first, last):
                entry = table[index]
                if entry:
                    table[index], child_table[index] = self._copy_pte(child, entry, private)
        return True

    def _copy_pte(self, child: VmArea, entry: int, private: int | bool) -> tuple[int, int]:
        """copy_present_pte() and copy_nonpresent_pte(): (what the parent's entry becomes, the child's entry)."""
        mm = child.vm_mm
        if not entry & PTE_THERE:
            self.kernel.swapfile.swap_duplicate(entry)
            mm.swap_rss += 1
            return entry, entry
        page = self.normal_page(entry)
        if page is not None:
            page.refcount += 1
            if page.flags & PG_ANON:
                page.flags &= ~PG_ANON_EXCLUSIVE
                self.kernel.rmap.page_add_anon_rmap(page)
                mm.anon_rss += 1
            else:
                self.kernel.rmap.page_add_file_rmap(page)
                self.count_file_page(mm, page, 1)
        if private:
            entry &= ~PTE_RW
        copied = entry & ~PTE_ACCESSED
        if child.vm_flags & VM_SHARED:
            copied &= ~PTE_DIRTY
        return entry, copied


def _to_next_table(address: int) -> int:
    """Bytes from `address` to where the next page table's part begins."""
    return PMD_SIZE - address % PMD_SIZE
