"""fs/proc/task_mmu.c: /proc/PID/smaps and smaps_rollup: how much of each region is present, shared, dirty, in swap.

Left out: huge pages, whose lines are always 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.hardware.paging import PTE_ACCESSED, PTE_DIRTY
from engine.kernel.fs import FileSystem
from engine.kernel.mm_types import (
    PAGE_SHIFT,
    PAGE_SIZE,
    PG_ANON,
    PG_DIRTY,
    PG_REFERENCED,
    PG_SWAPBACKED,
    VM_ACCOUNT,
    VM_DONTCOPY,
    VM_DONTDUMP,
    VM_DONTEXPAND,
    VM_EXEC,
    VM_GROWSDOWN,
    VM_IO,
    VM_LOCKED,
    VM_MAYEXEC,
    VM_MAYREAD,
    VM_MAYSHARE,
    VM_MAYWRITE,
    VM_MIXEDMAP,
    VM_NORESERVE,
    VM_PFNMAP,
    VM_RAND_READ,
    VM_READ,
    VM_SEQ_READ,
    VM_SHARED,
    VM_WIPEONFORK,
    VM_WRITE,
    Mm,
    Page,
    VmArea,
)
from engine.kernel.pgtable import PTE_THERE, pte_to_swap_offset
from engine.kernel.proc.task_mmu import header_text, region_name

if TYPE_CHECKING:
    from engine.kernel.fs import AddressSpace
    from engine.kernel.kernel import Kernel

_PSS_SHIFT: Final = 12
_NAME_WIDTH: Final = 16
_NUMBER_WIDTH: Final = 8
_ADDRESSES_WIDTH: Final = 49
_FLAG_LETTERS: Final = (
    (VM_READ, "rd"),
    (VM_WRITE, "wr"),
    (VM_EXEC, "ex"),
    (VM_SHARED, "sh"),
    (VM_MAYREAD, "mr"),
    (VM_MAYWRITE, "mw"),
    (VM_MAYEXEC, "me"),
    (VM_MAYSHARE, "ms"),
    (VM_GROWSDOWN, "gd"),
    (VM_PFNMAP, "pf"),
    (VM_LOCKED, "lo"),
    (VM_IO, "io"),
    (VM_SEQ_READ, "sr"),
    (VM_RAND_READ, "rr"),
    (VM_DONTCOPY, "dc"),
    (VM_DONTEXPAND, "de"),
    (VM_ACCOUNT, "ac"),
    (VM_NORESERVE, "nr"),
    (VM_WIPEONFORK, "wf"),
    (VM_DONTDUMP, "dd"),
    (VM_MIXEDMAP, "mm"),
)
"""show_smap_vma_flags(): in the order of the bits."""


class MemSizeStats:
    """struct mem_size_stats: what smaps adds up, in bytes (the pss figures in bytes << 12)."""

    __slots__ = (
        "anonymous",
        "lazyfree",
        "private_clean",
        "private_dirty",
        "pss",
        "pss_anon",
        "pss_dirty",
        "pss_file",
        "pss_locked",
        "pss_shmem",
        "referenced",
        "resident",
        "shared_clean",
        "shared_dirty",
        "swap",
        "swap_pss",
    )

    def __init__(self) -> None:
        self.resident = self.pss = self.shared_clean = self.shared_dirty = 0
        self.private_clean = self.private_dirty = self.referenced = self.anonymous = 0
        self.lazyfree = self.swap = self.swap_pss = self.pss_locked = 0
        self.pss_dirty = self.pss_anon = self.pss_file = self.pss_shmem = 0

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
        self._account_share(page, dirty=dirty, locked=locked)

    def _account_share(self, page: Page, *, dirty: bool, locked: bool) -> None:
        """smaps_page_accumulate(): a page mapped n times counts as an nth of a page in the pss figures."""
        share = (PAGE_SIZE << _PSS_SHIFT) // page.mapcount
        self.pss += share
        if page.flags & PG_ANON:
            self.pss_anon += share
        elif page.flags & PG_SWAPBACKED:
            self.pss_shmem += share
        else:
            self.pss_file += share
        if locked:
            self.pss_locked += share
        if dirty:
            self.pss_dirty += share
        if page.mapcount > 1:
            self.shared_dirty += PAGE_SIZE if dirty else 0
            self.shared_clean += 0 if dirty else PAGE_SIZE
        else:
            self.private_dirty += PAGE_SIZE if dirty else 0
            self.private_clean += 0 if dirty else PAGE_SIZE

    def account_swapped(self, count: int) -> None:
        """One page that is in swap, in a slot that `count` table entries name."""
        self.swap += PAGE_SIZE
        self.swap_pss += (PAGE_SIZE << _PSS_SHIFT) // max(count, 1)

    def lines(self, *, rollup: bool) -> dict[str, int]:
        """__show_smap(): the lines in Linux's order, in kB. The rollup tells whose the shares are."""
        return {
            "Rss": self.resident >> 10,
            "Pss": self.pss >> 10 + _PSS_SHIFT,
            "Pss_Dirty": self.pss_dirty >> 10 + _PSS_SHIFT,
            **(self._shares() if rollup else {}),
            "Shared_Clean": self.shared_clean >> 10,
            "Shared_Dirty": self.shared_dirty >> 10,
            "Private_Clean": self.private_clean >> 10,
            "Private_Dirty": self.private_dirty >> 10,
            "Referenced": self.referenced >> 10,
            "Anonymous": self.anonymous >> 10,
            "LazyFree": self.lazyfree >> 10,
            "AnonHugePages": 0,
            "ShmemPmdMapped": 0,
            "FilePmdMapped": 0,
            "Shared_Hugetlb": 0,
            "Private_Hugetlb": 0,
            "Swap": self.swap >> 10,
            "SwapPss": self.swap_pss >> 10 + _PSS_SHIFT,
            "Locked": self.pss_locked >> 10 + _PSS_SHIFT,
        }

    def _shares(self) -> dict[str, int]:
        return {
            "Pss_Anon": self.pss_anon >> 10 + _PSS_SHIFT,
            "Pss_File": self.pss_file >> 10 + _PSS_SHIFT,
            "Pss_Shmem": self.pss_shmem >> 10 + _PSS_SHIFT,
        }


