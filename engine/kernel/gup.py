"""mm/gup.c: faults pages in on the kernel's own initiative: MAP_POPULATE, mlock().

Left out: get_user_pages() proper: nobody pins pages here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.hardware.paging import PTE_PRESENT, PTE_RW
from engine.kernel.errno import Errno, ErrorNumber
from engine.kernel.mm_fault import VmFault
from engine.kernel.mm_types import (
    PAGE_MASK,
    PAGE_SIZE,
    VM_ACCESS_FLAGS,
    VM_IO,
    VM_LOCKONFAULT,
    VM_MAYREAD,
    VM_PFNMAP,
    VM_READ,
    VM_SHARED,
    VM_WRITE,
    VmArea,
)

if TYPE_CHECKING:
    from engine.kernel.kernel import Kernel


class Gup:
    """Populates ranges of the running process's address space."""

    __slots__ = ("kernel",)

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel

    def mm_populate(self, start: int, length: int) -> None:
        """mm_populate(): faults in every page of [start, start + length) that can be; what can't be is passed over."""
        self._populate(start, length, ignore_errors=True)

    def populate_or_fail(self, start: int, length: int) -> None:
        """__mm_populate(ignore_errors = 0), for mlock(). Raises Errno(EFAULT or ENOMEM) at the first page that can't be."""
        self._populate(start, length, ignore_errors=False)

    def _populate(self, start: int, length: int, *, ignore_errors: bool) -> None:
        mm = self.kernel.current.mm
        end = start + length
        at = start & PAGE_MASK
        while at < end:
            vma = mm.find_vma(at)
            if vma is None or vma.vm_start >= end:
                return
            at = max(at, vma.vm_start)
            stop = min(end, vma.vm_end)
            if not vma.vm_flags & (VM_IO | VM_PFNMAP):
                try:
                    self._populate_vma(vma, at, stop)
                except Errno:
                    if not ignore_errors:
                        raise
            at = stop

    def _populate_vma(self, vma: VmArea, start: int, end: int) -> None:
        """populate_vma_page_range(): a private writable region's pages are made as if written, so that they are its own."""
        if vma.vm_flags & VM_LOCKONFAULT:
            return
        write = vma.vm_flags & (VM_WRITE | VM_SHARED) == VM_WRITE
        forced = vma.vm_flags & VM_ACCESS_FLAGS and vma.vm_flags & VM_MAYREAD
        if not write and not vma.vm_flags & VM_READ and not forced:
            raise Errno(ErrorNumber.EFAULT)
        needed = PTE_PRESENT | PTE_RW if write else PTE_PRESENT
        for at in range(start, end, PAGE_SIZE):
            if self.kernel.memory.pte(vma.vm_mm, at) & needed != needed:
                self._faultin_page(vma, at, write=write)
            page = self.kernel.memory.normal_page(self.kernel.memory.pte(vma.vm_mm, at))
            if page is not None:
                self.kernel.swap.mark_page_accessed(page)

    def _faultin_page(self, vma: VmArea, address: int, *, write: bool) -> None:
        """faultin_page(): a fault without an exception; it counts as one all the same."""
        kernel = self.kernel
        kernel.vmstat.pgfault += 1
        result = kernel.mm_fault.handle_mm_fault(vma, address, write)
        if result & VmFault.OOM:
            raise Errno(ErrorNumber.ENOMEM)
        if result & VmFault.SIGBUS:
            raise Errno(ErrorNumber.EFAULT)
        if result & VmFault.MAJOR:
            kernel.current.maj_flt += 1
        else:
            kernel.current.min_flt += 1
