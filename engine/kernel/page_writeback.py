"""mm/page-writeback.c: dirty pages of files on the disk, and when they are written.

Once more than dirty_background_ratio of what could be dirty is (or dirty_background_bytes), the flusher writes the pages that have
been dirty longest; what has been dirty for long it writes in any case (fs_writeback.py).
Left out: the threads' own pace (the flusher's work is done where it is woken, and waits for nobody), bandwidth estimates.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.clock import COSTS
from engine.events.vmscan import WritebackSinglePage
from engine.hardware.disk import Disk, DiskError
from engine.kernel.fs import AddressSpace, FileSystem, Inode
from engine.kernel.gfp import ZoneType
from engine.kernel.mm_types import PAGE_SHIFT, PAGE_SIZE, PG_DIRTY, PG_LOCKED, PG_SWAPBACKED, PG_WRITEBACK, Page
from engine.kernel.page_io import KB_A_PAGE
from engine.kernel.swap import LruList

if TYPE_CHECKING:
    from engine.kernel.kernel import Kernel

MAX_WRITEBACK_PAGES: Final = 1024
"""Pages that the flusher writes before it looks around again."""
_GROUP_KB: Final = 8192
_DESCRIPTORS_KB: Final = 258
_RESERVED_KB: Final = 4096
_LOST_FOUND_KB: Final = 12
_PAGES_A_TREE: Final = 20_000
_JOURNALS: Final = ((512 << 10, 16 << 10), (256 << 10, 8 << 10), (32 << 10, 4 << 10), (2 << 10, 1 << 10))
"""ext2fs_default_journal_size(): (from so many KB on, KB of journal), largest first."""
_INODE_SHIFT: Final = 20
"""Pages of one file on the disk: 4 GB."""


def disk_block(inode: Inode, index: int) -> int:
    """Where page `index` of the file lies on the disk."""
    return inode.i_ino << _INODE_SHIFT | index


def ext4_capacity(disk_mb: int) -> int:
    """Pages of files that fit on a disk of so many MB, as mkfs.ext4 lays it out below 512 MB: blocks of 1 KB.

    The rest is inode tables (a sixteenth), the journal, what is kept back for delayed allocation (a fiftieth), descriptors
    and bitmaps of each group of 8 MB, and the trees that tell where files lie.
    """
    total = disk_mb << 10
    groups = -(-total // _GROUP_KB)
    backups = sum(1 for group in range(groups) if _has_backup(group))
    journal = next((size for least, size in _JOURNALS if total >= least), 0)
    used = (
        total // 16 + journal + min(total // 50, _RESERVED_KB) + backups * _DESCRIPTORS_KB + 2 * groups + _LOST_FOUND_KB
    )
    pages = max(total - used, 0) // KB_A_PAGE
    return pages - -(-pages // _PAGES_A_TREE)


def _has_backup(group: int) -> bool:
    """sparse_super: groups 0, 1, and the powers of 3, 5 and 7 have a copy of the superblock and the descriptors."""
    for base in (3, 5, 7):
        power = 1
        while power < group:
            power *= base
        if power == group:
            return True
    return group == 0


class PageWriteback:
    """The dirty pages of all files on the disk, and the disk itself."""

    __slots__ = ("capacity", "dirty", "disk", "kernel")

    def __init__(self, kernel: Kernel, disk_mb: int) -> None:
        self.kernel = kernel
        self.capacity = ext4_capacity(disk_mb)
        """Pages that all files on the disk may have together."""
        self.disk = Disk("vdb")
        self.dirty: dict[int, Page] = {}
        """By frame, in the order in which they became dirty."""

    # --- limits ------------------------------------------------------------------------------------------------------

    def dirty_limits(self) -> tuple[int, int]:
        """global_dirty_limits(): dirty pages above which the flusher writes, and above which writers wait for it."""
        kernel = self.kernel
        lists = kernel.swap.lists
        free = sum(zone.nr_free_pages for zone in kernel.page_alloc.zones)
        free -= min(free, kernel.page_alloc.pgdat.totalreserve_pages)
        available = free + len(lists[LruList.INACTIVE_FILE]) + len(lists[LruList.ACTIVE_FILE])
        if not kernel.sysctl["highmem_is_dirtyable"]:
            available -= self._highmem_dirtyable_memory(available)
        available += 1
        limit = self._limit(available, "dirty_ratio", "dirty_bytes")
        background = self._limit(available, "dirty_background_ratio", "dirty_background_bytes")
        return background if background < limit else limit // 2, limit

    def _highmem_dirtyable_memory(self, total: int) -> int:
        """highmem_dirtyable_memory(): how many of the `total` pages that could be dirty lie in high memory."""
        found = 0
        for zone in self.kernel.page_alloc.zones:
            if zone.zone_type == ZoneType.HIGHMEM:
                lists = self.kernel.swap.lists
                found += zone.nr_free_pages - min(zone.nr_free_pages, zone.high_wmark_pages)
                for lru in (LruList.INACTIVE_FILE, LruList.ACTIVE_FILE):
                    found += sum(1 for pfn in lists[lru] if pfn >= zone.zone_start_pfn)
        return min(found, total)

    def _limit(self, available: int, ratio: str, limit: str) -> int:
        """The limit in pages: so many bytes, or where that is 0 a share of what could be dirty."""
        in_bytes = self.kernel.sysctl[limit]
        if in_bytes:
            return -(-in_bytes >> PAGE_SHIFT)
        return (self.kernel.sysctl[ratio] * PAGE_SIZE // 100) * available >> PAGE_SHIFT

    def balance_dirty_pages(self) -> None:
        """balance_dirty_pages(): somebody made a page dirty: the flusher is woken if there are many by now, or it is time."""
        kernel = self.kernel
        if kernel.clock.ns >= kernel.fs_writeback.wake_at:
            kernel.fs_writeback.run_timer()
        if not len(self.dirty) & 31 and len(self.dirty) > self.dirty_limits()[0]:
            self.wakeup_flusher_threads()

    def wb_check_background_flush(self) -> None:
        """wb_check_background_flush(): as long as more than the background limit is dirty, the oldest are written."""
        while len(self.dirty) > self.dirty_limits()[0]:
            before = len(self.dirty)
            self.wakeup_flusher_threads()
            if len(self.dirty) == before:
                return

    def wakeup_flusher_threads(self) -> None:
        """wb_writeback(): the flusher writes those that have been dirty longest."""
        for page in [page for page, _ in zip(self.dirty.values(), range(MAX_WRITEBACK_PAGES), strict=False)]:
            self.write_page(page)

    # --- dirty and clean ---------------------------------------------------------------------------------------------

    def set_page_dirty(self, page: Page) -> None:
        """folio_mark_dirty(): the page differs from the disk, or is the only place where its content is."""
        if page.flags & PG_DIRTY:
            return
        page.flags |= PG_DIRTY
        if not page.flags & PG_SWAPBACKED:
            assert isinstance(page.mapping, AddressSpace)
            self.kernel.fs_writeback.page_dirtied(page.mapping)
            self.dirty[page.pfn] = page
            self.kernel.vmstat.nr_dirty += 1
            self.kernel.vmstat.nr_dirtied += 1

    def forget(self, page: Page, mapping: AddressSpace) -> None:
        """folio_account_cleaned(): the page of that file is not dirty any more, or leaves the cache."""
        if self.dirty.pop(page.pfn, None) is not None:
            self.kernel.fs_writeback.page_cleaned(mapping)
            page.flags &= ~PG_DIRTY
            self.kernel.vmstat.nr_dirty -= 1

    def write_page(self, page: Page) -> None:
        """->writepage(): writes a dirty page of a file to the disk. An error is kept for fsync() and msync() (AS_EIO)."""
        kernel = self.kernel
        mapping = page.mapping
        if page.flags & (PG_DIRTY | PG_LOCKED) != PG_DIRTY or not isinstance(mapping, AddressSpace):
            return
        inode = mapping.host
        self.forget(page, mapping)
        kernel.rmap.page_mkclean(page)
        kernel.clock.ns += COSTS.submit_write
        kernel.vmstat.nr_writeback += 1
        kernel.vmstat.nr_written += 1
        kernel.vmstat.pgpgout += KB_A_PAGE
        page.flags |= PG_WRITEBACK
        try:
            self.disk.write(disk_block(inode, page.index), kernel.ram.content(page.pfn))
        except DiskError:
            mapping.write_error = True
            kernel.log.printk(f"Buffer I/O error on dev vdb, logical block {page.index}, lost async page write")
        if kernel.trace.on:
            kernel.trace.emit(WritebackSinglePage(inode.path, page.index, page.pfn))
        kernel.page_io.end_writeback(page)

    # --- waiting for it ----------------------------------------------------------------------------------------------

    def sync(self) -> None:
        """ksys_sync(): every dirty page is written, and the disk has them all when it returns."""
        pages = list(self.dirty.values())
        for page in pages:
            self.write_page(page)
        if pages:
            self.kernel.kswapd.io_schedule(COSTS.disk_write + len(pages) * COSTS.disk_transfer)

    def fsync_range(self, inode: Inode, first: int, last: int) -> bool:
        """vfs_fsync_range(): the dirty pages [first, last) of a file on the disk are written.

        False when a page of the file could not be written since somebody was last told so.
        """
        if inode.fs is not FileSystem.EXT4:
            return True
        mapping = inode.i_mapping
        dirty = [
            p for index in range(first, last) if (p := mapping.pages.get(index)) is not None and p.flags & PG_DIRTY
        ]
        for page in dirty:
            self.write_page(page)
        if dirty:
            self.kernel.kswapd.io_schedule(COSTS.disk_write + len(dirty) * COSTS.disk_transfer)
        failed, mapping.write_error = mapping.write_error, False
        return not failed
