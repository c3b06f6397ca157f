"""mm/shmem.c: shared anonymous memory and tmpfs: files whose pages live in memory and swap, and nowhere else.

The pages themselves are kept by the page cache (filemap.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.kernel.fs import File, FileSystem, Inode, Zeros

if TYPE_CHECKING:
    from engine.kernel.kernel import Kernel

SHARED_ANONYMOUS_NAME: Final = "/dev/zero (deleted)"


class Shmem:
    """Makes the unnamed files behind shared anonymous mappings."""

    __slots__ = ("_made", "kernel")

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self._made = 0

    def zero_setup(self, length: int) -> File:
        """shmem_zero_setup(): an empty file of `length` bytes, for mmap(MAP_SHARED | MAP_ANONYMOUS)."""
        self._made += 1
        inode = Inode(SHARED_ANONYMOUS_NAME, FileSystem.TMPFS, length, Zeros(), resident=False, ino=self._made)
        return File(inode, writable=True)
