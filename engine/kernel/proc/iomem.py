"""kernel/resource.c: /proc/iomem: what answers at which physical addresses.

Left out: devices, and the video ROM that some of them bring along.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from engine.kernel.mm_types import PAGE_SHIFT

if TYPE_CHECKING:
    from engine.kernel.kernel import Kernel

EBDA_START: Final = 0x9FC00
"""Where the BIOS keeps its data at the end of the first 640 KB; not on a page boundary."""
SYSTEM_ROM: Final = 0xF0000, 0xFFFFF
LOW_MEMORY_END: Final = 0x100000
_KERNEL_PARTS: Final = {
    "kernel code": "Kernel code",
    "kernel rodata": "Kernel rodata",
    "kernel data": "Kernel data",
    "kernel bss": "Kernel bss",
}

_CODE_AND_DATA_END: Final = {"Kernel code": 0x191BC80, "Kernel data": 0x1D70BC0}
"""_etext and _edata of Debian's kernel, which do not lie on page boundaries; the small kernel's do."""


class Resource(NamedTuple):
    """[start, end] of physical addresses, and what lies inside it."""

    start: int
    end: int
    name: str
    children: tuple[Resource, ...] = ()


def resources(kernel: Kernel) -> list[Resource]:
    """The tree, in ascending order."""
    top = kernel.page_alloc.zones[-1].zone_end_pfn << PAGE_SHIFT
    found = [
        Resource(0, (1 << PAGE_SHIFT) - 1, "Reserved"),
        Resource(1 << PAGE_SHIFT, EBDA_START - 1, "System RAM"),
        Resource(EBDA_START, 0x9FFFF, "Reserved"),
        Resource(*SYSTEM_ROM, "Reserved", (Resource(*SYSTEM_ROM, "System ROM"),)),
        Resource(LOW_MEMORY_END, top - 1, "System RAM", tuple(_kernel_image(kernel))),
    ]
    tables = next((taken for taken in kernel.boot.reserved if taken.owner == "ACPI tables"), None)
    if tables is not None and tables.pages:
        found.append(Resource(tables.start_pfn << PAGE_SHIFT, (tables.end_pfn << PAGE_SHIFT) - 1, "Reserved"))
    return found


def _kernel_image(kernel: Kernel) -> list[Resource]:
    """The kernel's parts; of the data, what comes before the part that was freed after boot."""
    parts: dict[str, Resource] = {}
    for taken in kernel.boot.reserved:
        name = _KERNEL_PARTS.get(taken.owner)
        if name is not None and name not in parts:
            start, end = taken.start_pfn << PAGE_SHIFT, taken.end_pfn << PAGE_SHIFT
            exact = _CODE_AND_DATA_END.get(name, end)
            parts[name] = Resource(start, (exact if start < exact < end else end) - 1, name)
    return list(parts.values())


def iomem_text(kernel: Kernel) -> str:
    """A line a range, those inside another one indented by two spaces, as root sees it."""
    return "".join(_lines(each, 0) for each in resources(kernel))


def _lines(resource: Resource, depth: int) -> str:
    own = f"{'':{depth * 2}}{resource.start:08x}-{resource.end:08x} : {resource.name}\n"
    return own + "".join(_lines(child, depth + 1) for child in resource.children)
