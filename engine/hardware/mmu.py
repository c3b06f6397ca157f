"""The memory management unit: linear address -> frame, through the TLB or by a walk that sets the accessed and dirty bits.

With CR0.PG clear there is no translation: a linear address is a physical address.
"""

from typing import Final

from engine.clock import COSTS, Clock
from engine.hardware.faults import FAULT_PRESENT, FAULT_USER, FAULT_WRITE
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
_READABLE: Final = PTE_PRESENT | PTE_USER
_WRITABLE: Final = PTE_PRESENT | PTE_USER | PTE_RW
_WRITTEN: Final = PTE_RW | PTE_DIRTY
"""What the TLB must know of a page for a write to need no walk."""
_TLB_MISS_NS: Final = COSTS.tlb_miss


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
        """The frame that a user access to `linear` reaches; negative where the tables forbid it: ~(the fault's error code).

        Sets the accessed bits, and for a write the dirty bit, in the tables; enters the translation in the TLB. Where the
        access is forbidden nothing but the clock has changed.
        """
        vpn = linear >> FRAME_SHIFT
        if not self.cr0 & CR0_PG:
            return vpn
        entry = self.tlb.entries.get(vpn)
        if entry is not None and entry & PTE_USER and (not write or entry & _WRITTEN == _WRITTEN):
            self.tlb.hits += self.tlb.counts_hits
            return entry >> FRAME_SHIFT
        return self._walk(linear, write)

    def _walk(self, linear: int, write: bool) -> int:
        ram, tlb, vpn = self.ram, self.tlb, linear >> FRAME_SHIFT
        self.clock.ns += _TLB_MISS_NS
        tlb.misses += 1
        needed = _WRITABLE if write else _READABLE
        directory_pfn = self.cr3 >> FRAME_SHIFT
        upper = (ram.frames.get(directory_pfn) or ram.frame(directory_pfn))[linear >> DIRECTORY_SHIFT]
        if upper & needed != needed:
            return _forbidden(upper, write)
        if upper & PTE_PSE:
            upper = self._mark(directory_pfn, linear >> DIRECTORY_SHIFT, write)
            pfn = (upper & PDE_LARGE_FRAME) >> FRAME_SHIFT | vpn & TABLE_MASK
            tlb.insert(vpn, pfn << FRAME_SHIFT | upper & 0xFFF)
            return pfn
        table_pfn, table_index = upper >> FRAME_SHIFT, vpn & TABLE_MASK
        table = ram.frames.get(table_pfn) or ram.frame(table_pfn)
        lower = table[table_index]
        if lower & needed != needed:
            return _forbidden(lower, write)
        if not upper & PTE_ACCESSED:
            self._mark(directory_pfn, linear >> DIRECTORY_SHIFT, False)
        if not lower & PTE_ACCESSED or (write and not lower & PTE_DIRTY):
            lower = self._mark(table_pfn, table_index, write)
        tlb.insert(vpn, lower & ~_RIGHTS | lower & upper & _RIGHTS)
        return lower >> FRAME_SHIFT

    def _mark(self, table_pfn: int, index: int, write: bool) -> int:
        """Sets the accessed bit, and for a write the dirty bit; gives the entry as it is then."""
        table = self.ram.writable(table_pfn)
        entry = table[index] = table[index] | (PTE_ACCESSED | PTE_DIRTY if write else PTE_ACCESSED)
        return entry


def _forbidden(entry: int, write: bool) -> int:
    """~(the error code) of an access that this entry of a table does not allow."""
    return ~(FAULT_USER | (FAULT_WRITE if write else 0) | (FAULT_PRESENT if entry & PTE_PRESENT else 0))
