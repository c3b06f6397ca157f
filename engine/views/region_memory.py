"""Virtual size against resident size, region by region: what /proc/PID/smaps tells, as numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.kernel.proc.smaps import MemSizeStats, gather_region, vm_flag_words
from engine.kernel.proc.task_mmu import mappings

if TYPE_CHECKING:
    from engine.image import Mapping
    from engine.kernel.kernel import Kernel
    from engine.kernel.mm_types import VmArea
    from engine.machine import Machine


@dataclass(frozen=True, slots=True)
class RegionMemory:
    """One region in kB, under smaps' names: a page that n processes map counts as an nth in `pss`."""

    start: int
    end: int
    permissions: str
    name: str
    size: int
    rss: int
    pss: int
    shared_clean: int
    shared_dirty: int
    private_clean: int
    private_dirty: int
    referenced: int
    anonymous: int
    swap: int
    swap_pss: int
    locked: int
    vm_flags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RegionMemoryView:
    """All regions of a process, lowest first, and smaps_rollup's sums in kB."""

    pid: int
    regions: tuple[RegionMemory, ...]
    size: int
    rss: int
    pss: int
    shared: int
    private: int
    swap: int


def region_memory(machine: Machine, pid: int = 0) -> RegionMemoryView:
    """The memory of process `pid`; no regions once it has ended. Raises KeyError for an unknown pid."""
    process = machine.processes[pid]
    if process.ended is not None:
        return RegionMemoryView(pid, (), 0, 0, 0, 0, 0, 0)
    mm, total = process.task.mm, MemSizeStats()
    for vma in mm:
        gather_region(machine.kernel, vma, total)
    sums = total.lines(rollup=True)
    return RegionMemoryView(
        pid=pid,
        regions=tuple(_region(machine.kernel, vma, line) for vma, line in zip(mm.vmas, mappings(mm), strict=True)),
        size=sum(vma.vm_end - vma.vm_start for vma in mm) >> 10,
        rss=sums["Rss"],
        pss=sums["Pss"],
        shared=sums["Shared_Clean"] + sums["Shared_Dirty"],
        private=sums["Private_Clean"] + sums["Private_Dirty"],
        swap=sums["Swap"],
    )


def _region(kernel: Kernel, vma: VmArea, line: Mapping) -> RegionMemory:
    stats = MemSizeStats()
    gather_region(kernel, vma, stats)
    found = stats.lines(rollup=False)
    return RegionMemory(
        start=line.start,
        end=line.end,
        permissions=line.permissions,
        name=line.name,
        size=line.end - line.start >> 10,
        rss=found["Rss"],
        pss=found["Pss"],
        shared_clean=found["Shared_Clean"],
        shared_dirty=found["Shared_Dirty"],
        private_clean=found["Private_Clean"],
        private_dirty=found["Private_Dirty"],
        referenced=found["Referenced"],
        anonymous=found["Anonymous"],
        swap=found["Swap"],
        swap_pss=found["SwapPss"],
        locked=found["Locked"],
        vm_flags=vm_flag_words(vma),
    )
