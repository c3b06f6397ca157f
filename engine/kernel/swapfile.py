"""mm/swapfile.c: the swap area: its slots, who uses each, and where the next page goes.

The map has a byte a slot:

      7   6   5         0
    +---+---+------------+
    |   | C |   count    |   count: page-table entries (or tmpfs files) that name the slot; C: a page in the swap cache has it
    +---+---+------------+

The area is a disk that turns (virtio disks say so): slots are taken one after the other, 256 in a row from an empty stretch
where there is one. Left out: several areas and priorities, swapoff, SSD clusters, discard, the CPU's own cache of slots.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.hardware.disk import Disk
from engine.kernel.mm_types import PG_DIRTY, PG_SWAPCACHE, PG_WRITEBACK, Page
from engine.kernel.pgtable import SWAP_OFFSET_SHIFT

if TYPE_CHECKING:
    from engine.kernel.kernel import Kernel

SWAP_HAS_CACHE: Final = 0x40
SWAP_MAP_BAD: Final = 0x3F
SWAP_MAP_MAX: Final = 0x3E
SWAPFILE_CLUSTER: Final = 256
_COUNT: Final = 0x3F
_EMPTY_CLUSTER: Final = bytes(SWAPFILE_CLUSTER)
_FREE: Final = b"\0"
_CACHE_ONLY: Final = bytes([SWAP_HAS_CACHE])
NO_SLOT: Final = 0
"""Slot 0 holds the area's header: no page goes there."""


