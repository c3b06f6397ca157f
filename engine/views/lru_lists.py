"""The pages on reclaim's lists: who owns each, and whether it was used since reclaim last looked."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final

from engine.hardware.paging import PTE_ACCESSED
from engine.kernel.mm_types import PG_DIRTY, PG_REFERENCED, PG_SWAPCACHE, PG_WRITEBACK
from engine.kernel.pgtable import SWAP_OFFSET_SHIFT
from engine.kernel.swap import LruList
from engine.views.file_page import FilePage, file_page_of
from engine.views.mapped_at import MappedAt, mapped_at

if TYPE_CHECKING:
    from engine.kernel.kernel import Kernel
    from engine.kernel.mm_types import Page
    from engine.machine import Machine

ENDS_SHOWN: Final = 16
"""Pages of each list that are told one by one, from either end."""
_ENDS_MAXIMUM: Final = 256


@dataclass(frozen=True, slots=True)
class LruPage:
    """One page. `accessed`: some table entry of it has its accessed bit set; `referenced`: reclaim has seen that once."""

    pfn: int
    accessed: bool
    referenced: bool
    dirty: bool
    writeback: bool
    slot: int | None
    """The swap slot that it has in the swap cache."""
    mapped_at: tuple[MappedAt, ...]
    file: FilePage | None


@dataclass(frozen=True, slots=True)
class LruPages:
    """One list. `oldest` are looked at next, the very next one first; `youngest` came last, the very last one last."""

    name: str
    pages: int
    oldest: tuple[LruPage, ...]
    youngest: tuple[LruPage, ...]
    """Those that are not among `oldest`."""


def lru_lists(machine: Machine, ends: int = ENDS_SHOWN) -> tuple[LruPages, ...]:
    """The five lists, `ends` pages (at most 256) from either end of each."""
    ends = max(0, min(ends, _ENDS_MAXIMUM))
    return tuple(_list(machine.kernel, which, ends) for which in LruList)


def _list(kernel: Kernel, which: LruList, ends: int) -> LruPages:
    pages = kernel.swap.lists[which]
    oldest = [_page(kernel, page) for page in islice(pages.values(), ends)]
    left = min(ends, len(pages) - len(oldest))
    youngest = [_page(kernel, page) for page in islice(reversed(pages.values()), left)]
    return LruPages(which.name.lower(), len(pages), tuple(oldest), tuple(reversed(youngest)))


def lru_accessed(machine: Machine, ends: int = ENDS_SHOWN) -> tuple[bool, ...]:
    """Of each page that lru_lists() tells, whether it was accessed: the rest of them changes in the kernel alone."""
    kernel, ends = machine.kernel, max(0, min(ends, _ENDS_MAXIMUM))
    found: list[bool] = []
    for which in LruList:
        pages = kernel.swap.lists[which]
        left = min(ends, max(0, len(pages) - ends))
        found += [_accessed(kernel, page) for page in islice(pages.values(), ends)]
        found += [_accessed(kernel, page) for page in islice(reversed(pages.values()), left)]
    return tuple(found)


def _accessed(kernel: Kernel, page: Page) -> bool:
    pfn, pte = page.pfn, kernel.memory.pte
    for vma, address in kernel.rmap.places(page):
        entry = pte(vma.vm_mm, address)
        if entry & PTE_ACCESSED and entry >> 12 == pfn:
            return True
    return False


def _page(kernel: Kernel, page: Page) -> LruPage:
    flags = page.flags
    return LruPage(
        pfn=page.pfn,
        accessed=_accessed(kernel, page),
        referenced=bool(flags & PG_REFERENCED),
        dirty=bool(flags & PG_DIRTY),
        writeback=bool(flags & PG_WRITEBACK),
        slot=page.private >> SWAP_OFFSET_SHIFT if flags & PG_SWAPCACHE else None,
        mapped_at=mapped_at(kernel, page),
        file=file_page_of(page),
    )
