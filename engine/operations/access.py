"""Commands that are the program's own loads and stores.

The program has a handler for SIGSEGV and SIGBUS around them: a bad access is told and the program goes on. Only where it
checks many pages (checktouch) it has none, and dies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.kernel.mm_types import PAGE_SIZE
from engine.kernel.task import Killed, SignalNumber
from engine.outcome import Outcome, Signal

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.commands import CheckTouch, Fill, Read, Read32, Stack, Touch, Write, Write32
    from engine.machine import Machine
    from engine.process import Process

USER_TOP: Final = 0xC0000000
_ADDRESS_MASK: Final = 0xFFFFFFFF


_REST: Final = (None,) * (len(Outcome._fields) - Outcome._fields.index("signal") - 1)


def _signal(killed: Killed) -> Signal:
    """What the program's handler is told. SIGKILL cannot be caught: raises it again."""
    if killed.signal is SignalNumber.SIGKILL:
        raise killed
    return Signal(killed.signal.name, int(killed.code), killed.address, fatal=False)


def _accessed(process: Process, op: str, value: int | None, before: tuple[int, int], signal: Signal | None) -> Outcome:
    """The outcome of an access that began when the process had `before` (minor, major) faults."""
    task = process.task
    faults = task.min_flt - before[0], task.maj_flt - before[1]
    return tuple.__new__(Outcome, (op, process.pid, None, None, value, None, None, *faults, signal, *_REST))


def _guarded(process: Process, op: str, access: Callable[[], int | None]) -> Outcome:
    """Performs `access`; counts its faults, and catches the signal that it may raise."""
    before = process.task.min_flt, process.task.maj_flt
    value, signal = None, None
    try:
        value = access()
    except Killed as killed:
        signal = _signal(killed)
    return _accessed(process, op, value, before, signal)


def read(machine: Machine, process: Process, command: Read, address: int) -> Outcome:
    """Loads a byte."""
    before = process.task.min_flt, process.task.maj_flt
    value, signal = None, None
    try:
        value = machine.cpu.load8(address)
    except Killed as killed:
        signal = _signal(killed)
    return _accessed(process, "read", value, before, signal)


def write(machine: Machine, process: Process, command: Write, address: int) -> Outcome:
    """Stores a byte."""
    before = process.task.min_flt, process.task.maj_flt
    signal = None
    try:
        machine.cpu.store8(address, command.value)
    except Killed as killed:
        signal = _signal(killed)
    return _accessed(process, "write", None, before, signal)


def read32(machine: Machine, process: Process, command: Read32, address: int) -> Outcome:
    """Loads a word."""
    return _guarded(process, "read32", lambda: machine.cpu.load32(address))


def write32(machine: Machine, process: Process, command: Write32, address: int) -> Outcome:
    """Stores a word."""
    return _guarded(process, "write32", lambda: machine.cpu.store32(address, command.value))


def stack(machine: Machine, process: Process, command: Stack, address: int) -> Outcome:
    """Stores a byte deep in the stack."""
    return _guarded(process, "stack", lambda: machine.cpu.store8(USER_TOP - command.depth & _ADDRESS_MASK, 1))


def touch(machine: Machine, process: Process, command: Touch, address: int) -> Outcome:
    """Reads or writes the first byte of each page."""
    done = 0

    def touch_pages() -> None:
        nonlocal done
        load8, store8, value = machine.cpu.load8, machine.cpu.store8, command.value
        writes = command.access == "w"
        for at in range(address, address + command.length, PAGE_SIZE):
            if writes:
                store8(at & _ADDRESS_MASK, value)
            else:
                load8(at & _ADDRESS_MASK)
            done += 1

    return _guarded(process, "touch", touch_pages)._replace(pages=done)


def fill(machine: Machine, process: Process, command: Fill, address: int) -> Outcome:
    """memset()."""
    return _guarded(process, "fill", lambda: machine.cpu.fill(address, command.length, command.value))


def checktouch(machine: Machine, process: Process, command: CheckTouch, address: int) -> Outcome:
    """Reads the first byte of each page; counts those that differ from what is expected."""
    task = process.task
    minor, major = task.min_flt, task.maj_flt
    load8, bad = machine.cpu.load8, 0
    for at in range(address, address + command.length, PAGE_SIZE):
        if load8(at & _ADDRESS_MASK) != command.value:
            bad += 1
    return Outcome("checktouch", process.pid, bad=bad, minflt=task.min_flt - minor, majflt=task.maj_flt - major)
