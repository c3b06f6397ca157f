"""mm/shmem.c: shared anonymous memory and tmpfs: files whose pages live in memory and swap, and nowhere else.

The pages themselves are kept by the page cache (filemap.py), or by the swap cache on their way out and in.
Left out: huge pages, fallocate(), limits of a file system's size.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.kernel.errno import Errno
from engine.kernel.fs import AddressSpace, FileSystem, Inode, Zeros
from engine.kernel.gfp import GFP_HIGHUSER_MOVABLE
from engine.kernel.mm_fault import VmFault
from engine.kernel.mm_types import PAGE_SHIFT, PG_DIRTY, PG_UPTODATE, VM_NORESERVE, Page
from engine.kernel.pgtable import SWAP_OFFSET_SHIFT
from engine.kernel.swap_state import RECLAIM_GFP
from engine.kernel.swapfile import NO_SLOT
from engine.kernel.task import Killed

if TYPE_CHECKING:
    from engine.kernel.fs import File
    from engine.kernel.kernel import Kernel
    from engine.kernel.mm_types import Mm

SHARED_ANONYMOUS_NAME: Final = "/dev/zero (deleted)"


class Shmem:
    """The unnamed files behind shared anonymous mappings, and the way of all tmpfs pages to swap and back."""

    __slots__ = ("_made", "kernel", "max_blocks")

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self._made = 0
        self.max_blocks = sum(zone.managed_pages for zone in kernel.boot.zones) // 2
        """shmem_default_max_blocks(): pages that the files under /tmp may have together: half of RAM."""

    def zero_setup(self, mm: Mm, length: int, vm_flags: int) -> File:
        """shmem_zero_setup(): an empty file of `length` bytes, for mmap(MAP_SHARED | MAP_ANONYMOUS).

        Unless VM_NORESERVE says otherwise all of it is promised at once. Raises Errno(ENOMEM).
        """
        promised = 0 if vm_flags & VM_NORESERVE else length >> PAGE_SHIFT
        self.kernel.mmap.security_vm_enough_memory(mm, promised)
        self._made += 1
        inode = Inode(SHARED_ANONYMOUS_NAME, FileSystem.TMPFS, length, Zeros(), resident=False, ino=self._made)
        inode.promised = promised
        try:
            self.kernel.inode.iget(self.kernel.super.shm_mnt, inode)
        except (Errno, Killed):
            self.kernel.mmap.vm_unacct_memory(promised)
            raise
        return self.kernel.file_table.alloc_file_pseudo(inode)

    def evict_inode(self, inode: Inode) -> None:
        """shmem_evict_inode(): a file that no path leads to dies with the last mapping that kept it alive."""
        for page in list(inode.i_mapping.pages.values()):
            self.kernel.filemap.remove(page)
        for index, entry in inode.i_mapping.swapped.items():
            self.kernel.xarray.erase(inode.i_mapping.i_pages, index, value=True)
            self.kernel.swapfile.free_swap_and_cache(entry)
        inode.i_mapping.swapped.clear()
        self.kernel.mmap.vm_unacct_memory(inode.promised)

    def fault(self, inode: Inode, index: int) -> tuple[Page | None, int]:
        """shmem_get_folio(): the file's page: cached, back from swap (MAJOR if it had to be read), or a fresh one of zeros."""
        page = self.kernel.filemap.cached_page(inode, index)
        if page is not None:
            return page, VmFault.NONE
        entry = inode.i_mapping.swapped.get(index)
        if entry is not None:
            return self._swapin_folio(inode, index, entry)
        page = self.kernel.filemap.add_folio(inode, index, GFP_HIGHUSER_MOVABLE)
        if page is None:
            return None, VmFault.OOM
        page.flags |= PG_UPTODATE
        return page, VmFault.NONE

    def _swapin_folio(self, inode: Inode, index: int, entry: int) -> tuple[Page | None, int]:
        """shmem_swapin_folio(): the page moves from the swap cache to the file; its slot is free again."""
        kernel, result = self.kernel, VmFault.NONE
        page = kernel.swap_state.swap_cache_get_folio(entry >> SWAP_OFFSET_SHIFT)
        if page is None:
            result = VmFault.MAJOR
            kernel.vmstat.pgmajfault += 1
            page = kernel.swap_state.swapin_readahead(entry >> SWAP_OFFSET_SHIFT)
            if page is None:
                return None, VmFault.OOM
        else:
            page.refcount += 1
        if not page.flags & PG_UPTODATE:
            kernel.swap.put_page(page)
            return None, VmFault.SIGBUS
        mapping = inode.i_mapping
        kernel.swap_state.delete_from_swap_cache(page)
        kernel.swapfile.swap_free(entry)
        del mapping.swapped[index]
        mapping.pages[index] = page
        kernel.xarray.replace(mapping.i_pages, index, value=False)
        page.mapping = mapping
        page.index = index
        page.flags |= PG_DIRTY
        kernel.vmstat.nr_file_pages += 1
        kernel.vmstat.nr_shmem += 1
        return page, result

    def writepage(self, page: Page) -> bool:
        """shmem_writepage(): the page leaves its file for the swap cache, and is written; False when there is no slot."""
        kernel, mapping = self.kernel, page.mapping
        assert isinstance(mapping, AddressSpace)
        offset = kernel.swapfile.get_swap_page()
        if offset == NO_SLOT:
            return False
        if kernel.swap_state.add_to_swap_cache(page, offset, RECLAIM_GFP) is None:
            kernel.swapfile.put_swap_folio(offset)
            return False
        kernel.swapfile.swap_duplicate(page.private)
        mapping.swapped[page.index] = page.private
        del mapping.pages[page.index]
        kernel.xarray.replace(mapping.i_pages, page.index, value=True)
        page.mapping = None
        kernel.vmstat.nr_file_pages -= 1
        kernel.vmstat.nr_shmem -= 1
        page.refcount -= 1
        kernel.page_io.swap_writepage(page)
        return True
