"""malloc/malloc.c: what a program calls: malloc(), free() and their kin, for a program with one thread.

Left out: arenas but the main one, tunables, hooks, huge pages, memory tagging.

The way through the tcache is written out here, on the frames that the CPU holds ready: it is what nearly every call takes.
Where a page is not at hand, or anything is unusual, nothing has been changed yet, and the general way is taken.
"""

from __future__ import annotations

from copy import copy as copy_of
from typing import TYPE_CHECKING, Final

from engine.events.libc import FreeDynThresholds
from engine.libc.abort import malloc_assert, malloc_printerr
from engine.libc.chunk import (
    CHUNK_HDR_SZ,
    IS_MMAPPED,
    MALLOC_ALIGNMENT,
    NON_MAIN_ARENA,
    PTRDIFF_MAX,
    SIZE,
    SIZE_MASK,
    SIZE_SZ,
    WORD,
    misaligned_chunk,
    request2size,
)
from engine.libc.heap import Heap
from engine.libc.int_free import after_large_free, int_free
from engine.libc.int_malloc import int_malloc
from engine.libc.int_realloc import copy, int_memalign, int_realloc
from engine.libc.lanes import allocate, malloc_at_hand
from engine.libc.lanes_free import free_at_hand, nothing_to_give_back
from engine.libc.mmapped import mremap_chunk, munmap_chunk
from engine.libc.state import (
    DEFAULT_MMAP_THRESHOLD_MAX,
    FASTBIN_CONSOLIDATION_THRESHOLD,
    MAX_SYSTEM_MEM,
    MMAP_THRESHOLD,
    NO_DYN_THRESHOLD,
    SBRK_BASE,
    SIZEOF_TCACHE,
    TCACHE_BINS,
    TOP,
    TRIM_THRESHOLD,
    csize2tidx,
)
from engine.libc.tcache import GET_EVENTS, PUT_EVENTS, tcache_get
from engine.libc.trim import mtrim
from engine.libc.tuning import Mallinfo2, mallinfo2, mallopt, musable
from engine.libc.unistd import EINVAL, ENOMEM

if TYPE_CHECKING:
    from engine.libc.unistd import CpuPort
    from engine.trace import Trace

TCACHE_KEY: Final = 0x5C7F_D1A3
"""What marks a chunk in the tcache. A real libc draws it at random when it starts."""
_NO_PAGE: Final = -1
_LARGEST_ALIGNMENT: Final = 0x80000000
_VICTIM_ASSERTION: Final = (
    "!victim || chunk_is_mmapped (mem2chunk (victim)) || &main_arena == arena_for_chunk (mem2chunk (victim))"
)