class Swapfile:
    """The swap area /dev/vda. Slots are numbered from 1; an entry is what stands in a page table (pgtable.py)."""

    __slots__ = (
        "_cluster_left",
        "_continued",
        "_highest",
        "_lowest",
        "_next",
        "disk",
        "kernel",
        "nr_swap_pages",
        "swap_map",
        "total_pages",
    )

    def __init__(self, kernel: Kernel, pages: int) -> None:
        """swapon() of an area of `pages` pages, its header among them; 0: there is none."""
        self.kernel = kernel
        self.disk = Disk("vda")
        self.total_pages = max(pages - 1, 0)
        self.nr_swap_pages = self.total_pages
        """Slots that are free."""
        self.swap_map = bytearray((SWAP_MAP_BAD,))
        """A byte a slot: who wants it. Until the first page is swapped out it holds the header's alone."""
        self._continued: dict[int, int] = {}
        """swap_count_continued(): what a slot's count has beyond SWAP_MAP_MAX."""
        self._lowest, self._highest = 1, self.total_pages
        self._next = 1
        self._cluster_left = 0

    # --- taking and giving back slots --------------------------------------------------------------------------------

    def get_swap_page(self) -> int:
        """folio_alloc_swap(): a slot for a page that goes into the swap cache; NO_SLOT when the area is full."""
        if not self.nr_swap_pages and not (self.total_pages and self._reclaim_one()):
            return NO_SLOT
        if len(self.swap_map) == 1:
            self.swap_map.extend(bytes(self.total_pages))
        offset = self._next_in_cluster()
        if offset > self._highest:
            offset = self._lowest
        if self.swap_map[offset]:
            offset = self._scan(offset)
        self.swap_map[offset] = SWAP_HAS_CACHE
        self._next = offset + 1
        self._range_alloc(offset)
        return offset

    def _next_in_cluster(self) -> int:
        """Where scan_swap_map_slots() looks first: the next slot in the row, or after 256 the next empty stretch."""
        if self._cluster_left:
            self._cluster_left -= 1
            return self._next
        self._cluster_left = SWAPFILE_CLUSTER - 1
        if self.nr_swap_pages < SWAPFILE_CLUSTER:
            return self._next
        found = self.swap_map.find(_EMPTY_CLUSTER, self._lowest, self._highest + 1)
        return self._lowest if found < 0 else found

    def _scan(self, offset: int) -> int:
        """The next free slot behind `offset`, or from the area's start on; there is one."""
        found = self.swap_map.find(_FREE, offset + 1, self._highest + 1)
        return found if found >= 0 else self.swap_map.find(_FREE, self._lowest, self._highest + 1)

    def _reclaim_one(self) -> bool:
        """__try_to_reclaim_swap(): frees a slot that only the swap cache still holds, its page being mapped again."""
        offset = self.swap_map.find(_CACHE_ONLY)
        while offset >= 0:
            page = self.kernel.swap_state.pages.get(offset)
            if page is not None and self.folio_free_swap(page):
                return True
            offset = self.swap_map.find(_CACHE_ONLY, offset + 1)
        return False

    def _range_alloc(self, offset: int) -> None:
        self.nr_swap_pages -= 1
        if offset == self._lowest:
            self._lowest += 1
        if offset == self._highest:
            self._highest -= 1
        if not self.nr_swap_pages:
            self._lowest, self._highest = len(self.swap_map), 0

    def _range_free(self, offset: int) -> None:
        """swap_entry_free(): nobody has the slot any more."""
        self.swap_map[offset] = 0
        self.nr_swap_pages += 1
        self._lowest = min(self._lowest, offset)
        self._highest = max(self._highest, offset)
        self.kernel.swap_state.clear_shadow(offset)
        self.disk.discard(offset)

    # --- counting ----------------------------------------------------------------------------------------------------

    def swap_duplicate(self, entry: int) -> None:
        """swap_duplicate(): one page-table entry more names the slot."""
        offset = entry >> SWAP_OFFSET_SHIFT
        if self.swap_map[offset] & _COUNT == SWAP_MAP_MAX:
            self._continued[offset] = self._continued.get(offset, 0) + 1
        else:
            self.swap_map[offset] += 1

    def swap_free(self, entry: int) -> int:
        """swap_free(): one entry less names the slot; what its byte in the map is now. Without users the slot is free."""
        offset = entry >> SWAP_OFFSET_SHIFT
        beyond = self._continued.get(offset, 0)
        if beyond > 1:
            self._continued[offset] = beyond - 1
        elif beyond:
            del self._continued[offset]
        else:
            self.swap_map[offset] -= 1
        usage = self.swap_map[offset]
        if not usage:
            self._range_free(offset)
        return usage

    def put_swap_folio(self, offset: int) -> None:
        """put_swap_folio(): the swap cache has no page of the slot any more."""
        usage = self.swap_map[offset] & ~SWAP_HAS_CACHE
        self.swap_map[offset] = usage
        if not usage:
            self._range_free(offset)

    def swap_count(self, offset: int) -> int:
        """__swap_count(): how many entries name the slot, the swap cache not counted."""
        if offset >= len(self.swap_map):
            return 0
        return (self.swap_map[offset] & _COUNT) + self._continued.get(offset, 0)

    @property
    def vm_swap_full(self) -> bool:
        """vm_swap_full(): more than half of the area is used: slots are not kept for pages that are in memory again."""
        return self.nr_swap_pages * 2 < self.total_pages

    # --- slots and their pages ---------------------------------------------------------------------------------------

    def folio_free_swap(self, page: Page) -> bool:
        """folio_free_swap(): takes the page out of the swap cache if no entry names its slot; whether it did so.

        The page's content is nowhere else from then on, so it is dirty. Without other references it is freed.
        """
        if not page.flags & PG_SWAPCACHE or page.flags & PG_WRITEBACK:
            return False
        if self.swap_count(page.private >> SWAP_OFFSET_SHIFT):
            return False
        page.flags |= PG_DIRTY
        self.kernel.swap_state.delete_from_swap_cache(page)
        return True

    def free_swap_and_cache(self, entry: int) -> None:
        """free_swap_and_cache(): an entry goes without being used; so does the cached page, if nobody maps it."""
        if self.swap_free(entry) != SWAP_HAS_CACHE:
            return
        page = self.kernel.swap_state.pages.get(entry >> SWAP_OFFSET_SHIFT)
        if page is not None and (not page.mapcount or self.vm_swap_full):
            self.folio_free_swap(page)
