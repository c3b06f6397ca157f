"""The ledger: every frame has one owner, and the accounts add up to the installed RAM."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.pages import formats
from app.pages.names import frame_owner, listed
from app.pages.physical_band import OWNER_LETTERS
from app.pages.svg_kernel import account_class, account_letter, ledger_svg
from app.words import t, word

if TYPE_CHECKING:
    from markupsafe import Markup

    from engine.views.ledger import LedgerAccount, LedgerView
    from engine.views.physical_memory import Owner, PhysicalMemoryView


@dataclass(frozen=True, slots=True)
class LegendRow:
    """One account beside the bar."""

    css: str
    letter: str
    name: str
    size: str


@dataclass(frozen=True, slots=True)
class LedgerBand:
    """The bar, and what its colours mean."""

    summary: str
    bar: Markup
    legend: tuple[LegendRow, ...]


@dataclass(frozen=True, slots=True)
class AccountRow:
    """One account of the ledger."""

    css: str
    letter: str
    name: str
    size: str
    frames: str
    details: str


@dataclass(frozen=True, slots=True)
class OwnerRow:
    """One owner's frames, zone by zone: what the picture of the frames is coloured by."""

    owner: str
    letter: str
    words: str
    frames: str
    by_zone: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AccountsPanel:
    """The ledger in full."""

    accounts: tuple[AccountRow, ...]
    zones: tuple[str, ...]
    owners: tuple[OwnerRow, ...]


def ledger_band(ledger: LedgerView) -> LedgerBand:
    """The band."""
    spoken = listed(f"{_name(each)} {formats.pages(each.frames)}" for each in ledger.accounts)
    return LedgerBand(
        summary=f"{formats.count(ledger.total * 4)} KB = {formats.count(ledger.installed * 4)} KB",
        bar=ledger_svg(ledger, t("ledger.said", accounts=spoken)),
        legend=tuple(
            LegendRow(
                account_class(each.account),
                account_letter(each.account),
                _name(each),
                formats.pages(each.frames),
            )
            for each in ledger.accounts
        ),
    )


def accounts_panel(ledger: LedgerView, memory: PhysicalMemoryView) -> AccountsPanel:
    """The panel."""
    return AccountsPanel(
        accounts=tuple(_account(each) for each in ledger.accounts),
        zones=tuple(zone.name for zone in memory.zones),
        owners=tuple(_owner_row(owner, count, memory) for owner, count in memory.owners),
    )


def _name(each: LedgerAccount) -> str:
    return word("ledger.name", each.account)


def _detail(name: str) -> str:
    """A range that is taken at boot, whose page tables, which order of free blocks; a cache has its own name."""
    order = name.removeprefix("order ")
    if order != name:
        return t("ledger.order", order=order)
    return word("frame.detail", name, word("ledger.detail", name, name))


def _account(each: LedgerAccount) -> AccountRow:
    details = listed(f"{_detail(detail.name)} {formats.pages(detail.frames)}" for detail in each.details)
    return AccountRow(
        account_class(each.account),
        account_letter(each.account),
        _name(each),
        formats.pages(each.frames),
        formats.count(each.frames),
        details,
    )


def _owner_row(owner: Owner, count: int, memory: PhysicalMemoryView) -> OwnerRow:
    by_zone = (dict(zone.owners).get(owner, 0) for zone in memory.zones)
    return OwnerRow(
        owner=owner.value,
        letter=OWNER_LETTERS[owner],
        words=frame_owner(owner),
        frames=formats.count(count),
        by_zone=tuple(formats.count(found) for found in by_zone),
    )
