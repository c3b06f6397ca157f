"""include/linux/sched.h: task_struct, as far as memory management needs it: a process with its limits and counts."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from engine.kernel.fs import File
    from engine.kernel.mm_types import Mm
    from engine.kernel.slub_cache import KmemCache

RLIM_INFINITY: Final = 0xFFFFFFFF
STACK_LIMIT: Final = 8 << 20
MEMLOCK_LIMIT: Final = 8 << 20
"""MLOCK_LIMIT: what an unprivileged process may lock, since Linux 5.16."""


class Resource(IntEnum):
    """include/uapi/asm-generic/resource.h."""

    DATA = 2
    STACK = 3
    MEMLOCK = 8
    AS = 9


class SignalNumber(IntEnum):
    """arch/x86/include/uapi/asm/signal.h: the signals that memory management sends."""

    SIGABRT = 6
    SIGBUS = 7
    SIGKILL = 9
    SIGSEGV = 11


class Killed(Exception):  # noqa: N818 - a fact, not an error of ours
    """The kernel sent the running process a signal that it did not survive, or that the recorder's handler caught.

    `code` is si_code, `address` si_addr. It passes through the program (libc never catches it) to the machine.
    """

    def __init__(self, signal: SignalNumber, code: int, address: int | None) -> None:
        super().__init__(signal.name)
        self.signal = signal
        self.code = code
        self.address = address


class Task:
    """One process: its address space, its open files, its limits, its faults."""

    __slots__ = (
        "address",
        "comm",
        "files",
        "maj_flt",
        "min_flt",
        "mm",
        "oom_score_adj",
        "parent",
        "pid",
        "records",
        "rlimits",
        "sigkill_pending",
        "stack_pfn",
    )

    def __init__(self, address: int, pid: int, comm: str, mm: Mm, parent: Task | None) -> None:
        self.address = address
        """Where the kernel keeps this record: an object of the slab cache task_struct."""
        self.pid = pid
        self.comm = comm
        self.mm = mm
        self.parent = parent
        self.files: dict[int, File] = {}
        self.rlimits: dict[Resource, int] = {
            Resource.DATA: RLIM_INFINITY,
            Resource.STACK: STACK_LIMIT,
            Resource.MEMLOCK: MEMLOCK_LIMIT,
            Resource.AS: RLIM_INFINITY,
        }
        self.min_flt = self.maj_flt = 0
        self.oom_score_adj = 0
        self.sigkill_pending = False
        """The kernel has decided to kill it: it dies at its next return from the kernel."""
        self.records: list[tuple[KmemCache, int]] = []
        """Other objects of slab caches that a process has: its credentials, signals, table of descriptors, …"""
        self.stack_pfn = 0
        """First frame of its kernel stack (two pages)."""
