"""What the events of the kernel's own memory say in plain words: kmalloc, caches, vmalloc, kmap."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from app.pages import formats, keys
from app.pages.sentence import Sentence
from app.words import t
from engine.events import slab, vmalloc

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def _page(address: int) -> tuple[str]:
    return (keys.page(address >> formats.PAGE_SHIFT),)


def _kmalloc(event: slab.Kmalloc) -> Sentence:
    waste, address = event.bytes_alloc - event.bytes_req, formats.address(event.address)
    if waste:
        words = t("event.kmalloc_waste", bytes=event.bytes_alloc, address=address, waste=waste)
    else:
        words = t("event.kmalloc", bytes=event.bytes_alloc, address=address)
    return Sentence(words, "__kmalloc", (keys.kernel_object(event.address), *_page(event.address)))


def _cache(event: slab.KmemCacheCreate) -> Sentence:
    words = t(
        "event.cache_create",
        cache=event.cache,
        objects=event.objects,
        object_size=event.object_size,
        size=event.size,
        pages=1 << event.order,
    )
    return Sentence(words, "kmem_cache_create")


def _area(event: vmalloc.VmapAreaAllocated) -> Sentence:
    words = t("event.vmap_area", pages=event.pages, address=formats.address(event.address))
    return Sentence(words, "alloc_vmap_area", _page(event.address))


def _area_freed(event: vmalloc.VmapAreaFreed) -> Sentence:
    words = t("event.vmap_area_freed", pages=event.pages, address=formats.address(event.address))
    return Sentence(words, "free_vmap_area_noflush", _page(event.address))


def _kmap(event: vmalloc.KmapHigh) -> Sentence:
    words = t("event.kmap", pfn=formats.pfn(event.pfn), address=formats.address(event.address))
    return Sentence(words, "kmap_high", (keys.frame(event.pfn), *_page(event.address)))


def _kunmap(event: vmalloc.KunmapHigh) -> Sentence:
    words = t("event.kunmap", pfn=formats.pfn(event.pfn), address=formats.address(event.address))
    return Sentence(words, "kunmap_high", (keys.frame(event.pfn),))


KERNEL: Final[Mapping[type, Callable[[Any], Sentence]]] = {
    slab.Kmalloc: _kmalloc,
    slab.Kfree: lambda e: Sentence(
        t("event.kfree", address=formats.address(e.address)), "kfree", (keys.kernel_object(e.address),)
    ),
    slab.KmemCacheCreate: _cache,
    vmalloc.VmapAreaAllocated: _area,
    vmalloc.VmapAreaFreed: _area_freed,
    vmalloc.VmapAreasPurged: lambda e: Sentence(t("event.vmap_areas_purged", areas=e.areas), "__purge_vmap_area_lazy"),
    vmalloc.KmapHigh: _kmap,
    vmalloc.KunmapHigh: _kunmap,
}
