"""Whom the OOM killer would take, and why; and what the kernel has printed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from engine.kernel.mm_types import PAGE_SIZE
from engine.kernel.proc.base import proc_oom_score

if TYPE_CHECKING:
    from engine.machine import Machine

LINES_MAXIMUM: Final = 500


@dataclass(frozen=True, slots=True)
class OomCandidate:
    """One process. Its points are rss + swap + tables, in pages, and `adjustment` from oom_score_adj; None: never killed."""

    pid: int
    name: str
    rss: int
    swap: int
    tables: int
    oom_score_adj: int
    adjustment: int
    points: int | None
    oom_score: int
    """/proc/PID/oom_score: the same from 0 to 2,000."""
    worst: bool
    """This one would be killed now."""


@dataclass(frozen=True, slots=True)
class OomView:
    """Every living process, oldest first; `total_pages` of RAM and swap, `kills` since boot."""

    total_pages: int
    kills: int
    candidates: tuple[OomCandidate, ...]


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of the kernel's log, printed `ns` simulated nanoseconds after boot."""

    ns: int
    text: str


def oom(machine: Machine) -> OomView:
    """What out_of_memory() would weigh now."""
    kernel = machine.kernel
    total = kernel.oom_kill.total_pages()
    worst = kernel.oom_kill.select_bad_process()
    return OomView(
        total_pages=total,
        kills=kernel.vmstat.oom_kill,
        candidates=tuple(
            OomCandidate(
                pid=task.pid,
                name=task.comm,
                rss=task.mm.rss,
                swap=task.mm.swap_rss,
                tables=task.mm.pgtables_bytes // PAGE_SIZE,
                oom_score_adj=task.oom_score_adj,
                adjustment=task.oom_score_adj * (total // 1000),
                points=kernel.oom_kill.oom_badness(task, total),
                oom_score=proc_oom_score(kernel, task),
                worst=task is worst,
            )
            for task in kernel.tasks.values()
        ),
    )


def dmesg(machine: Machine, lines: int = LINES_MAXIMUM) -> tuple[LogLine, ...]:
    """The last lines of the kernel's log, 500 at most, oldest first."""
    held = machine.kernel.log.lines
    wanted = max(0, min(lines, LINES_MAXIMUM))
    return tuple(LogLine(ns, text) for ns, text in list(held)[len(held) - min(wanted, len(held)) :])
