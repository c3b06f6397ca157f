"""mm/msync.c: writes what a program changed in mapped files back to them.

Left out: MS_INVALIDATE beyond its check, for the page cache is what the mappings show.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.kernel.errno import Errno, ErrorNumber
from engine.kernel.mm_types import PAGE_SHIFT, PAGE_SIZE, VM_LOCKED, VM_SHARED, VmArea
from engine.kernel.mmap import page_align

if TYPE_CHECKING:
    from engine.kernel.kernel import Kernel

MS_ASYNC: Final = 1
MS_INVALIDATE: Final = 2
MS_SYNC: Final = 4
_WORD: Final = 1 << 32


class Msync:
    """msync()."""

    __slots__ = ("kernel",)

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel

    def sys_msync(self, start: int, length: int, flags: int) -> int:
        """msync(): with MS_SYNC, the shared file pages of the range are on the disk when it returns.

        Raises Errno: EINVAL, EBUSY (MS_INVALIDATE of locked memory), ENOMEM after all, where part was not mapped.
        """
        if flags & ~(MS_ASYNC | MS_INVALIDATE | MS_SYNC) or start % PAGE_SIZE or (flags & MS_ASYNC and flags & MS_SYNC):
            raise Errno(ErrorNumber.EINVAL)
        end = start + page_align(length)
        if end >= _WORD or (length and end == start):
            raise Errno(ErrorNumber.ENOMEM)
        holes = False
        while start < end:
            vma = self.kernel.current.mm.find_vma(start)
            if vma is None or vma.vm_start >= end:
                raise Errno(ErrorNumber.ENOMEM)
            holes = holes or vma.vm_start > start
            if holes and flags == MS_ASYNC:
                raise Errno(ErrorNumber.ENOMEM)
            if flags & MS_INVALIDATE and vma.vm_flags & VM_LOCKED:
                raise Errno(ErrorNumber.EBUSY)
            if flags & MS_SYNC and vma.vm_flags & VM_SHARED:
                self._fsync(vma, max(start, vma.vm_start), min(end, vma.vm_end))
            start = vma.vm_end
        if holes:
            raise Errno(ErrorNumber.ENOMEM)
        return 0

    def _fsync(self, vma: VmArea, start: int, end: int) -> None:
        """vfs_fsync_range() of the part of the file that [start, end) shows. Raises Errno(EIO) where the disk failed."""
        assert vma.vm_file is not None
        first = vma.vm_pgoff + (start - vma.vm_start >> PAGE_SHIFT)
        if not self.kernel.page_writeback.fsync_range(vma.vm_file.inode, first, first + (end - start >> PAGE_SHIFT)):
            raise Errno(ErrorNumber.EIO)
