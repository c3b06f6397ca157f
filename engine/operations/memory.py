"""Commands that are system calls: the program enters the kernel by int $0x80, and sees eax."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.kernel.entry import SystemCallNumber
from engine.kernel.errno import MAX_ERRNO, ErrorNumber
from engine.outcome import Outcome

if TYPE_CHECKING:
    from engine.commands import Brk, Madvise, Mlock, Mmap, Mprotect, Mremap, Msync, Munmap
    from engine.machine import Machine
    from engine.process import Process

# include/uapi/asm-generic/mman-common.h
PROT_BITS: Final = {"r": 1, "w": 2, "x": 4}
MAP_BITS: Final = {
    "shared": 0x01,
    "private": 0x02,
    "fixed": 0x10,
    "growsdown": 0x0100,
    "locked": 0x2000,
    "noreserve": 0x4000,
    "populate": 0x8000,
    "fixed_noreplace": 0x100000,
}
MAP_ANONYMOUS: Final = 0x20
ADVICE: Final = {
    "normal": 0,
    "random": 1,
    "willneed": 3,
    "dontneed": 4,
    "free": 8,
    "dontfork": 10,
    "cold": 20,
    "pageout": 21,
}
MS_SYNC: Final = 4
MREMAP_MAYMOVE: Final = 1
MAP_FAILED: Final = 0xFFFFFFFF
_PAGE_SHIFT: Final = 12
NO_FILE: Final = -1


def _prot(letters: str) -> int:
    return 0 if letters == "none" else sum(PROT_BITS[letter] for letter in letters)


def _address_result(op: str, process: Process, result: int) -> Outcome:
    """The outcome of a call that gives an address, or MAP_FAILED and errno."""
    if -MAX_ERRNO <= result < 0:
        return Outcome(op, process.pid, MAP_FAILED, ErrorNumber(-result).name)
    return Outcome(op, process.pid, result)


def _plain_result(op: str, process: Process, result: int) -> Outcome:
    """The outcome of a call that gives 0, or -1 and errno."""
    if result < 0:
        return Outcome(op, process.pid, -1, ErrorNumber(-result).name)
    return Outcome(op, process.pid, result)


def brk(machine: Machine, process: Process, command: Brk, address: int) -> Outcome:
    """The raw system call: its result is the break, moved or not."""
    return Outcome("brk", process.pid, machine.cpu.int80(SystemCallNumber.BRK, address))


def mmap(machine: Machine, process: Process, command: Mmap, address: int) -> Outcome:
    """mmap(): the slot takes the address, unless it failed."""
    task = process.task
    flags = sum(MAP_BITS[flag] for flag in set(command.flags))
    if command.file is None:
        flags |= MAP_ANONYMOUS
    before = task.min_flt, task.maj_flt
    if command.offset & (1 << _PAGE_SHIFT) - 1:
        result = -ErrorNumber.EINVAL
    else:
        result = machine.cpu.int80(
            SystemCallNumber.MMAP2,
            address,
            command.length,
            _prot(command.prot),
            flags,
            NO_FILE if command.file is None else command.file,
            command.offset >> _PAGE_SHIFT,
        )
    outcome = _address_result("mmap", process, result)
    if outcome.errno is None:
        process.slots[command.as_] = result
    return outcome._replace(minflt=task.min_flt - before[0], majflt=task.maj_flt - before[1])


def munmap(machine: Machine, process: Process, command: Munmap, address: int) -> Outcome:
    """munmap()."""
    return _plain_result("munmap", process, machine.cpu.int80(SystemCallNumber.MUNMAP, address, command.length))


def mprotect(machine: Machine, process: Process, command: Mprotect, address: int) -> Outcome:
    """mprotect()."""
    result = machine.cpu.int80(SystemCallNumber.MPROTECT, address, command.length, _prot(command.prot))
    return _plain_result("mprotect", process, result)


def mremap(machine: Machine, process: Process, command: Mremap, address: int) -> Outcome:
    """mremap(): the slot takes the new address, unless it failed."""
    flags = MREMAP_MAYMOVE if command.may_move else 0
    result = machine.cpu.int80(SystemCallNumber.MREMAP, address, command.old_length, command.new_length, flags, 0)
    outcome = _address_result("mremap", process, result)
    if outcome.errno is None:
        process.slots[command.as_] = result
    return outcome


def madvise(machine: Machine, process: Process, command: Madvise, address: int) -> Outcome:
    """madvise()."""
    result = machine.cpu.int80(SystemCallNumber.MADVISE, address, command.length, ADVICE[command.advice])
    return _plain_result("madvise", process, result)


def msync(machine: Machine, process: Process, command: Msync, address: int) -> Outcome:
    """msync(MS_SYNC)."""
    return _plain_result("msync", process, machine.cpu.int80(SystemCallNumber.MSYNC, address, command.length, MS_SYNC))


def mlock(machine: Machine, process: Process, command: Mlock, address: int) -> Outcome:
    """mlock()."""
    task = process.task
    before = task.min_flt, task.maj_flt
    outcome = _plain_result("mlock", process, machine.cpu.int80(SystemCallNumber.MLOCK, address, command.length))
    return outcome._replace(minflt=task.min_flt - before[0], majflt=task.maj_flt - before[1])
