"""arch/x86/entry/entry_32.S: the gate between programs and the kernel: int $0x80, with i386's system call numbers."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Final

from engine.clock import COSTS
from engine.events.memory import SystemCall, SystemCallReturn
from engine.kernel.errno import Errno, ErrorNumber

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.kernel.kernel import Kernel


class SystemCallNumber(IntEnum):
    """arch/x86/entry/syscalls/syscall_32.tbl: the calls that this machine has."""

    BRK = 45
    SETRLIMIT = 75
    MUNMAP = 91
    MPROTECT = 125
    MSYNC = 144
    MLOCK = 150
    MUNLOCK = 151
    MREMAP = 163
    MMAP2 = 192
    MADVISE = 219


_EAX_MASK: Final = 0xFFFFFFFF


class Entry:
    """The system call table and the way in."""

    __slots__ = ("kernel", "table")

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.table: dict[int, Callable[..., int]] = {
            SystemCallNumber.BRK: kernel.brk.sys_brk,
            SystemCallNumber.MUNMAP: kernel.mmap.sys_munmap,
            SystemCallNumber.MMAP2: kernel.mmap.ksys_mmap_pgoff,
            SystemCallNumber.MPROTECT: kernel.mprotect.sys_mprotect,
            SystemCallNumber.MREMAP: kernel.mremap.sys_mremap,
            SystemCallNumber.MADVISE: kernel.madvise.sys_madvise,
            SystemCallNumber.MSYNC: kernel.msync.sys_msync,
            SystemCallNumber.MLOCK: kernel.mlock.sys_mlock,
            SystemCallNumber.MUNLOCK: kernel.mlock.sys_munlock,
        }

    def system_call(self, number: int, arguments: tuple[int, ...]) -> int:
        """do_int80_syscall_32(): performs the call; gives eax: the result, or -errno. An unknown number is -ENOSYS."""
        kernel = self.kernel
        kernel.entries += 1
        kernel.clock.ns += COSTS.system_call
        handler = self.table.get(number)
        with kernel.trace.open(SystemCall(number, arguments)):
            if handler is None:
                result = -ErrorNumber.ENOSYS
            else:
                try:
                    result = handler(*arguments)
                except Errno as error:
                    result = -error.number
            kernel.trace.emit(SystemCallReturn(number, result))
        if kernel.work_pending:
            kernel.return_to_user()
        return result
