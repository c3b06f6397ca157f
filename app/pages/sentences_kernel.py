"""What the events of the kernel's own memory say in plain words: kmalloc, caches, vmalloc, kmap."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from app.pages import formats, keys
from app.pages.sentence import Sentence
from engine.events import slab, vmalloc

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def _kmalloc(event: slab.Kmalloc) -> Sentence:
    waste = event.bytes_alloc - event.bytes_req
    said = f", {formats.times(waste, 'byte')} of which nobody asked for" if waste else ""
    words = f"kmalloc gives {formats.times(event.bytes_alloc, 'byte')} at {formats.address(event.address)}{said}."
    return Sentence(words, "__kmalloc", (keys.page(event.address >> formats.PAGE_SHIFT),))


def _cache(event: slab.KmemCacheCreate) -> Sentence:
    words = (
        f"Cache {event.cache}: {formats.times(event.objects, 'object')} of {event.object_size} bytes, {event.size} apart,"
        f" in slabs of {formats.times(1 << event.order, 'page')}. It has no slab yet."
    )
    return Sentence(words, "kmem_cache_create")


def _area(event: vmalloc.VmapAreaAllocated) -> Sentence:
    words = f"{formats.times(event.pages, 'page')} of kernel addresses are taken at {formats.address(event.address)}"
    return Sentence(f"{words}, and a guard page.", "alloc_vmap_area", (keys.page(event.address >> formats.PAGE_SHIFT),))


def _area_freed(event: vmalloc.VmapAreaFreed) -> Sentence:
    words = (
        f"The area of {formats.times(event.pages, 'page')} at {formats.address(event.address)} is gone;"
        " its addresses are not used again yet."
    )
    return Sentence(words, "free_vmap_area_noflush", (keys.page(event.address >> formats.PAGE_SHIFT),))


def _kmap(event: vmalloc.KmapHigh) -> Sentence:
    words = f"Frame {formats.pfn(event.pfn)} is high memory: kmap lets the kernel see it at {formats.address(event.address)}."
    return Sentence(words, "kmap_high", (keys.frame(event.pfn), keys.page(event.address >> formats.PAGE_SHIFT)))


def _kunmap(event: vmalloc.KunmapHigh) -> Sentence:
    words = f"Nobody needs frame {formats.pfn(event.pfn)} at {formats.address(event.address)} any more."
    return Sentence(words, "kunmap_high", (keys.frame(event.pfn),))


KERNEL: Final[Mapping[type, Callable[[Any], Sentence]]] = {
    slab.Kmalloc: _kmalloc,
    slab.Kfree: lambda e: Sentence(f"What kmalloc gave at {formats.address(e.address)} goes back.", "kfree"),
    slab.KmemCacheCreate: _cache,
    vmalloc.VmapAreaAllocated: _area,
    vmalloc.VmapAreaFreed: _area_freed,
    vmalloc.VmapAreasPurged: lambda e: Sentence(
        f"The addresses of {formats.times(e.areas, 'freed area')} may be used again.", "__purge_vmap_area_lazy"
    ),
    vmalloc.KmapHigh: _kmap,
    vmalloc.KunmapHigh: _kunmap,
}
