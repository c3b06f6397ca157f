"""What would free(p) do? glibc's own code run on a copy: what it stores goes nowhere, what it asks of the kernel is only noted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from engine.clock import Clock
from engine.events import event_name
from engine.libc.abort import Abort, Endless
from engine.outcome import CommandError
from engine.trace import Trace
from engine.views.places import Place, address_of
from engine.views.probe import Probe
from engine.views.shadow import Call, ShadowCpu, Store, Unreadable

if TYPE_CHECKING:
    from engine.events import Event
    from engine.machine import Machine

_CAPACITY: Final = 256


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that free() would do: its event, and the event's name."""

    name: str
    event: Event


@dataclass(frozen=True, slots=True)
class WouldFree:
    """What free(`pointer`) would do: glibc's steps, its words to memory, its system calls; and how it would end."""

    pid: int
    pointer: int
    steps: tuple[Step, ...]
    stores: tuple[Store, ...]
    """The words that would change, lowest address first."""
    system_calls: tuple[Call, ...]
    aborts_with: str | None
    """glibc's sentence, where it would notice a mistake and abort."""
    faults_at: int | None
    """The address whose access would fault for good: the program would get SIGSEGV."""
    not_in_memory_at: int | None
    """The address of a page that must be read from its file first; what comes after it is not known."""
    endless: bool
    """A damaged list runs in a circle: free() would not come back."""

    @property
    def goes_well(self) -> bool:
        """Whether free() would come back, as far as can be told."""
        return self.aborts_with is None and self.faults_at is None and not self.endless


def would_free(machine: Machine, pointer: Place, pid: int = 0) -> WouldFree:
    """The dry run; the machine stays as it is. CommandError: no such slot, or the process has ended. KeyError: no such pid."""
    process = machine.processes[pid]
    address = address_of(machine, pointer, "pointer", pid)
    if process.ended is not None:
        raise CommandError("pid", f"process {pid} has ended; it frees nothing any more")
    cpu = ShadowCpu(Probe(machine.kernel, process.task.mm))
    trace = Trace(Clock(), _CAPACITY)
    complaint, fault, absent, endless = None, None, None, False
    try:
        process.libc.shadow(cpu, trace).free(address)
    except Abort as abort:
        complaint = abort.message
    except Unreadable as unreadable:
        if unreadable.allowed:
            absent = unreadable.address
        else:
            fault = unreadable.address
    except Endless:
        endless = True
    return WouldFree(
        pid=pid,
        pointer=address,
        steps=tuple(Step(event_name(record.event), record.event) for record in trace.records()),
        stores=cpu.stores(),
        system_calls=tuple(cpu.calls),
        aborts_with=complaint,
        faults_at=fault,
        not_in_memory_at=absent,
        endless=endless,
    )
