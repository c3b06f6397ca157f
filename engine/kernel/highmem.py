"""mm/highmem.c: kmap(): high memory has no kernel address of its own; this gives it one for a while.

The 4 MB from PKMAP_BASE have one page table, made at boot: 1,024 frames of high memory can be seen at a time. An entry that
nobody needs stays until all have been gone through, for then the TLB is flushed once for many.

Left out: kmap_local_page() and its kin, which the kernel uses to clear and copy pages: those accesses reach RAM directly here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.events.vmalloc import KmapHigh, KunmapHigh
from engine.kernel.mm_types import PAGE_OFFSET, PAGE_SHIFT, PGDIR_SHIFT
from engine.kernel.vmalloc import PAGE_KERNEL, PAGE_KERNEL_TABLE

if TYPE_CHECKING:
    from engine.kernel.kernel import Kernel

PKMAP_BASE: Final = 0xFEC00000
LAST_PKMAP: Final = 1024
_UNUSED: Final = 0
_UNNEEDED: Final = 1
"""Mapped, and nobody needs it."""


class Highmem:
    """The frames of high memory that have a kernel address at present."""

    __slots__ = ("_last_pkmap_nr", "kernel", "page_address_htable", "pkmap_count", "pkmap_page_table")

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.pkmap_count: dict[int, int] = {}
        """By number of the entry: 1 where it is mapped and unneeded, one more for each that needs it."""
        self.page_address_htable: dict[int, int] = {}
        """pfn -> number of its entry."""
        self._last_pkmap_nr = 0
        self.pkmap_page_table = next(
            taken.start_pfn for taken in kernel.boot.reserved if taken.owner == "kernel page tables"
        )
        """The frame of the page table of [PKMAP_BASE, PKMAP_BASE + 4 MB)."""

    def permanent_kmaps_init(self) -> None:
        """permanent_kmaps_init(): the page table joins the kernel's own directory."""
        entry = self.pkmap_page_table << PAGE_SHIFT | PAGE_KERNEL_TABLE
        self.kernel.ram.writable(self.kernel.swapper_pg_dir)[PKMAP_BASE >> PGDIR_SHIFT] = entry

    def is_high(self, pfn: int) -> bool:
        """PageHighMem(): the frame is not in the direct map."""
        return pfn >= self.kernel.boot.max_low_pfn

    @property
    def full(self) -> bool:
        """Whether another kmap() would have to wait for somebody's kunmap()."""
        return sum(1 for count in self.pkmap_count.values() if count > _UNNEEDED) >= LAST_PKMAP

    def page_address(self, pfn: int) -> int | None:
        """page_address(): where the kernel sees the frame; None for high memory that is not mapped."""
        if not self.is_high(pfn):
            return PAGE_OFFSET + (pfn << PAGE_SHIFT)
        number = self.page_address_htable.get(pfn)
        return None if number is None else PKMAP_BASE + (number << PAGE_SHIFT)

    def kmap(self, pfn: int) -> int:
        """kmap(): the frame's kernel address, made if it has none. To be called while not `full`, once for each kunmap()."""
        address = self.page_address(pfn)
        if not self.is_high(pfn) and address is not None:
            return address
        if address is None:
            address = self._map_new_virtual(pfn)
            self.kernel.trace.emit(KmapHigh(pfn, address))
        self.pkmap_count[self.page_address_htable[pfn]] += 1
        return address

    def kunmap(self, pfn: int) -> None:
        """kunmap(): one that needed the address does so no more."""
        if not self.is_high(pfn):
            return
        number = self.page_address_htable[pfn]
        self.pkmap_count[number] -= 1
        if self.pkmap_count[number] == _UNNEEDED:
            self.kernel.trace.emit(KunmapHigh(pfn, PKMAP_BASE + (number << PAGE_SHIFT)))

    def _map_new_virtual(self, pfn: int) -> int:
        """map_new_virtual(): the next entry that is unused; each time that all were gone through, the unneeded are cleared."""
        while True:
            number = self._last_pkmap_nr = (self._last_pkmap_nr + 1) % LAST_PKMAP
            if not number:
                self._flush_all_zero_pkmaps()
            if self.pkmap_count.get(number, _UNUSED) == _UNUSED:
                break
        self.kernel.ram.writable(self.pkmap_page_table)[number] = pfn << PAGE_SHIFT | PAGE_KERNEL
        self.pkmap_count[number] = _UNNEEDED
        self.page_address_htable[pfn] = number
        return PKMAP_BASE + (number << PAGE_SHIFT)

    def _flush_all_zero_pkmaps(self) -> None:
        table = self.kernel.ram.writable(self.pkmap_page_table)
        for pfn, number in list(self.page_address_htable.items()):
            if self.pkmap_count[number] == _UNNEEDED:
                table[number] = 0
                del self.pkmap_count[number], self.page_address_htable[pfn]
