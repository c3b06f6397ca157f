"""What every part of the allocator works on: the CPU, libc's variables, and the process's tcache."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING

from engine.libc.chunk import NON_MAIN_ARENA, PREV_INUSE, SIZE, WORD
from engine.libc.state import (
    ARENA_TEST,
    CURBRK_OFFSET,
    DEFAULT_ARENA_TEST,
    DEFAULT_MAX_FAST,
    DEFAULT_MMAP_MAX,
    DEFAULT_MMAP_THRESHOLD,
    DEFAULT_TOP_PAD,
    DEFAULT_TRIM_THRESHOLD,
    FLAGS,
    GLOBAL_MAX_FAST_OFFSET,
    HEAP_MAX_SIZE,
    MAIN_ARENA_OFFSET,
    MAX_TCACHE_SIZE,
    MMAP_THRESHOLD,
    MP_OFFSET,
    N_MMAPS_MAX,
    NBINS,
    NEXT,
    NONCONTIGUOUS_BIT,
    PERTURB_BYTE_OFFSET,
    TCACHE_BINS,
    TCACHE_COUNT,
    TCACHE_FILL_COUNT,
    TCACHE_MAX_BINS,
    TCACHE_MAX_BYTES,
    TOP,
    TOP_PAD,
    TRIM_THRESHOLD,
    UNSORTED,
    bin_at,
)
from engine.libc.unistd import SBRK_FAILED, CpuPort, Unistd

if TYPE_CHECKING:
    from engine.trace import Trace


class Heap:
    """Addresses of libc's variables in one process, and ways to them. All that changes lies in simulated memory, but for
    the thread's tcache pointer and key, which glibc keeps in the thread's own storage.
    """

    __slots__ = (
        "arena_at",
        "arena_page",
        "cpu",
        "global_max_fast",
        "initialized",
        "load32",
        "main_arena",
        "max_fast_at",
        "mp",
        "perturb_at",
        "perturb_byte",
        "read_pages",
        "store32",
        "tcache",
        "tcache_key",
        "trace",
        "tuning_page",
        "unistd",
        "write_pages",
    )

    def __init__(self, cpu: CpuPort, trace: Trace, libc_base: int, tcache_key: int) -> None:
        self.cpu = cpu
        self.trace = trace
        self.load32, self.store32 = cpu.load32, cpu.store32
        self.read_pages, self.write_pages = cpu.read_pages, cpu.write_pages
        """The CPU's pages at hand (see lanes.py)."""
        self.main_arena = libc_base + MAIN_ARENA_OFFSET
        self.mp = libc_base + MP_OFFSET
        self.perturb_byte = libc_base + PERTURB_BYTE_OFFSET
        self.global_max_fast = libc_base + GLOBAL_MAX_FAST_OFFSET
        self.arena_page, self.arena_at = self.main_arena >> 12, self.main_arena >> 2 & 1023
        self.tuning_page = self.perturb_byte >> 12
        self.perturb_at, self.max_fast_at = self.perturb_byte >> 2 & 1023, self.global_max_fast >> 2 & 1023
        """Pages of the main arena and mp_, and of M_PERTURB and M_MXFAST; where in them, in words (see lanes.py)."""
        self.unistd = Unistd(cpu, trace, libc_base + CURBRK_OFFSET)
        self.initialized = False
        self.tcache = 0
        """Address of the tcache_perthread_struct, 0 before the first call."""
        self.tcache_key = tcache_key
        """What marks a chunk in the tcache; random on a real machine."""

    def copy(self) -> Heap:
        """A forked process's: what glibc keeps outside memory is copied, the rest lies in the memory that was."""
        twin = copy(self)
        twin.unistd = copy(self.unistd)
        return twin

    def rebind(self, cpu: CpuPort, trace: Trace) -> None:
        """Works through `cpu` from now on."""
        self.cpu = self.unistd.cpu = cpu
        self.trace = self.unistd.trace = trace
        self.load32, self.store32 = cpu.load32, cpu.store32
        self.read_pages, self.write_pages = cpu.read_pages, cpu.write_pages

    def ptmalloc_init(self) -> None:
        """ptmalloc_init() and malloc_init_state(): empty bins, and mp_ as the linker initialised it."""
        self.initialized = True
        store32, arena = self.store32, self.main_arena
        for index in range(1, NBINS):
            head = bin_at(arena, index)
            store32(head + 8, head)
            store32(head + 12, head)
        store32(self.global_max_fast, DEFAULT_MAX_FAST)
        store32(arena + TOP, arena + UNSORTED)
        store32(arena + NEXT, arena)
        for offset, value in (
            (TRIM_THRESHOLD, DEFAULT_TRIM_THRESHOLD),
            (TOP_PAD, DEFAULT_TOP_PAD),
            (MMAP_THRESHOLD, DEFAULT_MMAP_THRESHOLD),
            (ARENA_TEST, DEFAULT_ARENA_TEST),
            (N_MMAPS_MAX, DEFAULT_MMAP_MAX),
            (TCACHE_BINS, TCACHE_MAX_BINS),
            (TCACHE_MAX_BYTES, MAX_TCACHE_SIZE),
            (TCACHE_COUNT, TCACHE_FILL_COUNT),
        ):
            store32(self.mp + offset, value)

    def morecore(self, increment: int) -> int:
        """__glibc_morecore(): sbrk(), with 0 for failure."""
        old = self.unistd.sbrk(increment)
        return 0 if old == SBRK_FAILED else old

    def in_use_bits(self, arena: int) -> int:
        """The low bits of the header of a chunk that malloc gives out."""
        return PREV_INUSE if arena == self.main_arena else PREV_INUSE | NON_MAIN_ARENA

    def set_inuse(self, chunk: int, size: int) -> None:
        """set_inuse_bit_at_offset(): the chunk `size` bytes further learns that the one before it is in use."""
        place = chunk + size + SIZE & WORD
        self.store32(place, self.load32(place) | PREV_INUSE)

    def clear_inuse(self, chunk: int) -> None:
        """clear_inuse_bit_at_offset(): this chunk learns that the one before it is free."""
        place = chunk + SIZE & WORD
        self.store32(place, self.load32(place) & ~PREV_INUSE)

    def contiguous(self, arena: int) -> bool:
        """contiguous(): whether the arena still grows by sbrk alone."""
        return not self.load32(arena + FLAGS) & NONCONTIGUOUS_BIT

    def alloc_perturb(self, mem: int, size: int) -> None:
        """alloc_perturb(): fills new memory with the complement of M_PERTURB's byte, where that is set."""
        perturb = self.load32(self.perturb_byte)
        if perturb:
            self.cpu.fill(mem, size, (perturb ^ 0xFF) & 0xFF)

    def free_perturb(self, mem: int, size: int) -> None:
        """free_perturb(): fills freed memory with M_PERTURB's byte, where that is set."""
        perturb = self.load32(self.perturb_byte)
        if perturb:
            self.cpu.fill(mem, size, perturb & 0xFF)

    def arena_for_chunk(self, chunk: int) -> int:
        """arena_for_chunk(): the main arena, unless the chunk's A bit says that its heap's first word names another."""
        if not self.load32(chunk + SIZE) & NON_MAIN_ARENA:
            return self.main_arena
        return self.load32(chunk & -HEAP_MAX_SIZE)
