"""Fragmentation: in how large pieces free memory lies, and why a request fails."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.pages import formats
from app.words import t

if TYPE_CHECKING:
    from engine.views.buddy import ZoneBuddy
    from engine.views.fragmentation import ZoneFragmentation


@dataclass(frozen=True, slots=True)
class IndexCell:
    """One zone and order: free blocks, and what the two indexes say."""

    blocks: str
    index: str
    unusable: str
    bad: bool


@dataclass(frozen=True, slots=True)
class IndexRow:
    """One order, across the zones."""

    order: int
    size: str
    cells: tuple[IndexCell, ...]


@dataclass(frozen=True, slots=True)
class PiecesPanel:
    """Both indexes, order by order."""

    words: str
    zones: tuple[str, ...]
    orders: tuple[IndexRow, ...]


def pieces_panel(zones: tuple[ZoneFragmentation, ...]) -> PiecesPanel:
    """The panel."""
    return PiecesPanel(_largest(zones), tuple(zone.zone for zone in zones), _orders(zones))


def pieces_summary(buddy: tuple[ZoneBuddy, ...]) -> str:
    """The largest free block of each zone."""
    return ", ".join(f"{zone.zone} {_largest_block(zone)}" for zone in buddy)


def _largest_block(zone: ZoneBuddy) -> str:
    order = max((each.order for each in zone.orders if each.free), default=-1)
    return formats.pages(1 << order) if order >= 0 else t("panel.none")


def _largest(zones: tuple[ZoneFragmentation, ...]) -> str:
    return " · ".join(_zone(zone) for zone in zones)


def _zone(zone: ZoneFragmentation) -> str:
    free = formats.pages(zone.free_pages)
    if zone.largest_order < 0:
        return t("pieces.zone_none", zone=zone.zone, free=free)
    return t("pieces.zone", zone=zone.zone, free=free, largest=formats.pages(1 << zone.largest_order))


def _orders(zones: tuple[ZoneFragmentation, ...]) -> tuple[IndexRow, ...]:
    rows = []
    for number in range(len(zones[0].orders)):
        cells = []
        for zone in zones:
            order = zone.orders[number]
            index = order.fragmentation_index
            said = t("pieces.succeeds") if index is None else t("pieces.fails", index=f"{index / 1000:.3f}")
            cells.append(
                IndexCell(formats.count(order.blocks), said, f"{order.unusable_index / 1000:.3f}", index is not None)
            )
        rows.append(IndexRow(number, formats.pages(1 << number), tuple(cells)))
    return tuple(rows)
