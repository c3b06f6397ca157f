"""mm/mmap.c: get_unmapped_area(): where a new region goes.

A fixed address is taken as it is, a hint where there is room for it; otherwise the highest hole below mmap_base that is
large enough, and when there is none, the lowest above a third of the address space. Left out: alignment, huge pages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.kernel.errno import Errno, ErrorNumber
from engine.kernel.mm_types import PAGE_SHIFT, PAGE_SIZE, TASK_SIZE, VM_GROWSDOWN, VmArea

if TYPE_CHECKING:
    from engine.kernel.mm_types import Mm

STACK_GUARD_GAP: Final = 256 << PAGE_SHIFT
"""stack_guard_gap: bytes below a growing stack where nothing else is put."""
TASK_UNMAPPED_BASE: Final = TASK_SIZE // 3 + PAGE_SIZE - 1 & -PAGE_SIZE


def vm_start_gap(vma: VmArea) -> int:
    """Where the region begins, with the gap that a stack keeps free below itself."""
    if not vma.vm_flags & VM_GROWSDOWN:
        return vma.vm_start
    return max(0, vma.vm_start - STACK_GUARD_GAP)


def get_unmapped_area(mm: Mm, address: int, length: int, *, fixed: bool, mmap_min_addr: int) -> int:
    """The start of `length` free bytes (a multiple of the page size), or `address` itself where it is `fixed`.

    `address` is a hint otherwise, 0 for none. Raises Errno: ENOMEM without room, EINVAL for a fixed address that is
    not on a page boundary.
    """
    if length > TASK_SIZE - mmap_min_addr:
        raise Errno(ErrorNumber.ENOMEM)
    found = address if fixed else _hinted(mm, address, length, mmap_min_addr)
    if found is None:
        found = _topdown(mm, length, max(PAGE_SIZE, mmap_min_addr), mm.mmap_base)
    if found is None:
        found = _bottomup(mm, length, TASK_UNMAPPED_BASE, TASK_SIZE)
    if found is None or found > TASK_SIZE - length:
        raise Errno(ErrorNumber.ENOMEM)
    if found % PAGE_SIZE:
        raise Errno(ErrorNumber.EINVAL)
    return found


def _hinted(mm: Mm, address: int, length: int, mmap_min_addr: int) -> int | None:
    """The hint, rounded up to a page, where the range is free and keeps its distance from a stack above."""
    if not address:
        return None
    address = address + PAGE_SIZE - 1 & -PAGE_SIZE
    if not mmap_min_addr <= address <= TASK_SIZE - length:
        return None
    above = mm.find_vma(address)
    return address if above is None or address + length <= vm_start_gap(above) else None


def _topdown(mm: Mm, length: int, low: int, high: int) -> int | None:
    """unmapped_area_topdown(): the highest hole of [low, high) that holds `length` bytes; its upper end is used.

    A hole below a stack is tried without the stack's gap first. Where that would do, but the gap is in the way, the search
    goes on below the gap, even past smaller regions with holes of their own in it.
    """
    index = mm.find_vma_index(high)
    while index >= 0:
        above = mm.vmas[index] if index < len(mm.vmas) else None
        top = high if above is None else min(high, above.vm_start)
        bottom = max(low, mm.ends[index - 1] if index else 0)
        if top - bottom < length:
            index -= 1
        elif above is None or vm_start_gap(above) >= top:
            return top - length
        else:
            high = vm_start_gap(above)
    return None


def _bottomup(mm: Mm, length: int, low: int, high: int) -> int | None:
    """unmapped_area(): the lowest hole of [low, high) that holds `length` bytes; its lower end is used."""
    for index in range(mm.find_vma_index(low), len(mm.vmas) + 1):
        top = min(high, vm_start_gap(mm.vmas[index])) if index < len(mm.vmas) else high
        bottom = max(low, mm.ends[index - 1] if index else 0)
        if top - bottom >= length:
            return bottom
    return None
