"""Where glibc keeps its heap's variables in a process, read without touching anything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.image import LIBC_PATH
from engine.libc.chunk import CHUNK_HDR_SZ, MALLOC_ALIGN_MASK
from engine.libc.state import MAIN_ARENA_OFFSET, MP_OFFSET, NBINS, SBRK_BASE, SYSTEM_MEM, TOP, bin_at
from engine.views.probe import Probe

if TYPE_CHECKING:
    from engine.machine import Machine


@dataclass(frozen=True, slots=True)
class LibcWords:
    """The main arena of one process. Addresses are 0 before the first call of malloc."""

    probe: Probe
    arena: int
    first_chunk: int
    top: int
    system_mem: int
    """Bytes that the arena has got from the kernel by sbrk."""
    tcache: int
    """The tcache_perthread_struct's address."""

    def is_bin(self, address: int) -> bool:
        """Whether `address` is that of a bin's head, seen as a chunk."""
        return (
            bin_at(self.arena, 1) <= address < bin_at(self.arena, NBINS) and not (address - self.arena) % CHUNK_HDR_SZ
        )


def libc_words(machine: Machine, pid: int) -> LibcWords | None:
    """The allocator's state in process `pid`; None before its first call of malloc, and once the process has ended."""
    process = machine.processes[pid]
    if process.ended is not None:
        return None
    probe = Probe(machine.kernel, process.task.mm)
    base = machine.config.image.base_of(LIBC_PATH)
    arena = base + MAIN_ARENA_OFFSET
    heap_start = probe.word(base + MP_OFFSET + SBRK_BASE) or 0
    if not heap_start:
        return None
    first = (heap_start + CHUNK_HDR_SZ + MALLOC_ALIGN_MASK & ~MALLOC_ALIGN_MASK) - CHUNK_HDR_SZ
    return LibcWords(
        probe=probe,
        arena=arena,
        first_chunk=first,
        top=probe.word(arena + TOP) or 0,
        system_mem=probe.word(arena + SYSTEM_MEM) or 0,
        tcache=process.libc.heap.tcache,
    )
