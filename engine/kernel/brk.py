"""mm/mmap.c: brk(): moves the end of the heap.

The heap is a region from start_brk on; the break itself need not be on a page boundary. The program's own bss, which
/proc calls [heap] too, ends where the heap begins and is never part of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.kernel.accounting import check_data_rlimit, may_expand_vm, vm_stat_account
from engine.kernel.errno import Errno, ErrorNumber
from engine.kernel.mm_types import PAGE_SHIFT, PAGE_SIZE, VM_ACCOUNT, VM_DATA_DEFAULT_FLAGS, VM_LOCKED, Mm, VmArea
from engine.kernel.mmap import page_align
from engine.kernel.unmapped_area import vm_start_gap
from engine.kernel.vma import can_vma_merge_after

if TYPE_CHECKING:
    from engine.kernel.kernel import Kernel


class Brk:
    """The break of the running process."""

    __slots__ = ("kernel",)

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel

    def sys_brk(self, brk: int) -> int:
        """brk(): asks for the break at `brk`; gives the break, moved or, where that cannot be, as it was."""
        task = self.kernel.current
        mm = task.mm
        if brk < mm.start_brk or not check_data_rlimit(task, brk):
            return mm.brk
        new, old = page_align(brk), page_align(mm.brk)
        try:
            if brk <= mm.brk:
                self._shrink(mm, new, old)
            elif new != old:
                self._grow(mm, new, old)
        except Errno:
            return mm.brk
        mm.brk = brk
        if new > old and mm.def_flags & VM_LOCKED:
            self.kernel.gup.mm_populate(old, new - old)
        return brk

    def _shrink(self, mm: Mm, new: int, old: int) -> None:
        """Unmaps [new, old). Raises Errno(ENOMEM) where there is no heap any more."""
        if new == old:
            return
        vma = mm.find_vma(new)
        if vma is None or vma.vm_start >= old:
            raise Errno(ErrorNumber.ENOMEM)
        self.kernel.mmap.do_munmap_from(vma, new, old)

    def _grow(self, mm: Mm, new: int, old: int) -> None:
        """Maps [old, new). Raises Errno(ENOMEM) where limits, other regions or a stack's guard gap forbid it."""
        kernel = self.kernel
        kernel.mmap.get_unmapped_area(old, new - old, fixed=True)
        above = mm.find_vma(old)
        if above is not None and new + PAGE_SIZE > vm_start_gap(above):
            raise Errno(ErrorNumber.ENOMEM)
        flags = VM_DATA_DEFAULT_FLAGS | VM_ACCOUNT | mm.def_flags
        pages = new - old >> PAGE_SHIFT
        if not may_expand_vm(kernel.current, flags, pages) or len(mm.vmas) > kernel.sysctl["max_map_count"]:
            raise Errno(ErrorNumber.ENOMEM)
        kernel.mmap.security_vm_enough_memory(mm, pages)
        heap = self._brkvma(mm, old)
        if heap is not None and can_vma_merge_after(heap, flags, None, None, old >> PAGE_SHIFT):
            kernel.vma.vma_expand(heap, heap.vm_start, new, heap.vm_pgoff, None)
        else:
            kernel.vma.vma_link(kernel.vma.vm_area_alloc(mm, old, new, flags, old >> PAGE_SHIFT))
        vm_stat_account(mm, flags, pages)
        if flags & VM_LOCKED:
            mm.locked_vm += pages

    def _brkvma(self, mm: Mm, old: int) -> VmArea | None:
        """The region that ends at the old break, if it reaches above start_brk."""
        at = mm.find_vma_index(old - 1)
        vma = mm.vmas[at] if at < len(mm.vmas) else None
        return vma if vma is not None and vma.vm_end == old > mm.start_brk else None
