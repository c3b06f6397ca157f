"""The ledger of RAM: every frame once, by whose it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.kernel.ledger import Account, account_of, frames_by_account, ledger as kernel_ledger, module_frames
from engine.kernel.mmzone import PCP_ORDERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.kernel.kernel import Kernel
    from engine.machine import Machine

__all__ = ["Account", "LedgerAccount", "LedgerBlock", "LedgerDetail", "LedgerView", "ledger", "ledger_blocks"]


@dataclass(frozen=True, slots=True)
class LedgerDetail:
    """A part of an account: free frames of one order, the slabs of one cache, one reserved range."""

    name: str
    frames: int


@dataclass(frozen=True, slots=True)
class LedgerAccount:
    """One account. The details, where there are any, add up to its frames."""

    account: Account
    frames: int
    details: tuple[LedgerDetail, ...]


@dataclass(frozen=True, slots=True)
class LedgerView:
    """All accounts that have a frame. Their sum is `installed`."""

    installed: int
    """Frames of the machine's RAM."""
    total: int
    accounts: tuple[LedgerAccount, ...]


def ledger(machine: Machine) -> LedgerView:
    """Every frame's account, as the machine stands."""
    lines = kernel_ledger(machine.kernel)
    sums = frames_by_account(lines)
    accounts = tuple(
        LedgerAccount(
            account,
            frames,
            tuple(LedgerDetail(line.detail, line.frames) for line in lines if line.account is account and line.detail),
        )
        for account, frames in sums.items()
        if frames
    )
    return LedgerView(machine.kernel.ram.size, sum(sums.values()), accounts)


@dataclass(frozen=True, slots=True)
class LedgerBlock:
    """So many frames from `pfn` on that were taken, or lie free, as one."""

    pfn: int
    frames: int
    detail: str


def ledger_blocks(machine: Machine, account: Account, detail: str = "") -> tuple[LedgerBlock, ...]:
    """The blocks of an account, or of one detail of it, lowest frame first. They add up to the ledger's figure."""
    found = (block for owner, block in _blocks(machine.kernel) if owner is account and detail in ("", block.detail))
    return tuple(sorted(found, key=lambda block: block.pfn))


def _blocks(kernel: Kernel) -> Iterator[tuple[Account, LedgerBlock]]:
    for taken in kernel.boot.reserved:
        yield Account.RESERVED, LedgerBlock(taken.start_pfn, taken.pages, taken.owner)
    for zone in kernel.page_alloc.zones:
        for order, area in enumerate(zone.free_area):
            for pfn in area.blocks:
                yield Account.FREE, LedgerBlock(pfn, 1 << order, f"order {order}")
        for held, order in zip(zone.per_cpu_pageset.lists, PCP_ORDERS, strict=True):
            for pfn in held:
                yield Account.CPU_LISTS, LedgerBlock(pfn, 1 << order, zone.name)
    module = module_frames(kernel)
    for page in kernel.page_alloc.mem_map.values():
        account, detail = (Account.MODULE, "") if page.pfn in module else account_of(page)
        yield account, LedgerBlock(page.pfn, 1 << page.order, detail)
