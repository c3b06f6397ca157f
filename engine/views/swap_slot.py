"""One slot of the swap area: who names it, and whether its page is in memory as well."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final

from engine.kernel.mm_types import PAGE_SHIFT, TASK_SIZE
from engine.kernel.pgtable import swap_entry_to_pte
from engine.outcome import CommandError
from engine.views.file_page import FilePage, file_page_in_slot
from engine.views.mapped_at import MappedAt

if TYPE_CHECKING:
    from engine.kernel.kernel import Kernel
    from engine.machine import Machine


_USED: Final = re.compile(rb"[^\0]")


@dataclass(frozen=True, slots=True)
class SwapSlotView:
    """Slot `slot`: `count` table entries (or a file of tmpfs) name it; with 0 and no frame it is free."""

    slot: int
    count: int
    header: bool
    """Slot 0 is the area's header: no page goes there."""
    pfn: int | None
    """The frame that holds the same page: the swap cache."""
    named_at: tuple[MappedAt, ...]
    file: FilePage | None


def swap_slot(machine: Machine, slot: int) -> SwapSlotView:
    """Slot `slot` of the swap area. Raises CommandError where there is no such slot."""
    kernel = machine.kernel
    if not 0 <= slot <= kernel.swapfile.total_pages:
        raise CommandError(
            "slot", f"there is no swap slot {slot}; the area has slots 1 to {kernel.swapfile.total_pages}"
        )
    header = slot == 0
    cached = kernel.swap_state.pages.get(slot)
    count = 0 if header else kernel.swapfile.swap_count(slot)
    file = file_page_in_slot(kernel, slot) if count else None
    return SwapSlotView(
        slot=slot,
        count=count,
        header=header,
        pfn=None if cached is None else cached.pfn,
        named_at=_named_at(kernel, slot) if count else (),
        file=None if file is None else file.file,
    )


@dataclass(frozen=True, slots=True)
class UsedSlot:
    """A slot that is not free: how many entries name it, and whether the swap cache has its page as well."""

    slot: int
    count: int
    cached: bool


def used_slots(machine: Machine, maximum: int, around: int | None = None) -> tuple[UsedSlot, ...]:
    """The first slots that are used, at most `maximum`; with `around`, from a little before that one on."""
    swapfile = machine.kernel.swapfile
    used = swapfile.swap_map
    first = 1 if around is None else max(1, around - maximum // 2)
    found = [at.start() for at in islice(_USED.finditer(used, first), maximum)]
    if len(found) < maximum and first > 1:
        found = [at.start() for at in islice(_USED.finditer(used, 1), maximum)]
    cache = machine.kernel.swap_state.pages
    return tuple(UsedSlot(slot, swapfile.swap_count(slot), slot in cache) for slot in found)


def _named_at(kernel: Kernel, slot: int) -> tuple[MappedAt, ...]:
    """The table entries that name the slot: Linux keeps no way back from a slot, so every table is looked through."""
    entry, found = swap_entry_to_pte(0, slot), list[MappedAt]()
    for task in kernel.tasks.values():
        if not task.mm.swap_rss:
            continue
        for address, _, table, _, _ in kernel.memory.present_tables(task.mm, 0, TASK_SIZE):
            words = table.tolist()
            if entry in words:
                at = (address & -(1 << 22)) + (words.index(entry) << PAGE_SHIFT)
                found.append(MappedAt(task.pid, at))
    return tuple(found)
