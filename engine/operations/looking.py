"""Commands that only look: the program opens a file under /proc and reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.kernel.mm_types import PAGE_MASK
from engine.kernel.proc import (
    base,
    meminfo,
    pagemap as proc_pagemap,
    smaps as proc_smaps,
    status as proc_status,
    task_mmu,
    vmstat as proc_vmstat,
)
from engine.outcome import Outcome

if TYPE_CHECKING:
    from engine.commands import Maps, Meminfo, OomScore, Pagemap, Pfn, Rss, Status, Vmstat
    from engine.machine import Machine
    from engine.process import Process


def pagemap(machine: Machine, process: Process, command: Pagemap, address: int) -> Outcome:
    """/proc/self/pagemap, a letter a page."""
    letters = proc_pagemap.pagemap_letters(machine.kernel, process.task.mm, address & PAGE_MASK, command.pages)
    return Outcome("pagemap", process.pid, pages=letters)


def pfn(machine: Machine, process: Process, command: Pfn, address: int) -> Outcome:
    """/proc/self/pagemap, the frame numbers."""
    frames = proc_pagemap.pagemap_frames(machine.kernel, process.task.mm, address & PAGE_MASK, command.pages)
    return Outcome("pfn", process.pid, frames=frames)


def maps(machine: Machine, process: Process, command: Maps, address: int) -> Outcome:
    """/proc/self/maps."""
    return Outcome("maps", process.pid, maps=task_mmu.mappings(process.task.mm))


def status(machine: Machine, process: Process, command: Status, address: int) -> Outcome:
    """/proc/self/status."""
    return Outcome("status", process.pid, figures=proc_status.status_figures(process.task.mm))


def rss(machine: Machine, process: Process, command: Rss, address: int) -> Outcome:
    """/proc/self/smaps_rollup."""
    return Outcome("rss", process.pid, figures=proc_smaps.smaps_rollup(machine.kernel, process.task.mm))


def vmstat(machine: Machine, process: Process, command: Vmstat, address: int) -> Outcome:
    """/proc/vmstat."""
    return Outcome("vmstat", process.pid, figures=proc_vmstat.vmstat_figures(machine.kernel))


def meminfo_(machine: Machine, process: Process, command: Meminfo, address: int) -> Outcome:
    """/proc/meminfo."""
    return Outcome("meminfo", process.pid, figures=meminfo.meminfo_figures(machine.kernel))


def oomscore(machine: Machine, process: Process, command: OomScore, address: int) -> Outcome:
    """/proc/self/oom_score."""
    return Outcome("oomscore", process.pid, base.proc_oom_score(machine.kernel, process.task))
