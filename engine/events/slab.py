"""Events of the slab allocator."""

from typing import NamedTuple


class KmemCacheAlloc(NamedTuple):
    """kmem:kmem_cache_alloc — an object of `size` bytes was taken from a cache; `address` is the kernel's."""

    cache: str
    address: int
    size: int


class KmemCacheFree(NamedTuple):
    """kmem:kmem_cache_free — an object went back to its cache."""

    cache: str
    address: int


class SlabAllocated(NamedTuple):
    """sim:new_slab — a cache took a block of pages for `objects` objects."""

    cache: str
    pfn: int
    order: int
    objects: int


class SlabFreed(NamedTuple):
    """sim:discard_slab — a cache gave an empty slab's pages back."""

    cache: str
    pfn: int
    order: int


class KmemCacheCreate(NamedTuple):
    """sim:kmem_cache_create — there is a new cache: objects of `object_size` bytes, `size` apart, `objects` a slab."""

    cache: str
    object_size: int
    size: int
    objects: int
    order: int


class Kmalloc(NamedTuple):
    """kmem:kmalloc — `bytes_req` bytes were asked for, and `bytes_alloc` given."""

    address: int
    bytes_req: int
    bytes_alloc: int


class Kfree(NamedTuple):
    """kmem:kfree — what kmalloc() gave at `address` is given back."""

    address: int
