"""fs/dcache.c: dentries: the names that lead to files, kept in memory while they are used and, on a disk, longer.

A dentry without users goes on its file system's list, and stays there when it is used again: only who scans the list takes it
off. One that was used since it was put there gets a second pass.

Left out: negative dentries, renaming, removing, RCU: a dentry that dies is gone at once.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from engine.kernel.errno import Errno
from engine.kernel.fs import FileSystem, Inode, Zeros
from engine.kernel.slab_common import SLAB_ACCOUNT, SLAB_MEM_SPREAD, SLAB_RECLAIM_ACCOUNT, SLAB_USERCOPY
from engine.kernel.task import Killed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.kernel.kernel import Kernel
    from engine.kernel.super import SuperBlock

SIZEOF_DENTRY: Final = 128
_DIRECTORY: Final = Zeros()


class Dentry:
    """dentry: a name in a directory, and the inode that it stands for."""

    __slots__ = ("address", "children", "count", "d_inode", "d_sb", "hashed", "name", "on_lru", "parent", "referenced")

    def __init__(self, address: int, name: str, sb: SuperBlock, parent: Dentry | None) -> None:
        self.address = address
        """Where the kernel keeps this record: an object of the slab cache dentry."""
        self.name = name
        self.d_sb = sb
        self.parent = parent
        self.children: dict[str, Dentry] = {}
        self.d_inode: Inode
        self.count = 1
        """d_lockref.count: who uses it; each child does."""
        self.hashed = parent is not None
        """It can be found by its name; otherwise it dies with its last user."""
        self.on_lru = self.referenced = False
        """DCACHE_LRU_LIST and DCACHE_REFERENCED."""


class Dcache:
    """The dentries of all file systems."""

    __slots__ = ("dentry_cache", "kernel")

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        flags = SLAB_RECLAIM_ACCOUNT | SLAB_MEM_SPREAD | SLAB_ACCOUNT | SLAB_USERCOPY
        self.dentry_cache = kernel.slub.kmem_cache_create("dentry", SIZEOF_DENTRY, 0, flags)

    # --- making ------------------------------------------------------------------------------------------------------

    def d_make_root(self, sb: SuperBlock) -> Dentry:
        """d_make_root(): the root of a file system that is being mounted."""
        return self._instantiate(sb, "/", None, Inode("/", sb.fs, 0, _DIRECTORY, resident=False, ino=0))

    def d_alloc_pseudo(self, sb: SuperBlock, inode: Inode) -> Dentry:
        """d_alloc_pseudo(): for a file without a name in any directory. Raises Errno(ENOMEM)."""
        return self._instantiate(sb, inode.path, None, inode)

    def lookup(self, sb: SuperBlock, names: list[str], inode: Inode | None) -> Dentry:
        """link_path_walk(): the dentry at the end of `names`, one user more; `inode` is what the last name stands for.

        None: a directory, as on the way there. What is not in memory comes from the disk. Raises Errno(ENOMEM).
        """
        at = sb.s_root
        at.count += 1
        for depth, name in enumerate(names):
            found = at.children.get(name)
            if found is not None:
                found.count += 1
            else:
                try:
                    found = self._d_alloc(
                        sb, at, "/".join(names[: depth + 1]), inode if depth == len(names) - 1 else None
                    )
                except (Errno, Killed):
                    self.dput(at)
                    raise
            self.dput(at)
            at = found
        return at

    def _d_alloc(self, sb: SuperBlock, parent: Dentry, path: str, inode: Inode | None) -> Dentry:
        if inode is None:
            inode = Inode(path, sb.fs, 0, _DIRECTORY, resident=False, ino=0)
        dentry = self._instantiate(sb, path.rpartition("/")[2], parent, inode)
        if sb.fs is FileSystem.TMPFS:
            # shmem_mknod(): there is no disk to read it from again.
            dentry.count += 1
        return dentry

    def _instantiate(self, sb: SuperBlock, name: str, parent: Dentry | None, inode: Inode) -> Dentry:
        """d_alloc(), the inode by iget(), and d_splice_alias()."""
        kernel = self.kernel
        address = kernel.slub.new_record(self.dentry_cache)
        dentry = Dentry(address, name, sb, parent)
        try:
            kernel.inode.iget(sb, inode)
        except (Errno, Killed):
            kernel.slub.kmem_cache_free(self.dentry_cache, address)
            raise
        dentry.d_inode = inode
        if parent is not None:
            parent.count += 1
            parent.children[name] = dentry
        return dentry

    # --- letting go --------------------------------------------------------------------------------------------------

    def dput(self, dentry: Dentry) -> None:
        """dput(): a user less. Without users it waits on the list, or dies if nobody could find it again."""
        at: Dentry | None = dentry
        while at is not None:
            at.count -= 1
            if at.count:
                return
            if at.hashed:
                self._retain(at)
                return
            at = self._kill(at)

    def _retain(self, dentry: Dentry) -> None:
        """retain_dentry()."""
        if not dentry.on_lru:
            dentry.on_lru = True
            dentry.d_sb.s_dentry_lru[dentry.address] = dentry
        else:
            dentry.referenced = True

    def _kill(self, dentry: Dentry) -> Dentry | None:
        """__dentry_kill(): gives back its inode and its record; its parent, which has lost a user, is the caller's."""
        if dentry.on_lru:
            del dentry.d_sb.s_dentry_lru[dentry.address]
        parent = dentry.parent
        if parent is not None:
            del parent.children[dentry.name]
        self.kernel.inode.iput(dentry.d_inode)
        self.kernel.slub.kmem_cache_free(self.dentry_cache, dentry.address)
        return parent

    # --- shrinking ---------------------------------------------------------------------------------------------------

    def prune_dcache_sb(self, sb: SuperBlock, nr_to_scan: int) -> int:
        """prune_dcache_sb(): looks at the oldest of the list; kills those without users; how many left the list."""
        lru = sb.s_dentry_lru
        dispose: deque[Dentry] = deque()
        isolated = 0
        for _ in range(min(nr_to_scan, len(lru))):
            address = next(iter(lru))
            dentry = lru.pop(address)
            if not dentry.count and dentry.referenced:
                dentry.referenced = False
                lru[address] = dentry
                continue
            dentry.on_lru = False
            isolated += 1
            if not dentry.count:
                dispose.append(dentry)
        self._shrink_dentry_list(dispose)
        return isolated

    def _shrink_dentry_list(self, dispose: deque[Dentry]) -> None:
        """shrink_dentry_list(): the dentries die, and so do the directories that nobody uses then."""
        while dispose:
            parent = self._kill(dispose.popleft())
            if parent is not None:
                parent.count -= 1
                if not parent.count:
                    if parent.on_lru:
                        del parent.d_sb.s_dentry_lru[parent.address]
                        parent.on_lru = False
                    dispose.append(parent)

    # --- what there is -----------------------------------------------------------------------------------------------

    def dentries(self) -> Iterator[Dentry]:
        """Those that can be found by a path: all but those of files without a name."""
        pending = [sb.s_root for sb in self.kernel.super]
        while pending:
            dentry = pending.pop()
            yield dentry
            pending.extend(dentry.children.values())
