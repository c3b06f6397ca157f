"""What each event says in plain words, and which function of Linux or glibc it happens in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from app.pages import formats, keys
from app.pages.command_words import words_of_command
from app.pages.sentence import Sentence
from app.pages.sentences_faults import FAULTS
from app.pages.sentences_kernel import KERNEL
from app.pages.sentences_reclaim import RECLAIM
from engine.events import libc, machine, memory, page_alloc, slab
from engine.views.trace_tree import SYSTEM_CALL_NAMES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from engine.events import Event

_HEX: Final = formats.address
_FAULT_PRESENT: Final = 1
_FAULT_WRITE: Final = 2
_ERRNO_LAST: Final = -4095


def _page_fault(event: memory.PageFaultUser) -> Sentence:
    access = "write" if event.error_code & _FAULT_WRITE else "read"
    why = "the entry forbids it" if event.error_code & _FAULT_PRESENT else "no entry is present"
    words = f"Page fault: a {access} at {_HEX(event.address)}, and {why}."
    return Sentence(words, "exc_page_fault", (keys.page(event.address >> 12),))


_BRANCHES: Final = {
    "do_anonymous_page": "new anonymous memory",
    "wp_page_copy": "copied on write",
    "wp_page_reuse": "nobody else has the page, so it may be written",
    "filemap_map_pages": "pages of the file that are in memory are mapped, with their neighbours",
    "do_read_fault": "a page of the file is mapped",
    "do_cow_fault": "a private copy of the file's page",
    "do_shared_fault": "a page of the file, to be written",
    "do_swap_page": "brought back from swap",
}


def _fault_done(event: memory.FaultDone) -> Sentence:
    how = _BRANCHES.get(event.branch, event.branch)
    slow = " The disk was read: a major fault." if event.major else ""
    words = f"Page {_HEX(event.address)} is now frame {formats.pfn(event.pfn)}: {how}.{slow}"
    return Sentence(words, event.branch, (keys.page(event.address >> 12), keys.frame(event.pfn)))


def _system_call(event: memory.SystemCall) -> Sentence:
    name = SYSTEM_CALL_NAMES.get(event.number, f"system call {event.number}")
    arguments = ", ".join(formats.short_hex(value & 0xFFFFFFFF) for value in event.arguments)
    return Sentence(f"The program calls the kernel: {name}({arguments}).", "int $0x80")


def _system_call_return(event: memory.SystemCallReturn) -> Sentence:
    name = SYSTEM_CALL_NAMES.get(event.number, f"system call {event.number}")
    if _ERRNO_LAST <= event.result < 0:
        return Sentence(f"{name} fails with error {-event.result}.", "int $0x80")
    return Sentence(f"{name} gives {formats.short_hex(event.result)}.", "int $0x80")


def _page_alloc(event: page_alloc.MmPageAlloc) -> Sentence:
    if event.pfn < 0:
        return Sentence(f"No block of {_frames(event.order)} could be had.", "__alloc_pages")
    words = f"The page allocator gives {_frames(event.order)}, from {formats.pfn(event.pfn)} (order {event.order})."
    return Sentence(words, "__alloc_pages", (keys.frame(event.pfn),))


def _frames(order: int) -> str:
    return formats.times(1 << order, "frame")


def _zone_locked(event: page_alloc.MmPageAllocZoneLocked) -> Sentence:
    whither = ", to fill the CPU's own list" if event.percpu_refill else ""
    words = f"Block {formats.pfn(event.pfn)} of order {event.order} leaves the free lists{whither}."
    return Sentence(words, "__rmqueue_smallest", (keys.frame(event.pfn),))


def _expand(event: page_alloc.Expand) -> Sentence:
    words = f"A block is halved: its upper half, {formats.pfn(event.pfn)}, is a free block of order {event.order}."
    return Sentence(words, "expand", (keys.frame(event.pfn), keys.order(event.zone, event.order)))


def _merge(event: page_alloc.BuddyMerge) -> Sentence:
    words = (
        f"Block {formats.pfn(event.pfn)} finds its buddy {formats.pfn(event.buddy_pfn)} free:"
        f" two blocks of order {event.order} become one."
    )
    return Sentence(words, "__free_one_page", (keys.frame(event.pfn), keys.order(event.zone, event.order + 1)))


def _free_one(event: page_alloc.FreeOnePage) -> Sentence:
    words = f"Block {formats.pfn(event.pfn)} goes on zone {event.zone}'s free list of order {event.order}."
    return Sentence(words, "__free_one_page", (keys.frame(event.pfn), keys.order(event.zone, event.order)))


def _extfrag(event: page_alloc.MmPageAllocExtfrag) -> Sentence:
    words = f"No block of the wanted kind: one of order {event.fallback_order} is taken over from another kind."
    return Sentence(words, "__rmqueue_fallback", (keys.frame(event.pfn),))


def _bin(index: int) -> str:
    return "the unsorted bin" if index == 1 else f"bin {index}"


def _chunk(address: int, words: str, place: str) -> Sentence:
    return Sentence(words, place, (keys.chunk(address),))


def _signal(event: machine.SignalDelivered) -> Sentence:
    where = f" at {_HEX(event.address)}" if event.signal in ("SIGSEGV", "SIGBUS") else ""
    return Sentence(f"Process {event.pid} gets {event.signal}{where}.", "force_sig_fault")


def _table(event: memory.PageTableAllocated) -> Sentence:
    words = f"Frame {formats.pfn(event.pfn)} becomes the page table for the 4 MB at {_HEX(event.address)}."
    return Sentence(words, "__pte_alloc", (keys.frame(event.pfn),))


_KIND: Final[Mapping[type, Callable[[Any], Sentence]]] = {
    machine.CommandPerformed: lambda e: Sentence(f"{words_of_command(e.command)}", "you"),
    machine.SignalDelivered: _signal,
    machine.ProcessExit: lambda e: Sentence(f"Process {e.pid} ends and gives everything back.", "do_exit"),
    machine.ProcessFork: lambda e: Sentence(
        f"Process {e.child} begins as a copy of {e.parent}: they share every page until one of them writes.",
        "kernel_clone",
    ),
    memory.PageFaultUser: _page_fault,
    memory.FaultDone: _fault_done,
    memory.SystemCall: _system_call,
    memory.SystemCallReturn: _system_call_return,
    memory.SetPte: lambda e: Sentence(
        f"The table entry of {_HEX(e.address)} becomes {_HEX(e.entry)}.", "set_pte", (keys.page(e.address >> 12),)
    ),
    memory.PageTableAllocated: _table,
    memory.PageTableFreed: lambda e: Sentence(
        f"The page table for the 4 MB at {_HEX(e.address)} is given back.", "free_pgd_range", (keys.frame(e.pfn),)
    ),
    page_alloc.MmPageAlloc: _page_alloc,
    page_alloc.MmPageFree: lambda e: Sentence(
        f"{_frames(e.order).capitalize()} from {formats.pfn(e.pfn)} {'is' if e.order == 0 else 'are'} given back.",
        "__free_pages",
        (keys.frame(e.pfn),),
    ),
    page_alloc.MmPageAllocZoneLocked: _zone_locked,
    page_alloc.MmPagePcpuDrain: lambda e: Sentence(
        f"Block {formats.pfn(e.pfn)} of order {e.order} leaves the CPU's own list.",
        "free_pcppages_bulk",
        (keys.frame(e.pfn),),
    ),
    page_alloc.MmPageAllocExtfrag: _extfrag,
    page_alloc.Expand: _expand,
    page_alloc.BuddyMerge: _merge,
    page_alloc.FreeOnePage: _free_one,
    page_alloc.DrainAllPages: lambda e: Sentence(
        f"The CPU gives {formats.times(e.pages, 'page')} of zone {e.zone} back to the free lists.", "drain_all_pages"
    ),
    slab.KmemCacheAlloc: lambda e: Sentence(
        f"The kernel takes an object of {e.size} bytes from cache {e.cache}.", "kmem_cache_alloc"
    ),
    slab.KmemCacheFree: lambda e: Sentence(f"An object goes back to cache {e.cache}.", "kmem_cache_free"),
    slab.SlabAllocated: lambda e: Sentence(
        f"Cache {e.cache} takes {_frames(e.order)} for {e.objects} objects.", "allocate_slab", (keys.frame(e.pfn),)
    ),
    slab.SlabFreed: lambda e: Sentence(
        f"Cache {e.cache} gives back an empty slab.", "discard_slab", (keys.frame(e.pfn),)
    ),
    **FAULTS,
    **RECLAIM,
    **KERNEL,
    libc.TcacheGet: lambda e: Sentence(f"The tcache has a chunk of {e.size} bytes: it is taken.", "tcache_get"),
    libc.TcachePut: lambda e: Sentence(f"The chunk goes into the tcache, with others of {e.size} bytes.", "tcache_put"),
    libc.FastbinGet: lambda e: _chunk(e.chunk, f"Chunk {_HEX(e.chunk)} leaves its fast bin.", "_int_malloc"),
    libc.FastbinPut: lambda e: _chunk(
        e.chunk, f"Chunk {_HEX(e.chunk)} goes into a fast bin, still marked as in use.", "_int_free"
    ),
    libc.BinGet: lambda e: _chunk(e.chunk, f"Chunk {_HEX(e.chunk)} leaves {_bin(e.bin)}.", "_int_malloc"),
    libc.BinPut: lambda e: _chunk(
        e.chunk, f"Chunk {_HEX(e.chunk)}, {e.size} bytes, goes into {_bin(e.bin)}.", "_int_free"
    ),
    libc.ChunkSplit: lambda e: _chunk(
        e.chunk, f"A chunk is cut: {e.size} bytes for the program, {e.remainder_size} stay free.", "_int_malloc"
    ),
    libc.ChunkMerged: lambda e: _chunk(
        e.chunk, f"The chunk and its free neighbours become one of {e.size} bytes.", "_int_free"
    ),
    libc.TopSplit: lambda e: _chunk(
        e.chunk, f"{e.size} bytes are cut from top at {_HEX(e.chunk)}; {formats.size(e.left)} are left.", "_int_malloc"
    ),
    libc.TopMerged: lambda e: _chunk(
        e.chunk, f"The chunk was the last one: it becomes part of top, now {formats.size(e.size)}.", "_int_free"
    ),
    libc.MallocConsolidate: lambda e: Sentence(
        f"The fast bins are emptied, their chunks merge ({e.reason}).", "malloc_consolidate"
    ),
    libc.Sysmalloc: lambda e: Sentence(
        f"Nothing free holds {e.size} bytes: the kernel is asked for more.", "sysmalloc"
    ),
    libc.SbrkMore: lambda e: Sentence(f"The heap grows by {formats.size(e.size)}, from {_HEX(e.brk)} up.", "sysmalloc"),
    libc.SbrkLess: lambda e: Sentence(f"The heap shrinks by {formats.size(e.size)}, to {_HEX(e.brk)}.", "systrim"),
    libc.MmapChunk: lambda e: _chunk(
        e.chunk, f"The request is large: it gets a mapping of its own, {formats.size(e.size)}.", "sysmalloc_mmap"
    ),
    libc.MunmapChunk: lambda e: _chunk(e.chunk, "The chunk's own mapping goes back to the kernel.", "munmap_chunk"),
    libc.MremapChunk: lambda e: _chunk(
        e.chunk, f"The chunk's own mapping is resized to {formats.size(e.size)}.", "mremap_chunk"
    ),
    libc.FreeDynThresholds: lambda e: Sentence(
        f"From now on up to {formats.size(e.mmap_threshold)} come from the heap, not from a mapping.", "__libc_free"
    ),
    libc.TcacheDoubleFree: lambda e: Sentence(
        f"{_HEX(e.mem)} carries the tcache's key: is it being freed twice?", "_int_free"
    ),
}


def sentence(event: Event) -> Sentence:
    """The event in words; an event without a sentence is told by its fields."""
    tell = _KIND.get(type(event))
    if tell is not None:
        return tell(event)
    values: dict[str, object] = getattr(event, "_asdict", dict)()
    return Sentence(" ".join(f"{name}={value}" for name, value in values.items()), type(event).__name__)


def told() -> frozenset[type]:
    """The events that have a sentence."""
    return frozenset(_KIND)
