"""The ledger of RAM: every frame once, by whose it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.kernel.ledger import Account, frames_by_account, ledger as kernel_ledger

if TYPE_CHECKING:
    from engine.machine import Machine

__all__ = ["Account", "LedgerAccount", "LedgerDetail", "LedgerView", "ledger"]


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
