"""A process's address space: its regions, and how much of each is present."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from engine.image import LIBC_PATH
from engine.kernel.mm_types import PAGE_SHIFT, TASK_SIZE, VM_GROWSDOWN
from engine.kernel.pgtable import PTE_THERE
from engine.kernel.proc.task_mmu import mappings

if TYPE_CHECKING:
    from engine.image import Mapping
    from engine.kernel.kernel import Kernel
    from engine.kernel.mm_types import Mm, VmArea
    from engine.machine import Machine

ADDRESS_SPACE_END: Final = 1 << 32
KERNEL_START: Final = TASK_SIZE
"""The 3G/1G split: user space below, the kernel's above."""


class RegionKind(StrEnum):
    """What a region is to the reader of a diagram."""

    PROGRAM = "program"
    HEAP = "heap"
    ANONYMOUS = "anonymous"
    FILE = "file"
    LIBRARY = "library"
    STACK = "stack"
    SPECIAL = "special"
    """[vvar] and [vdso]: the kernel's, lent to programs."""


@dataclass(frozen=True, slots=True)
class Region:
    """One line of /proc/PID/maps: [start, end), `permissions` as "rw-p", with its pages present and in swap."""

    start: int
    end: int
    permissions: str
    offset: int
    name: str
    kind: RegionKind
    resident: int
    swapped: int

    @property
    def pages(self) -> int:
        """Its length in pages."""
        return self.end - self.start >> PAGE_SHIFT


@dataclass(frozen=True, slots=True)
class AddressSpaceView:
    """The 4 GB that a process sees. `brk` is the heap's end; sizes in pages."""

    pid: int
    regions: tuple[Region, ...]
    start_brk: int
    brk: int
    total_vm: int
    rss: int


def address_space(machine: Machine, pid: int = 0) -> AddressSpaceView:
    """The regions of process `pid`, lowest first; none once it has ended. Raises KeyError for an unknown pid."""
    process = machine.processes[pid]
    mm = process.task.mm
    if process.ended is not None:
        return AddressSpaceView(pid, (), mm.start_brk, mm.brk, 0, 0)
    lines = mappings(mm)
    regions = tuple(_region(machine.kernel, vma, line) for vma, line in zip(mm.vmas, lines, strict=True))
    return AddressSpaceView(pid, regions, mm.start_brk, mm.brk, mm.total_vm, mm.rss)


def resident_frames(machine: Machine, pid: int, start: int, end: int) -> dict[int, int]:
    """The frame behind each page of [start, end) that process `pid` has in memory, by the page's number."""
    found: dict[int, int] = {}
    process = machine.processes[pid]
    if process.ended is not None:
        return found
    for address, _, table, first, last in machine.kernel.memory.present_tables(process.task.mm, start, end):
        page = address >> PAGE_SHIFT
        for vpn, entry in enumerate(table[first:last], page):
            if entry & PTE_THERE:
                found[vpn] = entry >> PAGE_SHIFT
    return found


def swapped_pages(machine: Machine, pid: int, start: int, end: int) -> list[int]:
    """The pages of [start, end) of process `pid` whose entries name a slot of the swap area, by number."""
    process = machine.processes[pid]
    if process.ended is not None or not process.task.mm.swap_rss:
        return []
    return [
        (address >> PAGE_SHIFT) + number
        for address, _, table, first, last in machine.kernel.memory.present_tables(process.task.mm, start, end)
        for number, entry in enumerate(table[first:last])
        if entry and not entry & PTE_THERE
    ]


def region_at(machine: Machine, pid: int, address: int) -> Region | None:
    """The region of process `pid` that holds `address`."""
    process = machine.processes[pid]
    if process.ended is not None:
        return None
    mm = process.task.mm
    for vma, line in zip(mm.vmas, mappings(mm), strict=True):
        if line.start <= address < line.end:
            return _region(machine.kernel, vma, line)
    return None


def _region(kernel: Kernel, vma: VmArea, line: Mapping) -> Region:
    resident, swapped = _pages(kernel, vma.vm_mm, vma)
    kind = _kind(vma, line)
    return Region(
        line.start, line.end, line.permissions, line.offset, line.name, kind, resident=resident, swapped=swapped
    )


def _pages(kernel: Kernel, mm: Mm, vma: VmArea) -> tuple[int, int]:
    """(present, swapped)."""
    there = swapped = 0
    for _, _, table, first, last in kernel.memory.present_tables(mm, vma.vm_start, vma.vm_end):
        entries = table[first:last]
        used = len(entries) - entries.count(0)
        present = sum(1 for entry in entries if entry & PTE_THERE) if mm.swap_rss else used
        there += present
        swapped += used - present
    return there, swapped


def _kind(vma: VmArea, line: Mapping) -> RegionKind:
    if line.name == "[heap]":
        return RegionKind.HEAP
    if line.name == "[stack]" or vma.vm_flags & VM_GROWSDOWN:
        return RegionKind.STACK
    if line.name in ("[vdso]", "[vvar]"):
        return RegionKind.SPECIAL
    if not line.name or vma.vm_file is None:
        return RegionKind.ANONYMOUS
    if line.name == LIBC_PATH or line.name.startswith("/lib"):
        return RegionKind.LIBRARY
    if vma.vm_start < vma.vm_mm.start_brk:
        return RegionKind.PROGRAM
    return RegionKind.FILE
