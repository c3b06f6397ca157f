"""mm/vmstat.c: /proc/buddyinfo: free blocks by zone and order."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.kernel.kernel import Kernel


def buddyinfo_text(kernel: Kernel) -> str:
    """One line a zone, one column an order, as frag_show_print() prints it."""
    lines = []
    for zone in kernel.page_alloc.zones:
        counts = "".join(f"{count:6} " for count in zone.nr_free_by_order())
        lines.append(f"Node 0, zone {zone.name:>8} {counts}\n")
    return "".join(lines)
