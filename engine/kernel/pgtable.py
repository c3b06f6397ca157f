"""arch/x86/include/asm/pgtable*.h: what Linux writes into the entries that the hardware defines.

A present entry is Intel's (see engine/hardware/paging.py). An entry that is not present to the CPU, but not zero, is Linux's:

     31                       9  8   7  6 5         1  0
    +--------------------------+---+------+-----------+-+
    |       swap offset        | 0 |      | swap type |0|   a page in swap
    +--------------------------+---+------+-----------+-+
    |       frame number ...   | 1 |        ...       |0|   PROT_NONE: the page is there, the CPU may not know
    +--------------------------+---+------------------+-+
"""

from typing import Final

from engine.hardware.paging import (
    PTE_ACCESSED,
    PTE_DIRTY,
    PTE_FRAME,
    PTE_GLOBAL,
    PTE_PRESENT,
    PTE_RW,
    PTE_USER,
)
from engine.kernel.mm_types import VM_ACCESS_FLAGS, VM_SHARED, VM_WRITE

PTRS_PER_PTE: Final = 1024
PTE_PROTNONE: Final = PTE_GLOBAL
"""The same bit as G, which means nothing while P is clear."""
PTE_THERE: Final = PTE_PRESENT | PTE_PROTNONE
"""pte_present(): to the kernel a PROT_NONE page is present."""
PTE_CHANGE_MASK: Final = PTE_FRAME | PTE_ACCESSED | PTE_DIRTY
"""_PAGE_CHG_MASK: what pte_modify() keeps when rights change."""

PAGE_NONE: Final = PTE_PROTNONE | PTE_ACCESSED
PAGE_READONLY: Final = PTE_PRESENT | PTE_USER | PTE_ACCESSED
PAGE_SHARED: Final = PAGE_READONLY | PTE_RW
_KERNEL_TABLE: Final = PTE_PRESENT | PTE_RW | PTE_USER | PTE_ACCESSED | PTE_DIRTY
PAGE_TABLE: Final = _KERNEL_TABLE
"""_PAGE_TABLE with USER: what a directory entry carries beside the table's frame (0x067)."""

SWAP_TYPE_SHIFT: Final = 1
SWAP_TYPE_MASK: Final = 0x1F
SWAP_OFFSET_SHIFT: Final = 9


def vm_page_prot(vm_flags: int) -> int:
    """vm_get_page_prot(): the rights that a page of such a region gets when it is mapped. Private: not writable yet."""
    if not vm_flags & VM_ACCESS_FLAGS:
        return PAGE_NONE
    if vm_flags & (VM_SHARED | VM_WRITE) == VM_SHARED | VM_WRITE:
        return PAGE_SHARED
    return PAGE_READONLY


def swap_entry_to_pte(area: int, offset: int) -> int:
    """swp_entry_to_pte(): the entry of a page in slot `offset` of swap area `area`."""
    return area << SWAP_TYPE_SHIFT | offset << SWAP_OFFSET_SHIFT


def pte_to_swap_offset(pte: int) -> int:
    """The slot that a swap entry names."""
    return pte >> SWAP_OFFSET_SHIFT
