"""mm/oom_kill.c: when nothing can be reclaimed, the process that costs most is killed.

Left out so far: the report, memory cgroups, the reaper thread (a killed process is gone at once).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.events.vmscan import MarkVictim
from engine.kernel.mm_types import PAGE_SIZE
from engine.kernel.task import Killed, SignalNumber, Task

if TYPE_CHECKING:
    from engine.kernel.kernel import Kernel

OOM_SCORE_ADJ_MIN: Final = -1000


class OomKill:
    """Chooses and kills."""

    __slots__ = ("kernel",)

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel

    def oom_badness(self, task: Task, total_pages: int) -> int | None:
        """oom_badness(): pages of RAM, swap and page tables, plus its adjustment; None for a process never to be killed."""
        if task.oom_score_adj == OOM_SCORE_ADJ_MIN:
            return None
        mm = task.mm
        points = mm.rss + mm.swap_rss + mm.pgtables_bytes // PAGE_SIZE
        return points + task.oom_score_adj * (total_pages // 1000)

    def total_pages(self) -> int:
        """totalram_pages() + total_swap_pages."""
        return sum(zone.managed_pages for zone in self.kernel.page_alloc.zones) + self.kernel.swapfile.total_pages

    def select_bad_process(self) -> Task | None:
        """The task with the most points; among equals the youngest, as Linux's scan (oldest first, >=) leaves it."""
        total = self.total_pages()
        chosen, most = None, None
        for task in self.kernel.tasks.values():
            points = self.oom_badness(task, total)
            if points is not None and (most is None or points >= most):
                chosen, most = task, points
        return chosen

    def pagefault_out_of_memory(self) -> None:
        """A page fault found no memory: out_of_memory(), then the fault is tried again, if its process still lives."""
        self.out_of_memory()

    def out_of_memory(self) -> None:
        """Kills the worst process. Raises Killed(SIGKILL) when that is the running one."""
        kernel = self.kernel
        victim = self.select_bad_process()
        if victim is None:
            raise MemoryError("out of memory and no killable processes")
        kernel.vmstat.oom_kill += 1
        kernel.trace.emit(MarkVictim(victim.pid))
        if victim is kernel.current:
            raise Killed(SignalNumber.SIGKILL, 0, None)
        kernel.exit.do_exit(victim)
        kernel.killed.append(victim.pid)
        kernel.work_pending = True
