"""include/linux/fs.h: inode, address_space, file: what a mapping of a file needs to know.

An `Inode` here is a file for as long as there is one, on the disk or in memory; while its inode is in memory it has an `address`.
Left out: permissions. A file's bytes that no cached page holds are told by its `FileContent`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final, Protocol

from engine.kernel.mm_types import PAGE_SHIFT, PAGE_SIZE
from engine.kernel.xarray import XArray

if TYPE_CHECKING:
    from engine.kernel.dcache import Dentry
    from engine.kernel.mm_types import Page, VmArea
    from engine.kernel.super import SuperBlock

_ZERO_PAGE: Final = bytes(PAGE_SIZE)


class FileSystem(StrEnum):
    """Where a file lives, which decides how its pages are counted and where they go when memory runs short."""

    TMPFS = "tmpfs"
    """In memory: its pages are shmem, and can only be swapped."""
    EXT4 = "ext4"
    """On the disk: a clean page can be dropped, a dirty one is written first."""
    SPECIAL = "special"
    """The vdso's own pages: never reclaimed, belonging to no file system."""


class FileContent(Protocol):
    """The bytes of a file, by page, before any page of it was cached or written."""

    def page(self, index: int) -> bytes:
        """PAGE_SIZE bytes."""
        ...


class Zeros:
    """A file that was never written: holes, or a program whose bytes do not matter here."""

    __slots__ = ()

    def page(self, index: int) -> bytes:
        """Zeros, whatever the page."""
        return _ZERO_PAGE


class Letters:
    """The recorder's test file: page k is filled with the letter a + k mod 26, up to the file's size."""

    __slots__ = ("size",)

    def __init__(self, size: int) -> None:
        self.size = size

    def page(self, index: int) -> bytes:
        """The page's letter, and zeros beyond the file's end."""
        inside = max(0, min(PAGE_SIZE, self.size - (index << PAGE_SHIFT)))
        return bytes([ord("a") + index % 26]) * inside + bytes(PAGE_SIZE - inside)


class AddressSpace:
    """address_space: an inode's cached pages by index, and the regions that map it."""

    __slots__ = ("host", "i_mmap", "i_pages", "nr_dirty", "pages", "shadows", "swapped", "write_error")

    def __init__(self, host: Inode) -> None:
        self.host = host
        self.i_pages = XArray(self if host.fs is FileSystem.EXT4 else None)
        """The nodes of the tree that holds what the following three tell apart."""
        self.pages: dict[int, Page] = {}
        self.swapped: dict[int, int] = {}
        """tmpfs pages that are in swap: index -> swap entry (Linux keeps these in the same tree)."""
        self.shadows: dict[int, int] = {}
        """What reclaimed pages left behind: index -> shadow (workingset.py)."""
        self.nr_dirty = 0
        """Pages of a file on the disk that differ from what is there."""
        self.write_error = False
        """AS_EIO: a page could not be written, and nobody has been told of it yet."""
        self.i_mmap: list[VmArea] = []

    @property
    def empty(self) -> bool:
        """mapping_empty(): no page, and nothing that a page left behind."""
        return not (self.pages or self.shadows or self.swapped)


class Inode:
    """inode: one file. `i_size` in bytes."""

    __slots__ = (
        "address",
        "content",
        "dirtied_when",
        "fs",
        "i_count",
        "i_ino",
        "i_mapping",
        "i_sb",
        "i_size",
        "path",
        "promised",
        "referenced",
        "resident",
    )

    def __init__(self, path: str, fs: FileSystem, size: int, content: FileContent, *, resident: bool, ino: int) -> None:
        self.path = path
        self.fs = fs
        self.i_size = size
        self.i_ino = ino
        self.content = content
        self.resident = resident
        """The file was read before the session began: a page that is not yet in `pages` costs no disk access."""
        self.promised = 0
        """Pages of shared anonymous memory that were promised when it was made (the size that shmem_acct_size() charged)."""
        self.i_mapping = AddressSpace(self)
        self.address = 0
        """Where the kernel keeps this record: an object of its file system's slab cache; 0 while it is on the disk alone."""
        self.dirtied_when = 0
        """When its first dirty page became so, in simulated nanoseconds."""
        self.i_count = 0
        """Dentries that use it."""
        self.i_sb: SuperBlock | None = None
        self.referenced = False
        """I_REFERENCED: it gets a second pass on the list of those without users."""


class FileRaState:
    """file_ra_state: the last window of readahead, [start, start + size), and how much of it was ahead of the reader."""

    __slots__ = ("async_size", "mmap_miss", "size", "start")

    def __init__(self) -> None:
        self.start = self.size = self.async_size = 0
        self.mmap_miss = 0
        """Faults that found nothing in the cache, less those that did."""

    @property
    def expected(self) -> int:
        """Where the page stands that bears the mark: a fault on it reads the next window."""
        return self.start + self.size - self.async_size


class File:
    """file: an inode opened. `f_mode_write` is FMODE_WRITE: a shared writable mapping demands it."""

    __slots__ = ("address", "f_count", "f_dentry", "f_mode_write", "f_ra", "inode")

    def __init__(self, inode: Inode, *, writable: bool) -> None:
        self.inode = inode
        self.address = 0
        """Where the kernel keeps this record: an object of the slab cache filp; 0 for the vdso's pages, which are no file."""
        self.f_count = 0
        """Descriptors and regions that have it, and processes that run it."""
        self.f_dentry: Dentry | None = None
        self.f_ra = FileRaState()
        self.f_mode_write = writable
