"""Commands about processes, limits, settings, files and the processor's mode."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.hardware.tlb import FlushReason
from engine.kernel.errno import Errno, ErrorNumber
from engine.kernel.fs import FileSystem, Letters
from engine.kernel.task import Resource
from engine.outcome import CommandError, Ended, Outcome

if TYPE_CHECKING:
    from engine.commands import (
        Close,
        Exit,
        FailDisk,
        Fork,
        OomAdj,
        OpenFile,
        Rlimit,
        SetPaging,
        Sleep,
        Sync,
        Sysctl,
        Wait,
    )
    from engine.machine import Machine
    from engine.process import Process

_RESOURCES: Final = {
    "as": Resource.AS,
    "data": Resource.DATA,
    "stack": Resource.STACK,
    "memlock": Resource.MEMLOCK,
}
OOM_SCORE_ADJ_MINIMUM: Final = -1000
OOM_SCORE_ADJ_MAXIMUM: Final = 1000
SLEEP_MAXIMUM: Final = 600_000
_MILLISECOND: Final = 1_000_000
_FILE_SYSTEMS: Final = (("/tmp/", FileSystem.TMPFS), ("/mnt/", FileSystem.EXT4))  # noqa: S108 - simulated


def oomadj(machine: Machine, process: Process, command: OomAdj, address: int) -> Outcome:
    """Writes /proc/self/oom_score_adj."""
    if not OOM_SCORE_ADJ_MINIMUM <= command.value <= OOM_SCORE_ADJ_MAXIMUM:
        return Outcome("oomadj", process.pid, errno="EINVAL")
    process.task.oom_score_adj = command.value
    return Outcome("oomadj", process.pid)


def rlimit(machine: Machine, process: Process, command: Rlimit, address: int) -> Outcome:
    """setrlimit()."""
    process.task.rlimits[_RESOURCES[command.resource]] = command.limit
    return Outcome("rlimit", process.pid, 0)


def sysctl(machine: Machine, process: Process, command: Sysctl, address: int) -> Outcome:
    """Writes /proc/sys/vm/NAME."""
    try:
        machine.kernel.sysctl.write(command.name, command.value, command.rest)
    except Errno as error:
        return Outcome("sysctl", process.pid, errno=error.number.name)
    return Outcome("sysctl", process.pid)


def open_file(machine: Machine, process: Process, command: OpenFile, address: int) -> Outcome:
    """Makes a file, or opens one that is there, as the process's file number `file`."""
    system = refuse_open_file(machine, command)
    kernel, files = machine.kernel, process.task.files
    try:
        file = kernel.filemap.open(command.path, system)
    except Errno as error:
        return Outcome("file", process.pid, errno=error.number.name)
    before, files[command.file] = files.get(command.file), file
    if before is not None:
        kernel.file_table.fput(before)
    if command.size > 0:
        kernel.filemap.write_file(file.inode, Letters(command.size), command.size)
    return Outcome("file", process.pid)


def refuse_open_file(machine: Machine, command: OpenFile) -> FileSystem:
    """Where the file is or will be. Raises CommandError for a path elsewhere, or a file that is not there to be opened."""
    system = next((fs for prefix, fs in _FILE_SYSTEMS if command.path.startswith(prefix)), None)
    if system is None:
        raise CommandError("path", f"path is {command.path!r}; a file can be under /tmp (tmpfs) or /mnt (ext4)")
    if command.size < 0 and command.path not in machine.kernel.inodes:
        raise CommandError("path", f"there is no file {command.path!r} to open; give its size to make it")
    return system


def close(machine: Machine, process: Process, command: Close, address: int) -> Outcome:
    """close()."""
    file = process.task.files.pop(command.file, None)
    if file is None:
        return Outcome("close", process.pid, -1, ErrorNumber.EBADF.name)
    machine.kernel.file_table.fput(file)
    return Outcome("close", process.pid, 0)


def sleep(machine: Machine, process: Process, command: Sleep, address: int) -> Outcome:
    """nanosleep()."""
    refuse_sleep(machine, command)
    machine.kernel.fs_writeback.schedule_timeout(command.milliseconds * _MILLISECOND)
    return Outcome("sleep", process.pid, 0)


def refuse_sleep(machine: Machine, command: Sleep) -> None:
    """Raises CommandError for a time that cannot be."""
    if not 0 <= command.milliseconds <= SLEEP_MAXIMUM:
        raise CommandError("milliseconds", f"milliseconds is {command.milliseconds}; it can be 0 to {SLEEP_MAXIMUM}")


def sync(machine: Machine, process: Process, command: Sync, address: int) -> Outcome:
    """sync()."""
    machine.kernel.page_writeback.sync()
    return Outcome("sync", process.pid)


def fork(machine: Machine, process: Process, command: Fork, address: int) -> Outcome:
    """fork(): the child has the parent's slots and blocks, as it has its memory."""
    refuse_fork(machine, command)
    try:
        machine.fork(process, command.child)
    except Errno as error:
        return Outcome("fork", process.pid, -1, error.number.name)
    machine.processes[command.child].allocations = process.allocations.copy()
    return Outcome("fork", process.pid, command.child)


def refuse_fork(machine: Machine, command: Fork) -> None:
    """Raises CommandError for a number that a process has, or had."""
    if command.child in machine.processes:
        raise CommandError("child", f"there is a process {command.child} already; choose another number")


def exit_(machine: Machine, process: Process, command: Exit, address: int) -> Outcome:
    """_exit()."""
    machine.end(process, Ended(process.pid, command.code, 0))
    return Outcome("exit", process.pid, ended=process.ended)


def wait(machine: Machine, process: Process, command: Wait, address: int) -> Outcome:
    """waitpid(): only for a child that has ended, since nobody else would run meanwhile."""
    return Outcome("wait", process.pid, ended=refuse_wait(machine, command))


def refuse_wait(machine: Machine, command: Wait) -> Ended:
    """How the child ended. Raises CommandError for one that has not, or never was."""
    child = machine.processes.get(command.child)
    if child is None:
        raise CommandError("child", f"there is no process {command.child}")
    if child.ended is None:
        raise CommandError("child", f"process {command.child} has not ended: wait would never return")
    return child.ended


def fail_disk(machine: Machine, process: Process, command: FailDisk, address: int) -> Outcome:
    """A disk that fails, or works again. What the kernel has in memory stays; what it cannot write stays dirty."""
    kernel = machine.kernel
    disk = kernel.swapfile.disk if command.disk == "swap" else kernel.page_writeback.disk
    disk.fails_reading = command.fails in ("read", "both")
    disk.fails_writing = command.fails in ("write", "both")
    return Outcome("faildisk", process.pid)


def set_paging(machine: Machine, process: Process, command: SetPaging, address: int) -> Outcome:
    """Switches CR0.PG."""
    entries = len(machine.cpu.tlb.entries)
    machine.cpu.set_paging(command.on)
    machine.kernel.tell_of_flush(FlushReason.ALL, entries)
    return Outcome("paging", process.pid, int(command.on))
