"""Slab caches: small objects of the kernel's, with their free lists, and what rounding up wastes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from app.pages import formats, keys
from app.pages.svg_kernel import free_list_words, slab_svg
from app.words import t, word
from engine import views
from engine.events.slab import KmemCacheAlloc
from engine.views.slab import cache_of_frame
from engine.views.trace_tree import last_records

if TYPE_CHECKING:
    from markupsafe import Markup

    from app.pages.marks import Chosen, Mark, Marks
    from engine.machine import Machine
    from engine.views.slab import CacheRow, KmallocClass, SlabsView, SlabView

SLABS_SHOWN: Final = 4
POINTERS_SHOWN: Final = 24
_DEFAULT_CACHE: Final = "vm_area_struct"


@dataclass(frozen=True, slots=True)
class CacheLine:
    """One cache, with a link to one of its slabs."""

    name: str
    href: str
    current: bool
    objects: str
    size: str
    slab: str
    slabs: str
    waste: str


@dataclass(frozen=True, slots=True)
class SlabPart:
    """One slab of the chosen cache."""

    href: str
    key: str
    title: str
    picture: Markup
    free_list: str


@dataclass(frozen=True, slots=True)
class ClassLine:
    """One kmalloc class."""

    name: str
    serves: str
    worst: str
    asked: str


@dataclass(frozen=True, slots=True)
class KernelPointer:
    """A pointer of the kernel's commands."""

    mark: Mark
    name: str
    href: str
    address: str


@dataclass(frozen=True, slots=True)
class SlabsPanel:
    """The chosen cache's slabs, and all caches."""

    words: str
    caches: tuple[CacheLine, ...]
    slabs: tuple[SlabPart, ...]
    slabs_left_out: int
    classes: tuple[ClassLine, ...]


def slabs_panel(machine: Machine, chosen: Chosen, marks: Marks) -> SlabsPanel:
    """The panel."""
    cache = _cache(machine, chosen)
    slabs: SlabsView = views.slab(machine, cache)
    return SlabsPanel(
        words=_cache_words(slabs),
        caches=tuple(_line(each, cache, chosen) for each in slabs.caches),
        slabs=_slabs(slabs, chosen, marks),
        slabs_left_out=slabs.slabs_left_out + max(0, len(slabs.slabs) - SLABS_SHOWN),
        classes=tuple(_class(each) for each in slabs.kmalloc),
    )


def kernel_pointers(machine: Machine, chosen: Chosen, marks: Marks) -> tuple[KernelPointer, ...]:
    """The pointers that the kernel's commands set last."""
    return tuple(
        KernelPointer(
            marks.of(keys.slab_object(address), keys.kernel_object(address)) if address else marks.of(keys.slot(name)),
            name,
            chosen.href(address),
            formats.address(address) if address else "NULL",
        )
        for name, address in list(machine.kernel_slots.items())[-POINTERS_SHOWN:]
    )


def _cache(machine: Machine, chosen: Chosen) -> str:
    """The cache to look into: that of the chosen frame, or of the last command's last object, or one that is always there."""
    if chosen.frame is not None and (found := cache_of_frame(machine, chosen.frame.pfn)) is not None:
        return found
    for record in reversed(last_records(machine)):
        if isinstance(record.event, KmemCacheAlloc):
            return record.event.cache
    return _DEFAULT_CACHE


def _line(row: CacheRow, cache: str, chosen: Chosen) -> CacheLine:
    return CacheLine(
        name=row.name,
        href="" if row.first_slab is None else chosen.frame_href(row.first_slab),
        current=row.name == cache,
        objects=t("slabs.of", part=row.in_use, whole=row.objects),
        size=f"{row.size} B",
        slab=t("slabs.objects_in", objects=row.objects_per_slab, size=formats.pages(1 << row.order)),
        slabs=formats.count(row.slabs),
        waste=formats.size(row.waste),
    )


def _cache_words(slabs: SlabsView) -> str:
    row = slabs.cache
    if row is None:
        return ""
    gap = row.size - row.object_size
    if gap > 0:
        return t("slabs.objects_of_gap", name=row.name, size=row.object_size, gap=gap)
    return t("slabs.objects_of", name=row.name, size=row.object_size)


def _slabs(slabs: SlabsView, chosen: Chosen, marks: Marks) -> tuple[SlabPart, ...]:
    parts = []
    for each in slabs.slabs[-SLABS_SHOWN:]:
        title, free = _title(each), free_list_words(each) or t("slabs.empty")
        picture = slab_svg(each, chosen.at.walk.linear, marks, t("slabs.said", title=title, free=free))
        parts.append(SlabPart(chosen.frame_href(each.pfn), keys.frame(each.pfn), title, picture, free))
    return tuple(parts)


def _title(each: SlabView) -> str:
    pfn, place, used, objects = formats.pfn(each.pfn), word("slabs.place", each.place), each.in_use, len(each.objects)
    if each.tail:
        return t("slabs.title_tail", pfn=pfn, place=place, used=used, objects=objects, tail=each.tail)
    return t("slabs.title", pfn=pfn, place=place, used=used, objects=objects)


def _class(each: KmallocClass) -> ClassLine:
    given = each.asked_objects * each.size
    asked = t("slabs.asked", asked=formats.size(each.asked), given=formats.size(given)) if each.asked_objects else ""
    worst = f"{each.worst_waste} B ({100 * each.worst_waste // each.size} %)"
    return ClassLine(each.name, t("slabs.serves_range", least=each.least, most=each.size), worst, asked)
