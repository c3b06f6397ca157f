"""malloc/malloc.c: the thread's cache: per chunk size a short stack of freed chunks that nobody else looks at.

A chunk in it keeps its header as if in use. Its user data begin with the link to the next one and the key:

        mem -> | next, mixed with where it lies (safe-linking) |   +0
               | tcache_key: marks a chunk as being here       |   +4
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.events.libc import TcacheGet, TcachePut
from engine.libc.abort import malloc_printerr
from engine.libc.chunk import CHUNK_HDR_SZ, MALLOC_ALIGN_MASK, protect_pointer
from engine.libc.state import TCACHE_ENTRIES, TCACHE_MAX_BINS

if TYPE_CHECKING:
    from engine.libc.heap import Heap

KEY: Final = 4
"""Where the key lies in a cached chunk's memory."""
GET_EVENTS: Final = tuple(TcacheGet(index, index + 1 << 4) for index in range(TCACHE_MAX_BINS))
PUT_EVENTS: Final = tuple(TcachePut(index, index + 1 << 4) for index in range(TCACHE_MAX_BINS))


def tcache_get(heap: Heap, index: int) -> int:
    """tcache_get(): the newest chunk's memory. The caller knows that the count is not 0."""
    entry = heap.tcache + TCACHE_ENTRIES + 4 * index
    mem = heap.load32(entry)
    if mem & MALLOC_ALIGN_MASK:
        malloc_printerr("malloc(): unaligned tcache chunk detected")
    heap.store32(entry, protect_pointer(mem, heap.load32(mem)))
    count = heap.tcache + 2 * index
    heap.cpu.store16(count, heap.cpu.load16(count) - 1 & 0xFFFF)
    heap.store32(mem + KEY, 0)
    if heap.trace.on:
        heap.trace.emit(GET_EVENTS[index])
    return mem


def tcache_put(heap: Heap, chunk: int, index: int) -> None:
    """tcache_put(): the chunk becomes the newest of its bin."""
    mem = chunk + CHUNK_HDR_SZ
    entry = heap.tcache + TCACHE_ENTRIES + 4 * index
    heap.store32(mem + KEY, heap.tcache_key)
    heap.store32(mem, protect_pointer(mem, heap.load32(entry)))
    heap.store32(entry, mem)
    count = heap.tcache + 2 * index
    heap.cpu.store16(count, heap.cpu.load16(count) + 1 & 0xFFFF)
    if heap.trace.on:
        heap.trace.emit(PUT_EVENTS[index])
