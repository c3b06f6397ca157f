"""mm/mmap.c: expand_stack(): a stack grows when something below it is touched.

Left out: stacks that grow up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.events.memory import ExpandStack
from engine.kernel.accounting import may_expand_vm, vm_stat_account
from engine.kernel.errno import Errno
from engine.kernel.mm_types import PAGE_MASK, PAGE_SHIFT, VM_ACCESS_FLAGS, VM_GROWSDOWN, VM_LOCKED, Mm, VmArea
from engine.kernel.task import Resource
from engine.kernel.unmapped_area import STACK_GUARD_GAP
from engine.kernel.vma import set_start

if TYPE_CHECKING:
    from engine.kernel.kernel import Kernel


class Stack:
    """Growing stacks of the running process."""

    __slots__ = ("kernel",)

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel

    def expand_stack(self, vma: VmArea, address: int) -> bool:
        """expand_downwards(): lets `vma`, the first region above `address`, begin at its page; whether it may."""
        kernel, mm = self.kernel, vma.vm_mm
        address &= PAGE_MASK
        if not vma.vm_flags & VM_GROWSDOWN or address < kernel.sysctl["mmap_min_addr"]:
            return False
        if not _keeps_its_distance(mm, vma, address):
            return False
        kernel.rmap.anon_vma_prepare(vma)
        pages = vma.vm_start - address >> PAGE_SHIFT
        if pages > vma.vm_pgoff or not self._acct_stack_growth(vma, vma.vm_end - address, pages):
            return False
        vm_stat_account(mm, vma.vm_flags, pages)
        if vma.vm_flags & VM_LOCKED:
            mm.locked_vm += pages
        kernel.trace.emit(ExpandStack(address, vma.vm_start))
        set_start(vma, address)
        return True

    def _acct_stack_growth(self, vma: VmArea, size: int, pages: int) -> bool:
        """acct_stack_growth(): whether RLIMIT_AS, RLIMIT_STACK and overcommit allow `size` bytes of stack."""
        task = self.kernel.current
        if not may_expand_vm(task, vma.vm_flags, pages) or size > task.rlimits[Resource.STACK]:
            return False
        try:
            self.kernel.mmap.security_vm_enough_memory(task.mm, pages)
        except Errno:
            return False
        return True


def _keeps_its_distance(mm: Mm, vma: VmArea, address: int) -> bool:
    """Whether the guard gap below `address` holds nothing that can be accessed."""
    at = mm.find_vma_index(vma.vm_start)
    below = mm.vmas[at - 1] if at else None
    if below is None or below.vm_flags & VM_GROWSDOWN or not below.vm_flags & VM_ACCESS_FLAGS:
        return True
    return address - below.vm_end >= STACK_GUARD_GAP
