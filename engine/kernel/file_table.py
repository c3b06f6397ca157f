"""fs/file_table.c and fs/namei.c's end: opened files. Each open() makes one; descriptors, regions and fork() share it.

Left out: the limit of opened files, security's and epoll's records of each, delayed work: the last fput() does all at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.kernel.errno import Errno
from engine.kernel.fs import File, Inode
from engine.kernel.slab_common import SLAB_ACCOUNT, SLAB_HWCACHE_ALIGN
from engine.kernel.task import Killed

if TYPE_CHECKING:
    from engine.kernel.kernel import Kernel

SIZEOF_FILE: Final = 160


class FileTable:
    """Makes opened files, and gives them back when nobody has them any more."""

    __slots__ = ("filp_cachep", "kernel")

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.filp_cachep = kernel.slub.kmem_cache_create("filp", SIZEOF_FILE, 0, SLAB_HWCACHE_ALIGN | SLAB_ACCOUNT)

    def path_openat(self, inode: Inode, *, writable: bool) -> File:
        """path_openat(): opens the file that inode.path leads to; the caller has it. Raises Errno(ENOMEM)."""
        kernel = self.kernel
        sb, names = kernel.super.resolve(inode.path)
        file = self._alloc_empty_file(inode, writable=writable)
        try:
            file.f_dentry = kernel.dcache.lookup(sb, names, inode)
        except (Errno, Killed):
            self._file_free(file)
            raise
        return file

    def alloc_file_pseudo(self, inode: Inode) -> File:
        """alloc_file_pseudo(): the only opened file of shared anonymous memory; takes over the caller's use of the inode.

        Raises Errno(ENOMEM); then the inode is gone.
        """
        kernel = self.kernel
        try:
            dentry = kernel.dcache.d_alloc_pseudo(kernel.super.shm_mnt, inode)
        finally:
            # The dentry's is the only use, if there is one.
            kernel.inode.iput(inode)
        try:
            file = self._alloc_empty_file(inode, writable=True)
        except (Errno, Killed):
            kernel.dcache.dput(dentry)
            raise
        file.f_dentry = dentry
        return file

    def _alloc_empty_file(self, inode: Inode, *, writable: bool) -> File:
        file = File(inode, writable=writable)
        file.address = self.kernel.slub.new_record(self.filp_cachep)
        file.f_count = 1
        return file

    def _file_free(self, file: File) -> None:
        self.kernel.slub.kmem_cache_free(self.filp_cachep, file.address)
        file.address = 0

    def fput(self, file: File) -> None:
        """fput(): somebody has the file no more; with the last its record goes, and a use of its dentry."""
        file.f_count -= 1
        if file.f_count or not file.address:
            return
        dentry, file.f_dentry = file.f_dentry, None
        assert dentry is not None
        self.kernel.dcache.dput(dentry)
        self._file_free(file)
