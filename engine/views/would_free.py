"""What would free(p) do? glibc's own code run on a copy: what it stores goes nowhere, what it asks of the kernel is only noted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from engine.clock import Clock
from engine.libc.abort import Abort
from engine.libc.unistd import NR_BRK, NR_MADVISE, NR_MREMAP, NR_MUNMAP
from engine.trace import Trace
from engine.views.probe import Probe

if TYPE_CHECKING:
    from array import array

    from engine.events import Event
    from engine.machine import Machine

_CAPACITY: Final = 256
_WORD: Final = 0xFFFFFFFF
_CALL_NAMES: Final = {NR_BRK: "brk", NR_MUNMAP: "munmap", NR_MREMAP: "mremap", NR_MADVISE: "madvise"}


class _Unreadable(Exception):  # noqa: N818 - not our error: the program would fault here
    """The program would read or write where nothing is, or where the page is in swap."""

    def __init__(self, address: int) -> None:
        super().__init__(address)
        self.address = address


@dataclass(frozen=True, slots=True)
class StoreView:
    """A word that free() would change."""

    address: int
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class WouldFree:
    """What free(`pointer`) would do: glibc's steps, its words to memory, its system calls; and how it would end."""

    pointer: int
    events: tuple[Event, ...]
    stores: tuple[StoreView, ...]
    system_calls: tuple[tuple[str, tuple[int, ...]], ...]
    aborts_with: str | None
    """glibc's sentence, where it would notice a mistake and abort."""
    faults_at: int | None
    """The address whose access would fault, where free() would run into nothing."""


class _ShadowCpu:
    """Loads see the process's memory; stores stay here. Every page is "not at hand", so no fast path is taken."""

    def __init__(self, probe: Probe) -> None:
        self.read_pages: dict[int, array[int]] = {}
        self.write_pages: dict[int, array[int]] = {}
        self.probe = probe
        self.words: dict[int, int] = {}
        self.calls: list[tuple[str, tuple[int, ...]]] = []

    def load32(self, address: int) -> int:
        if address & 3:
            return int.from_bytes(self.load_bytes(address, 4), "little")
        word = self.words.get(address)
        if word is None:
            word = self.probe.word(address & _WORD)
        if word is None:
            raise _Unreadable(address)
        return word

    def store32(self, address: int, value: int) -> None:
        if address & 3:
            self.store_bytes(address, value.to_bytes(4, "little"))
            return
        self.load32(address)
        self.words[address] = value

    def load16(self, address: int) -> int:
        return int.from_bytes(self.load_bytes(address, 2), "little")

    def store16(self, address: int, value: int) -> None:
        self.store_bytes(address, value.to_bytes(2, "little"))

    def load_bytes(self, address: int, count: int) -> bytes:
        return bytes(self.load32(at & ~3) >> ((at & 3) << 3) & 0xFF for at in range(address, address + count))

    def store_bytes(self, address: int, data: bytes) -> None:
        for at, byte in enumerate(data, address):
            shift = (at & 3) << 3
            self.store32(at & ~3, self.load32(at & ~3) & ~(0xFF << shift) | byte << shift)

    def fill(self, address: int, count: int, byte: int) -> None:
        self.store_bytes(address, bytes([byte]) * count)

    def int80(self, number: int, *arguments: int) -> int:
        """Says that the call went well: brk reaches what was asked for, the others give 0."""
        self.calls.append((_CALL_NAMES.get(number, str(number)), arguments))
        return arguments[0] if number == NR_BRK else 0


def would_free(machine: Machine, pointer: int, pid: int = 0) -> WouldFree:
    """The dry run; the machine stays as it is. Raises KeyError for an unknown pid."""
    process = machine.processes[pid]
    cpu = _ShadowCpu(Probe(machine.kernel, process.task.mm))
    trace = Trace(Clock(), _CAPACITY)
    libc = process.libc.shadow(cpu, trace)
    complaint, fault = None, None
    try:
        libc.free(pointer)
    except Abort as abort:
        complaint = abort.message
    except _Unreadable as unreadable:
        fault = unreadable.address
    stores = tuple(
        StoreView(at, before, after)
        for at, after in sorted(cpu.words.items())
        if (before := cpu.probe.word(at)) is not None and before != after
    )
    events = tuple(record.event for record in trace.records())
    return WouldFree(pointer, events, stores, tuple(cpu.calls), complaint, fault)