def gather_region(kernel: Kernel, vma: VmArea, stats: MemSizeStats) -> None:
    """smap_gather_stats(): adds one region's pages to `stats`."""
    locked = bool(vma.vm_flags & VM_LOCKED)
    for _, _, table, first, last in kernel.memory.present_tables(vma.vm_mm, vma.vm_start, vma.vm_end):
        for entry in table[first:last]:
            if not entry:
                continue
            if not entry & PTE_THERE:
                stats.account_swapped(kernel.swapfile.swap_count(pte_to_swap_offset(entry)))
                continue
            page = kernel.memory.normal_page(entry)
            if page is not None:
                stats.account(page, entry, locked=locked)
    if vma.vm_file is not None and vma.vm_file.inode.fs is FileSystem.TMPFS:
        stats.swap += _shmem_swapped(kernel, vma, vma.vm_file.inode.i_mapping) << PAGE_SHIFT


def _shmem_swapped(kernel: Kernel, vma: VmArea, mapping: AddressSpace) -> int:
    """shmem_swap_usage(): pages of a memory file that are in swap; of a private writable mapping those not yet copied."""
    first = vma.vm_pgoff
    swapped = [index for index in mapping.swapped if first <= index < first + vma.pages]
    if vma.vm_flags & VM_SHARED or not vma.vm_flags & VM_WRITE:
        return len(swapped)
    places = (vma.vm_start + (index - first << PAGE_SHIFT) for index in swapped)
    return sum(not kernel.memory.pte(vma.vm_mm, place) for place in places)


def region_stats(kernel: Kernel, vma: VmArea) -> MemSizeStats:
    """What smaps says of one region."""
    stats = MemSizeStats()
    gather_region(kernel, vma, stats)
    return stats


def smaps_rollup(kernel: Kernel, mm: Mm) -> dict[str, int]:
    """/proc/PID/smaps_rollup: all regions added up, in kB."""
    stats = MemSizeStats()
    for vma in mm:
        gather_region(kernel, vma, stats)
    return stats.lines(rollup=True)


def smaps_rollup_text(kernel: Kernel, mm: Mm) -> str:
    """As show_smaps_rollup() prints it: one line with the span of all regions, then the sums. Nothing to tell: no text."""
    if not mm.vmas:
        return ""
    span = f"{mm.vmas[0].vm_start:08x}-{mm.vmas[-1].vm_end:08x} ---p 00000000 00:00 0 "
    return f"{span:<{_ADDRESSES_WIDTH}}[rollup]\n" + _lines_text(smaps_rollup(kernel, mm))


def smaps_text(kernel: Kernel, mm: Mm) -> str:
    """/proc/PID/smaps as show_smap() prints it."""
    return "".join(_region_text(kernel, vma, region_name(mm, vma)) for vma in mm)


def _region_text(kernel: Kernel, vma: VmArea, name: str) -> str:
    page_kb = PAGE_SIZE >> 10
    size = {"Size": vma.vm_end - vma.vm_start >> 10, "KernelPageSize": page_kb, "MMUPageSize": page_kb}
    return (
        f"{header_text(vma, name)}\n"
        + _lines_text(size | region_stats(kernel, vma).lines(rollup=False))
        + f"THPeligible:    0\nVmFlags: {''.join(f'{word} ' for word in vm_flag_words(vma))}\n"
    )


def vm_flag_words(vma: VmArea) -> tuple[str, ...]:
    """The region's flags as smaps names them: ("rd", "wr", "mr", …)."""
    return tuple(word for bit, word in _FLAG_LETTERS if vma.vm_flags & bit)


def _lines_text(lines: dict[str, int]) -> str:
    return "".join(f"{name + ':':<{_NAME_WIDTH}}{value:{_NUMBER_WIDTH}} kB\n" for name, value in lines.items())
