"""Events of glibc's allocator. Those named memory_… are glibc's own probes."""

from typing import NamedTuple


class TcacheGet(NamedTuple):
    """sim:tcache_get — malloc took the newest chunk of this tcache bin; chunks there are `size` bytes."""

    bin: int
    size: int


class TcachePut(NamedTuple):
    """sim:tcache_put — a freed chunk went into this tcache bin."""

    bin: int
    size: int


class FastbinGet(NamedTuple):
    """sim:fastbin_get — malloc took a chunk from a fast bin."""

    chunk: int
    size: int


class FastbinPut(NamedTuple):
    """sim:fastbin_put — a freed chunk went into a fast bin: it stays marked as in use."""

    chunk: int
    size: int


class BinGet(NamedTuple):
    """sim:bin_get — a chunk left bin `index` (1 is the unsorted bin) for malloc."""

    bin: int
    chunk: int
    size: int


class BinPut(NamedTuple):
    """sim:bin_put — a free chunk was filed in bin `index` (1 is the unsorted bin)."""

    bin: int
    chunk: int
    size: int


class ChunkSplit(NamedTuple):
    """sim:chunk_split — a chunk larger than needed was cut: `size` bytes for the program, the rest stays free."""

    chunk: int
    size: int
    remainder: int
    remainder_size: int


class ChunkMerged(NamedTuple):
    """sim:chunk_merged — a freed chunk and its free neighbours became one."""

    chunk: int
    size: int


class TopSplit(NamedTuple):
    """sim:top_split — a chunk was cut from top; `left` bytes remain there."""

    chunk: int
    size: int
    left: int


class TopMerged(NamedTuple):
    """sim:top_merged — a freed chunk at the heap's end became part of top, now `size` bytes."""

    chunk: int
    size: int


class MallocConsolidate(NamedTuple):
    """sim:malloc_consolidate — all fast bins are emptied: their chunks merge with their neighbours."""

    reason: str


class Sysmalloc(NamedTuple):
    """sim:sysmalloc — nothing free was large enough: the kernel is asked for more."""

    size: int


class SbrkMore(NamedTuple):
    """libc:memory_sbrk_more — the heap's end was moved up by `size` bytes."""

    brk: int
    size: int


class SbrkLess(NamedTuple):
    """libc:memory_sbrk_less — the heap's end was moved down by `size` bytes."""

    brk: int
    size: int


class MmapChunk(NamedTuple):
    """sim:sysmalloc_mmap — a large request got a mapping of its own."""

    chunk: int
    size: int


class MunmapChunk(NamedTuple):
    """sim:munmap_chunk — a chunk's own mapping was given back to the kernel."""

    chunk: int
    size: int


class MremapChunk(NamedTuple):
    """sim:mremap_chunk — a chunk's own mapping was resized, perhaps moved."""

    chunk: int
    size: int


class FreeDynThresholds(NamedTuple):
    """libc:memory_mallopt_free_dyn_thresholds — a mmapped chunk was freed: chunks of its size will come from the heap."""

    mmap_threshold: int
    trim_threshold: int


class TcacheDoubleFree(NamedTuple):
    """libc:memory_tcache_double_free — a chunk with the tcache's key was freed: is it in the tcache already?"""

    mem: int
    bin: int
