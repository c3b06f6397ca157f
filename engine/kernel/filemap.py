"""mm/filemap.c: the page cache: a file's pages in memory, found by (file, index).

A page of a file on the disk is read when it is wanted, and ahead (readahead.py); when it is dirty it is written first
(page_writeback.py); clean and unwanted it is dropped, and a shadow stays behind (workingset.py). tmpfs files (shmem.py) keep
their pages here, too. Left out: read() and write() other than filling a file from its start, direct I/O.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.clock import COSTS
from engine.events.vmscan import MmFilemapAddToPageCache, MmFilemapDeleteFromPageCache
from engine.hardware.disk import DiskError
from engine.kernel.fs import AddressSpace, FileContent, FileSystem, Inode, Zeros
from engine.kernel.gfp import GFP_HIGHUSER_MOVABLE
from engine.kernel.mm_fault import VmFault
from engine.kernel.mm_types import (
    PAGE_SHIFT,
    PAGE_SIZE,
    PG_DIRTY,
    PG_LOCKED,
    PG_SWAPBACKED,
    PG_UPTODATE,
    PG_WRITEBACK,
    VM_SHARED,
    VM_WRITE,
    Page,
    VmArea,
)
from engine.kernel.page_io import KB_A_PAGE
from engine.kernel.page_writeback import disk_block
from engine.kernel.workingset import NO_SHADOW

if TYPE_CHECKING:
    from engine.kernel.fs import File
    from engine.kernel.kernel import Kernel


class Filemap:
    """The page cache of all files."""

    __slots__ = ("kernel",)

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel

    # --- faults ------------------------------------------------------------------------------------------------------

    def cached_page(self, inode: Inode, index: int) -> Page | None:
        """The page, where it can be had without the disk; None where it would have to be read."""
        mapping = inode.i_mapping
        page = mapping.pages.get(index)
        if page is not None or not inode.resident or index in mapping.swapped:
            return page
        return self._add_resident(inode, index)

    def fault(self, vma: VmArea, address: int) -> tuple[Page | None, int]:
        """filemap_fault() and shmem_fault(): the page behind `address`, read from the disk if need be.

        (None, SIGBUS) beyond the file's end or where the disk failed, (None, OOM) without memory; MAJOR where the disk was
        read; RETRY as well where Linux lets go of its lock meanwhile, and tries the fault anew.
        """
        assert vma.vm_file is not None
        inode = vma.vm_file.inode
        index = (address - vma.vm_start >> PAGE_SHIFT) + vma.vm_pgoff
        if index >= inode.i_size + PAGE_SIZE - 1 >> PAGE_SHIFT:
            return None, VmFault.SIGBUS
        if inode.fs is not FileSystem.EXT4:
            return self.kernel.shmem.fault(inode, index)
        page = self.cached_page(inode, index)
        if page is None:
            page, result = self._read_for_fault(vma, index)
        elif self.kernel.readahead.do_async_mmap_readahead(vma.vm_file, index, vma.vm_flags, page):
            page, result = inode.i_mapping.pages.get(index, page), VmFault.MAJOR | VmFault.RETRY
        else:
            result = VmFault.NONE
        if page is not None and page.flags & PG_LOCKED and not result & VmFault.RETRY:
            result |= self._lock_folio(page)
        if page is not None and not page.flags & PG_UPTODATE and not self.read_folio(inode, page):
            return None, VmFault.SIGBUS
        return page, result

    def _read_for_fault(self, vma: VmArea, index: int) -> tuple[Page | None, int]:
        """Nothing in the cache: a major fault, with the pages around it where readahead thinks so."""
        kernel = self.kernel
        assert vma.vm_file is not None
        inode = vma.vm_file.inode
        kernel.vmstat.pgmajfault += 1
        ahead = kernel.readahead.do_sync_mmap_readahead(vma.vm_file, index, vma.vm_flags)
        page = inode.i_mapping.pages.get(index)
        if page is None:
            page = self.add_folio(inode, index, GFP_HIGHUSER_MOVABLE)
            if page is None:
                return None, VmFault.OOM
            self.read_folio(inode, page)
            self.kernel.page_io.submit_read([page])
        self._lock_folio(page)
        return page, VmFault.MAJOR | VmFault.RETRY if ahead else VmFault.MAJOR

    def _lock_folio(self, page: Page) -> int:
        """lock_folio_maybe_drop_mmap(): waits for a page that is being read, which makes the fault a major one."""
        page.refcount += 1
        self.kernel.page_io.lock_page(page)
        page.refcount -= 1
        return VmFault.MAJOR | VmFault.RETRY

    def force_page_cache_readahead(self, inode: Inode, first: int, pages: int) -> None:
        """MADV_WILLNEED: reads `pages` pages from index `first` on; of a tmpfs file, those that are in swap."""
        if inode.fs is FileSystem.EXT4 and not inode.resident:
            self.kernel.readahead.force_page_cache_readahead(inode, first, pages)
            return
        swapped = inode.i_mapping.swapped
        for index in range(first, min(first + pages, inode.i_size + PAGE_SIZE - 1 >> PAGE_SHIFT)):
            if index in swapped:
                self.kernel.swap_state.force_swapin(swapped[index])
            elif self.cached_page(inode, index) is None and inode.resident:
                return

    # --- into the cache ----------------------------------------------------------------------------------------------

    def add_folio(self, inode: Inode, index: int, gfp: int) -> Page | None:
        """filemap_add_folio(): a frame of zeros joins the cache as the file's page; None without memory."""
        kernel = self.kernel
        page = kernel.page_alloc.alloc_pages(gfp, 0)
        if page is None:
            return None
        mapping = inode.i_mapping
        page.mapping = mapping
        page.index = index
        shadow = mapping.shadows.pop(index, NO_SHADOW)
        if shadow != NO_SHADOW:
            kernel.xarray.replace(mapping.i_pages, index, value=False)
        elif not kernel.xarray.store(mapping.i_pages, index, gfp):
            page.mapping = None
            kernel.page_alloc.free_pages(page, 0)
            return None
        if inode.fs is not FileSystem.EXT4:
            page.flags |= PG_SWAPBACKED
            kernel.vmstat.nr_shmem += 1
        mapping.pages[index] = page
        kernel.vmstat.nr_file_pages += 1
        if shadow != NO_SHADOW:
            kernel.workingset.refault(page, shadow)
        kernel.swap.lru_cache_add(page)
        if kernel.trace.on:
            kernel.trace.emit(MmFilemapAddToPageCache(inode.path, index, page.pfn))
        return page

    def _add_resident(self, inode: Inode, index: int) -> Page | None:
        """A page that was in memory before the session began, and has not been looked at yet."""
        page = self.add_folio(inode, index, GFP_HIGHUSER_MOVABLE)
        if page is not None:
            self._fill(inode, page)
            if inode.fs is FileSystem.TMPFS:
                page.flags |= PG_DIRTY
        return page

    def _fill(self, inode: Inode, page: Page) -> None:
        content = inode.content.page(page.index)
        if any(content):
            self.kernel.ram.fill(page.pfn, content)
        page.flags |= PG_UPTODATE

    def read_folio(self, inode: Inode, page: Page) -> bool:
        """->read_folio(): fills a page of a file on the disk; False where the disk failed."""
        kernel = self.kernel
        kernel.clock.ns += COSTS.submit_read
        kernel.vmstat.pgpgin += KB_A_PAGE
        try:
            content = kernel.page_writeback.disk.read(disk_block(inode, page.index))
        except DiskError:
            kernel.log.printk(f"Buffer I/O error on dev vdb, logical block {page.index}, async page read")
            return False
        if content is None:
            self._fill(inode, page)
        else:
            kernel.ram.fill(page.pfn, content)
            page.flags |= PG_UPTODATE
        return True

    # --- out of the cache --------------------------------------------------------------------------------------------

    def evict(self, page: Page) -> None:
        """__remove_mapping() of a page of a file that is clean and that nobody else holds: only a shadow stays.

        The cache's reference is the caller's, who frees the page.
        """
        mapping = page.mapping
        assert isinstance(mapping, AddressSpace)
        if page.flags & PG_SWAPBACKED:
            self.kernel.xarray.erase(mapping.i_pages, page.index, value=False)
        else:
            mapping.shadows[page.index] = self.kernel.workingset.eviction(page)
            self.kernel.xarray.replace(mapping.i_pages, page.index, value=True)
        self._delete(page, mapping)

    def remove(self, page: Page) -> None:
        """filemap_remove_folio(): the cache lets go of the page."""
        mapping = page.mapping
        assert isinstance(mapping, AddressSpace)
        self.kernel.xarray.erase(mapping.i_pages, page.index, value=False)
        self._delete(page, mapping)
        self.kernel.swap.put_page(page)

    def _delete(self, page: Page, mapping: AddressSpace) -> None:
        kernel, inode = self.kernel, mapping.host
        del mapping.pages[page.index]
        if inode.fs is FileSystem.EXT4:
            # What was in memory without a frame is on the disk like the rest, now that the file's pages are being dropped.
            inode.resident = False
        kernel.vmstat.nr_file_pages -= 1
        if page.flags & PG_SWAPBACKED:
            kernel.vmstat.nr_shmem -= 1
        else:
            kernel.page_writeback.forget(page, mapping)
        page.mapping = None
        if kernel.trace.on:
            kernel.trace.emit(MmFilemapDeleteFromPageCache(inode.path, page.index, page.pfn))

    def drop_pagecache(self) -> None:
        """fs/drop_caches.c: every page of a file that is clean and that nobody maps is dropped; shadows, too."""
        for inode in self.kernel.inodes.values():
            if inode.fs is FileSystem.EXT4:
                self.invalidate_mapping_pages(inode.i_mapping)
        self.kernel.vmstat.drop_pagecache += 1

    def invalidate_mapping_pages(self, mapping: AddressSpace) -> int:
        """invalidate_mapping_pages(): drops a file's pages that are clean and that nobody maps, and shadows; how many pages."""
        self._clear_shadows(mapping)
        dropped = 0
        for page in list(mapping.pages.values()):
            if page.flags & (PG_DIRTY | PG_WRITEBACK | PG_LOCKED) or page.refcount > 1:
                self.kernel.swap.deactivate_file_folio(page)
            else:
                self.remove(page)
                dropped += 1
        return dropped

    def _clear_shadows(self, mapping: AddressSpace) -> None:
        """clear_shadow_entry() of all that reclaimed pages left behind."""
        for index in mapping.shadows:
            self.kernel.xarray.erase(mapping.i_pages, index, value=True)
        mapping.shadows.clear()

    def truncate_inode_pages(self, inode: Inode) -> None:
        """truncate_inode_pages_final(): the inode leaves memory, and nothing of it stays there; nobody maps it any more."""
        mapping = inode.i_mapping
        self._clear_shadows(mapping)
        for page in list(mapping.pages.values()):
            self.remove(page)
        inode.resident = mapping.write_error = False

    # --- files -------------------------------------------------------------------------------------------------------

    def open(self, path: str, fs: FileSystem) -> File:
        """open(O_RDWR | O_CREAT): the file that is there, or an empty one, opened. Raises Errno(ENOMEM)."""
        inodes = self.kernel.inodes
        inode = inodes.get(path) or Inode(path, fs, 0, Zeros(), resident=False, ino=len(inodes) + 1)
        file = self.kernel.file_table.path_openat(inode, writable=True)
        inodes[path] = inode
        return file

    def write_file(self, inode: Inode, content: FileContent, size: int) -> None:
        """generic_perform_write(): write() from the file's start: every page goes into the cache and is dirty there.

        A file for which there is no room ends where its file system is full.
        """
        kernel = self.kernel
        pages = min(size + PAGE_SIZE - 1 >> PAGE_SHIFT, self._room(inode))
        inode.i_size = max(inode.i_size, min(size, pages << PAGE_SHIFT))
        for index in range(pages):
            page = self._write_begin(inode, index)
            if page is None:
                return
            kernel.ram.fill(page.pfn, content.page(index))
            kernel.clock.ns += COSTS.copy_page
            page.flags |= PG_UPTODATE
            kernel.page_writeback.set_page_dirty(page)
            if inode.fs is FileSystem.EXT4:
                kernel.page_writeback.balance_dirty_pages()
            if kernel.work_pending:
                kernel.kswapd.return_to_user()

    def _room(self, inode: Inode) -> int:
        """Pages that the file may have until its file system is full (ENOSPC): the disk, or half of RAM for /tmp."""
        others = (other for other in self.kernel.inodes.values() if other.fs is inode.fs and other is not inode)
        used = sum(other.i_size + PAGE_SIZE - 1 >> PAGE_SHIFT for other in others if not other.resident)
        if inode.fs is FileSystem.EXT4:
            return max(self.kernel.page_writeback.capacity - used, 0)
        return max(self.kernel.shmem.max_blocks - used, 0)

    def _write_begin(self, inode: Inode, index: int) -> Page | None:
        """The page that is to be overwritten, from the cache or fresh. None when the process is killed for want of memory."""
        page = inode.i_mapping.pages.get(index)
        if page is None and index in inode.i_mapping.swapped:
            page = self.kernel.shmem.fault(inode, index)[0]
        page = page or self.add_folio(inode, index, GFP_HIGHUSER_MOVABLE)
        if page is not None and inode.fs is FileSystem.TMPFS:
            self.kernel.swap.mark_page_accessed(page)
        return page

    def wants_writenotify(self, vma: VmArea) -> bool:
        """vma_wants_writenotify(): whether the file system must hear of the first write to each clean page."""
        if vma.vm_flags & (VM_SHARED | VM_WRITE) != VM_SHARED | VM_WRITE or vma.vm_file is None:
            return False
        return vma.vm_file.inode.fs is FileSystem.EXT4
