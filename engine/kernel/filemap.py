"""mm/filemap.c: the page cache: a file's pages in memory, found by (file, index).

Left out so far: readahead, writeback, dropping pages. tmpfs files (mm/shmem.c) keep their pages here too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.clock import COSTS
from engine.kernel.fs import AddressSpace, FileContent, FileSystem, Inode, Zeros
from engine.kernel.gfp import GFP_HIGHUSER_MOVABLE
from engine.kernel.mm_fault import VmFault
from engine.kernel.mm_types import (
    PAGE_SHIFT,
    PAGE_SIZE,
    PG_DIRTY,
    PG_SWAPBACKED,
    PG_UPTODATE,
    VM_SHARED,
    VM_WRITE,
    Page,
    VmArea,
)

if TYPE_CHECKING:
    from engine.kernel.kernel import Kernel


class Filemap:
    """The page cache of all files."""

    __slots__ = ("kernel",)

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel

    def cached_page(self, inode: Inode, index: int) -> Page | None:
        """The page, where it can be had without the disk; None where it would have to be read."""
        page = inode.i_mapping.pages.get(index)
        if page is not None or not inode.resident:
            return page
        return self._add(inode, index)

    def fault(self, vma: VmArea, address: int) -> tuple[Page | None, VmFault]:
        """filemap_fault() and shmem_fault(): the page behind `address`, read from the disk if need be.

        (None, SIGBUS) beyond the file's end, (None, OOM) without memory; MAJOR where the disk was read.
        """
        assert vma.vm_file is not None
        inode = vma.vm_file.inode
        index = (address - vma.vm_start >> PAGE_SHIFT) + vma.vm_pgoff
        if index >= inode.i_size + PAGE_SIZE - 1 >> PAGE_SHIFT:
            return None, VmFault.SIGBUS
        page = self.cached_page(inode, index)
        if page is not None:
            return page, VmFault.NONE
        page = self._add(inode, index)
        if page is None:
            return None, VmFault.OOM
        if inode.fs is FileSystem.TMPFS:
            return page, VmFault.NONE
        self.kernel.clock.ns += COSTS.disk_read
        return page, VmFault.MAJOR

    def _add(self, inode: Inode, index: int) -> Page | None:
        """filemap_add_folio(): a frame with the file's content joins the cache."""
        page = self.kernel.page_alloc.alloc_pages(GFP_HIGHUSER_MOVABLE, 0)
        if page is None:
            return None
        page.flags |= PG_UPTODATE
        if inode.fs is FileSystem.TMPFS:
            page.flags |= PG_SWAPBACKED
            self.kernel.vmstat.nr_shmem += 1
        page.mapping = inode.i_mapping
        page.index = index
        content = inode.content.page(index)
        if any(content):
            self.kernel.ram.fill(page.pfn, content)
        inode.i_mapping.pages[index] = page
        self.kernel.vmstat.nr_file_pages += 1
        self.kernel.swap.lru_cache_add(page)
        return page

    def force_page_cache_readahead(self, inode: Inode, first: int, pages: int) -> None:
        """force_page_cache_readahead(): reads `pages` pages from index `first` on, as far as the file goes."""
        last = min(first + pages, inode.i_size + PAGE_SIZE - 1 >> PAGE_SHIFT)
        for index in range(first, last):
            if index in inode.i_mapping.pages:
                continue
            if self._add(inode, index) is None:
                return
            if inode.fs is FileSystem.EXT4 and not inode.resident:
                self.kernel.clock.ns += COSTS.disk_read

    # --- files -------------------------------------------------------------------------------------------------------

    def create(self, path: str, fs: FileSystem) -> Inode:
        """open(O_CREAT): an empty file."""
        inodes = self.kernel.inodes
        inode = Inode(path, fs, 0, Zeros(), resident=False, ino=len(inodes) + 1)
        inodes[path] = inode
        return inode

    def write_file(self, inode: Inode, content: FileContent, size: int) -> None:
        """generic_perform_write(): write() from the file's start: every page goes into the cache and is dirty there."""
        inode.i_size = max(inode.i_size, size)
        for index in range(size + PAGE_SIZE - 1 >> PAGE_SHIFT):
            page = inode.i_mapping.pages.get(index) or self._add(inode, index)
            if page is None:
                self.kernel.oom_kill.out_of_memory()
                return
            self.kernel.ram.fill(page.pfn, content.page(index))
            self.kernel.clock.ns += COSTS.copy_page
            self.set_page_dirty(page)

    def sync(self) -> None:
        """ksys_sync(): every dirty page of every file on the disk is written."""
        for inode in self.kernel.inodes.values():
            if inode.fs is FileSystem.EXT4:
                for page in inode.i_mapping.pages.values():
                    self._write_page(inode, page)

    def fsync_range(self, inode: Inode, first: int, last: int) -> None:
        """vfs_fsync_range(): the dirty pages [first, last) of a file on the disk are written."""
        if inode.fs is not FileSystem.EXT4:
            return
        for index in range(first, last):
            page = inode.i_mapping.pages.get(index)
            if page is not None:
                self._write_page(inode, page)

    def _write_page(self, inode: Inode, page: Page) -> None:
        if not page.flags & PG_DIRTY:
            return
        page.flags &= ~PG_DIRTY
        self.kernel.rmap.page_mkclean(page)
        self.kernel.vmstat.nr_dirty -= 1
        self.kernel.clock.ns += COSTS.disk_write

    def remove(self, page: Page) -> None:
        """filemap_remove_folio(): the cache lets go of the page."""
        mapping = page.mapping
        assert isinstance(mapping, AddressSpace)
        del mapping.pages[page.index]
        page.mapping = None
        self.kernel.vmstat.nr_file_pages -= 1
        if page.flags & PG_SWAPBACKED:
            self.kernel.vmstat.nr_shmem -= 1
        if page.flags & PG_DIRTY and not page.flags & PG_SWAPBACKED:
            self.kernel.vmstat.nr_dirty -= 1
        self.kernel.swap.put_page(page)

    def set_page_dirty(self, page: Page) -> None:
        """set_page_dirty(): the page differs from the disk from now on."""
        if page.flags & PG_DIRTY:
            return
        page.flags |= PG_DIRTY
        if not page.flags & PG_SWAPBACKED:
            self.kernel.vmstat.nr_dirty += 1

    def page_mkwrite(self, page: Page) -> None:
        """->page_mkwrite(): a shared mapping is about to write to the page."""
        self.set_page_dirty(page)

    def wants_writenotify(self, vma: VmArea) -> bool:
        """vma_wants_writenotify(): whether the file system must hear of the first write to each clean page."""
        if vma.vm_flags & (VM_SHARED | VM_WRITE) != VM_SHARED | VM_WRITE or vma.vm_file is None:
            return False
        return vma.vm_file.inode.fs is FileSystem.EXT4
