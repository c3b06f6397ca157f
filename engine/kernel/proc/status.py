"""fs/proc/task_mmu.c: task_mem(): the Vm… lines of /proc/PID/status, and /proc/PID/smaps_rollup."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.hardware.paging import PTE_ACCESSED, PTE_DIRTY
from engine.kernel.mm_types import (
    PAGE_SHIFT,
    PAGE_SIZE,
    PG_ANON,
    PG_DIRTY,
    PG_REFERENCED,
    PG_SWAPBACKED,
    VM_LOCKED,
    Mm,
    Page,
    VmArea,
)
from engine.kernel.pgtable import PTE_THERE

if TYPE_CHECKING:
    from engine.kernel.kernel import Kernel

_KB_SHIFT: Final = PAGE_SHIFT - 10
_PSS_SHIFT: Final = 12


def status_figures(mm: Mm) -> dict[str, int]:
    """The lines that task_mem() prints, in kB."""
    text = (mm.end_code - mm.start_code + PAGE_SIZE - 1 & -PAGE_SIZE) >> 10
    text = min(text, mm.exec_vm << _KB_SHIFT)
    return {
        "VmPeak": max(mm.hiwater_vm, mm.total_vm) << _KB_SHIFT,
        "VmSize": mm.total_vm << _KB_SHIFT,
        "VmLck": mm.locked_vm << _KB_SHIFT,
        "VmHWM": max(mm.hiwater_rss, mm.rss) << _KB_SHIFT,
        "VmRSS": mm.rss << _KB_SHIFT,
        "RssAnon": mm.anon_rss << _KB_SHIFT,
        "RssFile": mm.file_rss << _KB_SHIFT,
        "RssShmem": mm.shmem_rss << _KB_SHIFT,
        "VmData": mm.data_vm << _KB_SHIFT,
        "VmStk": mm.stack_vm << _KB_SHIFT,
        "VmExe": text,
        "VmLib": (mm.exec_vm << _KB_SHIFT) - text,
        "VmPTE": mm.pgtables_bytes >> 10,
        "VmSwap": mm.swap_rss << _KB_SHIFT,
    }


class MemSizeStats:
    """struct mem_size_stats: what smaps adds up, in bytes (pss in bytes << 12)."""

    __slots__ = (
        "anonymous",
        "lazyfree",
        "locked",
        "private_clean",
        "private_dirty",
        "pss",
        "pss_locked",
        "referenced",
        "resident",
        "shared_clean",
        "shared_dirty",
        "swap",
    )

    def __init__(self) -> None:
        self.resident = self.pss = self.shared_clean = self.shared_dirty = 0
        self.private_clean = self.private_dirty = self.referenced = self.anonymous = 0
        self.lazyfree = self.swap = self.locked = self.pss_locked = 0

    def account(self, page: Page, entry: int, *, locked: bool) -> None:
        """smaps_account(): one present page."""
        dirty = bool(page.flags & PG_DIRTY or entry & PTE_DIRTY)
        if page.flags & PG_ANON:
            self.anonymous += PAGE_SIZE
            if not page.flags & PG_SWAPBACKED and not dirty:
                self.lazyfree += PAGE_SIZE
        self.resident += PAGE_SIZE
        if entry & PTE_ACCESSED or page.flags & PG_REFERENCED:
            self.referenced += PAGE_SIZE
        share = (PAGE_SIZE << _PSS_SHIFT) // page.mapcount
        self.pss += share
        if locked:
            self.pss_locked += share
        if page.mapcount > 1:
            self.shared_dirty += PAGE_SIZE if dirty else 0
            self.shared_clean += 0 if dirty else PAGE_SIZE
        else:
            self.private_dirty += PAGE_SIZE if dirty else 0
            self.private_clean += 0 if dirty else PAGE_SIZE

    def figures(self) -> dict[str, int]:
        """In kB, under smaps' names."""
        return {
            "Rss": self.resident >> 10,
            "Pss": self.pss >> 10 + _PSS_SHIFT,
            "Shared_Clean": self.shared_clean >> 10,
            "Shared_Dirty": self.shared_dirty >> 10,
            "Private_Clean": self.private_clean >> 10,
            "Private_Dirty": self.private_dirty >> 10,
            "Referenced": self.referenced >> 10,
            "Anonymous": self.anonymous >> 10,
            "LazyFree": self.lazyfree >> 10,
            "Swap": self.swap >> 10,
            "Locked": self.pss_locked >> 10 + _PSS_SHIFT,
        }


def gather_region(kernel: Kernel, vma: VmArea, stats: MemSizeStats) -> None:
    """smap_gather_stats(): adds one region's pages to `stats`."""
    locked = bool(vma.vm_flags & VM_LOCKED)
    for _, _, table, first, last in kernel.memory.present_tables(vma.vm_mm, vma.vm_start, vma.vm_end):
        for entry in table[first:last]:
            if not entry:
                continue
            if not entry & PTE_THERE:
                stats.swap += PAGE_SIZE
                continue
            page = kernel.memory.normal_page(entry)
            if page is not None:
                stats.account(page, entry, locked=locked)


def smaps_rollup(kernel: Kernel, mm: Mm) -> dict[str, int]:
    """/proc/PID/smaps_rollup: all regions added up, in kB."""
    stats = MemSizeStats()
    for vma in mm:
        gather_region(kernel, vma, stats)
    return stats.figures()
