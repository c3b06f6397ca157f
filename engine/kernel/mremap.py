"""mm/mremap.c: makes a mapping larger or smaller, moving it where it has to.

Its pages keep their frames: only the table entries move. Left out: huge pages, moving whole page tables at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.kernel.accounting import may_expand_vm, vm_stat_account
from engine.kernel.errno import Errno, ErrorNumber
from engine.kernel.mm_types import (
    PAGE_SHIFT,
    PAGE_SIZE,
    TASK_SIZE,
    VM_ACCOUNT,
    VM_DONTEXPAND,
    VM_LOCKED,
    VM_LOCKED_CLEAR_MASK,
    VM_MAYSHARE,
    VM_PFNMAP,
    VM_SHARED,
    VmArea,
)
from engine.kernel.mmap import page_align

if TYPE_CHECKING:
    from engine.kernel.kernel import Kernel

MREMAP_MAYMOVE: Final = 1
MREMAP_FIXED: Final = 2
MREMAP_DONTUNMAP: Final = 4
_WORD: Final = 1 << 32
_SPARE_REGIONS: Final = 3
"""A move may leave this many regions more: it is refused that close to max_map_count."""


class Mremap:
    """mremap()."""

    __slots__ = ("kernel",)

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel

    def sys_mremap(self, address: int, old_length: int, new_length: int, flags: int, new_address: int) -> int:
        """mremap(): gives where the mapping is now. Raises Errno: EINVAL, EFAULT, ENOMEM."""
        mm = self.kernel.current.mm
        _check_flags(flags, old_length, new_length)
        old_length, new_length = page_align(old_length), page_align(new_length)
        if address % PAGE_SIZE or not new_length:
            raise Errno(ErrorNumber.EINVAL)
        if mm.vma_lookup(address) is None:
            raise Errno(ErrorNumber.EFAULT)
        if flags & (MREMAP_FIXED | MREMAP_DONTUNMAP):
            return self._mremap_to(address, old_length, new_address, new_length, flags)
        if old_length >= new_length:
            if old_length > new_length:
                self.kernel.mmap.do_munmap(mm, address + new_length, old_length - new_length)
            return address
        vma = self._vma_to_resize(address, old_length, new_length, flags)
        if old_length == vma.vm_end - address and self._expandable(vma, new_length - old_length):
            self._expand(vma, new_length - old_length)
            return address
        if not flags & MREMAP_MAYMOVE:
            raise Errno(ErrorNumber.ENOMEM)
        new_address = self.kernel.mmap.get_unmapped_area(0, new_length, fixed=False)
        return self._move_vma(vma, address, old_length, new_length, new_address, flags)

    def _vma_to_resize(self, address: int, old_length: int, new_length: int, flags: int) -> VmArea:
        """vma_to_resize(): the region at `address`, if all of the mapping is in it and it may have its new length."""
        vma = self.kernel.current.mm.vma_lookup(address)
        if vma is None:
            raise Errno(ErrorNumber.EFAULT)
        if not old_length and not vma.vm_flags & (VM_SHARED | VM_MAYSHARE):
            raise Errno(ErrorNumber.EINVAL)
        if flags & MREMAP_DONTUNMAP and vma.vm_flags & (VM_DONTEXPAND | VM_PFNMAP):
            raise Errno(ErrorNumber.EINVAL)
        if old_length > vma.vm_end - address:
            raise Errno(ErrorNumber.EFAULT)
        if new_length == old_length:
            return vma
        if (address - vma.vm_start >> PAGE_SHIFT) + vma.vm_pgoff + (new_length >> PAGE_SHIFT) >= _WORD:
            raise Errno(ErrorNumber.EINVAL)
        if vma.vm_flags & (VM_DONTEXPAND | VM_PFNMAP):
            raise Errno(ErrorNumber.EFAULT)
        if not may_expand_vm(self.kernel.current, vma.vm_flags, new_length - old_length >> PAGE_SHIFT):
            raise Errno(ErrorNumber.ENOMEM)
        return vma

    # --- in place ----------------------------------------------------------------------------------------------------

    def _expandable(self, vma: VmArea, delta: int) -> bool:
        """vma_expandable(): whether the `delta` bytes above the region are free."""
        end = vma.vm_end + delta
        return end <= TASK_SIZE and vma.vm_mm.find_vma_intersection(vma.vm_end, end) is None

    def _expand(self, vma: VmArea, delta: int) -> None:
        """The region grows upwards, and may so reach a neighbour that it becomes one with."""
        kernel, mm, start, pages = self.kernel, vma.vm_mm, vma.vm_end, delta >> PAGE_SHIFT
        if vma.vm_flags & VM_ACCOUNT:
            kernel.mmap.security_vm_enough_memory(mm, pages)
        merged = kernel.vma.vma_merge(mm, vma, start, start + delta, vma.vm_flags, vma, vma.vm_pgoff + vma.pages)
        if merged is None:
            if vma.vm_flags & VM_ACCOUNT:
                kernel.mmap.vm_unacct_memory(pages)
            raise Errno(ErrorNumber.ENOMEM)
        vm_stat_account(mm, merged.vm_flags, pages)
        if merged.vm_flags & VM_LOCKED:
            mm.locked_vm += pages
            kernel.gup.mm_populate(start, delta)

    # --- by moving ---------------------------------------------------------------------------------------------------

    def _mremap_to(self, address: int, old_length: int, new_address: int, new_length: int, flags: int) -> int:
        """mremap_to(): MREMAP_FIXED and MREMAP_DONTUNMAP: to the place named, whatever was there."""
        kernel, mm = self.kernel, self.kernel.current.mm
        if new_address % PAGE_SIZE or new_length > TASK_SIZE or new_address > TASK_SIZE - new_length:
            raise Errno(ErrorNumber.EINVAL)
        if address + old_length > new_address and new_address + new_length > address:
            raise Errno(ErrorNumber.EINVAL)
        if len(mm.vmas) + 2 >= kernel.sysctl["max_map_count"] - _SPARE_REGIONS:
            raise Errno(ErrorNumber.ENOMEM)
        if flags & MREMAP_FIXED:
            kernel.mmap.do_munmap(mm, new_address, new_length)
        if old_length > new_length:
            kernel.mmap.do_munmap(mm, address + new_length, old_length - new_length)
            old_length = new_length
        vma = self._vma_to_resize(address, old_length, new_length, flags)
        if flags & MREMAP_DONTUNMAP and not may_expand_vm(kernel.current, vma.vm_flags, old_length >> PAGE_SHIFT):
            raise Errno(ErrorNumber.ENOMEM)
        found = kernel.mmap.get_unmapped_area(new_address, new_length, fixed=bool(flags & MREMAP_FIXED))
        return self._move_vma(vma, address, old_length, new_length, found, flags)

    def _move_vma(self, vma: VmArea, old: int, old_length: int, new_length: int, new: int, flags: int) -> int:
        """move_vma(): the mapping's pages go to `new`; the old place is unmapped, unless MREMAP_DONTUNMAP keeps it empty."""
        kernel, mm, keep = self.kernel, vma.vm_mm, bool(flags & MREMAP_DONTUNMAP)
        if len(mm.vmas) >= kernel.sysctl["max_map_count"] - _SPARE_REGIONS:
            raise Errno(ErrorNumber.ENOMEM)
        if keep and vma.vm_flags & VM_LOCKED:
            kernel.vma.isolate(vma, old, old + old_length)
        promised = new_length if keep else new_length - old_length
        vm_flags = vma.vm_flags
        if vm_flags & VM_ACCOUNT:
            kernel.mmap.security_vm_enough_memory(mm, promised >> PAGE_SHIFT)
        vma, new_vma = self._copy_vma(vma, old, new, new_length, keep=keep)
        moved = kernel.memory.move_page_tables(vma, old, new_vma, new, old_length)
        failed = moved < old_length
        if failed:
            kernel.memory.move_page_tables(new_vma, new, vma, old, moved)
            vma, old, old_length = new_vma, new, new_length
        vm_stat_account(mm, vm_flags, new_length >> PAGE_SHIFT)
        if keep and not failed:
            self._leave_empty(vma, old, old_length)
        else:
            self._unmap_old(vma, old, old_length, vm_flags)
        if vm_flags & VM_LOCKED and not keep:
            mm.locked_vm += new_length >> PAGE_SHIFT
        if failed:
            raise Errno(ErrorNumber.ENOMEM)
        if vm_flags & VM_LOCKED:
            kernel.gup.mm_populate(new + old_length, new_length - old_length)
        return new

    def _copy_vma(self, vma: VmArea, old: int, new: int, length: int, *, keep: bool) -> tuple[VmArea, VmArea]:
        """copy_vma(): the region at the new place, perhaps part of a neighbour: even of `vma`, which is given back too."""
        kernel, mm, start = self.kernel, vma.vm_mm, vma.vm_start
        pgoff = vma.vm_pgoff + (old - start >> PAGE_SHIFT)
        untouched = vma.vm_file is None and vma.anon_vma is None
        if untouched:
            pgoff = new >> PAGE_SHIFT
        beside = new in (vma.vm_end, start - length)
        if untouched and keep and beside:
            merged = None
        else:
            merged = kernel.vma.vma_merge(mm, mm.region_before(new), new, new + length, vma.vm_flags, vma, pgoff)
        if merged is None:
            copy = kernel.vma.vm_area_dup(vma, new, new + length, pgoff)
            kernel.vma.vma_link(copy)
            return vma, copy
        if merged.vm_start <= start < merged.vm_end:
            vma = merged
        return vma, merged

    def _unmap_old(self, vma: VmArea, old: int, length: int, vm_flags: int) -> None:
        """Unmaps the place that the pages left. The promise of memory moved with them: what is unmapped gives back none."""
        mm, hiwater_vm = vma.vm_mm, vma.vm_mm.hiwater_vm
        start, end = vma.vm_start, vma.vm_end
        vma.vm_flags &= ~VM_ACCOUNT
        try:
            self.kernel.mmap.do_munmap(mm, old, length)
        except Errno:
            # Too many regions, or no length: the old place stays as it is, and its promise is made anew.
            self.kernel.mmap.vm_acct_memory(length >> PAGE_SHIFT if vm_flags & VM_ACCOUNT else 0)
            return
        finally:
            mm.hiwater_vm = hiwater_vm
        for left in (mm.vma_lookup(start), mm.vma_lookup(end - 1)):
            if left is not None:
                left.vm_flags |= vm_flags & VM_ACCOUNT

    def _leave_empty(self, vma: VmArea, old: int, length: int) -> None:
        """MREMAP_DONTUNMAP: the old region stays, without pages and unlocked."""
        vma.vm_flags &= VM_LOCKED_CLEAR_MASK
        if vma.vm_start == old and vma.vm_end == old + length:
            self.kernel.rmap.unlink_anon_vmas(vma)
            if vma.vm_file is None:
                vma.vm_pgoff = old >> PAGE_SHIFT


def _check_flags(flags: int, old_length: int, new_length: int) -> None:
    """Raises Errno(EINVAL) for flags that do not go together."""
    known = MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP
    fixed_but_still = flags & MREMAP_FIXED and not flags & MREMAP_MAYMOVE
    keep_but_resized = flags & MREMAP_DONTUNMAP and (not flags & MREMAP_MAYMOVE or old_length != new_length)
    if flags & ~known or fixed_but_still or keep_but_resized:
        raise Errno(ErrorNumber.EINVAL)
