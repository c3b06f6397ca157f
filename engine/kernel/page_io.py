"""mm/page_io.c: pages go to the swap area and come back.

Writes are gathered while reclaim scans (a plug) and are done when it pauses; the pages count as being written until then.
Left out: swap files on file systems, zswap.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from engine.clock import COSTS
from engine.events.vmscan import MmVmscanWriteFolio, SwapReadpage
from engine.hardware.disk import DiskError
from engine.kernel.mm_types import PG_DIRTY, PG_LOCKED, PG_RECLAIM, PG_WRITEBACK, Page
from engine.kernel.pgtable import SWAP_OFFSET_SHIFT

if TYPE_CHECKING:
    from engine.kernel.kernel import Kernel

KB_A_PAGE: Final = 4
"""pgpgin and pgpgout count in KB."""
MAX_REQUEST_PAGES: Final = 254
"""Pages that one request to a virtio disk can hold: a full one is not held back by the plug."""


class PageIo:
    """Transfers between frames and swap slots."""

    __slots__ = ("_plugged", "_reading", "_requests", "kernel")

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self._plugged: list[Page] = []
        """Pages under writeback, in the order in which they will be done."""
        self._reading: list[Page] = []
        """Pages that the disk is reading, locked until it has: nobody may reclaim them."""
        self._requests: deque[tuple[int, list[Page]]] = deque()
        """Reads of files: when each will be done, and its pages."""

    def swap_writepage(self, page: Page) -> None:
        """swap_writepage(): starts writing the page to its slot. If the slot's last user is gone, the slot is freed instead."""
        kernel = self.kernel
        if kernel.swapfile.folio_free_swap(page):
            return
        stat = kernel.vmstat
        offset = page.private >> SWAP_OFFSET_SHIFT
        kernel.clock.ns += COSTS.submit_write
        stat.pswpout += 1
        stat.pgpgout += KB_A_PAGE
        stat.nr_writeback += 1
        page.flags |= PG_WRITEBACK
        if kernel.trace.on:
            kernel.trace.emit(MmVmscanWriteFolio(page.pfn, offset))
        try:
            kernel.swapfile.disk.write(offset, kernel.ram.content(page.pfn))
        except DiskError:
            page.flags = (page.flags | PG_DIRTY) & ~PG_RECLAIM
            kernel.log.printk(f"Write-error on swap-device (254:0:{offset << 3})")
        self._plugged.append(page)
        if len(self._plugged) >= MAX_REQUEST_PAGES:
            self.unplug()

    def unplug(self) -> None:
        """blk_finish_plug(): what was to be written is written, and reclaim finds the pages at the end of their list."""
        if not self._plugged:
            return
        pages, self._plugged = self._plugged, []
        for page in pages:
            self.end_writeback(page)

    def end_writeback(self, page: Page) -> None:
        """folio_end_writeback(): a page that reclaim waits for goes to the end of its list, to be reclaimed next."""
        kernel = self.kernel
        kernel.vmstat.nr_writeback -= 1
        page.flags &= ~PG_WRITEBACK
        if page.flags & PG_RECLAIM:
            page.flags &= ~PG_RECLAIM
            kernel.swap.folio_rotate_reclaimable(page)

    def swap_readpage(self, page: Page) -> bool:
        """swap_readpage(): fills the frame from its slot; False where the disk failed."""
        kernel = self.kernel
        offset = page.private >> SWAP_OFFSET_SHIFT
        kernel.clock.ns += COSTS.submit_read
        kernel.vmstat.pswpin += 1
        kernel.vmstat.pgpgin += KB_A_PAGE
        page.flags |= PG_LOCKED
        self._reading.append(page)
        try:
            content = kernel.swapfile.disk.read(offset)
        except DiskError:
            kernel.log.printk(f"Read-error on swap-device (254:0:{offset << 3})")
            return False
        if content is not None:
            kernel.ram.fill(page.pfn, content)
        if kernel.trace.on:
            kernel.trace.emit(SwapReadpage(page.pfn, offset))
        return True

    # --- files -------------------------------------------------------------------------------------------------------

    def submit_read(self, pages: list[Page]) -> None:
        """submit_bio(): the disk fills these pages of a file; until it has, they are locked."""
        now = self.kernel.clock.ns
        self.poll(now)
        begins = self._requests[-1][0] if self._requests else now
        for page in pages:
            page.flags |= PG_LOCKED
        self._requests.append((begins + COSTS.disk_read + (len(pages) - 1) * COSTS.disk_transfer, pages))

    def poll(self, now: int) -> None:
        """mpage_end_io(): what the disk has done by `now` may be used."""
        while self._requests and self._requests[0][0] <= now:
            for page in self._requests.popleft()[1]:
                page.flags &= ~PG_LOCKED

    def lock_page(self, page: Page) -> None:
        """folio_wait_locked(): sleeps until the disk has filled the page."""
        kernel = self.kernel
        if not page.flags & PG_LOCKED:
            return
        self.poll(kernel.clock.ns)
        while page.flags & PG_LOCKED and self._requests:
            kernel.kswapd.io_schedule(max(self._requests[0][0] - kernel.clock.ns, 0))
            self.poll(kernel.clock.ns)

    # --- swap --------------------------------------------------------------------------------------------------------

    def wait_on_read(self) -> None:
        """The disk works, and who wants the pages sleeps: other threads have the CPU meanwhile."""
        if self._reading:
            self.kernel.kswapd.io_schedule(COSTS.disk_read + (len(self._reading) - 1) * COSTS.disk_transfer)
            self.done_reading()

    def done_reading(self) -> None:
        """end_swap_bio_read(): the pages may be used, and reclaimed."""
        for page in self._reading:
            page.flags &= ~PG_LOCKED
        self._reading.clear()
