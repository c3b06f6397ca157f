"""mm/oom_kill.c: when nothing can be reclaimed, the process that costs most is killed, and the log says why.

A process's points are its pages in RAM and in swap and its page tables, plus oom_score_adj thousandths of all memory.
The victim is gone at once, unless it is the one that runs: that dies when it is back at the edge of the kernel.

Where nobody may be killed, or panic_on_oom says so, Linux panics: the machine stands still, and no process runs ever again.
Left out: memory cgroups, the call traces in the log, the reaper thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.events.vmscan import MarkVictim, OomKillProcess
from engine.kernel.gfp import _GFP_FS, GFP_HIGHUSER_MOVABLE
from engine.kernel.mm_types import PAGE_SHIFT, PAGE_SIZE, Mm
from engine.kernel.show_mem import format_gfp, show_mem

if TYPE_CHECKING:
    from engine.kernel.kernel import Kernel
    from engine.kernel.task import Task

OOM_SCORE_ADJ_MIN: Final = -1000
_COMPULSORY: Final = 2
_KB_SHIFT: Final = PAGE_SHIFT - 10


class OomKill:
    """Chooses and kills."""

    __slots__ = ("kernel",)

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel

    # --- choosing ----------------------------------------------------------------------------------------------------

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

    def scores(self) -> list[tuple[Task, int]]:
        """Every process that may be killed, oldest first, with its points. One that is just being made is not looked at."""
        total = self.total_pages()
        found = []
        for task in self.kernel.tasks.values():
            points = self.oom_badness(task, total)
            if points is not None and task is not self.kernel.fork.making:
                found.append((task, points))
        return found

    def select_bad_process(self) -> Task | None:
        """The task with the most points; among equals the youngest, as Linux's scan (oldest first, >=) leaves it."""
        chosen, most = None, None
        for task, points in self.scores():
            if most is None or points >= most:
                chosen, most = task, points
        return chosen

    # --- killing -----------------------------------------------------------------------------------------------------

    def pagefault_out_of_memory(self) -> None:
        """A page fault found no memory: the fault is tried again, if its process still lives."""
        if not self.kernel.current.sigkill_pending:
            self.out_of_memory()

    def out_of_memory(self, gfp: int = GFP_HIGHUSER_MOVABLE, order: int = 0) -> bool:
        """out_of_memory(): kills the worst process; False when that is the running one, which must not wait for memory."""
        kernel, current = self.kernel, self.kernel.current
        if current.sigkill_pending:
            return False
        if not gfp & _GFP_FS:
            return True
        if kernel.sysctl["panic_on_oom"]:
            kind = "compulsory" if kernel.sysctl["panic_on_oom"] == _COMPULSORY else "system-wide"
            self._dump_header(gfp, order, None)
            return self._panic(f"Out of memory: {kind} panic_on_oom is enabled")
        victim: Task | None
        if kernel.sysctl["oom_kill_allocating_task"] and current.oom_score_adj != OOM_SCORE_ADJ_MIN:
            victim, message = current, "Out of memory (oom_kill_allocating_task)"
        else:
            victim, message = self.select_bad_process(), "Out of memory"
        self._dump_header(gfp, order, victim)
        if victim is None:
            kernel.log.printk("Out of memory and no killable processes...")
            return self._panic("System is deadlocked on memory")
        scores = tuple((task.pid, points) for task, points in self.scores())
        with kernel.trace.open(OomKillProcess(victim.pid, scores)):
            self._kill(victim, message)
        return victim is not current

    def _kill(self, victim: Task, message: str) -> None:
        """__oom_kill_process()."""
        kernel = self.kernel
        kernel.vmstat.oom_kill += 1
        kernel.trace.emit(MarkVictim(victim.pid))
        kernel.log.printk(f"{message}: Killed process {victim.pid} ({victim.comm}) {_sizes(victim.mm)}{_tail(victim)}")
        kernel.work_pending = True
        if victim is kernel.current:
            victim.sigkill_pending = True
            return
        kernel.exit.do_exit(victim)
        kernel.killed.append(victim.pid)

    def _panic(self, message: str) -> bool:
        """panic(): nothing runs any more. Here every process ends, the running one at the edge of the kernel; always False."""
        kernel = self.kernel
        kernel.log.printk(f"Kernel panic - not syncing: {message}")
        kernel.log.printk(f"---[ end Kernel panic - not syncing: {message} ]---")
        kernel.work_pending = True
        for task in list(kernel.tasks.values()):
            if task is kernel.current:
                task.sigkill_pending = True
            elif task is not kernel.fork.making:
                kernel.exit.do_exit(task)
                kernel.killed.append(task.pid)
        return False

    # --- the report --------------------------------------------------------------------------------------------------

    def _dump_header(self, gfp: int, order: int, victim: Task | None) -> None:
        """dump_header(): who asked for what, what memory looks like, and what each process has."""
        kernel, current = self.kernel, self.kernel.current
        printk = kernel.log.printk
        printk(
            f"{current.comm} invoked oom-killer: gfp_mask={gfp:#x}({format_gfp(gfp)}), order={order}, "
            f"oom_score_adj={current.oom_score_adj}"
        )
        for line in show_mem(kernel):
            printk(line)
        if kernel.sysctl["oom_dump_tasks"]:
            self._dump_tasks()
        if victim is not None:
            printk(
                "oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,task_memcg=/,"
                f"task={victim.comm},pid={victim.pid},uid=0"
            )

    def _dump_tasks(self) -> None:
        """dump_tasks()."""
        kernel, printk = self.kernel, self.kernel.log.printk
        printk("Tasks state (memory values in pages):")
        printk("[  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name")
        for task in kernel.tasks.values():
            mm = task.mm
            printk(
                f"[{task.pid:7}] {0:5} {task.pid:5} {mm.total_vm:8} {mm.rss:8} {mm.pgtables_bytes:8} {mm.swap_rss:8}"
                f"         {task.oom_score_adj:5} {task.comm}"
            )


def _sizes(mm: Mm) -> str:
    return (
        f"total-vm:{mm.total_vm << _KB_SHIFT}kB, anon-rss:{mm.anon_rss << _KB_SHIFT}kB, "
        f"file-rss:{mm.file_rss << _KB_SHIFT}kB, shmem-rss:{mm.shmem_rss << _KB_SHIFT}kB, UID:0 "
    )


def _tail(victim: Task) -> str:
    return f"pgtables:{victim.mm.pgtables_bytes >> 10}kB oom_score_adj:{victim.oom_score_adj}"
