"""fs/super.c: the mounted file systems, each with its root, its inodes' slab cache, and its lists of what nobody uses.

What a path leads through is kept in memory: a dentry for each name, an inode for each file and directory. On a disk they can be
read again, so those without users wait on a list until memory is short (prune_dcache_sb(), prune_icache_sb()); what is in
tmpfs is nowhere else, and stays.

    /      the program's own file system      /tmp   tmpfs      /mnt   ext4 on the disk
    and a tmpfs without a place, for shared anonymous memory

Left out: all other file systems (proc, sysfs, …), mounting by command, metadata in the page cache, other directories than those
that lead to files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.kernel.fs import FileSystem
from engine.kernel.slab_common import (
    SLAB_ACCOUNT,
    SLAB_CTOR,
    SLAB_MEM_SPREAD,
    SLAB_RECLAIM_ACCOUNT,
    SLAB_USERCOPY,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.kernel.dcache import Dentry
    from engine.kernel.fs import Inode
    from engine.kernel.kernel import Kernel
    from engine.kernel.slub_cache import KmemCache

SIZEOF_EXT4_INODE_INFO: Final = 792
SIZEOF_SHMEM_INODE_INFO: Final = 480
TMP: Final = "/tmp"  # noqa: S108 - simulated
MNT: Final = "/mnt"


class SuperBlock:
    """super_block: one mounted file system."""

    __slots__ = ("fs", "inode_cachep", "s_dentry_lru", "s_id", "s_inode_lru", "s_root")

    def __init__(self, s_id: str, fs: FileSystem, inode_cachep: KmemCache) -> None:
        self.s_id = s_id
        """Where it is mounted; for that of shared anonymous memory, its kind."""
        self.fs = fs
        self.inode_cachep = inode_cachep
        self.s_root: Dentry
        self.s_dentry_lru: dict[int, Dentry] = {}
        """Dentries that were without users when last put there, the oldest first, by address."""
        self.s_inode_lru: dict[int, Inode] = {}
        """Inodes without a dentry, likewise."""


class Super:
    """The mounted file systems."""

    __slots__ = ("kernel", "mounts", "shm_mnt")

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        create, flags = kernel.slub.kmem_cache_create, SLAB_ACCOUNT | SLAB_CTOR
        shmem = create("shmem_inode_cache", SIZEOF_SHMEM_INODE_INFO, 0, flags)
        flags |= SLAB_RECLAIM_ACCOUNT | SLAB_MEM_SPREAD | SLAB_USERCOPY
        caches = {
            FileSystem.TMPFS: shmem,
            FileSystem.EXT4: create("ext4_inode_cache", SIZEOF_EXT4_INODE_INFO, 0, flags),
        }
        self.shm_mnt = SuperBlock("tmpfs", FileSystem.TMPFS, shmem)
        self.mounts = {
            path: SuperBlock(path, fs, caches[fs])
            for path, fs in (("/", kernel.root_fs), (TMP, FileSystem.TMPFS), (MNT, FileSystem.EXT4))
        }
        """By the path of the root."""

    def mount_all(self) -> None:
        """mount(): each file system's root is in memory, and so is what it is mounted on; both stay."""
        kernel = self.kernel
        for sb in self:
            sb.s_root = kernel.dcache.d_make_root(sb)
        for path in self.mounts:
            if path != "/":
                kernel.dcache.lookup(self.mounts["/"], [path[1:]], None)

    def __iter__(self) -> Iterator[SuperBlock]:
        yield self.shm_mnt
        yield from self.mounts.values()

    def resolve(self, path: str) -> tuple[SuperBlock, list[str]]:
        """The file system that holds `path`, and the names on the way from its root."""
        names = [name for name in path.split("/") if name]
        sb = self.mounts.get(f"/{names[0]}") if names else None
        return (self.mounts["/"], names) if sb is None else (sb, names[1:])
