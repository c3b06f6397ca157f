"""One look at a machine: each view is asked at most once a page, and only if something on the page shows it."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from app.pages.kept import kept
from engine import views
from engine.views.address_space import KERNEL_START
from engine.views.buddy import ZoneBuddy
from engine.views.heap import heap_of
from engine.views.ledger import LedgerView
from engine.views.lru_lists import LruPages, lru_accessed
from engine.views.physical_memory import PhysicalMemoryView
from engine.views.reclaim import ReclaimView
from engine.views.reclaim_step import ReclaimStepView

if TYPE_CHECKING:
    from engine.machine import Machine
    from engine.session import Session
    from engine.views.address_space import AddressSpaceView
    from engine.views.bins import BinsView
    from engine.views.changes import ChangesView
    from engine.views.heap import HeapView
    from engine.views.processes import ProcessView


class Looking:
    """What the parts of a page ask of one session, which nobody moves meanwhile."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.machine: Machine = session.machine
        self.kept = kept(session)
        self._heaps: dict[int, HeapView] = {}
        self._bins: dict[int, BinsView] = {}
        self._spaces: dict[int, AddressSpaceView] = {}

    def heap(self, pid: int) -> HeapView:
        """The heap of a process."""
        if pid not in self._heaps:
            self._heaps[pid] = heap_of(self.machine, pid, self.bins(pid).bins)
        return self._heaps[pid]

    def heap_of(self, _: Machine, pid: int) -> HeapView:
        """The same, as the engine's views ask for it."""
        return self.heap(pid)

    def bins(self, pid: int) -> BinsView:
        """The free lists of a process's allocator."""
        if pid not in self._bins:
            self._bins[pid] = views.bins(self.machine, pid)
        return self._bins[pid]

    def space(self, pid: int) -> AddressSpaceView:
        """The address space of a process."""
        if pid not in self._spaces:
            self._spaces[pid] = self.kept.view(("space", pid), lambda: views.address_space(self.machine, pid))
        return self._spaces[pid]

    def frames(self, pid: int) -> dict[int, int]:
        """The frame behind each page that a process has in memory."""
        return self.kept.view(("frames", pid), lambda: views.resident_frames(self.machine, pid, 0, KERNEL_START))

    @cached_property
    def changes(self) -> ChangesView:
        """What the last step changed."""
        return views.changes(self.machine)

    @cached_property
    def processes(self) -> tuple[ProcessView, ...]:
        """All processes."""
        return views.processes(self.machine)

    @cached_property
    def codes(self) -> bytearray:
        """Whose each frame is, one byte a frame."""
        return self.kept.view("codes", lambda: views.frame_owners(self.machine))

    @cached_property
    def memory(self) -> PhysicalMemoryView:
        """The zones and their frames."""
        return self.kept.view("memory", lambda: views.physical_memory(self.machine, self.codes))

    @cached_property
    def buddy(self) -> tuple[ZoneBuddy, ...]:
        """The free lists of the zones."""
        return self.kept.view("buddy", lambda: views.buddy(self.machine))

    @cached_property
    def ledger(self) -> LedgerView:
        """The accounts of RAM."""
        return self.kept.view("ledger", lambda: views.ledger(self.machine))

    @cached_property
    def reclaim(self) -> ReclaimView:
        """Reclaim's counters."""
        return self.kept.view("reclaim", lambda: views.reclaim(self.machine))

    @cached_property
    def reclaim_step(self) -> ReclaimStepView:
        """Reclaim's part in the last step."""
        return views.reclaim_step(self.machine)

    def lists(self, ends: int) -> tuple[LruPages, ...]:
        """Reclaim's lists, so many pages from each end."""
        return self.kept.view(("lists", ends, self.accessed(ends)), lambda: views.lru_lists(self.machine, ends))

    def accessed(self, ends: int) -> tuple[bool, ...]:
        """Which of those pages were accessed: user mode changes that."""
        return lru_accessed(self.machine, ends)
