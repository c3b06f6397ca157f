"""mm/memory.c: handle_mm_fault(): repairs a page fault in a region that allows the access.

The order of the questions is Linux's: is there a page table? is the entry empty (anonymous or file), swapped, or present
but not to be written? Left out: huge pages, userfaultfd, NUMA balancing, KSM.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.clock import COSTS
from engine.events.memory import FaultDone, WpPageCopy
from engine.hardware.paging import PTE_ACCESSED, PTE_DIRTY, PTE_PRESENT, PTE_RW
from engine.kernel.gfp import GFP_HIGHUSER_MOVABLE
from engine.kernel.mm_types import (
    PAGE_SHIFT,
    PAGE_SIZE,
    PG_ANON,
    PG_ANON_EXCLUSIVE,
    PG_LOCKED,
    PG_READAHEAD,
    PG_SWAPCACHE,
    PG_UPTODATE,
    PGDIR_SHIFT,
    VM_LOCKED,
    VM_SHARED,
    VM_WRITE,
    Page,
    VmArea,
)
from engine.kernel.pgtable import PTRS_PER_PTE, vm_page_prot

if TYPE_CHECKING:
    from engine.kernel.kernel import Kernel

_INDEX: Final = PTRS_PER_PTE - 1
_MINOR_FAULT_NS: Final = COSTS.minor_fault
_CLEAR_PAGE_NS: Final = COSTS.clear_page
FAULT_AROUND_PAGES: Final = 16
"""fault_around_bytes (64 KB), in pages: how many neighbours a read fault on a file maps with it."""


class VmFault:
    """vm_fault_t: how a fault ended, as bits of an int. Zero: repaired without reading from a disk."""

    NONE: Final = 0
    OOM: Final = 1
    SIGBUS: Final = 2
    MAJOR: Final = 4
    RETRY: Final = 8
    """The lock on the address space was dropped while the disk worked: the fault is looked at again from the start."""


class MmFault:
    """handle_mm_fault() and what it calls."""

    __slots__ = ("kernel",)

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel

    def handle_mm_fault(self, vma: VmArea, address: int, write: bool) -> int:
        """Makes the access to `address` possible, which `vma` allows. On return without OOM or SIGBUS it can be retried."""
        kernel = self.kernel
        ram, mm = kernel.ram, vma.vm_mm
        kernel.clock.ns += _MINOR_FAULT_NS
        address &= -PAGE_SIZE
        upper = ram.frames[mm.pgd][address >> PGDIR_SHIFT]
        entry = ram.frame(upper >> PAGE_SHIFT)[address >> PAGE_SHIFT & _INDEX] if upper & PTE_PRESENT else 0
        if not entry:
            if vma.vm_file is None:
                return self._do_anonymous_page(vma, address, write)
            return self._do_fault(vma, address, write)
        if not entry & PTE_PRESENT:
            return kernel.swap_fault.do_swap_page(vma, address, entry, write)
        if write and not entry & PTE_RW:
            return self.do_wp_page(vma, address, entry)
        changed = entry | PTE_ACCESSED | (PTE_DIRTY if write else 0)
        kernel.memory.set_pte(mm, address, changed)
        return VmFault.NONE

    def _done(self, address: int, branch: str, pfn: int, major: bool = False) -> int:
        trace = self.kernel.trace
        if trace.on:
            trace.ring.append((trace.clock.ns, trace.cause, FaultDone, address, branch, pfn, major))
        return VmFault.MAJOR if major else VmFault.NONE

    # --- anonymous memory --------------------------------------------------------------------------------------------

    def _do_anonymous_page(self, vma: VmArea, address: int, write: bool) -> int:
        """The first access: a read maps the zero page, a write gets a frame of zeros."""
        kernel, mm, vm_flags = self.kernel, vma.vm_mm, vma.vm_flags
        if vm_flags & VM_SHARED:
            return VmFault.SIGBUS
        table = kernel.memory.pte_alloc(mm, address)
        if table is None:
            return VmFault.OOM
        index = address >> PAGE_SHIFT & _INDEX
        if not write:
            zero = kernel.memory.zero_pfn
            kernel.ram.writable(table)[index] = zero << PAGE_SHIFT | vm_page_prot(vm_flags)
            return self._done(address, "do_anonymous_page", zero)
        page = self._alloc_anon_page(vma)
        if page is None:
            return VmFault.OOM
        self._add_anon_page(page, vma, address)
        kernel.clock.ns += _CLEAR_PAGE_NS
        entry = page.pfn << PAGE_SHIFT | vm_page_prot(vm_flags)
        if vm_flags & VM_WRITE:
            entry |= PTE_RW | PTE_DIRTY
        kernel.ram.writable(table)[index] = entry
        mm.anon_rss += 1
        return self._done(address, "do_anonymous_page", page.pfn)

    def _alloc_anon_page(self, vma: VmArea) -> Page | None:
        """A frame that is to be an anonymous page of `vma`, which has an anon_vma from now on."""
        if vma.anon_vma is None:
            self.kernel.rmap.anon_vma_prepare(vma)
        return self.kernel.page_alloc.alloc_pages(GFP_HIGHUSER_MOVABLE, 0)

    def _add_anon_page(self, page: Page, vma: VmArea, address: int) -> None:
        """The page is on its list and in its reverse map, but not mapped yet."""
        page.flags |= PG_UPTODATE
        self.kernel.rmap.page_add_new_anon_rmap(page, vma, address)
        self.kernel.swap.lru_cache_add_inactive_or_unevictable(page, vma)

    # --- copy on write -----------------------------------------------------------------------------------------------

    def do_wp_page(self, vma: VmArea, address: int, entry: int) -> int:
        """A write to a page that may only be read now: reused when nobody else has it, copied when somebody has."""
        kernel = self.kernel
        page = kernel.memory.normal_page(entry)
        if page is not None and page.flags & PG_ANON:
            if page.flags & PG_ANON_EXCLUSIVE or self._alone(page):
                page.flags |= PG_ANON_EXCLUSIVE
                page.mapping = vma.anon_vma
                return self._wp_page_reuse(vma, address, entry, page.pfn)
            return self._wp_page_copy(vma, address, entry, page)
        if vma.vm_flags & VM_SHARED:
            if page is not None:
                kernel.page_writeback.set_page_dirty(page)
            return self._wp_page_reuse(vma, address, entry, entry >> PAGE_SHIFT)
        return self._wp_page_copy(vma, address, entry, page)

    def _alone(self, page: Page) -> bool:
        """Whether this mapping's reference is the page's only one, once the swap cache has let go of it."""
        in_cache = bool(page.flags & PG_SWAPCACHE)
        if page.refcount > 1 + in_cache:
            return False
        if in_cache:
            self.kernel.swapfile.folio_free_swap(page)
        return page.refcount == 1

    def _wp_page_reuse(self, vma: VmArea, address: int, entry: int, pfn: int) -> int:
        self.kernel.memory.set_pte(vma.vm_mm, address, entry | PTE_RW | PTE_DIRTY | PTE_ACCESSED)
        self.kernel.vmstat.pgreuse += 1
        return self._done(address, "wp_page_reuse", pfn)

    def _wp_page_copy(self, vma: VmArea, address: int, entry: int, old: Page | None) -> int:
        """A frame of its own for this process, with the content of the shared one (or of the zero page)."""
        kernel, mm = self.kernel, vma.vm_mm
        page = self._alloc_beside(vma, old)
        if page is None:
            return VmFault.OOM
        if kernel.memory.pte(mm, address) != entry:
            # The allocation had to reclaim, and took or looked at this very page: the access is tried again.
            kernel.swap.put_page(page)
            return VmFault.NONE
        self._add_anon_page(page, vma, address)
        if entry >> PAGE_SHIFT == kernel.memory.zero_pfn:
            kernel.clock.ns += COSTS.clear_page
        else:
            kernel.ram.copy(page.pfn, entry >> PAGE_SHIFT)
            kernel.clock.ns += COSTS.copy_page
        if old is None or not old.flags & PG_ANON:
            mm.anon_rss += 1
        rights = vm_page_prot(vma.vm_flags) | PTE_DIRTY
        if vma.vm_flags & VM_WRITE:
            rights |= PTE_RW
        kernel.memory.set_pte(mm, address, page.pfn << PAGE_SHIFT | rights)
        if old is not None:
            if not old.flags & PG_ANON:
                kernel.memory.count_file_page(mm, old, -1)
            kernel.rmap.page_remove_rmap(old)
            if old.flags & PG_SWAPCACHE and old.mapcount == 0:
                kernel.swapfile.folio_free_swap(old)
            kernel.swap.put_page(old)
            if kernel.trace.on:
                kernel.trace.emit(WpPageCopy(address, old.pfn, page.pfn, old.refcount, old.mapcount))
        return self._done(address, "wp_page_copy", page.pfn)

    def _alloc_beside(self, vma: VmArea, held: Page | None) -> Page | None:
        """A frame for an anonymous page, while `held` is kept from being freed to make room for it."""
        if held is None:
            return self._alloc_anon_page(vma)
        held.refcount += 1
        try:
            return self._alloc_anon_page(vma)
        finally:
            self.kernel.swap.put_page(held)

    # --- files -------------------------------------------------------------------------------------------------------

    def _do_fault(self, vma: VmArea, address: int, write: bool) -> int:
        """The first access to a page of a file: read it in, share it, or copy it for a private write."""
        if not write:
            return self._do_read_fault(vma, address)
        if not vma.vm_flags & VM_SHARED:
            return self._do_cow_fault(vma, address)
        return self._do_shared_fault(vma, address)

    def _do_read_fault(self, vma: VmArea, address: int) -> int:
        if self._do_fault_around(vma, address):
            return self._done(address, "filemap_map_pages", self.kernel.memory.pte(vma.vm_mm, address) >> PAGE_SHIFT)
        page, result = self._file_page(vma, address)
        if page is None:
            return result
        try:
            major = bool(result & VmFault.MAJOR)
            if result & VmFault.RETRY and self._do_fault_around(vma, address):
                return self._done(address, "filemap_map_pages", page.pfn, major)
            self.kernel.page_io.lock_page(page)
            if self.kernel.memory.pte_alloc(vma.vm_mm, address) is None:
                return VmFault.OOM
            self._set_file_pte(vma, address, page, write=False)
            return self._done(address, "do_read_fault", page.pfn, major)
        finally:
            self.kernel.swap.put_page(page)

    def _file_page(self, vma: VmArea, address: int) -> tuple[Page | None, int]:
        """filemap.fault(), with a reference to the page. A fault that Linux tries anew counts once more in /proc/vmstat."""
        page, result = self.kernel.filemap.fault(vma, address)
        if page is not None:
            page.refcount += 1
        if result & VmFault.RETRY:
            self.kernel.vmstat.pgfault += 1
        return page, result

    def _do_cow_fault(self, vma: VmArea, address: int) -> int:
        """The frame is taken, and the region gets its anon_vma, before the file is asked: even beyond the file's end."""
        kernel, mm = self.kernel, vma.vm_mm
        page = self._alloc_anon_page(vma)
        if page is None:
            return VmFault.OOM
        source, result = self._file_page(vma, address)
        if source is None:
            kernel.swap.put_page(page)
            return result
        kernel.page_io.lock_page(source)
        kernel.ram.copy(page.pfn, source.pfn)
        kernel.swap.put_page(source)
        kernel.clock.ns += COSTS.copy_page
        if kernel.memory.pte_alloc(mm, address) is None:
            kernel.swap.put_page(page)
            return VmFault.OOM
        self._add_anon_page(page, vma, address)
        rights = vm_page_prot(vma.vm_flags) | PTE_DIRTY | (PTE_RW if vma.vm_flags & VM_WRITE else 0)
        kernel.memory.set_pte(mm, address, page.pfn << PAGE_SHIFT | rights)
        mm.anon_rss += 1
        return self._done(address, "do_cow_fault", page.pfn, bool(result & VmFault.MAJOR))

    def _do_shared_fault(self, vma: VmArea, address: int) -> int:
        kernel = self.kernel
        page, result = self._file_page(vma, address)
        if page is None:
            return result
        try:
            kernel.page_io.lock_page(page)
            if kernel.memory.pte_alloc(vma.vm_mm, address) is None:
                return VmFault.OOM
            kernel.page_writeback.set_page_dirty(page)
            self._set_file_pte(vma, address, page, write=True)
            kernel.page_writeback.balance_dirty_pages()
            return self._done(address, "do_shared_fault", page.pfn, bool(result & VmFault.MAJOR))
        finally:
            kernel.swap.put_page(page)

    def _do_fault_around(self, vma: VmArea, address: int) -> bool:
        """do_fault_around(): maps the pages around `address` that are cached; whether `address` itself was among them.

        At most FAULT_AROUND_PAGES, within the region, the file and one page table.
        """
        around = -(FAULT_AROUND_PAGES << PAGE_SHIFT)
        start = max(address & around, vma.vm_start)
        end = min(start + (FAULT_AROUND_PAGES << PAGE_SHIFT), vma.vm_end, (address >> PGDIR_SHIFT) + 1 << PGDIR_SHIFT)
        assert vma.vm_file is not None
        inode = vma.vm_file.inode
        pages_in_file = inode.i_size + PAGE_SIZE - 1 >> PAGE_SHIFT
        memory, ra = self.kernel.memory, vma.vm_file.f_ra
        self.kernel.page_io.poll(self.kernel.clock.ns)
        done = False
        for at in range(start, end, PAGE_SIZE):
            index = (at - vma.vm_start >> PAGE_SHIFT) + vma.vm_pgoff
            page = self.kernel.filemap.cached_page(inode, index) if index < pages_in_file else None
            if page is None or page.flags & (PG_READAHEAD | PG_LOCKED | PG_UPTODATE) != PG_UPTODATE:
                continue
            page.refcount += 1
            table = memory.pte_alloc(vma.vm_mm, at)
            if table is not None and not memory.pte(vma.vm_mm, at):
                self._set_file_pte(vma, at, page, write=False)
            self.kernel.swap.put_page(page)
            if table is None:
                return False
            ra.mmap_miss -= ra.mmap_miss > 0
            done = done or at == address
        return done

    def _set_file_pte(self, vma: VmArea, address: int, page: Page, *, write: bool) -> None:
        """do_set_pte() for a page of a file that stays the file's."""
        kernel = self.kernel
        rights = vm_page_prot(vma.vm_flags)
        if not write and kernel.filemap.wants_writenotify(vma):
            rights &= ~PTE_RW
        if write:
            rights |= PTE_DIRTY | PTE_RW
        page.refcount += 1
        kernel.rmap.page_add_file_rmap(page)
        kernel.memory.count_file_page(vma.vm_mm, page, 1)
        if vma.vm_flags & VM_LOCKED:
            kernel.mlock.mlock_folio(page)
        kernel.memory.set_pte(vma.vm_mm, address, page.pfn << PAGE_SHIFT | rights)
