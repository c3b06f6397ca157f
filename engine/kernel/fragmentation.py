"""mm/vmstat.c: how far free memory is in pieces: what stands in /sys/kernel/debug/extfrag.

Both indexes are in thousandths, as the kernel computes them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

REQUEST_SUCCEEDS: Final = -1000
_ONE: Final = 1000


class ContigPageInfo(NamedTuple):
    """struct contig_page_info: a zone's free memory as a request of one order sees it."""

    free_pages: int
    free_blocks_total: int
    free_blocks_suitable: int
    """How many requests of the order could be served, one after the other."""


def fill_contig_page_info(blocks: Sequence[int], order: int) -> ContigPageInfo:
    """fill_contig_page_info(), of a zone with so many free blocks of each order."""
    return ContigPageInfo(
        free_pages=sum(count << each for each, count in enumerate(blocks)),
        free_blocks_total=sum(blocks),
        free_blocks_suitable=sum(count << each - order for each, count in enumerate(blocks) if each >= order),
    )


def fragmentation_index(blocks: Sequence[int], order: int) -> int:
    """__fragmentation_index(): why a request fails: near 0 for want of memory, near 1000 because it is in pieces.

    REQUEST_SUCCEEDS where there is a block for it; 0 where nothing is free.
    """
    info = fill_contig_page_info(blocks, order)
    if not info.free_blocks_total:
        return 0
    if info.free_blocks_suitable:
        return REQUEST_SUCCEEDS
    return _ONE - (_ONE + info.free_pages * _ONE // (1 << order)) // info.free_blocks_total


def unusable_free_index(blocks: Sequence[int], order: int) -> int:
    """unusable_free_index(): the share of free memory in blocks too small for the order; 1000 where nothing is free."""
    info = fill_contig_page_info(blocks, order)
    if not info.free_pages:
        return _ONE
    return (info.free_pages - (info.free_blocks_suitable << order)) * _ONE // info.free_pages
