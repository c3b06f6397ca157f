"""malloc/malloc.c: chunks with a mapping of their own, which large requests get.

mapping -> | prev_size: bytes from the mapping's start to here |   a page boundary, or further after memalign()
           | size with IS_MMAPPED                              |
mem     -> | user data … to the mapping's end
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.events.libc import MmapChunk, MremapChunk, MunmapChunk
from engine.libc.abort import malloc_assert, malloc_printerr
from engine.libc.chunk import (
    CHUNK_HDR_SZ,
    IS_MMAPPED,
    MALLOC_ALIGN_MASK,
    PAGE,
    SIZE,
    SIZE_MASK,
    SIZE_SZ,
    WORD,
)
from engine.libc.state import MAX_MMAPPED_MEM, MAX_N_MMAPS, MMAPPED_MEM, N_MMAPS
from engine.libc.unistd import MAP_FAILED

if TYPE_CHECKING:
    from engine.libc.heap import Heap

_CORRECTION: Final = MALLOC_ALIGN_MASK + 1 - CHUNK_HDR_SZ
"""A mapping begins on a page boundary, so its chunk begins 8 bytes further for its memory to be aligned."""


def align_up(size: int, unit: int) -> int:
    """ALIGN_UP(), in 32 bits."""
    return size + unit - 1 & -unit & WORD


def sysmalloc_mmap(heap: Heap, size: int) -> int:
    """sysmalloc_mmap(): a mapping for one chunk of at least `size` bytes; the chunk, or 0."""
    length = align_up(size + SIZE_SZ + MALLOC_ALIGN_MASK & WORD, PAGE)
    if length <= size:
        return 0
    mapping = heap.unistd.mmap(length)
    if mapping == MAP_FAILED:
        return 0
    chunk = mapping + _CORRECTION
    heap.store32(chunk, _CORRECTION)
    heap.store32(chunk + SIZE, length - _CORRECTION | IS_MMAPPED)
    _count(heap, N_MMAPS, MAX_N_MMAPS, 1)
    _count(heap, MMAPPED_MEM, MAX_MMAPPED_MEM, length)
    heap.trace.emit(MmapChunk(chunk, length - _CORRECTION))
    return chunk


def _count(heap: Heap, figure: int, maximum: int, change: int) -> None:
    """Adds to one of mp_'s figures, and remembers the most that it ever was."""
    total = heap.load32(heap.mp + figure) + change & WORD
    heap.store32(heap.mp + figure, total)
    if total > heap.load32(heap.mp + maximum):
        heap.store32(heap.mp + maximum, total)


def _mapping_of(heap: Heap, chunk: int, complaint: str) -> tuple[int, int, int]:
    """(start, length, chunk's offset) of the mapping, as the chunk's header tells it. Aborts unless that looks right."""
    offset = heap.load32(chunk)
    total = offset + (heap.load32(chunk + SIZE) & SIZE_MASK) & WORD
    start = chunk - offset & WORD
    within = chunk + CHUNK_HDR_SZ & PAGE - 1
    if (start | total) & PAGE - 1 or within & within - 1:
        malloc_printerr(complaint)
    return start, total, offset


def munmap_chunk(heap: Heap, chunk: int) -> None:
    """munmap_chunk(): gives the chunk's mapping back to the kernel."""
    start, total, _ = _mapping_of(heap, chunk, "munmap_chunk(): invalid pointer")
    load32, store32, mp = heap.load32, heap.store32, heap.mp
    store32(mp + N_MMAPS, load32(mp + N_MMAPS) - 1 & WORD)
    store32(mp + MMAPPED_MEM, load32(mp + MMAPPED_MEM) - total & WORD)
    heap.trace.emit(MunmapChunk(chunk, total))
    heap.unistd.munmap(start, total)


def mremap_chunk(heap: Heap, chunk: int, size: int) -> int:
    """mremap_chunk(): resizes the chunk's mapping, perhaps moving it; the chunk, or 0."""
    start, total, offset = _mapping_of(heap, chunk, "mremap_chunk(): invalid pointer")
    length = align_up(size + offset + SIZE_SZ & WORD, PAGE)
    if total == length:
        return chunk
    moved = heap.unistd.mremap(start, total, length)
    if moved == MAP_FAILED:
        return 0
    chunk = moved + offset
    if chunk + CHUNK_HDR_SZ & MALLOC_ALIGN_MASK:
        malloc_assert("mremap_chunk", "aligned_OK (chunk2mem (p))")
    if heap.load32(chunk) != offset:
        malloc_assert("mremap_chunk", "prev_size (p) == offset")
    heap.store32(chunk + SIZE, length - offset & WORD | IS_MMAPPED)
    _count(heap, MMAPPED_MEM, MAX_MMAPPED_MEM, length - total)
    heap.trace.emit(MremapChunk(chunk, length - offset))
    return chunk
