"""fs/inode.c: inodes in memory: taken when a path first leads to a file, given up when memory is short.

An inode is used by its dentry. When that dies, an inode of a file on the disk waits on its file system's list, and its cached
pages with it; when it is scanned there it goes, and the file can be read again from the disk.

Left out: hard links, RCU: an inode that is evicted is gone at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.kernel.fs import FileSystem, Inode

if TYPE_CHECKING:
    from engine.kernel.kernel import Kernel
    from engine.kernel.super import SuperBlock


class InodeCache:
    """Takes, keeps and evicts inodes."""

    __slots__ = ("kernel",)

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel

    def iget(self, sb: SuperBlock, inode: Inode) -> None:
        """iget_locked() and new_inode(): a user more for the inode, which is in memory from now on. Raises Errno(ENOMEM)."""
        if not inode.address:
            inode.address = self.kernel.slub.new_record(sb.inode_cachep)
            inode.i_sb = sb
        inode.i_count += 1

    def iput(self, inode: Inode) -> None:
        """iput(): a user less. Without users it waits on the list; a file that no path leads to any more is gone."""
        inode.i_count -= 1
        if inode.i_count:
            return
        if inode.fs is FileSystem.EXT4:
            self.inode_add_lru(inode, rotate=True)
        else:
            self._evict(inode)

    def inode_add_lru(self, inode: Inode, *, rotate: bool = False) -> None:
        """__inode_add_lru(): onto the list, unless it is used or has dirty pages; `rotate`: if it is there, for a second pass."""
        if inode.i_count or not inode.address or inode.i_mapping.nr_dirty:
            return
        assert inode.i_sb is not None
        if inode.address not in inode.i_sb.s_inode_lru:
            inode.i_sb.s_inode_lru[inode.address] = inode
        elif rotate:
            inode.referenced = True

    def prune_icache_sb(self, sb: SuperBlock, nr_to_scan: int) -> int:
        """prune_icache_sb(): looks at the oldest of the list, and evicts those that nobody uses; how many left the list.

        Cached pages go first, and count as reclaimed; the inode itself goes when it is met again without any.
        """
        lru = sb.s_inode_lru
        isolated, left = 0, nr_to_scan
        dispose: list[Inode] = []
        while left and lru:
            left -= 1
            address = next(iter(lru))
            inode = lru[address]
            if inode.i_count or inode.i_mapping.nr_dirty:
                del lru[address]
                isolated += 1
            elif inode.referenced:
                inode.referenced = False
                del lru[address]
                lru[address] = inode
            elif not inode.i_mapping.empty:
                self._drop_pages(inode)
            else:
                del lru[address]
                isolated += 1
                dispose.append(inode)
        for inode in reversed(dispose):
            self._evict(inode)
        return isolated

    def _drop_pages(self, inode: Inode) -> None:
        """The part of inode_lru_isolate() for an inode with pages: where a machine may have high memory, they are dropped."""
        kernel = self.kernel
        inode.i_count += 1
        reaped = kernel.filemap.invalidate_mapping_pages(inode.i_mapping)
        if kernel.kswapd.running:
            kernel.vmstat.kswapd_inodesteal += reaped
        else:
            kernel.vmstat.pginodesteal += reaped
        if kernel.page_alloc.pf_memalloc:
            kernel.slub.reclaimed_slab += reaped
        self.iput(inode)

    def _evict(self, inode: Inode) -> None:
        """evict(): what is cached of the file goes, and then the inode's record."""
        kernel = self.kernel
        assert inode.i_sb is not None
        if inode.fs is FileSystem.TMPFS:
            kernel.shmem.evict_inode(inode)
        else:
            kernel.filemap.truncate_inode_pages(inode)
        kernel.slub.kmem_cache_free(inode.i_sb.inode_cachep, inode.address)
        inode.address = 0
        inode.referenced = False
