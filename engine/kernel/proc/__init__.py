"""fs/proc: what Linux tells about itself as text, line for line as it prints it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.kernel.proc.base import proc_oom_score
from engine.kernel.proc.buddyinfo import buddyinfo_text
from engine.kernel.proc.meminfo import meminfo_text
from engine.kernel.proc.pagetypeinfo import pagetypeinfo_text
from engine.kernel.proc.slabinfo import slabinfo_text
from engine.kernel.proc.status import smaps_rollup, status_figures
from engine.kernel.proc.task_mmu import maps_text
from engine.kernel.proc.vmstat import vmstat_text
from engine.kernel.proc.zoneinfo import zoneinfo_text

if TYPE_CHECKING:
    from engine.kernel.kernel import Kernel
    from engine.kernel.task import Task

NAMES = (
    "buddyinfo",
    "maps",
    "meminfo",
    "oom_score",
    "pagetypeinfo",
    "slabinfo",
    "smaps_rollup",
    "status",
    "vmstat",
    "zoneinfo",
)
"""The files that there are; those of a process (maps, status, …) are its own."""


def proc_text(kernel: Kernel, name: str, task: Task) -> str:
    """The text of one file; of a process's own file, that of `task`. Raises KeyError for an unknown name."""
    match name:
        case "buddyinfo":
            return buddyinfo_text(kernel)
        case "pagetypeinfo":
            return pagetypeinfo_text(kernel)
        case "slabinfo":
            return slabinfo_text(kernel)
        case "zoneinfo":
            return zoneinfo_text(kernel)
        case "meminfo":
            return meminfo_text(kernel)
        case "vmstat":
            return vmstat_text(kernel)
        case "maps":
            return maps_text(task.mm)
        case "status":
            return "".join(f"{key}:\t{value:8} kB\n" for key, value in status_figures(task.mm).items())
        case "smaps_rollup":
            return "".join(f"{key + ':':<16}{value:8} kB\n" for key, value in smaps_rollup(kernel, task.mm).items())
        case "oom_score":
            return f"{proc_oom_score(kernel, task)}\n"
        case _:
            raise KeyError(name)
