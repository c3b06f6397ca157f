"""mm/mlock.c: keeps a range of memory in RAM.

A page of a locked region stands on the unevictable list for as long as some locked region maps it. Left out: mlockall(),
mlock2(), and RLIMIT_MEMLOCK, which does not bind root.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.kernel.errno import Errno, ErrorNumber
from engine.kernel.mm_types import (
    PAGE_MASK,
    PAGE_SHIFT,
    PG_LRU,
    PG_MLOCKED,
    PG_UNEVICTABLE,
    VM_LOCKED,
    VM_LOCKED_CLEAR_MASK,
    VM_SPECIAL,
    Mm,
    Page,
    VmArea,
)
from engine.kernel.mmap import page_align
from engine.kernel.pgtable import PTE_THERE

if TYPE_CHECKING:
    from engine.kernel.kernel import Kernel

_WORD: Final = 1 << 32
_POSIX_ERRORS: Final = {ErrorNumber.EFAULT: ErrorNumber.ENOMEM, ErrorNumber.ENOMEM: ErrorNumber.EAGAIN}
"""__mlock_posix_error_return(): what mlock() calls the errors of populating."""


class Mlock:
    """mlock() and munlock()."""

    __slots__ = ("kernel",)

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel

    # --- ranges ------------------------------------------------------------------------------------------------------

    def sys_mlock(self, start: int, length: int) -> int:
        """mlock(): locks every page that [start, start + length) touches, and makes it present.

        Raises Errno: ENOMEM where part of the range is not mapped or cannot be accessed, EAGAIN without free memory.
        """
        start, length = _whole_pages(start, length)
        self._apply_vma_lock_flags(self.kernel.current.mm, start, length, VM_LOCKED)
        try:
            self.kernel.gup.populate_or_fail(start, length)
        except Errno as error:
            raise Errno(_POSIX_ERRORS[error.number]) from error
        return 0

    def sys_munlock(self, start: int, length: int) -> int:
        """munlock(): the pages may be reclaimed again. Raises Errno(ENOMEM) where part of the range is not mapped."""
        start, length = _whole_pages(start, length)
        self._apply_vma_lock_flags(self.kernel.current.mm, start, length, 0)
        return 0

    def _apply_vma_lock_flags(self, mm: Mm, start: int, length: int, flags: int) -> None:
        """apply_vma_lock_flags(): region by region, as far as they follow on each other."""
        end = start + length
        if end >= _WORD:
            raise Errno(ErrorNumber.EINVAL)
        prev, vma = mm.region_before(start), mm.find_vma(start)
        while start < end:
            if vma is None or vma.vm_start > start:
                raise Errno(ErrorNumber.ENOMEM)
            stop = min(vma.vm_end, end)
            prev = self._mlock_fixup(vma, prev, start, stop, vma.vm_flags & VM_LOCKED_CLEAR_MASK | flags)
            start = max(stop, prev.vm_end)
            vma = mm.find_vma(prev.vm_end)

    def _mlock_fixup(self, vma: VmArea, prev: VmArea | None, start: int, end: int, flags: int) -> VmArea:
        """mlock_fixup(): gives [start, end), all within `vma`, new flags; gives the region that it is in then."""
        kernel, mm, old = self.kernel, vma.vm_mm, vma.vm_flags
        if flags == old or old & VM_SPECIAL:
            return vma
        pgoff = vma.vm_pgoff + (start - vma.vm_start >> PAGE_SHIFT)
        merged = kernel.vma.vma_merge(mm, prev, start, end, flags, vma, pgoff)
        if merged is None:
            kernel.vma.isolate(vma, start, end)
        changed = merged or vma
        changed.vm_flags = flags
        pages = end - start >> PAGE_SHIFT
        mm.locked_vm += pages if flags & VM_LOCKED else -pages
        self._mlock_vma_pages_range(changed, start, end)
        return changed

    def _mlock_vma_pages_range(self, vma: VmArea, start: int, end: int) -> None:
        """mlock_vma_pages_range(): moves the pages that are present to the list where they belong now."""
        memory = self.kernel.memory
        self.kernel.swap.lru_add_drain()
        for _, _, table, first, last in memory.present_tables(vma.vm_mm, start, end):
            for entry in table[first:last]:
                page = memory.normal_page(entry) if entry & PTE_THERE else None
                if page is not None and vma.vm_flags & VM_LOCKED:
                    self.mlock_folio(page)
                elif page is not None:
                    self.munlock_folio(page)

    # --- pages -------------------------------------------------------------------------------------------------------

    def mlock_folio(self, page: Page) -> None:
        """mlock_folio(): a locked region maps the page: reclaim must not look at it any more."""
        if page.flags & PG_MLOCKED:
            return
        self.kernel.vmstat.unevictable_pgs_mlocked += 1
        on_list = page.flags & PG_LRU
        if on_list:
            self.kernel.swap.remove(page)
        page.flags |= PG_MLOCKED | PG_UNEVICTABLE
        if on_list:
            self.kernel.vmstat.unevictable_pgs_culled += 1
            self.kernel.swap.lru_cache_add(page)

    def munlock_folio(self, page: Page) -> None:
        """munlock_page(): a locked region maps the page no more; unless another one does, it can be reclaimed again."""
        if not page.flags & PG_MLOCKED or self._locked_elsewhere(page):
            return
        self.kernel.vmstat.unevictable_pgs_munlocked += 1
        on_list = page.flags & PG_LRU
        if on_list:
            self.kernel.swap.remove(page)
        page.flags &= ~(PG_MLOCKED | PG_UNEVICTABLE)
        if on_list:
            self.kernel.vmstat.unevictable_pgs_rescued += 1
            self.kernel.swap.lru_cache_add(page)

    def _locked_elsewhere(self, page: Page) -> bool:
        for vma, address in self.kernel.rmap.places(page):
            if vma.vm_flags & VM_LOCKED:
                entry = self.kernel.memory.pte(vma.vm_mm, address)
                if entry & PTE_THERE and entry >> PAGE_SHIFT == page.pfn:
                    return True
        return False


def _whole_pages(start: int, length: int) -> tuple[int, int]:
    """The range, widened to whole pages."""
    return start & PAGE_MASK, page_align(length + (start & ~PAGE_MASK))
