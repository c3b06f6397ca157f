"""The free chunks that glibc keeps: tcache, fast bins, the unsorted bin, small and large bins, with their links."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from engine.libc.chunk import BK, CHUNK_HDR_SZ, FD, SIZE, SIZE_MASK, protect_pointer
from engine.libc.state import FASTBINS, NBINS, NFASTBINS, NSMALLBINS, TCACHE_ENTRIES, TCACHE_MAX_BINS, bin_at
from engine.views.libc_words import LibcWords, libc_words

if TYPE_CHECKING:
    from engine.machine import Machine

LINKS_MAXIMUM: Final = 4096
"""A list that is longer, or runs in a circle, is shown as far as this and marked as damaged."""


class BinKind(StrEnum):
    """glibc's five sorts of free lists."""

    TCACHE = "tcache"
    FAST = "fastbin"
    UNSORTED = "unsorted"
    SMALL = "small"
    LARGE = "large"


@dataclass(frozen=True, slots=True)
class Link:
    """One chunk on a list, and its link words as they lie in memory (tcache and fast bins: mixed by safe-linking)."""

    chunk: int
    size: int
    forward: int
    back: int | None
    """bk; None in singly linked lists."""
    leads_to: int
    """The pointer that `forward` stands for, taken apart from what it was mixed with."""


@dataclass(frozen=True, slots=True)
class Bin:
    """One list that is not empty, from the chunk that malloc would take first. `size` is 0 where sizes are mixed."""

    kind: BinKind
    index: int
    size: int
    count: int | None
    """The tcache's own count; None for the others, which keep none."""
    links: tuple[Link, ...]
    damaged: bool
    """The list does not end where it should: it runs in a circle or leaves what can be read."""


@dataclass(frozen=True, slots=True)
class BinsView:
    """All lists that are not empty."""

    pid: int
    bins: tuple[Bin, ...]

    def of(self, kind: BinKind) -> tuple[Bin, ...]:
        """The lists of one sort."""
        return tuple(found for found in self.bins if found.kind is kind)


def bins(machine: Machine, pid: int = 0) -> BinsView:
    """The free lists of process `pid`'s main arena and tcache. Raises KeyError for an unknown pid."""
    words = libc_words(machine, pid)
    return BinsView(pid, () if words is None else bins_of(words))


def bins_of(words: LibcWords) -> tuple[Bin, ...]:
    """The lists of an allocator's state."""
    found: list[Bin] = []
    if words.tcache:
        found.extend(_tcache(words))
    for index in range(NFASTBINS):
        head = words.probe.word(words.arena + FASTBINS + 4 * index) or 0
        if head:
            links, damaged = _single(words, head, 0)
            found.append(Bin(BinKind.FAST, index, index + 2 << 3, None, links, damaged))
    first = bin_at(words.arena, 1)
    backs = words.probe.run(first + FD, 2 * (NBINS - 2))[1::2]
    for index, back in enumerate(backs, 1):
        header = first + (index - 1) * CHUNK_HDR_SZ
        if back == header:
            continue
        links, damaged = _double(words, header)
        if links:
            found.append(Bin(_kind(index), index, _size(index), None, links, damaged))
    return tuple(found)


def _kind(index: int) -> BinKind:
    if index == 1:
        return BinKind.UNSORTED
    return BinKind.SMALL if index < NSMALLBINS + 1 else BinKind.LARGE


def _size(index: int) -> int:
    return index - 1 << 4 if 1 < index < NSMALLBINS + 1 else 0


def _tcache(words: LibcWords) -> list[Bin]:
    found = []
    counts = words.probe.run(words.tcache, TCACHE_MAX_BINS // 2)
    for index, held in enumerate(words.probe.run(words.tcache + TCACHE_ENTRIES, TCACHE_MAX_BINS)):
        mem = held or 0
        count = (counts[index >> 1] or 0) >> 16 * (index & 1) & 0xFFFF
        if not mem and not count:
            continue
        links, damaged = _single(words, mem, CHUNK_HDR_SZ)
        found.append(Bin(BinKind.TCACHE, index, index + 1 << 4, count, links, damaged or len(links) != count))
    return found


def _single(words: LibcWords, head: int, offset: int) -> tuple[tuple[Link, ...], bool]:
    """A singly linked list; `offset` is how far behind a chunk's address its pointers point (tcache: at the memory)."""
    links: list[Link] = []
    seen: set[int] = set()
    pointer = head
    while pointer:
        chunk = pointer - offset
        raw = None if pointer & 3 else words.probe.word(chunk + CHUNK_HDR_SZ)
        if pointer in seen or raw is None or len(links) == LINKS_MAXIMUM:
            return tuple(links), True
        seen.add(pointer)
        size = (words.probe.word(chunk + SIZE) or 0) & SIZE_MASK
        pointer = protect_pointer(chunk + CHUNK_HDR_SZ, raw)
        links.append(Link(chunk, size, raw, None, pointer))
    return tuple(links), False


def _double(words: LibcWords, header: int) -> tuple[tuple[Link, ...], bool]:
    """A doubly linked list, oldest chunk first: malloc takes from the back."""
    links: list[Link] = []
    seen: set[int] = set()
    chunk = words.probe.word(header + BK) or header
    while chunk != header:
        forward = None if chunk & 3 else words.probe.word(chunk + FD)
        back = None if chunk & 3 else words.probe.word(chunk + BK)
        if chunk in seen or forward is None or back is None or len(links) == LINKS_MAXIMUM:
            return tuple(links), True
        seen.add(chunk)
        links.append(Link(chunk, (words.probe.word(chunk + SIZE) or 0) & SIZE_MASK, forward, back, forward))
        chunk = back
    return tuple(links), False
