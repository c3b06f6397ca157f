"""fs/fs-writeback.c: the flusher: writes the pages of files on the disk that have been dirty too long, or are too many.

A file is dirty from its first dirty page on. The flusher wakes dirty_writeback_centisecs after the first file became dirty, and
again as long as there is one. It then writes all pages of each file that has been dirty for dirty_expire_centisecs, the oldest file
first; and of the others, if more than the background limit is dirty (page_writeback.py), as many as it takes.

Left out: the thread's own share of the CPU: its work is done when the running process makes a page dirty, sleeps, or ends its
command. Inodes that are dirty without a page, the journal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.events.vmscan import WritebackStart

if TYPE_CHECKING:
    from engine.kernel.fs import AddressSpace, Inode
    from engine.kernel.kernel import Kernel

_CENTISECOND: Final = 10_000_000
_MILLISECOND: Final = 1_000_000
_UINT_MAX: Final = 2**32 - 1
_INT_MAX: Final = 2**31 - 1
_MAX_JIFFY_OFFSET: Final = ((2**31 - 1 >> 1) - 1) * 4 * _MILLISECOND
"""The longest time that a timer of this kernel is set to: 49 days, in nanoseconds."""
NEVER: Final = 1 << 62


class FsWriteback:
    """bdi_writeback of the disk: the files that have dirty pages, and when the flusher is to look at them."""

    __slots__ = ("b_dirty", "kernel", "last_old_flush", "wake_at")

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.b_dirty: dict[int, Inode] = {}
        """Files with dirty pages, by inode number; that which has been dirty longest comes first."""
        self.last_old_flush = 0
        """When the flusher last looked for files that have been dirty too long."""
        self.wake_at = NEVER
        """When the flusher's timer rings, in simulated nanoseconds."""

    def _interval(self) -> int:
        """msecs_to_jiffies(dirty_writeback_interval * 10): what overflows an int, as -1 does, is as long as can be."""
        milliseconds = self.kernel.sysctl["dirty_writeback_centisecs"] * 10 & _UINT_MAX
        return milliseconds * _MILLISECOND if milliseconds <= _INT_MAX else _MAX_JIFFY_OFFSET

    # --- dirty and clean ---------------------------------------------------------------------------------------------

    def page_dirtied(self, mapping: AddressSpace) -> None:
        """__mark_inode_dirty(I_DIRTY_PAGES): one page more of the file is dirty; with the first, so is the file."""
        mapping.nr_dirty += 1
        if mapping.nr_dirty > 1:
            return
        inode = mapping.host
        first = not self.b_dirty
        inode.dirtied_when = self.kernel.clock.ns
        self.b_dirty[inode.i_ino] = inode
        if first:
            self._wb_wakeup_delayed()

    def page_cleaned(self, mapping: AddressSpace) -> None:
        """One page less is dirty; without any the file is clean, and waits with other unused ones (inode_sync_complete())."""
        mapping.nr_dirty -= 1
        if not mapping.nr_dirty:
            del self.b_dirty[mapping.host.i_ino]
            self.kernel.inode.inode_add_lru(mapping.host)

    # --- the timer ---------------------------------------------------------------------------------------------------

    def _wb_wakeup_delayed(self) -> None:
        """wb_wakeup_delayed(): sets the timer, unless it is set already or the interval is 0."""
        interval = self._interval()
        if interval and self.wake_at == NEVER:
            self.wake_at = self.kernel.clock.ns + interval

    def writeback_centisecs_changed(self) -> None:
        """dirty_writeback_centisecs_handler(): with another interval the flusher is woken, and writes all there is."""
        if self._interval():
            self._write("periodic", list(self.b_dirty.values()))
            self._wb_wakeup_delayed()

    def run_timer(self) -> None:
        """wb_workfn(): the timer has rung."""
        kernel = self.kernel
        kernel.entries += 1
        self.wake_at = NEVER
        self._check_old_data_flush()
        kernel.page_writeback.wb_check_background_flush()
        if self.b_dirty:
            self._wb_wakeup_delayed()

    def _check_old_data_flush(self) -> None:
        """wb_check_old_data_flush(): writes the files that have been dirty for dirty_expire_centisecs."""
        now, interval = self.kernel.clock.ns, self._interval()
        if not interval or now < self.last_old_flush + interval:
            return
        self.last_old_flush = now
        dirtied_before = now - self.kernel.sysctl["dirty_expire_centisecs"] * _CENTISECOND
        self._write("periodic", [inode for inode in self.b_dirty.values() if inode.dirtied_when <= dirtied_before])

    def _write(self, reason: str, inodes: list[Inode]) -> None:
        """writeback_sb_inodes(): all dirty pages of these files, each file from its start on."""
        if not inodes:
            return
        kernel = self.kernel
        pages = sum(inode.i_mapping.nr_dirty for inode in inodes)
        with kernel.trace.open(WritebackStart(reason, pages)):
            for inode in inodes:
                dirty = [page for page in kernel.page_writeback.dirty.values() if page.mapping is inode.i_mapping]
                for page in sorted(dirty, key=lambda page: page.index):
                    kernel.page_writeback.write_page(page)
                if inode.i_mapping.nr_dirty:
                    # redirty_tail(): what could not be written is as good as new.
                    inode.dirtied_when = kernel.clock.ns
                    self.b_dirty[inode.i_ino] = self.b_dirty.pop(inode.i_ino)

    def schedule_timeout(self, nanoseconds: int) -> None:
        """schedule_timeout(): the running process sleeps; whenever the timer rings meanwhile, the flusher works."""
        kernel, clock = self.kernel, self.kernel.clock
        until = clock.ns + nanoseconds
        kernel.idle()
        while self.wake_at <= until:
            clock.ns = max(clock.ns, self.wake_at)
            self.run_timer()
            kernel.idle()
        clock.ns = max(clock.ns, until)
