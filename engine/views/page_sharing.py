"""The same pages of every process side by side: which frame each has, who shares it, who may write."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from engine.hardware.paging import PTE_RW
from engine.kernel.mm_types import PAGE_SHIFT, TASK_SIZE
from engine.kernel.pgtable import PTE_THERE, pte_to_swap_offset
from engine.views.address_space import region_at

if TYPE_CHECKING:
    from engine.kernel.kernel import Kernel
    from engine.kernel.mm_types import Mm
    from engine.machine import Machine

PAGES_SHOWN: Final = 16


@dataclass(frozen=True, slots=True)
class PageOfProcess:
    """One page of one process: its frame, or its swap slot, or neither. The counts are the frame's."""

    address: int
    mapped: bool
    """A region of the process holds it."""
    pfn: int | None
    slot: int | None
    writable: bool
    """The table entry allows a write."""
    zero: bool
    """It is the zero page, which everybody has and nobody counts."""
    refcount: int
    mapcount: int

    @property
    def shared(self) -> bool:
        """Somebody else maps the frame, too."""
        return self.mapcount > 1


@dataclass(frozen=True, slots=True)
class ProcessRow:
    """The pages of one process."""

    pid: int
    pages: tuple[PageOfProcess, ...]


@dataclass(frozen=True, slots=True)
class PageSharingView:
    """A run of pages around an address, of every living process."""

    start: int
    end: int
    rows: tuple[ProcessRow, ...]


def page_sharing(machine: Machine, address: int, pid: int = 0) -> PageSharingView:
    """The pages around `address`: those of the region of process `pid` there, 16 at a time. KeyError: no such pid."""
    length = PAGES_SHOWN << PAGE_SHIFT
    region = region_at(machine, pid, address)
    first, limit = (0, TASK_SIZE) if region is None else (region.start, region.end)
    start = address - (address - first) % length
    end = min(start + length, limit) if address < TASK_SIZE else start
    living = [process for number, process in sorted(machine.processes.items()) if process.ended is None]
    rows = tuple(
        ProcessRow(
            process.pid, tuple(_page(machine.kernel, process.task.mm, at) for at in range(start, end, 1 << PAGE_SHIFT))
        )
        for process in living
    )
    return PageSharingView(start, end, rows)


def _page(kernel: Kernel, mm: Mm, address: int) -> PageOfProcess:
    held = mm.vma_lookup(address) is not None
    entry = kernel.memory.pte(mm, address) if held else 0
    if not entry:
        return PageOfProcess(address, held, None, None, writable=False, zero=False, refcount=0, mapcount=0)
    if not entry & PTE_THERE:
        slot = pte_to_swap_offset(entry)
        return PageOfProcess(address, held, None, slot, writable=False, zero=False, refcount=0, mapcount=0)
    page = kernel.memory.normal_page(entry)
    return PageOfProcess(
        address=address,
        mapped=held,
        pfn=entry >> PAGE_SHIFT,
        slot=None,
        writable=bool(entry & PTE_RW),
        zero=entry >> PAGE_SHIFT == kernel.memory.zero_pfn,
        refcount=0 if page is None else page.refcount,
        mapcount=0 if page is None else page.mapcount,
    )
