"""Whose each frame of RAM is, counted: the ledger that adds up to what is installed.

Not a file of Linux, whose /proc/meminfo leaves memory out and counts some of it twice (a page that is both anonymous and in
the swap cache, say). Here every frame has one account.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from engine.kernel.fs import AddressSpace
from engine.kernel.mm_types import (
    PG_ANON,
    PG_KSTACK,
    PG_SLAB,
    PG_SWAPBACKED,
    PG_SWAPCACHE,
    PG_TABLE,
    PG_VMALLOC,
    Mm,
)
from engine.kernel.mmzone import PCP_ORDERS
from engine.kernel.slub_cache import KmemCache

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.kernel.kernel import Kernel
    from engine.kernel.mm_types import Page


class Account(StrEnum):
    """Who can have a frame."""

    FREE = "free"
    """On the zones' free lists; the detail is the order."""
    CPU_LISTS = "cpu lists"
    """Free, on the lists that the CPU keeps for itself."""
    PAGE_CACHE = "page cache"
    """Pages of files on the disk."""
    SHMEM = "shmem"
    """tmpfs and shared anonymous memory."""
    ANONYMOUS = "anonymous"
    SWAP_CACHE = "swap cache"
    """Anonymous or shmem pages that have a slot in the swap area."""
    SLAB = "slab"
    """The detail is the cache."""
    PAGE_TABLES = "page tables"
    """The detail says whose: directories, processes' tables, or the kernel's own."""
    KERNEL_STACKS = "kernel stacks"
    VMALLOC = "vmalloc"
    MODULE = "module"
    """What commands (alloc_pages, a large kmalloc) have taken for the learner's module."""
    OTHER = "other"
    """The rest of what the kernel has allocated."""
    RESERVED = "reserved"
    """Taken at boot for good; the detail is the owner."""


class LedgerLine(NamedTuple):
    """So many frames of one account, and of one detail of it."""

    account: Account
    detail: str
    frames: int


def ledger(kernel: Kernel) -> tuple[LedgerLine, ...]:
    """Every frame once, by account and detail, in the accounts' order; slab caches and reserved ranges largest first."""
    counts: dict[tuple[Account, str], int] = {}
    for account, detail, frames in _entries(kernel):
        counts[account, detail] = counts.get((account, detail), 0) + frames
    rank = {account: number for number, account in enumerate(Account)}
    keep = (Account.FREE, Account.PAGE_TABLES)
    order = sorted(counts, key=lambda key: (rank[key[0]], 0 if key[0] in keep else -counts[key]))
    return tuple(LedgerLine(*key, counts[key]) for key in order)


def _entries(kernel: Kernel) -> Iterator[tuple[Account, str, int]]:
    for taken in kernel.boot.reserved:
        yield Account.RESERVED, taken.owner, taken.pages
    for order in range(len(kernel.page_alloc.zones[0].free_area)):
        blocks = sum(zone.free_area[order].nr_free for zone in kernel.page_alloc.zones)
        if blocks:
            yield Account.FREE, f"order {order}", blocks << order
    for zone in kernel.page_alloc.zones:
        for blocks_held, held_order in zip(zone.per_cpu_pageset.lists, PCP_ORDERS, strict=True):
            if blocks_held:
                yield Account.CPU_LISTS, zone.name, len(blocks_held) << held_order
    module = module_frames(kernel)
    for page in kernel.page_alloc.mem_map.values():
        account, detail = (Account.MODULE, "") if page.pfn in module else account_of(page)
        yield account, detail, 1 << page.order


def module_frames(kernel: Kernel) -> set[int]:
    """First frames of the blocks that the learner's module holds."""
    lab = kernel.lab
    return {page.pfn for page in lab.blocks.values()} | {
        lab.pfn(address) for address in lab.kmallocs if lab.is_large(address)
    }


def account_of(page: Page) -> tuple[Account, str]:
    """Whose an allocated block is, and what of it."""
    flags = page.flags
    if flags & PG_SLAB:
        assert isinstance(page.mapping, KmemCache)
        return Account.SLAB, page.mapping.name
    if flags & PG_TABLE:
        return Account.PAGE_TABLES, _table_of(page)
    if flags & PG_KSTACK:
        return Account.KERNEL_STACKS, ""
    if flags & PG_VMALLOC:
        return Account.VMALLOC, ""
    if flags & PG_SWAPCACHE:
        return Account.SWAP_CACHE, ""
    if flags & PG_ANON:
        return Account.ANONYMOUS, ""
    if isinstance(page.mapping, AddressSpace):
        return (Account.SHMEM if flags & PG_SWAPBACKED else Account.PAGE_CACHE), ""
    return Account.OTHER, ""


def _table_of(page: Page) -> str:
    if not isinstance(page.mapping, Mm):
        return "the kernel's"
    return "directories" if page.mapping.pgd == page.pfn else "processes'"


def frames_by_account(lines: tuple[LedgerLine, ...]) -> dict[Account, int]:
    """The accounts' sums, 0 for those that have no frame."""
    found = dict.fromkeys(Account, 0)
    for line in lines:
        found[line.account] += line.frames
    return found


def check_ledger(kernel: Kernel) -> Iterator[tuple[bool, str]]:
    """(whether it is so, what it says if not): the ledger adds up to RAM, and agrees with the kernel's own counters."""
    lines = ledger(kernel)
    sums = frames_by_account(lines)
    total, stat = sum(sums.values()), kernel.vmstat
    yield total == kernel.ram.size, f"the ledger has {total} frames, the machine {kernel.ram.size}"
    tables = sum(line.frames for line in lines if line.account is Account.PAGE_TABLES and line.detail == "processes'")
    for name, counted, found in (
        ("nr_slab_reclaimable + nr_slab_unreclaimable", stat.nr_slab_reclaimable + stat.nr_slab_unreclaimable, sums[Account.SLAB]),
        ("nr_page_table_pages", stat.nr_page_table_pages, tables),
        ("nr_kernel_stack", stat.nr_kernel_stack >> 2, sums[Account.KERNEL_STACKS]),
        ("nr_shmem", stat.nr_shmem, sums[Account.SHMEM]),
        ("nr_swapcached", stat.nr_swapcached, sums[Account.SWAP_CACHE]),
        ("nr_file_pages", stat.nr_file_pages, sum(sums[each] for each in (Account.PAGE_CACHE, Account.SHMEM, Account.SWAP_CACHE))),
        ("vmalloc_nr_pages()", kernel.vmalloc.nr_pages, sums[Account.VMALLOC]),
    ):  # fmt: skip
        yield counted == found, f"{name} is {counted}, the ledger has {found} frames of that kind"
