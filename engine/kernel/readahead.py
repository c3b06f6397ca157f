"""mm/readahead.c: reads pages of a file before they are wanted.

A fault on a page that is not cached reads the 32 pages around it. The first page of the last quarter is marked, and when a
fault meets the mark the next 32 pages are read, with the mark on their first: so a program that goes through a file finds
each window read when it gets there. A file whose reads miss more than they hit is read page by page.

Left out: read() as a caller (files are only mapped here), large folios, congestion.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.kernel.gfp import _GFP_NORETRY, _GFP_NOWARN, GFP_HIGHUSER_MOVABLE
from engine.kernel.mm_types import PAGE_SHIFT, PAGE_SIZE, PG_LOCKED, PG_READAHEAD, VM_RAND_READ, VM_SEQ_READ, Page

if TYPE_CHECKING:
    from engine.kernel.fs import File, Inode
    from engine.kernel.kernel import Kernel

RA_PAGES: Final = 32
"""VM_READAHEAD_PAGES: 128 KB."""
MMAP_LOTSAMISS: Final = 100
_NO_MARK: Final = -1
_READAHEAD_GFP: Final = GFP_HIGHUSER_MOVABLE | _GFP_NORETRY | _GFP_NOWARN


class Readahead:
    """Decides what to read, and has filemap.py read it."""

    __slots__ = ("kernel",)

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel

    def do_sync_mmap_readahead(self, file: File, index: int, vm_flags: int) -> bool:
        """do_sync_mmap_readahead(): a fault found no page at `index`: reads around it; whether it did."""
        ra = file.f_ra
        if vm_flags & VM_RAND_READ:
            return False
        if vm_flags & VM_SEQ_READ:
            self._ondemand_readahead(file, index, None, RA_PAGES)
            return True
        ra.mmap_miss = min(ra.mmap_miss + 1, MMAP_LOTSAMISS * 10)
        if ra.mmap_miss > MMAP_LOTSAMISS:
            return False
        ra.start, ra.size, ra.async_size = max(0, index - RA_PAGES // 2), RA_PAGES, RA_PAGES // 4
        self._submit(file)
        return True

    def do_async_mmap_readahead(self, file: File, index: int, vm_flags: int, page: Page) -> bool:
        """do_async_mmap_readahead(): a fault found `page`; where it bears the mark the next window is read. Whether it was."""
        ra = file.f_ra
        if vm_flags & VM_RAND_READ:
            return False
        ra.mmap_miss = max(ra.mmap_miss - 1, 0)
        if not page.flags & PG_READAHEAD:
            return False
        page.flags &= ~PG_READAHEAD
        page.refcount += 1
        self._ondemand_readahead(file, index, page, RA_PAGES)
        page.refcount -= 1
        return True

    def force_page_cache_readahead(self, inode: Inode, first: int, pages: int) -> None:
        """force_page_cache_ra(): reads `pages` pages from index `first` on, as far as the file goes."""
        self._read(inode, first, pages, _NO_MARK)

    def _ondemand_readahead(self, file: File, index: int, marked: Page | None, wanted: int) -> None:
        """ondemand_readahead(): the next window, by where the last one ended."""
        ra = file.f_ra
        if index and index in (ra.expected, ra.start + ra.size):
            ra.start += ra.size
            ra.size = _next_size(ra.size)
            ra.async_size = ra.size
        elif index and marked is not None:
            start = self._next_miss(file.inode, index + 1)
            if start - index > RA_PAGES:
                return
            ra.start, ra.size = start, _next_size(start - index + wanted)
            ra.async_size = ra.size
        else:
            ra.start, ra.size = index, _initial_size(wanted)
            ra.async_size = ra.size - wanted if ra.size > wanted else ra.size
        if index == ra.start and ra.size == ra.async_size:
            further = _next_size(ra.size)
            if ra.size + further <= RA_PAGES:
                ra.async_size = further
                ra.size += further
            else:
                ra.size, ra.async_size = RA_PAGES, RA_PAGES >> 1
        self._submit(file)

    def _next_miss(self, inode: Inode, index: int) -> int:
        """page_cache_next_miss(): the first index from `index` on that is not cached, looking at one window."""
        pages = inode.i_mapping.pages
        return next((at for at in range(index, index + RA_PAGES) if at not in pages), index + RA_PAGES)

    def _submit(self, file: File) -> None:
        """do_page_cache_ra() of the window in the file's state."""
        ra = file.f_ra
        self._read(file.inode, ra.start, ra.size, ra.expected)

    def _read(self, inode: Inode, start: int, count: int, mark: int) -> None:
        """page_cache_ra_unbounded(): the pages that are not cached yet, up to the file's end; that at `mark` gets the mark."""
        filemap, pages = self.kernel.filemap, inode.i_mapping.pages
        last = min(start + count, inode.i_size + PAGE_SIZE - 1 >> PAGE_SHIFT)
        reading = []
        for index in range(start, last):
            if index in pages:
                continue
            page = filemap.add_folio(inode, index, _READAHEAD_GFP)
            if page is None:
                break
            if index == mark:
                page.flags |= PG_READAHEAD
            page.flags |= PG_LOCKED
            filemap.read_folio(inode, page)
            reading.append(page)
        if reading:
            self.kernel.page_io.submit_read(reading)


def _initial_size(wanted: int) -> int:
    """get_init_ra_size()."""
    size = 1
    while size < wanted:
        size <<= 1
    if size <= RA_PAGES // 32:
        return size * 4
    return size * 2 if size <= RA_PAGES // 4 else RA_PAGES


def _next_size(size: int) -> int:
    """get_next_ra_size()."""
    if size < RA_PAGES // 16:
        return 4 * size
    return 2 * size if size <= RA_PAGES // 2 else RA_PAGES
