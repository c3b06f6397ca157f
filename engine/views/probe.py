"""Looking into a process's memory without touching it: no fault, no accessed bit, no translation remembered."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Final

from engine.hardware.disk import DiskError
from engine.hardware.paging import PTE_FRAME, walk
from engine.hardware.ram import FRAME_SHIFT, WORDS_PER_FRAME
from engine.kernel.mm_types import VM_ACCESS_FLAGS, VM_WRITE
from engine.kernel.pgtable import PTE_THERE, pte_to_swap_offset

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.kernel.kernel import Kernel
    from engine.kernel.mm_types import Mm

_ZEROS: Final = (0,) * WORDS_PER_FRAME
_OFFSET: Final = (1 << FRAME_SHIFT) - 1


class Probe:
    """Words of one address space as they stand; None where nothing holds the page yet, or its disk fails."""

    __slots__ = ("_frames", "_kernel", "_mm")

    def __init__(self, kernel: Kernel, mm: Mm) -> None:
        self._kernel = kernel
        self._mm = mm
        self._frames: dict[int, Sequence[int] | None] = {}

    def word(self, address: int) -> int | None:
        """The word at a 4-aligned address."""
        page = address >> FRAME_SHIFT
        try:
            words = self._frames[page]
        except KeyError:
            words = self._frames[page] = self._words(address)
        return None if words is None else words[(address & _OFFSET) >> 2]

    def run(self, address: int, count: int) -> list[int | None]:
        """`count` words from a 4-aligned address on."""
        found: list[int | None] = []
        while count:
            self.word(address)
            words, first = self._frames[address >> FRAME_SHIFT], (address & _OFFSET) >> 2
            here = min(count, WORDS_PER_FRAME - first)
            found += [None] * here if words is None else words[first : first + here]
            address += here << 2
            count -= here
        return found

    def half(self, address: int) -> int | None:
        """The half-word at a 2-aligned address."""
        word = self.word(address & ~3)
        return None if word is None else word >> ((address & 2) << 3) & 0xFFFF

    def readable(self, address: int) -> bool:
        """Whether the program may read here: it has a region that is not PROT_NONE."""
        vma = self._mm.vma_lookup(address)
        return vma is not None and bool(vma.vm_flags & VM_ACCESS_FLAGS)

    def writable(self, address: int) -> bool:
        """Whether the program may write here: its region allows it."""
        vma = self._mm.vma_lookup(address)
        return vma is not None and bool(vma.vm_flags & VM_WRITE)

    def _words(self, address: int) -> Sequence[int] | None:
        ram = self._kernel.ram
        steps = walk(ram, self._mm.pgd, address)
        entry = steps.table_entry or 0
        pfn = steps.pfn
        if pfn is None and entry & PTE_THERE:
            pfn = (entry & PTE_FRAME) >> FRAME_SHIFT
        if pfn is not None:
            return ram.frames.get(pfn, _ZEROS)
        if entry:
            return self._in_swap(pte_to_swap_offset(entry))
        vma = self._mm.vma_lookup(address)
        return _ZEROS if vma is not None and vma.vm_file is None else None

    def _in_swap(self, slot: int) -> Sequence[int] | None:
        """The page's frame where the swap cache still has one, else what the disk holds."""
        kernel = self._kernel
        cached = kernel.swap_state.pages.get(slot)
        if cached is not None:
            return kernel.ram.frames.get(cached.pfn, _ZEROS)
        try:
            content = kernel.swapfile.disk.read(slot)
        except DiskError:
            return None
        return None if content is None else array("I", content)
