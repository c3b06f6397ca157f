"""Taking back a few commands at once: what memory and the processor held before them.

Only commands that stayed in user mode can be taken back this way: they change words of RAM, the TLB, the clock, the trace
and the program's variables, and nothing else. A command that entered the kernel ends the stretch; before it, a session
goes back by a checkpoint and replay.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine import commands as c
from engine.hardware.ram import FRAME_SIZE

if TYPE_CHECKING:
    from array import array

    from engine.allocations import Undo
    from engine.commands import Command
    from engine.machine import Machine
    from engine.outcome import Outcome
    from engine.process import Process

USER_MODE: Final = frozenset(
    (
        c.Malloc,
        c.Calloc,
        c.Realloc,
        c.Memalign,
        c.Free,
        c.Usable,
        c.Mallinfo,
        c.Read,
        c.Write,
        c.Read32,
        c.Write32,
        c.Touch,
        c.Fill,
        c.CheckTouch,
    )
)
"""Commands that may do without the kernel."""
_SLICE: Final = 256
_SLICES: Final = range(0, FRAME_SIZE, _SLICE)


class Stretch:
    """The state before some commands in a row, as far as they changed it. Made by `begin`, at the machine's present version."""

    __slots__ = (
        "_allocations",
        "_changed",
        "_clock_ns",
        "_errno",
        "_frames",
        "_kernel_entries",
        "_process",
        "_slots",
        "_tlb",
        "_trace",
        "version",
    )

    def __init__(self, machine: Machine, process: Process) -> None:
        tlb = machine.cpu.tlb
        self.version = machine.version
        self._process = process
        self._clock_ns = machine.clock.ns
        self._errno = process.libc.errno
        self._kernel_entries = machine.kernel.entries
        self._tlb = (dict(tlb.entries), tlb.hits, tlb.misses, tlb.evictions, dict(tlb.flushes))
        self._trace = machine.trace.mark()
        process.allocations.settle()
        self._allocations: Undo | None = None
        """Once the stretch is over: what the process knew of its blocks before, where that changed."""
        self._slots: list[tuple[str, int | None]] = []
        self._frames: dict[int, array[int]] = {}
        """Frames as they were, by pfn, kept by Ram.writable() at the first store to each."""
        self._changed: dict[int, list[tuple[int, bytes]]] | None = None
        """Once the stretch is over: of each frame, the slices that differ, as (offset, what they were)."""
        tlb.write_pages.clear()
        machine.kernel.ram.undo = self._frames

    @property
    def over(self) -> bool:
        """Whether it has been ended: no more commands may join it."""
        return self._changed is not None

    def note(self, command: Command) -> None:
        """Before a command of the stretch is performed: remembers the variable that it may set."""
        name = getattr(command, "as_", None)
        if name is not None:
            self._slots.append((name, self._process.slots.get(name)))

    def holds_after(self, machine: Machine, command: Command, outcome: Outcome) -> bool:
        """Whether `command`, just performed, can be taken back by this stretch."""
        return (
            type(command) in USER_MODE
            and machine.kernel.entries == self._kernel_entries
            and command.pid == self._process.pid
            and outcome.ended is None
            and machine.trace.can_rewind(self._trace)
        )

    def end(self, machine: Machine) -> None:
        """No more commands belong to it: keeps only the words that changed."""
        if self._changed is None:
            ram = machine.kernel.ram
            self._changed = {pfn: _differences(old, ram.frame(pfn)) for pfn, old in self._frames.items()}
            self._frames = {}
            self._allocations = self._process.allocations.settle()

    def take_back(self, machine: Machine) -> None:
        """Makes the machine what it was at `version`. It must stand at the stretch's end."""
        self.end(machine)
        assert self._changed is not None
        ram, tlb = machine.kernel.ram, machine.cpu.tlb
        ram.undo = None
        for pfn, slices in self._changed.items():
            content = memoryview(ram.writable(pfn)).cast("B")
            for at, piece in slices:
                content[at : at + _SLICE] = piece
        entries, tlb.hits, tlb.misses, tlb.evictions, flushes = self._tlb
        tlb.clear()
        tlb.entries.update(entries)
        tlb.flushes = dict(flushes)
        machine.clock.ns = self._clock_ns
        machine.trace.rewind(self._trace)
        machine.version = self.version
        self._process.libc.heap.unistd.errno = self._errno
        assert self._allocations is not None
        self._process.allocations.take_back(self._allocations)
        slots = self._process.slots
        for name, value in reversed(self._slots):
            if value is None:
                slots.pop(name, None)
            else:
                slots[name] = value


def _differences(old: array[int], new: array[int]) -> list[tuple[int, bytes]]:
    """(offset, old bytes) of each slice that differs."""
    before, after = old.tobytes(), new.tobytes()
    if before == after:
        return []
    return [(at, piece) for at in _SLICES if (piece := before[at : at + _SLICE]) != after[at : at + _SLICE]]
