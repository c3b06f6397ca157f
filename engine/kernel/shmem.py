"""mm/shmem.c: shared anonymous memory and tmpfs: files whose pages live in memory and swap, and nowhere else.

The pages themselves are kept by the page cache (filemap.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.kernel.fs import File, FileSystem, Inode, Zeros
from engine.kernel.mm_types import PAGE_SHIFT, VM_NORESERVE

if TYPE_CHECKING:
    from engine.kernel.kernel import Kernel
    from engine.kernel.mm_types import Mm

SHARED_ANONYMOUS_NAME: Final = "/dev/zero (deleted)"


class Shmem:
    """Makes the unnamed files behind shared anonymous mappings."""

    __slots__ = ("_made", "kernel")

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self._made = 0

    def zero_setup(self, mm: Mm, length: int, vm_flags: int) -> File:
        """shmem_zero_setup(): an empty file of `length` bytes, for mmap(MAP_SHARED | MAP_ANONYMOUS).

        Unless VM_NORESERVE says otherwise all of it is promised at once. Raises Errno(ENOMEM).
        """
        promised = 0 if vm_flags & VM_NORESERVE else length >> PAGE_SHIFT
        self.kernel.mmap.security_vm_enough_memory(mm, promised)
        self._made += 1
        inode = Inode(SHARED_ANONYMOUS_NAME, FileSystem.TMPFS, length, Zeros(), resident=False, ino=self._made)
        inode.promised = promised
        return File(inode, writable=True)

    def last_mapping_gone(self, inode: Inode) -> None:
        """shmem_evict_inode(): a file that only mappings kept alive dies with the last of them. Others stay as they are."""
        if self.kernel.inodes.get(inode.path) is inode or inode.fs is not FileSystem.TMPFS:
            return
        for page in list(inode.i_mapping.pages.values()):
            self.kernel.filemap.remove(page)
        for entry in inode.i_mapping.swapped.values():
            self.kernel.swapfile.free_swap_and_cache(entry)
        inode.i_mapping.swapped.clear()
        self.kernel.mmap.vm_unacct_memory(inode.promised)
