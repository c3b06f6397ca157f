"""The memory management unit: linear address -> frame, through the TLB or by a walk that sets the accessed and dirty bits.

With CR0.PG clear there is no translation: a linear address is a physical address.
"""

from typing import Final

from engine.clock import COSTS, Clock
from engine.hardware.faults import FAULT_PRESENT, FAULT_USER, FAULT_WRITE, PageFault
from engine.hardware.paging import (
    DIRECTORY_SHIFT,
    PDE_LARGE_FRAME,
    PTE_ACCESSED,
    PTE_DIRTY,
    PTE_PRESENT,
    PTE_PSE,
    PTE_RW,
    PTE_USER,
    TABLE_MASK,
)
from engine.hardware.ram import FRAME_SHIFT, Ram
from engine.hardware.tlb import Tlb

CR0_PE: Final = 1 << 0
CR0_WP: Final = 1 << 16
CR0_PG: Final = 1 << 31

_RIGHTS: Final = PTE_RW | PTE_USER


class Mmu:
    """CR0, CR3 and the walk. User mode throughout: this machine's programs run at privilege 3."""

    __slots__ = ("clock", "cr0", "cr3", "ram", "tlb")

    def __init__(self, ram: Ram, tlb: Tlb, clock: Clock) -> None:
        self.ram = ram
        self.tlb = tlb
        self.clock = clock
        self.cr0 = CR0_PE | CR0_WP
        self.cr3 = 0

    def translate(self, linear: int, write: bool) -> int:
        """The frame that a user access to `linear` reaches.

        Sets the accessed bits, and for a write the dirty bit, in the tables; enters the translation in the TLB. Raises
        PageFault where the tables forbid the access; then nothing but the clock has changed.
        """
        if not self.cr0 & CR0_PG:
            return linear >> FRAME_SHIFT
        vpn = linear >> FRAME_SHIFT
        entry = self.tlb.entries.get(vpn)
        if entry is not None and entry & PTE_USER and (not write or entry & (PTE_RW | PTE_DIRTY) == PTE_RW | PTE_DIRTY):
            self.tlb.hits += self.tlb.counts_hits
            return entry >> FRAME_SHIFT
        return self._walk(linear, write)

    def _walk(self, linear: int, write: bool) -> int:
        self.clock.ns += COSTS.tlb_miss
        self.tlb.misses += 1
        needed = PTE_RW | PTE_USER if write else PTE_USER
        directory_pfn = self.cr3 >> FRAME_SHIFT
        directory = self.ram.frame(directory_pfn)
        directory_index = linear >> DIRECTORY_SHIFT
        upper = directory[directory_index]
        self._demand(linear, upper, needed, write)
        if upper & PTE_PSE:
            self._mark(directory_pfn, directory_index, write)
            pfn = (upper & PDE_LARGE_FRAME) >> FRAME_SHIFT | linear >> FRAME_SHIFT & TABLE_MASK
            self.tlb.insert(linear >> FRAME_SHIFT, pfn << FRAME_SHIFT | directory[directory_index] & 0xFFF)
            return pfn
        table_pfn = upper >> FRAME_SHIFT
        table_index = linear >> FRAME_SHIFT & TABLE_MASK
        table = self.ram.frame(table_pfn)
        lower = table[table_index]
        self._demand(linear, lower, needed, write)
        if not upper & PTE_ACCESSED:
            self._mark(directory_pfn, directory_index, False)
        if not lower & PTE_ACCESSED or (write and not lower & PTE_DIRTY):
            self._mark(table_pfn, table_index, write)
            lower = table[table_index]
        self.tlb.insert(linear >> FRAME_SHIFT, lower & ~_RIGHTS | lower & upper & _RIGHTS)
        return lower >> FRAME_SHIFT

    def _demand(self, linear: int, entry: int, needed: int, write: bool) -> None:
        if not entry & PTE_PRESENT:
            raise PageFault(linear, FAULT_USER | (FAULT_WRITE if write else 0))
        if entry & needed != needed:
            raise PageFault(linear, FAULT_USER | FAULT_PRESENT | (FAULT_WRITE if write else 0))

    def _mark(self, table_pfn: int, index: int, write: bool) -> None:
        self.ram.writable(table_pfn)[index] |= PTE_ACCESSED | PTE_DIRTY if write else PTE_ACCESSED
