"""The pages that a process has before its first command: its loader and libc's start-up wrote to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.kernel.mm_types import PG_LRU, PG_MLOCKED, PG_UNEVICTABLE

if TYPE_CHECKING:
    from engine.machine import Machine


def put_aside(machine: Machine) -> None:
    """Makes them unevictable, as mlock() would: the lists that reclaim looks at hold what a test makes, and that alone."""
    swap = machine.kernel.swap
    for page in machine.kernel.page_alloc.mem_map.values():
        if page.flags & PG_LRU:
            swap.remove(page)
            page.flags |= PG_UNEVICTABLE | PG_MLOCKED
            swap.lru_cache_add(page)
