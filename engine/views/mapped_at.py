"""Where processes see a frame: the reverse map, held against the page tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.kernel.pgtable import PTE_THERE

if TYPE_CHECKING:
    from engine.kernel.kernel import Kernel
    from engine.kernel.mm_types import Page


@dataclass(frozen=True, slots=True)
class MappedAt:
    """A place where a process sees the frame, or where its table entry names the swap slot."""

    pid: int
    address: int


def mapped_at(kernel: Kernel, page: Page) -> tuple[MappedAt, ...]:
    """Every place where `page` is mapped."""
    found: list[MappedAt] = []
    for vma, address in kernel.rmap.places(page):
        entry = kernel.memory.pte(vma.vm_mm, address)
        if not entry & PTE_THERE or entry >> 12 != page.pfn:
            continue
        found.extend(MappedAt(task.pid, address) for task in kernel.tasks.values() if task.mm is vma.vm_mm)
    return tuple(found)
