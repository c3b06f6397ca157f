"""A module loaded into the kernel for learners: it calls the allocators as a driver would, and keeps their pointers.

Not a file of Linux. Its variables (slots) are the kernel's: they hold kernel addresses, and no process sees them. A slot
keeps its pointer when the memory is freed. What was not given here cannot be freed here: the module keeps a list.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.events.slab import Kfree, Kmalloc, KmemCacheCreate
from engine.kernel.mm_types import PAGE_OFFSET, PAGE_SHIFT

if TYPE_CHECKING:
    from engine.kernel.kernel import Kernel
    from engine.kernel.mm_types import Page
    from engine.kernel.slub_cache import KmemCache

NULL: Final = 0


class Lab:
    """What the module holds. Addresses are the kernel's; NULL where an allocation failed."""

    __slots__ = ("blocks", "caches", "kernel", "kmallocs", "objects", "slots", "vmallocs")

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.slots: dict[str, int] = {}
        """Its pointer variables."""
        self.blocks: dict[int, Page] = {}
        """What alloc_pages() gave and nobody freed, by address."""
        self.kmallocs: dict[int, int] = {}
        """What kmalloc() gave and nobody freed: how many bytes were asked for, by address."""
        self.objects: dict[int, KmemCache] = {}
        """What kmem_cache_alloc() gave and nobody freed, by address."""
        self.vmallocs: set[int] = set()
        """What vmalloc() gave and nobody freed."""
        self.caches: dict[str, KmemCache] = {}
        """The caches that it created, by the names that it gave them; merged ones are one and the same."""

    def alloc_pages(self, gfp: int, order: int) -> tuple[int, Page] | None:
        """alloc_pages(), and page_address() or kmap() of its first page; None when it failed."""
        page = self.kernel.page_alloc.alloc_pages(gfp, order)
        if page is None:
            return None
        address = self.kernel.highmem.kmap(page.pfn)
        self.blocks[address] = page
        return address, page

    def free_pages(self, address: int) -> None:
        """kunmap() and __free_pages() of a block that alloc_pages() gave."""
        page = self.blocks.pop(address)
        self.kernel.highmem.kunmap(page.pfn)
        self.kernel.page_alloc.free_pages(page, page.order)

    def kmalloc(self, size: int) -> int:
        """kmalloc(size, GFP_KERNEL)."""
        slub = self.kernel.slub
        address = slub.kmalloc(size)
        if address is None:
            return NULL
        self.kmallocs[address] = size
        self.kernel.trace.emit(Kmalloc(address, size, slub.ksize(address)))
        return address

    def kfree(self, address: int) -> None:
        """kfree() of what kmalloc() gave."""
        del self.kmallocs[address]
        self.kernel.trace.emit(Kfree(address))
        self.kernel.slub.kfree(address)

    def kmem_cache_create(self, name: str, size: int, align: int) -> KmemCache:
        """kmem_cache_create(); the cache may be an older one with which the new one is merged."""
        cache = self.caches[name] = self.kernel.slub.kmem_cache_create(name, size, align, 0)
        self.kernel.trace.emit(KmemCacheCreate(name, size, cache.size, cache.objects, cache.order))
        return cache

    def kmem_cache_alloc(self, cache: KmemCache) -> int:
        """kmem_cache_alloc(cache, GFP_KERNEL)."""
        address = self.kernel.slub.kmem_cache_alloc(cache)
        if address is None:
            return NULL
        self.objects[address] = cache
        return address

    def kmem_cache_free(self, address: int) -> None:
        """kmem_cache_free() of what kmem_cache_alloc() gave."""
        self.kernel.slub.kmem_cache_free(self.objects.pop(address), address)

    def is_large(self, address: int) -> bool:
        """Whether what kmalloc() gave at `address` is whole pages, from no cache."""
        return self.kernel.slub.cache_of(address) is None

    def pfn(self, address: int) -> int:
        """The frame behind an address of the direct map."""
        return address - PAGE_OFFSET >> PAGE_SHIFT
