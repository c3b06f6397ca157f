"""The processes: their pointers, their counts of pages and faults, and how they ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.machine import Machine
    from engine.outcome import Ended
    from engine.process import Process


@dataclass(frozen=True, slots=True)
class Slot:
    """A pointer variable of the program."""

    name: str
    address: int


@dataclass(frozen=True, slots=True)
class ProcessView:
    """One process, living or ended. Counts are pages of 4 KB."""

    pid: int
    name: str
    parent: int | None
    ended: Ended | None
    running: bool
    slots: tuple[Slot, ...]
    total_vm: int
    anon_rss: int
    file_rss: int
    shmem_rss: int
    swap_rss: int
    page_tables: int
    min_faults: int
    maj_faults: int
    directory: int
    """The page directory's frame."""

    @property
    def rss(self) -> int:
        """Pages present."""
        return self.anon_rss + self.file_rss + self.shmem_rss


def processes(machine: Machine) -> tuple[ProcessView, ...]:
    """All processes since boot, by pid."""
    return tuple(_process(machine, machine.processes[pid]) for pid in sorted(machine.processes))


def _process(machine: Machine, process: Process) -> ProcessView:
    task, mm = process.task, process.task.mm
    return ProcessView(
        pid=process.pid,
        name=task.comm,
        parent=None if task.parent is None else task.parent.pid,
        ended=process.ended,
        running=machine.kernel.current is task,
        slots=tuple(Slot(name, address) for name, address in process.slots.items()),
        total_vm=mm.total_vm,
        anon_rss=mm.anon_rss,
        file_rss=mm.file_rss,
        shmem_rss=mm.shmem_rss,
        swap_rss=mm.swap_rss,
        page_tables=mm.pgtables_bytes >> 12,
        min_faults=task.min_flt,
        maj_faults=task.maj_flt,
        directory=mm.pgd,
    )
