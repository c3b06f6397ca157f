"""Simulated time: nanoseconds that pass as the machine works, from a table of costs. The host's clock is never read."""

from typing import Final, NamedTuple


class Costs(NamedTuple):
    """What each kind of work costs, in simulated nanoseconds: the order of magnitude of a desktop PC with an SSD."""

    libc_call: int = 20
    """malloc, free and their kin, while everything is at hand."""
    tlb_miss: int = 30
    """A two-level walk."""
    system_call: int = 150
    minor_fault: int = 500
    """Exception, VMA look-up, page-table entry; without the page's own cost."""
    page_alloc: int = 50
    clear_page: int = 100
    copy_page: int = 200
    vma: int = 200
    """Making, changing or removing a VMA."""
    fork: int = 20_000
    context_switch: int = 1_500
    disk_read: int = 25_000
    """Until the first page of a read is there."""
    disk_transfer: int = 1_000
    """Each further page of the same read."""
    submit_read: int = 2_500
    """The CPU's part of a page read: its place in the cache, its share of the request."""
    disk_write: int = 50_000
    """Until a write that somebody waits for is done."""
    submit_write: int = 3_000
    """The CPU's part of a write that nobody waits for."""
    scan_object: int = 200
    """A shrinker looks at one object of a slab cache."""
    scan_page: int = 1_000
    """Reclaim looks at one page: its reverse mapping, its accessed bits."""


COSTS: Final = Costs()


class Clock:
    """The machine's time since boot. Work adds to `ns`; nothing ever takes away."""

    __slots__ = ("ns",)

    def __init__(self) -> None:
        self.ns = 0
