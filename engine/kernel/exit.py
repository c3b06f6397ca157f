"""kernel/exit.c and exit_mmap(): a process ends and everything it had is given back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.events.machine import ProcessExit

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
        if mm.exe_file is not None:
            kernel.file_table.fput(mm.exe_file)
            mm.exe_file = None
        for file in task.files.values():
            kernel.file_table.fput(file)
        task.files.clear()
        if kernel.current is task:
            kernel.leave_address_space()
        kernel.fork.mm_free(mm)
        kernel.fork.free_task(task)
        del kernel.tasks[task.pid]
