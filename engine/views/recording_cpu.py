"""A processor that remembers which words were read through it: what glibc looked at last, before it complained."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from array import array

    from engine.libc.unistd import CpuPort


class RecordingCpu:
    """The processor as libc sees it. No page is "at hand", so libc takes no short cut and every word is read here."""

    def __init__(self, cpu: CpuPort, remember: int) -> None:
        self.read_pages: dict[int, array[int]] = {}
        self.write_pages: dict[int, array[int]] = {}
        self._cpu = cpu
        self._looked_at: deque[int] = deque(maxlen=remember)

    def looked_at(self) -> list[int]:
        """The words that were read last, each once, the latest first."""
        return list(dict.fromkeys(reversed(self._looked_at)))

    def load32(self, address: int) -> int:
        """A word."""
        self._looked_at.append(address & ~3)
        return self._cpu.load32(address)

    def load16(self, address: int) -> int:
        """A half-word."""
        self._looked_at.append(address & ~3)
        return self._cpu.load16(address)

    def load_bytes(self, address: int, count: int) -> bytes:
        """Some bytes: a program's data, which glibc only copies."""
        return self._cpu.load_bytes(address, count)

    def store32(self, address: int, value: int) -> None:
        """Stores a word."""
        self._cpu.store32(address, value)

    def store16(self, address: int, value: int) -> None:
        """Stores a half-word."""
        self._cpu.store16(address, value)

    def store_bytes(self, address: int, data: bytes) -> None:
        """Stores some bytes."""
        self._cpu.store_bytes(address, data)

    def fill(self, address: int, count: int, byte: int) -> None:
        """Stores equal bytes."""
        self._cpu.fill(address, count, byte)

    def int80(self, number: int, *arguments: int) -> int:
        """Enters the kernel."""
        return self._cpu.int80(number, *arguments)
