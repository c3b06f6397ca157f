"""malloc/malloc.c: malloc_consolidate() and the joining of a freed chunk with its free neighbours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.events.libc import BinPut, ChunkMerged, MallocConsolidate, TopMerged
from engine.libc.abort import counted, malloc_printerr
from engine.libc.bins import insert_unsorted, unlink_chunk
from engine.libc.chunk import (
    BK,
    BK_NEXTSIZE,
    FD,
    FD_NEXTSIZE,
    PREV_INUSE,
    SIZE,
    SIZE_MASK,
    WORD,
    misaligned_chunk,
    protect_pointer,
)
from engine.libc.state import FASTBINS, HAVE_FASTCHUNKS, MIN_LARGE_SIZE, NFASTBINS, TOP, UNSORTED, fastbin_index

if TYPE_CHECKING:
    from engine.libc.heap import Heap

UNSORTED_BIN: Final = 1


def malloc_consolidate(heap: Heap, arena: int, reason: str) -> None:
    """malloc_consolidate(): empties the fast bins; each chunk joins its free neighbours and goes to the unsorted bin or top."""
    load32, store32 = heap.load32, heap.store32
    if heap.trace.on:
        heap.trace.emit(MallocConsolidate(reason))
    store32(arena + HAVE_FASTCHUNKS, 0)
    for index in range(NFASTBINS):
        head = arena + FASTBINS + 4 * index
        chunk = load32(head)
        store32(head, 0)
        turns = counted("malloc_consolidate")
        while chunk:
            next(turns)
            if misaligned_chunk(chunk):
                malloc_printerr("malloc_consolidate(): unaligned fastbin chunk detected")
            size = load32(chunk + SIZE)
            if fastbin_index(size & SIZE_MASK) != index:
                malloc_printerr("malloc_consolidate(): invalid chunk size")
            following = protect_pointer(chunk + FD, load32(chunk + FD))
            _consolidate_chunk(heap, arena, chunk, size)
            chunk = following


def _consolidate_chunk(heap: Heap, arena: int, chunk: int, head: int) -> None:
    load32, store32 = heap.load32, heap.store32
    size = head & SIZE_MASK
    next_chunk = chunk + size & WORD
    next_size = load32(next_chunk + SIZE) & SIZE_MASK
    if not head & PREV_INUSE:
        chunk, size = merge_back(heap, chunk, size, "corrupted size vs. prev_size in fastbins")
    if next_chunk == load32(arena + TOP):
        become_top(heap, arena, chunk, size + next_size & WORD)
        return
    size = _merge_forward(heap, next_chunk, next_size, size)
    unsorted = arena + UNSORTED
    first = load32(unsorted + FD)
    store32(unsorted + FD, chunk)
    store32(first + BK, chunk)
    if size >= MIN_LARGE_SIZE:
        store32(chunk + FD_NEXTSIZE, 0)
        store32(chunk + BK_NEXTSIZE, 0)
    store32(chunk + BK, unsorted)
    store32(chunk + FD, first)
    set_free_head(heap, chunk, size)


def merge_back(heap: Heap, chunk: int, size: int, complaint: str) -> tuple[int, int]:
    """Joins the free chunk before, which it takes out of its list; gives the joint chunk and its size."""
    load32 = heap.load32
    prev_size = load32(chunk)
    chunk = chunk - prev_size & WORD
    if load32(chunk + SIZE) & SIZE_MASK != prev_size:
        malloc_printerr(complaint)
    unlink_chunk(heap, chunk)
    return chunk, size + prev_size & WORD


def _merge_forward(heap: Heap, next_chunk: int, next_size: int, size: int) -> int:
    """Joins the chunk behind if that is free; else tells it that the one before it is free now. Gives the size."""
    if heap.load32((next_chunk + next_size & WORD) + SIZE) & PREV_INUSE:
        heap.clear_inuse(next_chunk)
        return size
    unlink_chunk(heap, next_chunk)
    return size + next_size & WORD


def become_top(heap: Heap, arena: int, chunk: int, size: int) -> None:
    """The chunk reaches the heap's end: it is top now."""
    heap.store32(chunk + SIZE, size | PREV_INUSE)
    heap.store32(arena + TOP, chunk)
    if heap.trace.on:
        heap.trace.emit(TopMerged(chunk, size))


def set_free_head(heap: Heap, chunk: int, size: int) -> None:
    """set_head() and set_foot() of a free chunk."""
    heap.store32(chunk + SIZE, size | PREV_INUSE)
    heap.store32(chunk + size & WORD, size)


def free_to_unsorted(
    heap: Heap, arena: int, chunk: int, size: int, next_chunk: int, next_size: int, *, joined: bool
) -> int:
    """The second half of _int_free(): joins with what is behind and files the chunk as unsorted. Gives the final size.

    `joined`: the chunk before has become part of it already.
    """
    merged = _merge_forward(heap, next_chunk, next_size, size)
    insert_and_tell(heap, arena + UNSORTED, chunk, merged, joined=joined or merged != size)
    return merged


def insert_and_tell(heap: Heap, arena_unsorted: int, chunk: int, size: int, *, joined: bool) -> None:
    """Files a freed chunk, joined with neighbours or not, as unsorted, and writes what marks it as free."""
    insert_unsorted(heap, arena_unsorted, chunk, size, "free(): corrupted unsorted chunks")
    set_free_head(heap, chunk, size)
    if heap.trace.on:
        if joined:
            heap.trace.emit(ChunkMerged(chunk, size))
        heap.trace.emit(BinPut(UNSORTED_BIN, chunk, size))
