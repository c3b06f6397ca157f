"""mm/slub.c: the slab allocator: small objects carved from slabs, blocks of pages that hold one kind of object.

A slab is in one of these places, and its objects can be taken or returned accordingly:

    the CPU's slab     frozen; its free list is the CPU's, objects are taken from here
    CPU partial list   frozen; slabs that were full when an object came back, kept near
    node partial list  some objects are free
    (nowhere)          full: nothing to take, so nobody needs to find it

A free object holds the address of the next free one, at `offset`, as a word in its slab's page:

    +--------------------+------+------------+
    |     ...            | next |    ...     |      offset: the middle of the object, 4-aligned
    +--------------------+------+------------+

Objects that were never taken follow one another by address; their words are not written, so a new slab costs the host nothing.
Where new slabs are shuffled (CONFIG_SLAB_FREELIST_RANDOM, an option here), all of a slab's links are written when it is made.
Left out: debugging (red zones, poison, tracking), freelist hardening, NUMA, kfence.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from engine.clock import COSTS
from engine.events.slab import KmemCacheAlloc, KmemCacheFree, SlabAllocated, SlabFreed
from engine.kernel.errno import Errno, ErrorNumber
from engine.kernel.gfp import (
    _GFP_DIRECT_RECLAIM,
    _GFP_NOFAIL,
    _GFP_NOMEMALLOC,
    _GFP_NORETRY,
    _GFP_NOWARN,
    _GFP_RECLAIM,
    _GFP_RECLAIMABLE,
    GFP_KERNEL,
    GFP_KERNEL_ACCOUNT,
)
from engine.kernel.mm_types import PAGE_OFFSET, PAGE_SHIFT, PAGE_SIZE, PG_SLAB, Page
from engine.kernel.slab_common import (
    KMALLOC_SIZES,
    SLAB_RECLAIM_ACCOUNT,
    SLAB_USERCOPY,
    find_mergeable,
    kmalloc_name,
    kmalloc_size,
    word_aligned,
)
from engine.kernel.slub_cache import MAX_PAGE_ORDER, NULL, KmemCache, Slab, get_order, order_objects

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.chance import Chance
    from engine.clock import Clock
    from engine.hardware.ram import Ram
    from engine.kernel.page_alloc import PageAllocator
    from engine.kernel.vmstat import Vmstat
    from engine.trace import Trace


class KernelPort(Protocol):
    """The siblings that the slab allocator needs."""

    @property
    def clock(self) -> Clock: ...
    @property
    def ram(self) -> Ram: ...
    @property
    def trace(self) -> Trace: ...
    @property
    def vmstat(self) -> Vmstat: ...
    @property
    def page_alloc(self) -> PageAllocator: ...


class Slub:
    """All caches, and the kmalloc classes."""

    __slots__ = ("_chance", "aliases", "caches", "kernel", "kmalloc_caches", "nomerge", "reclaimed_slab", "slabs")

    def __init__(self, kernel: KernelPort, *, nomerge: bool = False, shuffle: Chance | None = None) -> None:
        """`nomerge` is the boot parameter slab_nomerge; with `shuffle` the objects of a new slab are taken in its order."""
        self.kernel = kernel
        self.nomerge = nomerge
        self._chance = shuffle
        self.caches: dict[str, KmemCache] = {}
        self.aliases: dict[str, KmemCache] = {}
        """Caches that were merged with one of `caches`, by the name that they were to have."""
        self.reclaimed_slab = 0
        """reclaim_state: pages that shrinking has freed, and reclaim has not counted yet."""
        self.slabs: dict[int, tuple[KmemCache, Slab]] = {}
        """Every slab by its first frame: whose it is."""
        self.kmalloc_caches = {
            size: self.kmem_cache_create(kmalloc_name(size), size, size if size & (size - 1) == 0 else 0, SLAB_USERCOPY)
            for size in KMALLOC_SIZES
        }

    # --- caches ------------------------------------------------------------------------------------------------------

    def kmem_cache_create(self, name: str, size: int, align: int, flags: int) -> KmemCache:
        """kmem_cache_create(): a cache for objects of `size` bytes; an older one that is like it, unless caches are not merged.

        The first slab comes when needed.
        """
        merged = None if self.nomerge else find_mergeable(self.caches.values(), size, align, flags)
        if merged is not None:
            merged.refcount += 1
            merged.object_size = max(merged.object_size, word_aligned(size))
            self.aliases[name] = merged
            return merged
        cache = KmemCache(name, size, align, flags)
        if self._chance is not None:
            cache.random_seq = _shuffled(cache.objects, self._chance)
        self.caches[name] = cache
        return cache

    def kmem_cache(self, name: str) -> KmemCache | None:
        """The cache that has this name, be it by merging; None where none has."""
        return self.caches.get(name) or self.aliases.get(name)

    def cache_of(self, address: int) -> tuple[KmemCache, Slab] | None:
        """virt_to_slab(): the slab that holds a kernel address, with its cache; None for other memory."""
        pfn = address - PAGE_OFFSET >> PAGE_SHIFT
        for order in range(MAX_PAGE_ORDER + 1):
            found = self.slabs.get(pfn & -(1 << order))
            if found is not None and pfn < found[1].pfn + (1 << found[1].order):
                return found
        return None

    def slab_of(self, address: int) -> Slab:
        """virt_to_slab() of an object that is known to be one."""
        found = self.cache_of(address)
        assert found is not None, f"{address:#x} is in no slab"
        return found[1]

    # --- taking ------------------------------------------------------------------------------------------------------

    def kmem_cache_alloc(self, cache: KmemCache, gfp: int = GFP_KERNEL) -> int | None:
        """kmem_cache_alloc(): an object's kernel address, zeroed (init_on_alloc=1); None when there is no memory for a slab."""
        taken = cache.cpu_freelist
        if not taken:
            taken = self._slab_alloc(cache, gfp)
            if not taken:
                return None
        slab = cache.cpu_slab
        assert slab is not None
        cache.cpu_freelist = self.get_freepointer(cache, slab, taken)
        number = (taken - slab.address) // cache.size
        if number >= slab.never_taken:
            slab.never_taken = number + 1
        else:
            self.set_freepointer(cache, taken, NULL)
        if self.kernel.trace.on:
            self.kernel.trace.emit(KmemCacheAlloc(cache.name, taken, cache.object_size))
        return taken

    def _slab_alloc(self, cache: KmemCache, gfp: int) -> int:
        """___slab_alloc(): the CPU's free list is empty: its slab's, the CPU's partial, the node's partial, a new slab."""
        if cache.cpu_slab is not None:
            freelist = self._get_freelist(cache.cpu_slab)
            if freelist:
                return freelist
            cache.cpu_slab = None
        while cache.cpu_partial:
            slab = cache.cpu_slab = cache.cpu_partial.pop()
            freelist = self._get_freelist(slab)
            if freelist:
                return freelist
        freelist = self._get_partial_node(cache)
        return freelist or self._new_slab(cache, gfp)

    def _get_freelist(self, slab: Slab) -> int:
        """get_freelist(): takes all of the slab's own free objects; the slab stays the CPU's only if there were any."""
        freelist, slab.freelist = slab.freelist, NULL
        slab.inuse = slab.objects
        slab.frozen = freelist != NULL
        return freelist

    def _get_partial_node(self, cache: KmemCache) -> int:
        """get_partial_node(): the first slab of the node's list for now, and some more for the CPU's partial list."""
        freelist = NULL
        partial_slabs = 0
        while cache.node_partial:
            pfn = next(iter(cache.node_partial))
            slab = cache.node_partial.pop(pfn)
            slab.frozen = True
            if not freelist:
                cache.cpu_slab = slab
                freelist = self._get_freelist(slab)
                continue
            self._put_cpu_partial(cache, slab, drain=False)
            partial_slabs += 1
            if partial_slabs > cache.cpu_partial_slabs // 2:
                break
        return freelist

    def _new_slab(self, cache: KmemCache, gfp: int) -> int:
        """new_slab(): pages from the page allocator, all objects free and in the order of their addresses."""
        page = self._allocate_pages(cache, gfp)
        if page is None:
            return NULL
        page.flags |= PG_SLAB
        page.mapping = cache
        slab = Slab(page.pfn, page.order, order_objects(page.order, cache.size))
        self.slabs[page.pfn] = cache, slab
        self._count_pages(cache, 1 << page.order)
        cache.nr_slabs += 1
        cache.total_objects += slab.objects
        slab.freelist = slab.address
        if cache.random_seq and slab.objects > 1:
            self._shuffle_freelist(cache, slab)
        slab.frozen = True
        cache.cpu_slab = slab
        if self.kernel.trace.on:
            self.kernel.trace.emit(SlabAllocated(cache.name, slab.pfn, slab.order, slab.objects))
        return self._get_freelist(slab)

    def _shuffle_freelist(self, cache: KmemCache, slab: Slab) -> None:
        """shuffle_freelist(): links the slab's objects in the cache's random order, begun at a random place."""
        assert self._chance is not None
        at = self._chance.below(len(cache.random_seq))
        order = [number for number in cache.random_seq[at:] + cache.random_seq[:at] if number < slab.objects]
        addresses = [slab.address + number * cache.size for number in order]
        slab.freelist = addresses[0]
        slab.never_taken = slab.objects
        for address, following in zip(addresses, [*addresses[1:], NULL], strict=True):
            self.set_freepointer(cache, address, following)

    def _allocate_pages(self, cache: KmemCache, gfp: int) -> Page | None:
        """allocate_slab(): the cache's own order without trying hard; where that fails, the least that holds an object."""
        if cache.flags & SLAB_RECLAIM_ACCOUNT:
            gfp |= _GFP_RECLAIMABLE
        easy = (gfp | _GFP_NOWARN | _GFP_NORETRY) & ~_GFP_NOFAIL
        if easy & _GFP_DIRECT_RECLAIM and cache.order > get_order(cache.size):
            easy = (easy | _GFP_NOMEMALLOC) & ~_GFP_RECLAIM
        page = self.kernel.page_alloc.alloc_pages(easy, cache.order)
        if page is None:
            page = self.kernel.page_alloc.alloc_pages(gfp, get_order(cache.size))
        return page

    def new_record(self, cache: KmemCache) -> int:
        """kmem_cache_alloc(GFP_KERNEL) for a record of the kernel's own. Raises Errno(ENOMEM)."""
        address = self.kmem_cache_alloc(cache, GFP_KERNEL_ACCOUNT)
        if address is None:
            raise Errno(ErrorNumber.ENOMEM)
        return address

    # --- returning ---------------------------------------------------------------------------------------------------

    def kmem_cache_free(self, cache: KmemCache, address: int) -> None:
        """kmem_cache_free(): the object is the first to be taken again, if its slab is the CPU's."""
        found = self.cache_of(address)
        assert found is not None and found[0] is cache, f"{address:#x} is no object of {cache.name}"
        if self.kernel.trace.on:
            self.kernel.trace.emit(KmemCacheFree(cache.name, address))
        slab = found[1]
        if slab is cache.cpu_slab:
            self.set_freepointer(cache, address, cache.cpu_freelist)
            cache.cpu_freelist = address
            return
        self._slab_free(cache, slab, address)

    def _slab_free(self, cache: KmemCache, slab: Slab, address: int) -> None:
        """__slab_free(): into a slab that is not the CPU's: a full one becomes partial, an empty one may be given back."""
        was_full, was_frozen = slab.freelist == NULL, slab.frozen
        self.set_freepointer(cache, address, slab.freelist)
        slab.freelist = address
        slab.inuse -= 1
        if was_frozen:
            return
        if was_full:
            slab.frozen = True
            self._put_cpu_partial(cache, slab, drain=True)
            return
        if slab.inuse == 0 and len(cache.node_partial) >= cache.min_partial:
            del cache.node_partial[slab.pfn]
            self._discard_slab(cache, slab)

    def _put_cpu_partial(self, cache: KmemCache, slab: Slab, *, drain: bool) -> None:
        """put_cpu_partial(): onto the CPU's partial list; a list that is full is moved to the node first."""
        held = cache.cpu_partial[-1].slabs if cache.cpu_partial else 0
        unfreeze: list[Slab] = []
        if cache.cpu_partial and drain and held >= cache.cpu_partial_slabs:
            unfreeze, cache.cpu_partial, held = cache.cpu_partial, [], 0
        slab.slabs = held + 1
        cache.cpu_partial.append(slab)
        self._unfreeze_partials(cache, unfreeze)

    def _unfreeze_partials(self, cache: KmemCache, slabs: list[Slab]) -> None:
        """__unfreeze_partials(): to the node's list, or back to the page allocator where empty and enough are kept."""
        discard = []
        for slab in reversed(slabs):
            slab.frozen = False
            if slab.inuse == 0 and len(cache.node_partial) >= cache.min_partial:
                discard.append(slab)
            else:
                cache.node_partial[slab.pfn] = slab
        for slab in reversed(discard):
            self._discard_slab(cache, slab)

    def _discard_slab(self, cache: KmemCache, slab: Slab) -> None:
        """discard_slab(): its pages go back to the page allocator."""
        cache.nr_slabs -= 1
        cache.total_objects -= slab.objects
        del self.slabs[slab.pfn]
        self._count_pages(cache, -(1 << slab.order))
        if self.kernel.trace.on:
            self.kernel.trace.emit(SlabFreed(cache.name, slab.pfn, slab.order))
        if self.kernel.page_alloc.pf_memalloc:
            self.reclaimed_slab += 1 << slab.order
        page = self.kernel.page_alloc.mem_map[slab.pfn]
        page.flags &= ~PG_SLAB
        page.mapping = None
        self.kernel.page_alloc.free_pages(page, slab.order)

    # --- kmalloc -----------------------------------------------------------------------------------------------------

    def kmalloc(self, size: int, gfp: int = GFP_KERNEL) -> int | None:
        """kmalloc(): `size` bytes or a little more; above two pages, whole pages. A kernel address, or None."""
        class_size = kmalloc_size(size)
        if class_size is not None:
            return self.kmem_cache_alloc(self.kmalloc_caches[class_size], gfp)
        page = self.kernel.page_alloc.alloc_pages(gfp, get_order(size))
        return None if page is None else PAGE_OFFSET + (page.pfn << PAGE_SHIFT)

    def kfree(self, address: int) -> None:
        """kfree()."""
        found = self.cache_of(address)
        if found is not None:
            self.kmem_cache_free(found[0], address)
            return
        page = self.kernel.page_alloc.mem_map[address - PAGE_OFFSET >> PAGE_SHIFT]
        self.kernel.page_alloc.free_pages(page, page.order)

    def ksize(self, address: int) -> int:
        """ksize(): what kmalloc() really gave."""
        found = self.cache_of(address)
        if found is not None:
            return found[0].object_size
        return PAGE_SIZE << self.kernel.page_alloc.mem_map[address - PAGE_OFFSET >> PAGE_SHIFT].order

    # --- free pointers -----------------------------------------------------------------------------------------------

    def get_freepointer(self, cache: KmemCache, slab: Slab, address: int) -> int:
        """get_freepointer(): the free object after the one at `address`: the word in it says, once it has been taken and freed."""
        number = (address - slab.address) // cache.size
        if number >= slab.never_taken:
            return address + cache.size if number + 1 < slab.objects else NULL
        return self.kernel.ram.read32(address + cache.offset - PAGE_OFFSET)

    def set_freepointer(self, cache: KmemCache, address: int, following: int) -> None:
        """set_freepointer()."""
        self.kernel.ram.write32(address + cache.offset - PAGE_OFFSET, following)

    def free_objects(self, cache: KmemCache, slab: Slab) -> Iterator[int]:
        """The addresses of a slab's free objects, as its list links them; of the CPU's slab, both its lists.

        Not more than it has objects: a list that somebody overwrote may have no end.
        """
        heads = [cache.cpu_freelist, slab.freelist] if slab is cache.cpu_slab else [slab.freelist]
        left = slab.objects
        for head in heads:
            at = head
            while at and left:
                yield at
                left -= 1
                at = self.get_freepointer(cache, slab, at)

    def objects_in_use(self, cache: KmemCache) -> int:
        """Objects taken and not returned, by what every slab's free list holds."""
        mine = [slab for owner, slab in self.slabs.values() if owner is cache]
        return sum(slab.objects - sum(1 for _ in self.free_objects(cache, slab)) for slab in mine)

    def _count_pages(self, cache: KmemCache, pages: int) -> None:
        self.kernel.clock.ns += COSTS.page_alloc
        if cache.flags & SLAB_RECLAIM_ACCOUNT:
            self.kernel.vmstat.nr_slab_reclaimable += pages
        else:
            self.kernel.vmstat.nr_slab_unreclaimable += pages


def _shuffled(count: int, chance: Chance) -> tuple[int, ...]:
    """freelist_randomize(): 0 to count - 1 in random order."""
    order = list(range(count))
    for number in range(count - 1, 0, -1):
        other = chance.below(number + 1)
        order[number], order[other] = order[other], order[number]
    return tuple(order)
