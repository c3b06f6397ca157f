"""Two-level paging of a 32-bit x86 without PAE (SDM 3A, 4.3): the entries' format and the walk.

A linear address is cut in three; CR3 names the frame of the directory:

     31          22 21          12 11           0
    +--------------+--------------+--------------+
    |  directory   |    table     |    offset    |
    +--------------+--------------+--------------+
        1,024 PDEs    1,024 PTEs    4,096 bytes

An entry (PDE or PTE); a PDE with PS maps 4 MB itself, its frame then in bits 31..22:

     31                    12 11  9 8 7  6 5 4   3   2   1   0
    +------------------------+-----+-+--+-+-+---+---+---+---+-+
    |      frame number      | avl |G|PS|D|A|PCD|PWT|U/S|R/W|P|
    +------------------------+-----+-+--+-+-+---+---+---+---+-+
"""

from typing import Final, NamedTuple

from engine.hardware.ram import FRAME_SHIFT, Ram

PTE_PRESENT: Final = 1 << 0
PTE_RW: Final = 1 << 1
PTE_USER: Final = 1 << 2
PTE_PWT: Final = 1 << 3
PTE_PCD: Final = 1 << 4
PTE_ACCESSED: Final = 1 << 5
PTE_DIRTY: Final = 1 << 6
PTE_PSE: Final = 1 << 7
PTE_GLOBAL: Final = 1 << 8
PTE_FRAME: Final = 0xFFFFF000
PDE_LARGE_FRAME: Final = 0xFFC00000

DIRECTORY_SHIFT: Final = 22
TABLE_MASK: Final = 1023
LARGE_FRAMES: Final = 1024
"""Frames that a 4 MB page covers."""

FLAG_NAMES: Final = (
    (PTE_PRESENT, "P"),
    (PTE_RW, "RW"),
    (PTE_USER, "US"),
    (PTE_PWT, "PWT"),
    (PTE_PCD, "PCD"),
    (PTE_ACCESSED, "A"),
    (PTE_DIRTY, "D"),
    (PTE_PSE, "PS"),
    (PTE_GLOBAL, "G"),
)


def flags_of(entry: int) -> tuple[str, ...]:
    """The names of the bits that are set in a directory or table entry, as Intel abbreviates them."""
    return tuple(name for bit, name in FLAG_NAMES if entry & bit)


class Walk(NamedTuple):
    """One walk, as far as it came: what a picture of the translation shows. Made without touching any bit."""

    linear: int
    directory_pfn: int
    directory_index: int
    directory_entry: int
    table_pfn: int | None
    """None where the directory entry is absent, or maps 4 MB itself."""
    table_index: int
    table_entry: int | None
    pfn: int | None
    """The frame reached; None where an entry is not present."""
    offset: int

    @property
    def physical(self) -> int | None:
        """The physical address, or None where the walk ends in a fault."""
        return None if self.pfn is None else self.pfn << FRAME_SHIFT | self.offset


def walk(ram: Ram, directory_pfn: int, linear: int) -> Walk:
    """Follows `linear` through the tables at `directory_pfn`, reading only: no accessed bit is set, no fault is raised."""
    directory_index = linear >> DIRECTORY_SHIFT
    table_index = linear >> FRAME_SHIFT & TABLE_MASK
    offset = linear & 0xFFF
    entry = ram.read32(directory_pfn << FRAME_SHIFT | directory_index << 2)
    if not entry & PTE_PRESENT:
        return Walk(linear, directory_pfn, directory_index, entry, None, table_index, None, None, offset)
    if entry & PTE_PSE:
        pfn = (entry & PDE_LARGE_FRAME) >> FRAME_SHIFT | table_index
        return Walk(linear, directory_pfn, directory_index, entry, None, table_index, None, pfn, offset)
    table_pfn = entry >> FRAME_SHIFT
    table_entry = ram.read32(table_pfn << FRAME_SHIFT | table_index << 2)
    reached = table_entry >> FRAME_SHIFT if table_entry & PTE_PRESENT else None
    return Walk(linear, directory_pfn, directory_index, entry, table_pfn, table_index, table_entry, reached, offset)
