"""mm/madvise.c: advice about a range of memory: what it will be used for, or that its pages are not needed.

Advice about regions becomes flags here, advice about pages is done by advice.py. Left out: huge pages, KSM, hole punching,
MADV_POPULATE, memory failure.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Final

from engine.kernel.accounting import update_hiwater
from engine.kernel.errno import Errno, ErrorNumber
from engine.kernel.mm_types import (
    PAGE_SHIFT,
    PAGE_SIZE,
    VM_DONTCOPY,
    VM_DONTDUMP,
    VM_IO,
    VM_LOCKED,
    VM_PFNMAP,
    VM_RAND_READ,
    VM_SEQ_READ,
    VM_SHARED,
    VM_SPECIAL,
    VM_WIPEONFORK,
    VmArea,
)
from engine.kernel.mmap import page_align

if TYPE_CHECKING:
    from engine.kernel.kernel import Kernel


class Behavior(IntEnum):
    """include/uapi/asm-generic/mman-common.h: what can be advised."""

    NORMAL = 0
    RANDOM = 1
    SEQUENTIAL = 2
    WILLNEED = 3
    DONTNEED = 4
    FREE = 8
    DONTFORK = 10
    DOFORK = 11
    DONTDUMP = 16
    DODUMP = 17
    WIPEONFORK = 18
    KEEPONFORK = 19
    COLD = 20
    PAGEOUT = 21


_FLAGS: Final = {
    Behavior.NORMAL: (VM_RAND_READ | VM_SEQ_READ, 0),
    Behavior.RANDOM: (VM_SEQ_READ, VM_RAND_READ),
    Behavior.SEQUENTIAL: (VM_RAND_READ, VM_SEQ_READ),
    Behavior.DONTFORK: (0, VM_DONTCOPY),
    Behavior.DOFORK: (VM_DONTCOPY, 0),
    Behavior.DONTDUMP: (0, VM_DONTDUMP),
    Behavior.DODUMP: (VM_DONTDUMP, 0),
    Behavior.WIPEONFORK: (0, VM_WIPEONFORK),
    Behavior.KEEPONFORK: (VM_WIPEONFORK, 0),
}
"""Advice about regions: the flags that it clears, and those that it sets."""
_FORBIDDEN: Final = {Behavior.DOFORK: VM_IO, Behavior.DODUMP: VM_SPECIAL, Behavior.WIPEONFORK: VM_SHARED}
"""Regions with one of these flags do not take that advice."""
_WORD: Final = 1 << 32


class Madvise:
    """madvise()."""

    __slots__ = ("kernel",)

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel

    def sys_madvise(self, start: int, length: int, behavior: int) -> int:
        """madvise(). Raises Errno: EINVAL for advice that is none or does not suit a region, ENOMEM where part of the
        range is not mapped: then the rest has been advised all the same.
        """
        if behavior not in set(Behavior) or start % PAGE_SIZE:
            raise Errno(ErrorNumber.EINVAL)
        end = start + page_align(length)
        if end >= _WORD or (length and end == start):
            raise Errno(ErrorNumber.EINVAL)
        if end > start:
            self._walk_vmas(start, end, Behavior(behavior))
        return 0

    def _walk_vmas(self, start: int, end: int, advice: Behavior) -> None:
        """madvise_walk_vmas(): region by region; holes are passed over, and told at the end."""
        mm = self.kernel.current.mm
        prev, vma, holes = mm.region_before(start), mm.find_vma(start), False
        while start < end:
            if vma is None:
                raise Errno(ErrorNumber.ENOMEM)
            holes = holes or start < vma.vm_start
            start = max(start, vma.vm_start)
            if start >= end:
                break
            stop = min(vma.vm_end, end)
            prev = self._vma_behavior(vma, prev, start, stop, advice)
            start = max(stop, prev.vm_end)
            vma = mm.find_vma(prev.vm_end)
        if holes:
            raise Errno(ErrorNumber.ENOMEM)

    def _vma_behavior(self, vma: VmArea, prev: VmArea | None, start: int, end: int, advice: Behavior) -> VmArea:
        """madvise_vma_behavior(): advises [start, end), all within `vma`; gives the region that it is in then."""
        change = _FLAGS.get(advice)
        if change is None:
            self._advise_pages(vma, start, end, advice)
            return vma
        unnamed_only = advice is Behavior.WIPEONFORK and vma.vm_file is not None
        if vma.vm_flags & _FORBIDDEN.get(advice, 0) or unnamed_only:
            raise Errno(ErrorNumber.EINVAL)
        cleared, added = change
        return self._update_vma(vma, prev, start, end, vma.vm_flags & ~cleared | added)

    def _advise_pages(self, vma: VmArea, start: int, end: int, advice: Behavior) -> None:
        pages = self.kernel.advice
        if advice is not Behavior.WILLNEED and vma.vm_flags & (VM_LOCKED | VM_PFNMAP):
            raise Errno(ErrorNumber.EINVAL)
        if advice is Behavior.FREE and vma.vm_file is not None:
            raise Errno(ErrorNumber.EINVAL)
        match advice:
            case Behavior.DONTNEED:
                self.kernel.swap.lru_add_drain()
                update_hiwater(vma.vm_mm)
                self.kernel.memory.zap_page_range(vma, start, end)
            case Behavior.FREE:
                update_hiwater(vma.vm_mm)
                pages.free(vma, start, end)
            case Behavior.WILLNEED:
                pages.willneed(vma, start, end)
            case Behavior.COLD:
                pages.cold(vma, start, end)
            case Behavior.PAGEOUT:
                pages.pageout(vma, start, end)

    def _update_vma(self, vma: VmArea, prev: VmArea | None, start: int, end: int, flags: int) -> VmArea:
        """madvise_update_vma(): gives [start, end) new flags. Raises Errno(EAGAIN) where there are too many regions."""
        if flags == vma.vm_flags:
            return vma
        pgoff = vma.vm_pgoff + (start - vma.vm_start >> PAGE_SHIFT)
        merged = self.kernel.vma.vma_merge(vma.vm_mm, prev, start, end, flags, vma, pgoff)
        if merged is None:
            try:
                self.kernel.vma.isolate(vma, start, end)
            except Errno as error:
                full = error.number is ErrorNumber.ENOMEM
                raise Errno(ErrorNumber.EAGAIN if full else error.number) from error
        changed = merged or vma
        changed.vm_flags = flags
        return changed
