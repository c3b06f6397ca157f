"""kernel/exit.c and exit_mmap(): a process ends and everything it had is given back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.events.machine import ProcessExit
from engine.kernel.fork import THREAD_SIZE_KB, THREAD_SIZE_ORDER

if TYPE_CHECKING:
    from engine.kernel.kernel import Kernel
    from engine.kernel.task import Task


class Exit:
    """do_exit()."""

    __slots__ = ("kernel",)

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel

    def do_exit(self, task: Task) -> None:
        """do_exit(): unmaps everything, gives back tables, directory and kernel stack; the task is no more."""
        kernel = self.kernel
        with kernel.trace.open(ProcessExit(task.pid)):
            self.release(task)

    def release(self, task: Task) -> None:
        """exit_mm() and release_task(), for a task that may be half made."""
        kernel, mm = self.kernel, task.mm
        kernel.mmap.exit_mmap(mm)
        if kernel.current is task:
            kernel.leave_address_space()
        kernel.page_alloc.free_pages(kernel.page_alloc.mem_map[mm.pgd], 0)
        kernel.page_alloc.free_pages(kernel.page_alloc.mem_map[task.stack_pfn], THREAD_SIZE_ORDER)
        kernel.vmstat.nr_kernel_stack -= THREAD_SIZE_KB
        kernel.slub.kmem_cache_free(kernel.fork.mm_cachep, mm.address)
        kernel.slub.kmem_cache_free(kernel.fork.task_struct_cachep, task.address)
        del kernel.tasks[task.pid]
