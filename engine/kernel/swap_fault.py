"""mm/memory.c: do_swap_page(): a fault on a page that is in swap.

The page is in the swap cache, and the fault is minor; or it is read, with its neighbours, and the fault is major. It stays in
the cache, so that it need not be written again; unless this is a write by its only user, who takes it out for himself, or
the area is more than half full. A page that could not be read is SIGBUS: its slot, and the hope of it, stay.

Left out: entries other than swap (migration, poison), reads past the swap cache.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.events.memory import FaultDone
from engine.hardware.paging import PTE_DIRTY, PTE_RW
from engine.kernel.mm_fault import VmFault
from engine.kernel.mm_types import (
    PAGE_SHIFT,
    PG_ANON,
    PG_ANON_EXCLUSIVE,
    PG_MLOCKED,
    PG_SWAPCACHE,
    PG_UPTODATE,
    VM_LOCKED,
    VM_WRITE,
    Page,
    VmArea,
)
from engine.kernel.pgtable import SWAP_OFFSET_SHIFT, vm_page_prot

if TYPE_CHECKING:
    from engine.kernel.kernel import Kernel


class SwapFault:
    """Brings pages back."""

    __slots__ = ("kernel",)

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel

    def do_swap_page(self, vma: VmArea, address: int, entry: int, write: bool) -> int:
        """do_swap_page(): maps the page that `entry` names. MAJOR where it was read; OOM or SIGBUS where it can't be had."""
        kernel, result = self.kernel, VmFault.NONE
        offset = entry >> SWAP_OFFSET_SHIFT
        page = kernel.swap_state.swap_cache_get_folio(offset)
        if page is not None:
            page.refcount += 1
        else:
            page = kernel.swap_state.swapin_readahead(offset)
            if page is None:
                return VmFault.OOM
            result = VmFault.MAJOR
            kernel.vmstat.pgmajfault += 1
        if not page.flags & PG_UPTODATE:
            kernel.swap.put_page(page)
            return VmFault.SIGBUS
        written = self._map(vma, address, entry, page, write)
        if kernel.trace.on:
            kernel.trace.emit(FaultDone(address, "do_swap_page", page.pfn, result is VmFault.MAJOR))
        if not write or written:
            return result
        return result | kernel.mm_fault.do_wp_page(vma, address, kernel.memory.pte(vma.vm_mm, address))

    def _map(self, vma: VmArea, address: int, entry: int, page: Page, write: bool) -> bool:
        """Maps the page, whose reference becomes the mapping's; whether it may be written now, if that was wanted."""
        kernel, mm = self.kernel, vma.vm_mm
        kernel.swapfile.swap_free(entry)
        if self._should_try_to_free_swap(vma, page, write):
            kernel.swapfile.folio_free_swap(page)
        mm.anon_rss += 1
        mm.swap_rss -= 1
        rights = vm_page_prot(vma.vm_flags)
        alone = page.refcount == 1
        if alone and write:
            rights |= PTE_DIRTY | (PTE_RW if vma.vm_flags & VM_WRITE else 0)
        self._page_add_anon_rmap(page, vma, address, alone=alone)
        kernel.memory.set_pte(mm, address, page.pfn << PAGE_SHIFT | rights)
        return alone

    def _should_try_to_free_swap(self, vma: VmArea, page: Page, write: bool) -> bool:
        """should_try_to_free_swap(): whether the slot is better given back at once."""
        if not page.flags & PG_SWAPCACHE:
            return False
        if self.kernel.swapfile.vm_swap_full or vma.vm_flags & VM_LOCKED or page.flags & PG_MLOCKED:
            return True
        return write and page.refcount == 2

    def _page_add_anon_rmap(self, page: Page, vma: VmArea, address: int, *, alone: bool) -> None:
        """page_add_anon_rmap(): a page fresh from the disk learns whose it is: this region's alone, or its whole family's."""
        kernel = self.kernel
        if not page.flags & PG_ANON:
            anon_vma = kernel.rmap.anon_vma_prepare(vma)
            while not alone and anon_vma.parent is not None:
                anon_vma = anon_vma.parent
            page.flags |= PG_ANON
            page.mapping = anon_vma
            page.index = (address - vma.vm_start >> PAGE_SHIFT) + vma.vm_pgoff
        if alone:
            page.flags |= PG_ANON_EXCLUSIVE
        kernel.rmap.page_add_anon_rmap(page)
        if vma.vm_flags & VM_LOCKED:
            kernel.mlock.mlock_folio(page)
