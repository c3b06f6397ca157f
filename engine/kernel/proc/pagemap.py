"""fs/proc/task_mmu.c: /proc/PID/pagemap: what is behind each page of a process, 64 bits a page.

     63 62 61 60..57  56  55   54                                     0
    +--+--+--+-------+---+---+------------------------------------------+
    | P| S| F|       | X | SD|  frame number (present), or type|slot    |
    +--+--+--+-------+---+---+------------------------------------------+

P present, S swapped, F file page or shared memory, X mapped by this process alone, SD soft-dirty (not kept here).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.kernel.mm_types import PAGE_SHIFT, PG_ANON, Mm
from engine.kernel.pgtable import PTE_THERE, SWAP_OFFSET_SHIFT, SWAP_TYPE_MASK, SWAP_TYPE_SHIFT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.kernel.kernel import Kernel

PM_PRESENT: Final = 1 << 63
PM_SWAP: Final = 1 << 62
PM_FILE: Final = 1 << 61
PM_MMAP_EXCLUSIVE: Final = 1 << 56
PM_PFRAME: Final = (1 << 55) - 1
MAX_SWAPFILES_SHIFT: Final = 5


def pagemap_entry(kernel: Kernel, mm: Mm, address: int) -> int:
    """pte_to_pagemap_entry(): the 64 bits of the page at `address`."""
    if mm.vma_lookup(address) is None:
        return 0
    entry = kernel.memory.pte(mm, address)
    if not entry:
        return 0
    if not entry & PTE_THERE:
        area = entry >> SWAP_TYPE_SHIFT & SWAP_TYPE_MASK
        return PM_SWAP | area | entry >> SWAP_OFFSET_SHIFT << MAX_SWAPFILES_SHIFT
    bits = PM_PRESENT | entry >> PAGE_SHIFT
    page = kernel.memory.normal_page(entry)
    if page is None:
        return bits
    if not page.flags & PG_ANON:
        bits |= PM_FILE
    if page.mapcount == 1:
        bits |= PM_MMAP_EXCLUSIVE
    return bits


def pagemap_entries(kernel: Kernel, mm: Mm, address: int, pages: int) -> Iterator[int]:
    """The entries of `pages` pages from `address` on."""
    for number in range(pages):
        yield pagemap_entry(kernel, mm, address + (number << PAGE_SHIFT) & 0xFFFFFFFF)


def pagemap_letters(kernel: Kernel, mm: Mm, address: int, pages: int) -> str:
    """A letter a page: P anonymous and present, f present and a file's or shared, s swapped, - none."""
    return "".join(_letter(entry) for entry in pagemap_entries(kernel, mm, address, pages))


def pagemap_frames(kernel: Kernel, mm: Mm, address: int, pages: int) -> tuple[int, ...]:
    """The frame of each page, 0 where none is present."""
    return tuple(
        entry & PM_PFRAME if entry & PM_PRESENT else 0 for entry in pagemap_entries(kernel, mm, address, pages)
    )


def _letter(entry: int) -> str:
    if entry & PM_PRESENT:
        return "f" if entry & PM_FILE else "P"
    return "s" if entry & PM_SWAP else "-"
