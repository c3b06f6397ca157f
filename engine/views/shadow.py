"""A processor for dry runs: loads see a process's memory, stores stay here, and the kernel is only told about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from engine.libc.abort import Endless
from engine.libc.unistd import ENOMEM, NR_BRK, NR_MADVISE, NR_MMAP2, NR_MREMAP, NR_MUNMAP

if TYPE_CHECKING:
    from array import array

    from engine.views.probe import Probe

LOADS_MAXIMUM: Final = 200_000
"""A list of so many chunks runs in a circle: glibc would follow it for ever."""
PAGE_SHIFT: Final = 12
_WORD: Final = 0xFFFFFFFF
_CALL_NAMES: Final = {
    NR_BRK: "brk",
    NR_MMAP2: "mmap",
    NR_MUNMAP: "munmap",
    NR_MREMAP: "mremap",
    NR_MADVISE: "madvise",
}


class Unreadable(Exception):  # noqa: N818 - not our error: the program would fault here
    """The program would touch what it may not, or where nothing is; or, where it may, a page that is not in memory now."""

    def __init__(self, address: int, *, allowed: bool) -> None:
        super().__init__(address)
        self.address = address
        self.allowed = allowed
        """The kernel would read the page from its file, and the program go on."""


@dataclass(frozen=True, slots=True)
class Store:
    """A word that would change."""

    address: int
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class Call:
    """A system call that would be made."""

    name: str
    arguments: tuple[int, ...]


class ShadowCpu:
    """The processor as libc sees it (engine/libc/unistd.py). No page is "at hand", so libc takes no short cut."""

    def __init__(self, probe: Probe) -> None:
        self.read_pages: dict[int, array[int]] = {}
        self.write_pages: dict[int, array[int]] = {}
        self.calls: list[Call] = []
        self._probe = probe
        self._words: dict[int, int] = {}
        self._loads = 0
        self._readable: set[int] = set()
        """Page numbers."""

    def stores(self) -> tuple[Store, ...]:
        """The words that differ from memory now, lowest address first."""
        changed = ((at, self._probe.word(at), after) for at, after in sorted(self._words.items()))
        return tuple(Store(at, before, after) for at, before, after in changed if before not in (None, after))

    def load32(self, address: int) -> int:
        """A word. Raises Unreadable, and Endless where too many were asked for."""
        address &= _WORD
        if address & 3:
            return int.from_bytes(self.load_bytes(address, 4), "little")
        self._loads += 1
        if self._loads > LOADS_MAXIMUM:
            raise Endless("a dry run")
        word = self._words.get(address)
        if word is not None:
            return word
        self._check(address)
        word = self._probe.word(address)
        if word is None:
            raise Unreadable(address, allowed=True)
        return word

    def _check(self, address: int) -> None:
        if address >> PAGE_SHIFT in self._readable:
            return
        if not self._probe.readable(address):
            raise Unreadable(address, allowed=False)
        self._readable.add(address >> PAGE_SHIFT)

    def store32(self, address: int, value: int) -> None:
        """Keeps a word. Raises Unreadable also where the program may not write."""
        address &= _WORD
        if address & 3:
            self.store_bytes(address, value.to_bytes(4, "little"))
            return
        self.load32(address)
        if not self._probe.writable(address):
            raise Unreadable(address, allowed=False)
        self._words[address] = value

    def load16(self, address: int) -> int:
        """A half-word."""
        return int.from_bytes(self.load_bytes(address, 2), "little")

    def store16(self, address: int, value: int) -> None:
        """Keeps a half-word."""
        self.store_bytes(address, value.to_bytes(2, "little"))

    def load_bytes(self, address: int, count: int) -> bytes:
        """Some bytes."""
        return bytes(self.load32(at & ~3) >> ((at & 3) << 3) & 0xFF for at in range(address, address + count))

    def store_bytes(self, address: int, data: bytes) -> None:
        """Keeps some bytes."""
        for at, byte in enumerate(data, address):
            shift = (at & 3) << 3
            self.store32(at & ~3, self.load32(at & ~3) & ~(0xFF << shift) | byte << shift)

    def fill(self, address: int, count: int, byte: int) -> None:
        """Keeps `count` equal bytes."""
        self.store_bytes(address, bytes([byte]) * count)

    def int80(self, number: int, *arguments: int) -> int:
        """Notes the call. brk reaches what was asked for, memory is not to be had, all else goes well."""
        self.calls.append(Call(_CALL_NAMES.get(number, str(number)), arguments))
        if number == NR_BRK:
            return arguments[0]
        return -ENOMEM if number in (NR_MMAP2, NR_MREMAP) else 0
