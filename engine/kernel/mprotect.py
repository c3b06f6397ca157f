"""mm/mprotect.c: changes what a program may do with a range of its memory.

Left out: protection keys, PROT_GROWSUP.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.kernel.accounting import may_expand_vm, vm_stat_account
from engine.kernel.errno import Errno, ErrorNumber
from engine.kernel.mm_types import (
    PAGE_SHIFT,
    PAGE_SIZE,
    VM_ACCESS_FLAGS,
    VM_ACCOUNT,
    VM_GROWSDOWN,
    VM_LOCKED,
    VM_NORESERVE,
    VM_SHARED,
    VM_WRITE,
    Mm,
    VmArea,
)
from engine.kernel.mmap import PROT_EXEC, PROT_READ, PROT_WRITE, calc_vm_prot_bits, page_align

if TYPE_CHECKING:
    from engine.kernel.kernel import Kernel

PROT_SEM: Final = 8
PROT_GROWSDOWN: Final = 0x01000000
_PROT_BITS: Final = PROT_READ | PROT_WRITE | PROT_EXEC | PROT_SEM
_WORD: Final = 1 << 32
_MAY_SHIFT: Final = 4
"""VM_MAYREAD is VM_READ shifted by this, and so on."""


class Mprotect:
    """mprotect()."""

    __slots__ = ("kernel",)

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel

    def sys_mprotect(self, start: int, length: int, prot: int) -> int:
        """mprotect(): gives every page of the range these rights.

        Raises Errno: EINVAL off a page boundary, ENOMEM at the first hole, EACCES for rights that the file's opening
        denies; what came before the trouble is changed.
        """
        grows, prot = prot & PROT_GROWSDOWN, prot & ~PROT_GROWSDOWN
        if start % PAGE_SIZE:
            raise Errno(ErrorNumber.EINVAL)
        if not length:
            return 0
        length = page_align(length)
        if not length or start + length >= _WORD:
            raise Errno(ErrorNumber.ENOMEM)
        if prot & ~_PROT_BITS:
            raise Errno(ErrorNumber.EINVAL)
        mm = self.kernel.current.mm
        vma = mm.find_vma(start)
        if vma is None or vma.vm_start > (start if not grows else start + length - 1):
            raise Errno(ErrorNumber.ENOMEM)
        if grows and not vma.vm_flags & VM_GROWSDOWN:
            raise Errno(ErrorNumber.EINVAL)
        self._protect(mm, vma, vma.vm_start if grows else start, start + length, prot)
        return 0

    def _protect(self, mm: Mm, vma: VmArea | None, start: int, end: int, prot: int) -> None:
        """Region by region, as far as they follow on each other."""
        prev = mm.region_before(start)
        while True:
            if vma is None or vma.vm_start > start:
                raise Errno(ErrorNumber.ENOMEM)
            flags = vma.vm_flags & ~VM_ACCESS_FLAGS | calc_vm_prot_bits(prot)
            if flags & ~(flags >> _MAY_SHIFT) & VM_ACCESS_FLAGS:
                raise Errno(ErrorNumber.EACCES)
            prev = self._mprotect_fixup(vma, prev, start, min(vma.vm_end, end), flags)
            start = max(min(vma.vm_end, end), prev.vm_end)
            if start >= end:
                return
            vma = mm.find_vma(prev.vm_end)

    def _mprotect_fixup(self, vma: VmArea, prev: VmArea | None, start: int, end: int, flags: int) -> VmArea:
        """mprotect_fixup(): gives [start, end), all within `vma`, new flags; gives the region that it is in then."""
        kernel, mm, old, pages = self.kernel, vma.vm_mm, vma.vm_flags, end - start >> PAGE_SHIFT
        if flags == old:
            return vma
        charged = self._charge(old, flags, pages)
        if charged:
            flags |= VM_ACCOUNT
        pgoff = vma.vm_pgoff + (start - vma.vm_start >> PAGE_SHIFT)
        merged = kernel.vma.vma_merge(mm, prev, start, end, flags, vma, pgoff)
        if merged is None:
            try:
                kernel.vma.isolate(vma, start, end)
            except Errno:
                kernel.mmap.vm_unacct_memory(charged)
                raise
        changed = merged or vma
        changed.vm_flags = flags
        kernel.memory.change_protection(changed, start, end)
        if old & (VM_WRITE | VM_SHARED | VM_LOCKED) == VM_LOCKED and flags & VM_WRITE:
            kernel.gup.mm_populate(start, end - start)
        vm_stat_account(mm, old, -pages)
        vm_stat_account(mm, flags, pages)
        return changed

    def _charge(self, old: int, flags: int, pages: int) -> int:
        """Promises memory for private pages that become writable; how many. Raises Errno(ENOMEM)."""
        if not flags & VM_WRITE:
            return 0
        task = self.kernel.current
        if not may_expand_vm(task, flags, pages) and may_expand_vm(task, old, pages):
            raise Errno(ErrorNumber.ENOMEM)
        if old & (VM_ACCOUNT | VM_WRITE | VM_SHARED | VM_NORESERVE):
            return 0
        self.kernel.mmap.security_vm_enough_memory(task.mm, pages)
        return pages
