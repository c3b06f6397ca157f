"""mm/slub.c: what a cache is made of: how large its slabs are, how many it keeps, and where each of them stands.

Left out: debugging's room in objects, NUMA's nodes (there is one), encoded free lists.
"""

from __future__ import annotations

from typing import Final

from engine.kernel.mm_types import PAGE_OFFSET, PAGE_SHIFT, PAGE_SIZE
from engine.kernel.slab_common import (
    POINTER_SIZE,
    SLAB_CTOR,
    SLAB_TYPESAFE_BY_RCU,
    calculate_alignment,
    word_aligned,
)

SLUB_MAX_ORDER: Final = 3
"""PAGE_ALLOC_COSTLY_ORDER: the largest slab that is made without need."""
MAX_OBJS_PER_PAGE: Final = 32767
MAX_PAGE_ORDER: Final = 10
MIN_PARTIAL: Final = 5
MAX_PARTIAL: Final = 10
MIN_OBJECTS: Final = 8
"""4 * (fls(nr_cpus) + 1), for one CPU."""
_LEAST_FRACTION: Final = 4
_FIRST_FRACTION: Final = 16
NULL: Final = 0


def get_order(size: int) -> int:
    """get_order(): the smallest order whose block holds `size` bytes."""
    return max(0, (size - 1 >> PAGE_SHIFT).bit_length())


def order_objects(order: int, size: int) -> int:
    """order_objects(): how many objects of `size` bytes a slab of that order holds."""
    return (PAGE_SIZE << order) // size


def calc_slab_order(size: int, min_objects: int, max_order: int, fract_leftover: int) -> int:
    """calc_slab_order(): the smallest order that holds `min_objects` and leaves at most 1/fract_leftover unused."""
    if order_objects(0, size) > MAX_OBJS_PER_PAGE:
        return get_order(size * MAX_OBJS_PER_PAGE) - 1
    order = get_order(min_objects * size)
    while order <= max_order:
        slab_size = PAGE_SIZE << order
        if slab_size % size <= slab_size // fract_leftover:
            break
        order += 1
    return order


def calculate_order(size: int) -> int:
    """calculate_order(): a slab's order for objects of `size` bytes: enough objects first, then little waste."""
    min_objects = min(MIN_OBJECTS, order_objects(SLUB_MAX_ORDER, size))
    while min_objects > 1:
        fraction = _FIRST_FRACTION
        while fraction >= _LEAST_FRACTION:
            order = calc_slab_order(size, min_objects, SLUB_MAX_ORDER, fraction)
            if order <= SLUB_MAX_ORDER:
                return order
            fraction //= 2
        min_objects -= 1
    order = calc_slab_order(size, 1, SLUB_MAX_ORDER, 1)
    return order if order <= SLUB_MAX_ORDER else calc_slab_order(size, 1, MAX_PAGE_ORDER, 1)


def cpu_partial_objects(size: int) -> int:
    """set_cpu_partial(): how many free objects a CPU may keep on its partial list, by the object's size."""
    if size >= PAGE_SIZE:
        return 6
    if size >= 1024:
        return 24
    return 52 if size >= 256 else 120


class Slab:
    """struct slab: a block of pages with objects of one cache. `freelist` is the first free object's address, or NULL."""

    __slots__ = ("address", "freelist", "frozen", "inuse", "never_taken", "objects", "order", "pfn", "slabs")

    def __init__(self, pfn: int, order: int, objects: int) -> None:
        self.pfn = pfn
        self.address = PAGE_OFFSET + (pfn << PAGE_SHIFT)
        """Where the kernel sees it: in the direct map."""
        self.order = order
        self.objects = objects
        self.never_taken = 0
        """The number of the first object that nobody has taken yet: from it on all are free, in this order."""
        self.inuse = 0
        self.frozen = False
        self.freelist = NULL
        self.slabs = 0
        """On a CPU partial list: how many slabs that list had when this one became its head, itself counted."""


class KmemCache:
    """struct kmem_cache: objects of `object_size` bytes, `size` apart, `objects` a slab of 2**order pages."""

    __slots__ = (
        "align",
        "cpu_freelist",
        "cpu_partial",
        "cpu_partial_slabs",
        "cpu_slab",
        "flags",
        "min_partial",
        "name",
        "node_partial",
        "nr_slabs",
        "object_size",
        "objects",
        "offset",
        "order",
        "random_seq",
        "refcount",
        "size",
        "total_objects",
    )

    def __init__(self, name: str, object_size: int, align: int, flags: int) -> None:
        self.name = name
        self.flags = flags
        self.object_size = object_size
        self.align = calculate_alignment(flags, align, object_size)
        aligned = word_aligned(object_size)
        self.offset = object_size // 2 & -POINTER_SIZE
        """Where the link of a free object lies: in its middle, or behind it where its content must stay."""
        if flags & (SLAB_CTOR | SLAB_TYPESAFE_BY_RCU):
            self.offset = aligned
            aligned += POINTER_SIZE
        self.size = aligned + self.align - 1 & -self.align
        self.order = calculate_order(self.size)
        self.objects = order_objects(self.order, self.size)
        self.min_partial = max(MIN_PARTIAL, min(MAX_PARTIAL, (self.size.bit_length() - 1) // 2))
        self.cpu_partial_slabs = -(-cpu_partial_objects(self.size) * 2 // self.objects)
        self.cpu_slab: Slab | None = None
        self.cpu_freelist = NULL
        self.cpu_partial: list[Slab] = []
        """The CPU's partial list; its last element is the head."""
        self.node_partial: dict[int, Slab] = {}
        """The node's partial list, by pfn, head first."""
        self.nr_slabs = 0
        self.total_objects = 0
        self.refcount = 1
        """Caches that this one is, merged ones counted."""
        self.random_seq: tuple[int, ...] = ()
        """The order in which a new slab's objects are taken, where that is shuffled; each slab begins elsewhere in it."""
