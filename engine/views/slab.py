"""Slab caches: their slabs and objects, the free list as the bytes in RAM link it, and what rounding up wastes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from engine.kernel.mm_types import PAGE_OFFSET, PAGE_SHIFT, PAGE_SIZE
from engine.kernel.slab_common import KMALLOC_SIZES, kmalloc_size

if TYPE_CHECKING:
    from engine.kernel.slub import Slub
    from engine.kernel.slub_cache import KmemCache, Slab
    from engine.machine import Machine

SLABS_MAXIMUM: Final = 16
"""Slabs of a cache that are shown object by object."""


class SlabPlace(StrEnum):
    """Where a slab stands."""

    CPU = "cpu"
    """The CPU takes objects from it."""
    CPU_PARTIAL = "cpu partial"
    NODE_PARTIAL = "node partial"
    FULL = "full"
    """On no list: nothing to take."""


@dataclass(frozen=True, slots=True)
class ObjectView:
    """One object. A free one has its place in the free list (from 0), and the address of the next; 0 at the end."""

    address: int
    free_rank: int | None
    next_free: int | None


@dataclass(frozen=True, slots=True)
class SlabView:
    """One slab."""

    pfn: int
    order: int
    place: SlabPlace
    in_use: int
    objects: tuple[ObjectView, ...]
    tail: int
    """Bytes after the last object."""


@dataclass(frozen=True, slots=True)
class CacheRow:
    """One cache: sizes in bytes. `waste` is what its objects in use and its slabs have too much: gaps and tails."""

    name: str
    object_size: int
    size: int
    objects_per_slab: int
    order: int
    slabs: int
    in_use: int
    objects: int
    waste: int
    first_slab: int | None
    """A slab's first frame, where there is one."""


@dataclass(frozen=True, slots=True)
class KmallocClass:
    """One kmalloc class: what the smallest request that it serves wastes, and what the requests that live do."""

    name: str
    size: int
    least: int
    """The smallest request that it serves."""
    worst_waste: int
    in_use: int
    asked: int
    """Bytes that commands have asked for in it, of blocks that live; 0 where nobody did."""
    asked_objects: int


@dataclass(frozen=True, slots=True)
class SlabsView:
    """All caches that have a slab or that commands made; one of them slab by slab; the kmalloc classes."""

    caches: tuple[CacheRow, ...]
    cache: CacheRow | None
    slabs: tuple[SlabView, ...]
    slabs_left_out: int
    kmalloc: tuple[KmallocClass, ...]


def slab(machine: Machine, cache: str = "") -> SlabsView:
    """The caches, and the slabs of `cache`, which may be merged with another. Raises LookupError for one that there is not."""
    slub = machine.kernel.slub
    found_cache = slub.kmem_cache(cache) if cache else None
    if cache and found_cache is None:
        raise LookupError(f"there is no cache {cache!r}; there are {', '.join(slub.caches)}")
    cache = "" if found_cache is None else found_cache.name
    by_cache: dict[str, list[Slab]] = {}
    for owner, each in slub.slabs.values():
        by_cache.setdefault(owner.name, []).append(each)
    made = {each.name for each in machine.kernel.lab.caches.values()}
    rows = {
        name: _row(slub, found, by_cache.get(name, []))
        for name, found in slub.caches.items()
        if name in by_cache or name in made or name == cache
    }
    slabs = [_slab(slub, slub.caches[cache], each) for each in by_cache.get(cache, [])[:SLABS_MAXIMUM]]
    left_out = len(by_cache.get(cache, [])) - len(slabs)
    return SlabsView(tuple(rows.values()), rows.get(cache), tuple(slabs), left_out, _kmalloc(machine))


def cache_of_frame(machine: Machine, pfn: int) -> str | None:
    """The cache that has a slab around the frame; None where there is no slab."""
    found = machine.kernel.slub.cache_of(PAGE_OFFSET + (pfn << PAGE_SHIFT))
    return None if found is None else found[0].name


def _row(slub: Slub, cache: KmemCache, slabs: list[Slab]) -> CacheRow:
    in_use = slub.objects_in_use(cache)
    return CacheRow(
        name=cache.name,
        object_size=cache.object_size,
        size=cache.size,
        objects_per_slab=cache.objects,
        order=cache.order,
        slabs=cache.nr_slabs,
        in_use=in_use,
        objects=cache.total_objects,
        waste=in_use * (cache.size - cache.object_size) + sum(_tail(cache, each) for each in slabs),
        first_slab=slabs[-1].pfn if slabs else None,
    )


def _tail(cache: KmemCache, each: Slab) -> int:
    return (PAGE_SIZE << each.order) - each.objects * cache.size


def _slab(slub: Slub, cache: KmemCache, each: Slab) -> SlabView:
    free = list(slub.free_objects(cache, each))
    rank = {address: number for number, address in enumerate(free)}
    following = dict(pairwise([*free, 0]))
    addresses = range(each.address, each.address + each.objects * cache.size, cache.size)
    return SlabView(
        pfn=each.pfn,
        order=each.order,
        place=_place(cache, each),
        in_use=each.objects - len(free),
        objects=tuple(ObjectView(address, rank.get(address), following.get(address)) for address in addresses),
        tail=_tail(cache, each),
    )


def _place(cache: KmemCache, each: Slab) -> SlabPlace:
    if each is cache.cpu_slab:
        return SlabPlace.CPU
    if each in cache.cpu_partial:
        return SlabPlace.CPU_PARTIAL
    return SlabPlace.NODE_PARTIAL if each.pfn in cache.node_partial else SlabPlace.FULL


def _kmalloc(machine: Machine) -> tuple[KmallocClass, ...]:
    slub = machine.kernel.slub
    asked: dict[int, list[int]] = {}
    for size in machine.kernel.lab.kmallocs.values():
        asked.setdefault(kmalloc_size(size) or 0, []).append(size)
    found = []
    for below, size in zip((0, *KMALLOC_SIZES), KMALLOC_SIZES, strict=False):
        cache = slub.kmalloc_caches[size]
        requests = asked.get(size, [])
        in_use = slub.objects_in_use(cache)
        found.append(KmallocClass(cache.name, size, below + 1, size - below - 1, in_use, sum(requests), len(requests)))
    return tuple(found)
