"""init/main.c: what memory looks like when start_kernel() has ended and the first program may begin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from engine.kernel.memblock import ReservedRange, boot_zones

if TYPE_CHECKING:
    from engine.kernel.mmzone import Zone

_PG_DIR_PAGES_INTO_BSS: Final = 8
_ZERO_PAGE_PAGES_INTO_BSS: Final = 9
"""Where the kernel's own page directory and the zero page lie in its bss."""


class BootMemory(NamedTuple):
    """Physical memory after boot. Page numbers are page frame numbers."""

    zones: list[Zone]
    """Those that have RAM, lowest first, their free lists filled."""
    reserved: list[ReservedRange]
    """All other frames, in ascending order, and whose they are."""
    frames: int
    """Frames of RAM, holes included: physical addresses end at frames * 4096."""
    max_low_pfn: int
    """Frames below are mapped directly at PAGE_OFFSET; those above are high memory."""
    swapper_pg_dir: int
    """The kernel's own page directory."""
    empty_zero_page: int
    """What reads of untouched anonymous memory see."""
    gdt_page: int
    """The global descriptor table, in the CPU's own variables."""


def boot_memory(ram_mb: int, firmware_pages: int) -> BootMemory:
    """Boots a machine with `ram_mb` MB of RAM, 16 or more, of which the BIOS keeps the last `firmware_pages` pages."""
    found = boot_zones(ram_mb, firmware_pages)
    bss = found.image.bss_pfn
    return BootMemory(
        zones=found.zones,
        reserved=found.reserved,
        frames=found.frames,
        max_low_pfn=found.max_low_pfn,
        swapper_pg_dir=bss + _PG_DIR_PAGES_INTO_BSS,
        empty_zero_page=bss + _ZERO_PAGE_PAGES_INTO_BSS,
        gdt_page=found.percpu_pfn,
    )
