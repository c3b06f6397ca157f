"""Commands that the program's libc performs: malloc and its kin, and sbrk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.allocations import ASKED_BITS
from engine.clock import COSTS
from engine.kernel.errno import ErrorNumber
from engine.outcome import NOTHING_ELSE, Outcome, returned

if TYPE_CHECKING:
    from engine.allocations import Allocations
    from engine.commands import Calloc, Free, Mallinfo, Malloc, Mallopt, Memalign, Realloc, Sbrk, Trim, Usable
    from engine.machine import Machine
    from engine.process import Process

SBRK_FAILED: Final = 0xFFFFFFFF
_LIBC_CALL_NS: Final = COSTS.libc_call
_new: Final = tuple.__new__
"""Makes an outcome of its type and a tuple, without the call that its constructor is."""


def _error(process: Process) -> str:
    return ErrorNumber(process.libc.errno).name


def malloc(machine: Machine, process: Process, command: Malloc, address: int) -> Outcome:
    """malloc()."""
    machine.clock.ns += _LIBC_CALL_NS
    size = command.size
    pointer = process.slots[command.as_] = process.libc.malloc(size)
    if pointer:
        process.allocations.given[pointer] = machine.version << ASKED_BITS | size
        return _new(Outcome, ("malloc", process.pid, pointer, *NOTHING_ELSE))
    return Outcome("malloc", process.pid, 0, _error(process))


def calloc(machine: Machine, process: Process, command: Calloc, address: int) -> Outcome:
    """calloc()."""
    machine.clock.ns += _LIBC_CALL_NS
    pointer = process.libc.calloc(command.count, command.size)
    process.slots[command.as_] = pointer
    if pointer:
        process.allocations.given[pointer] = machine.version << ASKED_BITS | command.count * command.size
    return Outcome("calloc", process.pid, pointer, None if pointer else _error(process))


def realloc(machine: Machine, process: Process, command: Realloc, address: int) -> Outcome:
    """realloc(): the slot keeps its pointer when there is no memory."""
    machine.clock.ns += _LIBC_CALL_NS
    pointer = process.libc.realloc(address, command.size)
    _note_realloc(process.allocations, address, pointer, command.size, machine.version)
    if pointer or not command.size:
        process.slots[command.as_] = pointer
        return returned("realloc", process.pid, pointer)
    return Outcome("realloc", process.pid, pointer, _error(process))


def _note_realloc(allocations: Allocations, old: int, new: int, size: int, version: int) -> None:
    """The block moved, was resized where it is, was freed (size 0), or is as it was (no memory)."""
    if old != new and (new or not size):
        allocations.freed[old] = version
    if new:
        allocations.given[new] = version << ASKED_BITS | size


def memalign(machine: Machine, process: Process, command: Memalign, address: int) -> Outcome:
    """memalign()."""
    machine.clock.ns += _LIBC_CALL_NS
    pointer = process.libc.memalign(command.alignment, command.size)
    process.slots[command.as_] = pointer
    if pointer:
        process.allocations.given[pointer] = machine.version << ASKED_BITS | command.size
    return Outcome("memalign", process.pid, pointer, None if pointer else _error(process))


def free(machine: Machine, process: Process, command: Free, address: int) -> Outcome:
    """free()."""
    machine.clock.ns += _LIBC_CALL_NS
    process.libc.free(address)
    process.allocations.freed[address] = machine.version
    return process.freed


def usable(machine: Machine, process: Process, command: Usable, address: int) -> Outcome:
    """malloc_usable_size()."""
    return Outcome("usable", process.pid, process.libc.malloc_usable_size(address))


def trim(machine: Machine, process: Process, command: Trim, address: int) -> Outcome:
    """malloc_trim()."""
    return Outcome("trim", process.pid, process.libc.malloc_trim(command.pad))


def mallopt(machine: Machine, process: Process, command: Mallopt, address: int) -> Outcome:
    """mallopt()."""
    return Outcome("mallopt", process.pid, process.libc.mallopt(command.parameter, command.value))


def mallinfo(machine: Machine, process: Process, command: Mallinfo, address: int) -> Outcome:
    """mallinfo2()."""
    return Outcome("mallinfo", process.pid, figures=process.libc.mallinfo2()._asdict())


def sbrk(machine: Machine, process: Process, command: Sbrk, address: int) -> Outcome:
    """sbrk(): gives the old break."""
    old = process.libc.sbrk(command.delta)
    return Outcome("sbrk", process.pid, old, _error(process) if old == SBRK_FAILED else None)
