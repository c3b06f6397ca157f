"""The way of one address: segment, linear address, directory entry, table entry, frame; or where it stops, and why."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from engine.hardware.paging import DIRECTORY_SHIFT, PTE_PRESENT, PTE_RW, PTE_USER, TABLE_MASK, Walk, flags_of, walk
from engine.hardware.ram import FRAME_SHIFT
from engine.hardware.segmentation import SELECTOR_INDEX_SHIFT
from engine.kernel.pgtable import PTE_PROTNONE, pte_to_swap_offset

if TYPE_CHECKING:
    from engine.hardware.segmentation import Descriptor
    from engine.machine import Machine

_ADDRESS_MASK: Final = 0xFFFFFFFF
_OFFSET_MASK: Final = 0xFFF


class Stop(StrEnum):
    """Why an address reaches no frame that the program may use."""

    SEGMENT_LIMIT = "segment_limit"
    """Beyond the segment's limit: general protection."""
    NO_TABLE = "no_table"
    """The directory entry is not present: no page table for these 4 MB."""
    EMPTY = "empty"
    """The table entry is empty: nothing was ever there, or it was given back."""
    SWAPPED = "swapped"
    """The table entry names a slot of the swap area."""
    PROT_NONE = "prot_none"
    """The page is there, but hidden from the CPU (PROT_NONE)."""
    KERNEL_ONLY = "kernel_only"
    """The entry's US bit is clear: only the kernel may use the page."""
    NO_MEMORY = "no_memory"
    """With paging off: a physical address where there is no RAM."""


@dataclass(frozen=True, slots=True)
class SegmentStep:
    """The selector in DS, and the descriptor that it names in the GDT. `limit` in bytes, inclusive."""

    selector: int
    index: int
    requested_privilege: int
    base: int
    limit: int
    privilege: int
    writable: bool


@dataclass(frozen=True, slots=True)
class EntryStep:
    """One entry of the directory or of a table: the frame it lies in, its index there, its word and named bits."""

    frame: int
    index: int
    entry: int
    flags: tuple[str, ...]

    @property
    def present(self) -> bool:
        """Bit 0."""
        return bool(self.entry & PTE_PRESENT)

    @property
    def points_to(self) -> int:
        """The frame that bits 31..12 name."""
        return self.entry >> FRAME_SHIFT


@dataclass(frozen=True, slots=True)
class PageWalkView:
    """One translation as the CPU would do it now. With paging off there is no directory and no table."""

    pid: int
    address: int
    segment: SegmentStep
    linear: int
    paging: bool
    cr3: int
    directory_index: int
    table_index: int
    offset: int
    directory: EntryStep | None
    table: EntryStep | None
    pfn: int | None
    stop: Stop | None
    writable: bool
    """A store would need no fault."""
    swap_slot: int | None
    in_tlb: bool
    """The running process's TLB has this page: no walk needed."""

    @property
    def physical(self) -> int | None:
        """The physical address."""
        return None if self.pfn is None else self.pfn << FRAME_SHIFT | self.offset


def page_walk(machine: Machine, address: int, pid: int = 0) -> PageWalkView:
    """Follows `address`, an offset in the data segment, for process `pid`; no bit is set. KeyError: no such pid."""
    cpu, process = machine.cpu, machine.processes[pid]
    segment = _segment(cpu.ds_selector, cpu.ds)
    linear = segment.base + address & _ADDRESS_MASK
    if address > segment.limit:
        return _view(machine, pid, address, segment, linear, None, None, Stop.SEGMENT_LIMIT)
    if not cpu.paging:
        pfn = linear >> FRAME_SHIFT
        missing = pfn >= machine.kernel.ram.size
        return _view(
            machine, pid, address, segment, linear, None, None if missing else pfn, Stop.NO_MEMORY if missing else None
        )
    steps = walk(machine.kernel.ram, process.task.mm.pgd, linear)
    if process.ended is not None:
        return _view(machine, pid, address, segment, linear, None, None, Stop.NO_TABLE)
    return _view(machine, pid, address, segment, linear, steps, steps.pfn, _stop(steps))


def _segment(selector: int, descriptor: Descriptor) -> SegmentStep:
    return SegmentStep(
        selector=selector,
        index=selector >> SELECTOR_INDEX_SHIFT,
        requested_privilege=selector & 3,
        base=descriptor.base,
        limit=descriptor.limit,
        privilege=descriptor.dpl,
        writable=descriptor.writable,
    )


def _stop(steps: Walk) -> Stop | None:
    if not steps.directory_entry & PTE_PRESENT:
        return Stop.NO_TABLE
    entry = steps.directory_entry if steps.table_entry is None else steps.table_entry
    if not entry:
        return Stop.EMPTY
    if not entry & PTE_PRESENT:
        return Stop.PROT_NONE if entry & PTE_PROTNONE else Stop.SWAPPED
    if not entry & steps.directory_entry & PTE_USER:
        return Stop.KERNEL_ONLY
    return None


def _view(
    machine: Machine,
    pid: int,
    address: int,
    segment: SegmentStep,
    linear: int,
    steps: Walk | None,
    pfn: int | None,
    stop: Stop | None,
) -> PageWalkView:
    cpu = machine.cpu
    directory = table = None
    writable = not cpu.paging and pfn is not None
    if steps is not None:
        upper = steps.directory_entry
        directory = EntryStep(steps.directory_pfn, steps.directory_index, upper, flags_of(upper))
        writable = bool(upper & PTE_RW) and stop is None
        if steps.table_pfn is not None and steps.table_entry is not None:
            lower = steps.table_entry
            table = EntryStep(steps.table_pfn, steps.table_index, lower, flags_of(lower))
            writable = writable and bool(lower & PTE_RW)
    mine = machine.kernel.current is machine.processes[pid].task
    return PageWalkView(
        pid=pid,
        address=address,
        segment=segment,
        linear=linear,
        paging=cpu.paging,
        cr3=machine.processes[pid].task.mm.pgd << FRAME_SHIFT,
        directory_index=linear >> DIRECTORY_SHIFT,
        table_index=linear >> FRAME_SHIFT & TABLE_MASK,
        offset=linear & _OFFSET_MASK,
        directory=directory,
        table=table,
        pfn=pfn,
        stop=stop,
        writable=writable,
        swap_slot=pte_to_swap_offset(table.entry) if stop is Stop.SWAPPED and table is not None else None,
        in_tlb=mine and linear >> FRAME_SHIFT in cpu.tlb.entries,
    )
