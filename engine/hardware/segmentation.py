"""Segmentation (SDM 3A, 3.4): selectors, descriptors, and the check that every access passes first.

A descriptor is two words in the GDT:

     31        24 23 22 21 20 19     16 15 14 13 12 11   8 7         0
    +------------+--+--+--+--+---------+--+-----+--+------+-----------+
    | base 31..24| G| D| L|AV|lim 19..16| P| DPL | S| type |base 23..16|   word 1
    +------------+--+--+--+--+---------+--+-----+--+------+-----------+
    |          base 15..0              |        limit 15..0           |   word 0
    +----------------------------------+------------------------------+

A selector is an index into the GDT (bits 15..3), the table (bit 2, 0: GDT) and the requested privilege (bits 1..0).
"""

from typing import Final, NamedTuple

from engine.hardware.faults import GeneralProtection
from engine.hardware.ram import Ram

ADDRESS_SPACE: Final = 1 << 32
_ADDRESS_MASK: Final = ADDRESS_SPACE - 1
SELECTOR_INDEX_SHIFT: Final = 3
DESCRIPTOR_SIZE: Final = 8

GRANULARITY_4K: Final = 1 << 23
DEFAULT_32_BIT: Final = 1 << 22
DESCRIPTOR_PRESENT: Final = 1 << 15
DPL_SHIFT: Final = 13
CODE_OR_DATA: Final = 1 << 12
TYPE_CODE: Final = 1 << 11
TYPE_WRITABLE: Final = 1 << 9
TYPE_ACCESSED: Final = 1 << 8


class Descriptor(NamedTuple):
    """One segment, decoded: linear = base + offset, for offsets up to limit (in bytes, inclusive)."""

    base: int
    limit: int
    dpl: int
    code: bool
    writable: bool
    present: bool

    @property
    def flat(self) -> bool:
        """Whether the segment is the whole address space, so that linear addresses equal offsets."""
        return self.base == 0 and self.limit == ADDRESS_SPACE - 1


def encode(descriptor: Descriptor) -> tuple[int, int]:
    """The two words of a code or data descriptor, low first; the granularity bit is chosen by the limit."""
    limit, high = descriptor.limit, 0
    if limit >= 1 << 20:
        limit >>= 12
        high |= GRANULARITY_4K
    high |= descriptor.base & 0xFF000000 | descriptor.base >> 16 & 0xFF | limit & 0xF0000
    high |= DEFAULT_32_BIT | CODE_OR_DATA | TYPE_ACCESSED | descriptor.dpl << DPL_SHIFT
    if descriptor.present:
        high |= DESCRIPTOR_PRESENT
    if descriptor.code:
        high |= TYPE_CODE
    if descriptor.writable:
        high |= TYPE_WRITABLE
    return (descriptor.base & 0xFFFF) << 16 | limit & 0xFFFF, high


def decode(low: int, high: int) -> Descriptor:
    """The descriptor that two words of the GDT describe."""
    limit = high & 0xF0000 | low & 0xFFFF
    if high & GRANULARITY_4K:
        limit = limit << 12 | 0xFFF
    return Descriptor(
        base=high & 0xFF000000 | (high & 0xFF) << 16 | low >> 16,
        limit=limit,
        dpl=high >> DPL_SHIFT & 3,
        code=bool(high & TYPE_CODE),
        writable=bool(high & TYPE_WRITABLE),
        present=bool(high & DESCRIPTOR_PRESENT),
    )


def load_segment(ram: Ram, gdt: int, selector: int) -> Descriptor:
    """mov ds, selector: reads the descriptor from the GDT at physical address `gdt`.

    Raises GeneralProtection for the null selector and for a descriptor that is not present.
    """
    if selector >> SELECTOR_INDEX_SHIFT == 0:
        raise GeneralProtection(selector, 0)
    at = gdt + (selector >> SELECTOR_INDEX_SHIFT) * DESCRIPTOR_SIZE
    descriptor = decode(ram.read32(at), ram.read32(at + 4))
    if not descriptor.present:
        raise GeneralProtection(selector, 0)
    return descriptor


def linear_address(segment: Descriptor, selector: int, offset: int, size: int, write: bool) -> int:
    """Offset -> linear address, after the checks of limit and right. Raises GeneralProtection."""
    if offset + size - 1 > segment.limit or (write and not segment.writable):
        raise GeneralProtection(selector, offset)
    return segment.base + offset & _ADDRESS_MASK
