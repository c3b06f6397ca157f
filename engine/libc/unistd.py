"""misc/sbrk.c and the system call stubs: how the allocator asks the kernel for memory.

A stub gives what C's function gives: an address or MAP_FAILED (all ones), and sets errno.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from engine.libc.chunk import WORD

if TYPE_CHECKING:
    from array import array

    from engine.trace import Trace

# arch/x86/entry/syscalls/syscall_32.tbl
NR_BRK: Final = 45
NR_MUNMAP: Final = 91
NR_MREMAP: Final = 163
NR_MMAP2: Final = 192
NR_MADVISE: Final = 219

ENOMEM: Final = 12
EINVAL: Final = 22
MAX_ERRNO: Final = 4095
MAP_FAILED: Final = WORD
SBRK_FAILED: Final = WORD

PROT_READ_WRITE: Final = 3
MAP_PRIVATE_ANONYMOUS: Final = 0x22
MAP_NORESERVE: Final = 0x4000
MREMAP_MAYMOVE: Final = 1
MADV_DONTNEED: Final = 4
NO_FILE: Final = -1


class CpuPort(Protocol):
    """The processor, as a program sees it (engine/hardware/cpu.py)."""

    read_pages: dict[int, array[int]]
    write_pages: dict[int, array[int]]

    def load32(self, address: int) -> int: ...
    def store32(self, address: int, value: int) -> None: ...
    def load16(self, address: int) -> int: ...
    def store16(self, address: int, value: int) -> None: ...
    def load_bytes(self, address: int, count: int) -> bytes: ...
    def store_bytes(self, address: int, data: bytes) -> None: ...
    def fill(self, address: int, count: int, byte: int) -> None: ...
    def int80(self, number: int, *arguments: int) -> int: ...


class Unistd:
    """The calls that the allocator makes, and errno. `__curbrk` is a word in libc's data, as everything else of libc."""

    __slots__ = ("cpu", "curbrk", "errno", "trace")

    def __init__(self, cpu: CpuPort, trace: Trace, curbrk: int) -> None:
        self.cpu = cpu
        self.trace = trace
        self.curbrk = curbrk
        """Where __curbrk lies."""
        self.errno = 0

    def brk(self, address: int) -> bool:
        """brk(): asks for the break at `address`; whether it is there (errno ENOMEM otherwise)."""
        reached = self.cpu.int80(NR_BRK, address)
        self.cpu.store32(self.curbrk, reached)
        if reached < address:
            self.errno = ENOMEM
            return False
        return True

    def sbrk(self, increment: int) -> int:
        """sbrk(): moves the break by `increment` bytes; gives the old one, or SBRK_FAILED.

        It trusts its own __curbrk: a break moved behind its back by the raw system call goes unnoticed.
        """
        load32 = self.cpu.load32
        if load32(self.curbrk) == 0 and not self.brk(0):
            return SBRK_FAILED
        old = load32(self.curbrk)
        if increment == 0:
            return old
        if not 0 <= old + increment <= WORD:
            self.errno = ENOMEM
            return SBRK_FAILED
        return old if self.brk(old + increment) else SBRK_FAILED

    def mmap(self, size: int, flags: int = 0) -> int:
        """mmap() of anonymous private memory, readable and writable; an address or MAP_FAILED."""
        flags |= MAP_PRIVATE_ANONYMOUS
        return self._address(self.cpu.int80(NR_MMAP2, 0, size, PROT_READ_WRITE, flags, NO_FILE, 0))

    def munmap(self, address: int, size: int) -> None:
        """munmap(); its failure is ignored, as glibc ignores it."""
        self._address(self.cpu.int80(NR_MUNMAP, address, size))

    def mremap(self, address: int, old_size: int, new_size: int) -> int:
        """mremap(MREMAP_MAYMOVE); an address or MAP_FAILED."""
        return self._address(self.cpu.int80(NR_MREMAP, address, old_size, new_size, MREMAP_MAYMOVE, 0))

    def madvise_dontneed(self, address: int, size: int) -> None:
        """madvise(MADV_DONTNEED): the pages read as zeros from now on."""
        self._address(self.cpu.int80(NR_MADVISE, address, size, MADV_DONTNEED))

    def _address(self, result: int) -> int:
        if -MAX_ERRNO <= result < 0:
            self.errno = -result
            return MAP_FAILED
        return result