class Libc:
    """glibc's allocator in one process. Addresses are what the program gets; sizes are bytes; 0 is NULL."""

    __slots__ = ("_bins_at", "_counts_at", "_mp_page", "_tcache_page", "heap")

    def __init__(self, cpu: CpuPort, trace: Trace, libc_base: int) -> None:
        self.heap = Heap(cpu, trace, libc_base, TCACHE_KEY)
        self._mp_page = self.heap.mp >> 12
        self._bins_at = self.heap.mp + TCACHE_BINS >> 2 & 1023
        self._tcache_page = _NO_PAGE
        self._counts_at = 0

    def forked(self) -> Libc:
        """The child's libc after fork(): the same, since all else of it lies in the memory that was copied."""
        child = copy_of(self)
        child.heap = self.heap.copy()
        return child

    def shadow(self, cpu: CpuPort, trace: Trace) -> Libc:
        """The same allocator on another processor: what it does there is not done here. For dry runs."""
        twin = self.forked()
        twin.heap.rebind(cpu, trace)
        return twin

    @property
    def errno(self) -> int:
        """The last error's number."""
        return self.heap.unistd.errno

    # --- malloc and free ---------------------------------------------------------------------------------------------

    def malloc(self, size: int) -> int:
        """malloc(): `size` bytes, or 0 with errno ENOMEM. Aborts where the heap is damaged."""
        heap = self.heap
        index = (size + 19 >> 4) - 1
        pages = heap.write_pages
        try:
            tcache = pages[self._tcache_page]
            at = self._counts_at + (index >> 1)
            if index < heap.read_pages[self._mp_page][self._bins_at]:
                counts = tcache[at]
                shift = (index & 1) << 4
                if counts >> shift & 0xFFFF:
                    entry = self._counts_at + 32 + index
                    mem = tcache[entry]
                    if not mem & 15:
                        page = pages[mem >> 12]
                        word = mem >> 2 & 1023
                        tcache[entry] = mem >> 12 ^ page[word]
                        tcache[at] -= 1 << shift
                        page[word + 1] = 0
                        trace = heap.trace
                        if trace.on:
                            trace.ring.append((trace.clock.ns, trace.cause, GET_EVENTS[index]))
                        return mem
                    return self._malloc(size)
        except KeyError:
            return self._malloc(size)
        if size > PTRDIFF_MAX:
            return self._malloc(size)
        chunk = malloc_at_hand(heap, size + 19 & -16)
        return chunk + CHUNK_HDR_SZ if chunk > 0 else self._from_arena(size, -chunk)

    def free(self, mem: int) -> None:
        """free(). errno stays. Aborts where glibc notices that the pointer or the heap is not right."""
        heap = self.heap
        word = mem >> 2 & 1023
        pages = heap.write_pages
        size = 0
        try:
            page, tcache = pages[mem >> 12], pages[self._tcache_page]
            if word and not mem & 15:
                head = page[word - 1]
                index = (head >> 4) - 1
                settings = heap.read_pages[self._mp_page]
                if head & 14 or index < 0:
                    pass
                elif index >= settings[self._bins_at]:
                    size = free_at_hand(heap, page, mem - CHUNK_HDR_SZ, head)
                elif page[word + 1] != heap.tcache_key:
                    at = self._counts_at + (index >> 1)
                    shift = (index & 1) << 4
                    if tcache[at] >> shift & 0xFFFF < settings[self._bins_at + 2]:
                        entry = self._counts_at + 32 + index
                        page[word + 1] = heap.tcache_key
                        page[word] = mem >> 12 ^ tcache[entry]
                        tcache[entry] = mem
                        tcache[at] += 1 << shift
                        trace = heap.trace
                        if trace.on:
                            trace.ring.append((trace.clock.ns, trace.cause, PUT_EVENTS[index]))
                        return
                    size = free_at_hand(heap, page, mem - CHUNK_HDR_SZ, head)
        except KeyError:
            pass
        if not size:
            if mem:
                self._free(mem)
        elif size >= FASTBIN_CONSOLIDATION_THRESHOLD and not nothing_to_give_back(heap, pages):
            after_large_free(heap, heap.main_arena)

    def _malloc(self, size: int) -> int:
        """__libc_malloc()."""
        heap = self.heap
        if not heap.initialized:
            heap.ptmalloc_init()
        if size > PTRDIFF_MAX:
            heap.unistd.errno = ENOMEM
            return 0
        index = csize2tidx(request2size(size))
        if not heap.tcache:
            self._tcache_init()
        if index < heap.load32(heap.mp + TCACHE_BINS) and heap.tcache and heap.cpu.load16(heap.tcache + 2 * index):
            return tcache_get(heap, index)
        mem = allocate(heap, heap.main_arena, size)
        self._assert_of_main_arena("__libc_malloc", _VICTIM_ASSERTION, mem)
        return mem

    def _from_arena(self, size: int, filed: int) -> int:
        """What __libc_malloc() does once the tcache has nothing, where the short way had to give up."""
        mem = int_malloc(self.heap, self.heap.main_arena, size, filed)
        self._assert_of_main_arena("__libc_malloc", _VICTIM_ASSERTION, mem)
        return mem

    def _assert_of_main_arena(self, function: str, assertion: str, mem: int) -> None:
        """What glibc asserts of every chunk that it is about to give out."""
        if not mem:
            return
        heap = self.heap
        head = heap.load32(mem - CHUNK_HDR_SZ + SIZE)
        if (
            head & NON_MAIN_ARENA
            and not head & IS_MMAPPED
            and heap.arena_for_chunk(mem - CHUNK_HDR_SZ) != heap.main_arena
        ):
            malloc_assert(function, assertion)

    def _tcache_init(self) -> None:
        """tcache_init(): the cache itself is the heap's first chunk. Without memory for it there is none, until the next call."""
        heap = self.heap
        mem = int_malloc(heap, heap.main_arena, SIZEOF_TCACHE) or int_malloc(heap, heap.main_arena, SIZEOF_TCACHE)
        if not mem:
            return
        heap.tcache = mem
        heap.cpu.fill(mem, SIZEOF_TCACHE, 0)
        if mem >> 12 == mem + SIZEOF_TCACHE - 1 >> 12:
            self._tcache_page, self._counts_at = mem >> 12, mem >> 2 & 1023

    def _free(self, mem: int) -> None:
        """__libc_free()."""
        heap = self.heap
        errno = heap.unistd.errno
        chunk = mem - CHUNK_HDR_SZ & WORD
        head = heap.load32(chunk + SIZE)
        if head & IS_MMAPPED:
            self._adapt_thresholds(head)
            munmap_chunk(heap, chunk)
        else:
            if not heap.tcache:
                self._tcache_init()
            int_free(heap, heap.arena_for_chunk(chunk), chunk, have_lock=False)
        heap.unistd.errno = errno

    def _adapt_thresholds(self, head: int) -> None:
        """A mmapped chunk is freed: a program that needs such sizes often shall get them from the heap."""
        load32, store32, mp = self.heap.load32, self.heap.store32, self.heap.mp
        if load32(mp + NO_DYN_THRESHOLD) or not load32(mp + MMAP_THRESHOLD) < head <= DEFAULT_MMAP_THRESHOLD_MAX:
            return
        size = head & SIZE_MASK
        store32(mp + MMAP_THRESHOLD, size)
        store32(mp + TRIM_THRESHOLD, 2 * size)
        self.heap.trace.emit(FreeDynThresholds(size, 2 * size))

    # --- calloc, realloc, memalign -----------------------------------------------------------------------------------

    def calloc(self, count: int, size: int) -> int:
        """calloc(): zeroed memory. It never takes from the tcache, and does not clear what the kernel has just cleared."""
        heap = self.heap
        load32, arena = heap.load32, heap.main_arena
        total = count * size
        if total > PTRDIFF_MAX:
            heap.unistd.errno = ENOMEM
            return 0
        if not heap.initialized:
            heap.ptmalloc_init()
        if not heap.tcache:
            self._tcache_init()
        old_top = load32(arena + TOP)
        fresh = load32(heap.mp + SBRK_BASE) + load32(arena + MAX_SYSTEM_MEM) - old_top & WORD
        dirty = max(load32(old_top + SIZE) & SIZE_MASK, fresh)
        mem = allocate(heap, arena, total)
        assertion = "!mem || chunk_is_mmapped (mem2chunk (mem)) || av == arena_for_chunk (mem2chunk (mem))"
        self._assert_of_main_arena("__libc_calloc", assertion, mem)
        if mem:
            self._clear(mem, total, old_top, dirty)
        return mem

    def _clear(self, mem: int, total: int, old_top: int, dirty: int) -> None:
        heap = self.heap
        head = heap.load32(mem - CHUNK_HDR_SZ + SIZE)
        perturb = heap.load32(heap.perturb_byte)
        if head & IS_MMAPPED:
            if perturb:
                heap.cpu.fill(mem, total, 0)
            return
        size = head & SIZE_MASK
        if not perturb and mem - CHUNK_HDR_SZ == old_top and size > dirty:
            size = dirty
        if size - SIZE_SZ >> 2 < 3:
            malloc_assert("__libc_calloc", "nclears >= 3")
        heap.cpu.fill(mem, size - SIZE_SZ, 0)

    def realloc(self, mem: int, size: int) -> int:
        """realloc(): the block with a new size, perhaps elsewhere; of size 0 it is freed. 0 with errno ENOMEM: it is as it was."""
        heap = self.heap
        if not heap.initialized:
            heap.ptmalloc_init()
        if not size and mem:
            self.free(mem)
            return 0
        if not mem:
            return self.malloc(size)
        chunk = mem - CHUNK_HDR_SZ & WORD
        head = heap.load32(chunk + SIZE)
        old_size = head & SIZE_MASK
        arena = 0
        if not head & IS_MMAPPED:
            if not heap.tcache:
                self._tcache_init()
            arena = heap.arena_for_chunk(chunk)
        if chunk > -old_size & WORD or misaligned_chunk(chunk):
            malloc_printerr("realloc(): invalid pointer")
        if size > PTRDIFF_MAX:
            heap.unistd.errno = ENOMEM
            return 0
        if head & IS_MMAPPED:
            return self._realloc_mmapped(mem, old_size, size)
        new = int_realloc(heap, arena, chunk, old_size, request2size(size))
        assertion = "!newp || chunk_is_mmapped (mem2chunk (newp)) || ar_ptr == arena_for_chunk (mem2chunk (newp))"
        if arena == heap.main_arena:
            self._assert_of_main_arena("__libc_realloc", assertion, new)
        return new

    def _realloc_mmapped(self, mem: int, old_size: int, size: int) -> int:
        heap = self.heap
        chunk = mem - CHUNK_HDR_SZ
        wanted = request2size(size)
        moved = mremap_chunk(heap, chunk, wanted)
        if moved:
            return moved + CHUNK_HDR_SZ
        if old_size - SIZE_SZ >= wanted:
            return mem
        new = self.malloc(size)
        if new:
            copy(heap, new, mem, old_size - CHUNK_HDR_SZ)
            munmap_chunk(heap, chunk)
        return new

    def memalign(self, alignment: int, size: int) -> int:
        """memalign(): memory at a multiple of `alignment`, which is rounded up to a power of two. 0 with errno."""
        heap = self.heap
        if not heap.initialized:
            heap.ptmalloc_init()
        if alignment <= MALLOC_ALIGNMENT:
            return self.malloc(size)
        if alignment > _LARGEST_ALIGNMENT:
            heap.unistd.errno = EINVAL
            return 0
        alignment = 1 << (alignment - 1).bit_length()
        mem = int_memalign(heap, heap.main_arena, alignment, size)
        assertion = "!p || chunk_is_mmapped (mem2chunk (p)) || &main_arena == arena_for_chunk (mem2chunk (p))"
        self._assert_of_main_arena("_mid_memalign", assertion, mem)
        return mem

    # --- the rest ----------------------------------------------------------------------------------------------------

    def malloc_usable_size(self, mem: int) -> int:
        """malloc_usable_size()."""
        return musable(self.heap, mem)

    def malloc_trim(self, pad: int) -> int:
        """malloc_trim(): gives back what it can; 1 if anything was given."""
        heap = self.heap
        if not heap.initialized:
            heap.ptmalloc_init()
        return mtrim(heap, heap.main_arena, pad)

    def mallopt(self, parameter: int, value: int) -> int:
        """mallopt(): 1, or 0 for a value out of range."""
        if not self.heap.initialized:
            self.heap.ptmalloc_init()
        return mallopt(self.heap, parameter, value)

    def mallinfo2(self) -> Mallinfo2:
        """mallinfo2()."""
        if not self.heap.initialized:
            self.heap.ptmalloc_init()
        return mallinfo2(self.heap)

    def sbrk(self, increment: int) -> int:
        """sbrk(): the old break, or 0xffffffff with errno ENOMEM."""
        return self.heap.unistd.sbrk(increment)
