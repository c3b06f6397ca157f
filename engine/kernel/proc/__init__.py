"""fs/proc: what Linux tells about itself as text, line for line as it prints it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.kernel.proc.base import proc_oom_score
from engine.kernel.proc.buddyinfo import buddyinfo_text
from engine.kernel.proc.iomem import iomem_text
from engine.kernel.proc.meminfo import meminfo_text
from engine.kernel.proc.pagetypeinfo import pagetypeinfo_text
from engine.kernel.proc.slabinfo import slabinfo_text
from engine.kernel.proc.smaps import smaps_rollup_text, smaps_text
from engine.kernel.proc.status import status_text
from engine.kernel.proc.swaps import swaps_text
from engine.kernel.proc.task_mmu import maps_text
from engine.kernel.proc.vmstat import vmstat_text
from engine.kernel.proc.zoneinfo import zoneinfo_text

if TYPE_CHECKING:
    from engine.kernel.kernel import Kernel
    from engine.kernel.task import Task

NAMES = (
    "buddyinfo",
    "iomem",
    "kmsg",
    "maps",
    "meminfo",
    "oom_score",
    "pagetypeinfo",
    "slabinfo",
    "smaps",
    "smaps_rollup",
    "status",
    "swaps",
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
        case "iomem":
            return iomem_text(kernel)
        case "kmsg":
            return kernel.log.text()
        case "swaps":
            return swaps_text(kernel)
        case "meminfo":
            return meminfo_text(kernel)
        case "vmstat":
            return vmstat_text(kernel)
        case "maps":
            return maps_text(task.mm)
        case "status":
            return status_text(kernel, task)
        case "smaps":
            return smaps_text(kernel, task.mm)
        case "smaps_rollup":
            return smaps_rollup_text(kernel, task.mm)
        case "oom_score":
            return f"{proc_oom_score(kernel, task)}\n"
        case _:
            raise KeyError(name)
