"""mm/mmap.c: mmap() and munmap(), and the promise of memory that private writable regions make (mm/util.c).

Regions themselves are changed by vma.py, places are found by unmapped_area.py, the heap's end is moved by brk.py. Left out:
huge pages, protection keys, mlockall(). Sizes are bytes unless they are called pages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.kernel.accounting import accountable_mapping, may_expand_vm, update_hiwater, vm_stat_account
from engine.kernel.errno import Errno, ErrorNumber
from engine.kernel.mm_types import (
    PAGE_MASK,
    PAGE_SHIFT,
    PAGE_SIZE,
    TASK_SIZE,
    VM_ACCOUNT,
    VM_EXEC,
    VM_GROWSDOWN,
    VM_LOCKED,
    VM_MAYEXEC,
    VM_MAYREAD,
    VM_MAYSHARE,
    VM_MAYWRITE,
    VM_NORESERVE,
    VM_READ,
    VM_SHARED,
    VM_SPECIAL,
    VM_WRITE,
    Mm,
    VmArea,
)
from engine.kernel.task import Killed
from engine.kernel.unmapped_area import get_unmapped_area
from engine.kernel.vma import can_vma_merge_after, can_vma_merge_before

if TYPE_CHECKING:
    from engine.kernel.fs import File
    from engine.kernel.kernel import Kernel

# include/uapi/asm-generic/mman-common.h and mman.h
PROT_READ: Final = 1
PROT_WRITE: Final = 2
PROT_EXEC: Final = 4
MAP_SHARED: Final = 0x01
MAP_PRIVATE: Final = 0x02
MAP_TYPE: Final = 0x0F
MAP_FIXED: Final = 0x10
MAP_ANONYMOUS: Final = 0x20
MAP_GROWSDOWN: Final = 0x0100
MAP_LOCKED: Final = 0x2000
MAP_NORESERVE: Final = 0x4000
MAP_POPULATE: Final = 0x8000
MAP_NONBLOCK: Final = 0x10000
MAP_FIXED_NOREPLACE: Final = 0x100000

OVERCOMMIT_GUESS: Final = 0
OVERCOMMIT_ALWAYS: Final = 1
OVERCOMMIT_NEVER: Final = 2
_WORD: Final = 1 << 32
_KB_TO_PAGES: Final = PAGE_SHIFT - 10
_MAYFLAGS: Final = VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC
_GROWTH_SHARE: Final = 32
"""A process may promise all but a 32nd of its own size, so that somebody can still log in and kill it."""


def page_align(length: int) -> int:
    """PAGE_ALIGN() in 32 bits: a length near 4 GB becomes 0."""
    return length + PAGE_SIZE - 1 & PAGE_MASK


def calc_vm_prot_bits(prot: int) -> int:
    """calc_vm_prot_bits(): PROT_READ, PROT_WRITE and PROT_EXEC are VM_READ, VM_WRITE and VM_EXEC."""
    return prot & (VM_READ | VM_WRITE | VM_EXEC)


class Mmap:
    """Makes and removes the regions of the running process."""

    __slots__ = ("kernel", "vm_committed_as")

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.vm_committed_as = 0
        """Pages that all processes together have been promised."""

    # --- promises ----------------------------------------------------------------------------------------------------

    def vm_commit_limit(self) -> int:
        """vm_commit_limit(): pages that may be promised in all; it binds only where overcommit_memory is 2."""
        sysctl, swap = self.kernel.sysctl, self.kernel.swapfile.total_pages
        if sysctl["overcommit_kbytes"]:
            return (sysctl["overcommit_kbytes"] >> _KB_TO_PAGES) + swap
        # An unsigned long, which a large ratio overflows.
        return ((self.kernel.oom_kill.total_pages() - swap) * sysctl["overcommit_ratio"] % _WORD) // 100 + swap

    def security_vm_enough_memory(self, mm: Mm, pages: int) -> None:
        """__vm_enough_memory(): promises `pages` more to `mm`. Raises Errno(ENOMEM), with no promise made."""
        mode = self.kernel.sysctl["overcommit_memory"]
        enough = True
        if mode == OVERCOMMIT_GUESS:
            enough = pages <= self.kernel.oom_kill.total_pages()
        elif mode == OVERCOMMIT_NEVER:
            reserve = self.kernel.sysctl["user_reserve_kbytes"] >> _KB_TO_PAGES
            allowed = self.vm_commit_limit() - min(mm.total_vm // _GROWTH_SHARE, reserve)
            enough = self.vm_committed_as + pages < allowed
        if not enough:
            raise Errno(ErrorNumber.ENOMEM)
        self.vm_acct_memory(pages)

    def vm_acct_memory(self, pages: int) -> None:
        """vm_acct_memory(): `pages` more are promised, whatever the limits."""
        self.vm_committed_as += pages

    def vm_unacct_memory(self, pages: int) -> None:
        """vm_unacct_memory(): a promise of `pages` is no longer needed."""
        self.vm_committed_as -= pages

    # --- regions that are not the program's own doing ----------------------------------------------------------------

    def insert_vm_struct(self, mm: Mm, vma: VmArea) -> None:
        """insert_vm_struct(), with the counting that its callers do: exec() puts a region in. Raises Errno(ENOMEM)."""
        if vma.vm_flags & VM_ACCOUNT:
            self.security_vm_enough_memory(mm, vma.pages)
        self.kernel.vma.vma_link(vma)
        vm_stat_account(mm, vma.vm_flags, vma.pages)

    def exit_mmap(self, mm: Mm) -> None:
        """exit_mmap(): gives back every page, page table and region."""
        self.kernel.swap.lru_add_drain()
        self.kernel.memory.unmap_region(mm, 0, TASK_SIZE, 0, 0)
        for vma in list(mm):
            self._forget(vma)

    def _forget(self, vma: VmArea) -> None:
        """The region, whose pages are gone already, is counted out and removed."""
        if vma.vm_flags & VM_ACCOUNT:
            self.vm_unacct_memory(vma.pages)
        if vma.vm_flags & VM_LOCKED:
            vma.vm_mm.locked_vm -= vma.pages
        vm_stat_account(vma.vm_mm, vma.vm_flags, -vma.pages)
        self.kernel.vma.remove_vma(vma)

    # --- mmap() ------------------------------------------------------------------------------------------------------

    def get_unmapped_area(self, address: int, length: int, *, fixed: bool) -> int:
        """get_unmapped_area() for the running process: see unmapped_area.py."""
        minimum = self.kernel.sysctl["mmap_min_addr"]
        return get_unmapped_area(self.kernel.current.mm, address, length, fixed=fixed, mmap_min_addr=minimum)

    def ksys_mmap_pgoff(self, address: int, length: int, prot: int, flags: int, fd: int, pgoff: int) -> int:
        """mmap2(): maps a file from page `pgoff` on, or fresh memory; gives the address. Raises Errno."""
        file: File | None = None
        if not flags & MAP_ANONYMOUS:
            file = self.kernel.current.files.get(fd)
            if file is None:
                raise Errno(ErrorNumber.EBADF)
        return self._do_mmap(file, address, length, prot, flags, pgoff)

    def _do_mmap(self, file: File | None, address: int, length: int, prot: int, flags: int, pgoff: int) -> int:
        kernel, mm = self.kernel, self.kernel.current.mm
        if not length:
            raise Errno(ErrorNumber.EINVAL)
        fixed = bool(flags & (MAP_FIXED | MAP_FIXED_NOREPLACE))
        if not fixed:
            address = self._round_hint_to_min(address)
        length = page_align(length)
        if not length:
            raise Errno(ErrorNumber.ENOMEM)
        pages = length >> PAGE_SHIFT
        if pgoff + pages >= _WORD:
            raise Errno(ErrorNumber.EOVERFLOW)
        if len(mm.vmas) > kernel.sysctl["max_map_count"]:
            raise Errno(ErrorNumber.ENOMEM)
        address = self.get_unmapped_area(address, length, fixed=fixed)
        if flags & MAP_FIXED_NOREPLACE and mm.find_vma_intersection(address, address + length) is not None:
            raise Errno(ErrorNumber.EEXIST)
        vm_flags = self._vm_flags(file, prot, flags) | mm.def_flags
        if file is None:
            pgoff = 0 if vm_flags & VM_SHARED else address >> PAGE_SHIFT
        self._mmap_region(file, address, length, vm_flags, pgoff)
        if vm_flags & VM_LOCKED or flags & (MAP_POPULATE | MAP_NONBLOCK) == MAP_POPULATE:
            kernel.gup.mm_populate(address, length)
        return address

    def _round_hint_to_min(self, hint: int) -> int:
        """round_hint_to_min(): a hint below mmap_min_addr becomes that."""
        hint &= PAGE_MASK
        minimum = self.kernel.sysctl["mmap_min_addr"]
        return page_align(minimum) if 0 < hint < minimum else hint

    def _vm_flags(self, file: File | None, prot: int, flags: int) -> int:
        """The region's flags. Raises Errno: EINVAL for a type that is none, EACCES for what the file was not opened for."""
        vm_flags = calc_vm_prot_bits(prot) | _MAYFLAGS
        if flags & MAP_GROWSDOWN:
            vm_flags |= VM_GROWSDOWN
        if flags & MAP_LOCKED:
            vm_flags |= VM_LOCKED
        kind = flags & MAP_TYPE
        if kind not in (MAP_SHARED, MAP_PRIVATE):
            raise Errno(ErrorNumber.EINVAL)
        if kind == MAP_SHARED:
            if file is not None and prot & PROT_WRITE and not file.f_mode_write:
                raise Errno(ErrorNumber.EACCES)
            vm_flags |= VM_SHARED | VM_MAYSHARE
            if file is not None and not file.f_mode_write:
                vm_flags &= ~(VM_MAYWRITE | VM_SHARED)
        if vm_flags & VM_GROWSDOWN and (file is not None or kind == MAP_SHARED):
            raise Errno(ErrorNumber.EINVAL)
        if flags & MAP_NORESERVE and self.kernel.sysctl["overcommit_memory"] != OVERCOMMIT_NEVER:
            vm_flags |= VM_NORESERVE
        return vm_flags

    def _mmap_region(self, file: File | None, address: int, length: int, vm_flags: int, pgoff: int) -> None:
        """mmap_region(): unmaps what is in the way, then extends a neighbour, or puts a new region in."""
        kernel, task, pages = self.kernel, self.kernel.current, length >> PAGE_SHIFT
        mm, end = task.mm, address + length
        if not may_expand_vm(task, vm_flags, pages):
            replaced = _count_pages(mm, address, end)
            if not may_expand_vm(task, vm_flags, pages - replaced):
                raise Errno(ErrorNumber.ENOMEM)
        self.do_munmap(mm, address, length)
        charged = 0
        if accountable_mapping(vm_flags):
            charged = pages
            self.security_vm_enough_memory(mm, charged)
            vm_flags |= VM_ACCOUNT
        if not self._extend_neighbour(mm, file, address, end, vm_flags, pgoff):
            try:
                kernel.vma.vma_link(self._new_region(mm, file, address, end, vm_flags, pgoff))
            except (Errno, Killed):
                self.vm_unacct_memory(charged)
                raise
        vm_stat_account(mm, vm_flags, pages)
        if vm_flags & VM_LOCKED:
            mm.locked_vm += pages

    def _new_region(self, mm: Mm, file: File | None, start: int, end: int, vm_flags: int, pgoff: int) -> VmArea:
        """A region that is not linked yet; shared memory without a file gets one."""
        kernel = self.kernel
        vma = kernel.vma.vm_area_alloc(mm, start, end, vm_flags, pgoff, file)
        if file is None and vm_flags & VM_SHARED:
            try:
                vma.vm_file = kernel.shmem.zero_setup(mm, end - start, vm_flags)
            except (Errno, Killed):
                kernel.vma.vm_area_free(vma)
                raise
        return vma

    def _extend_neighbour(
        self, mm: Mm, file: File | None, start: int, end: int, vm_flags: int, pgoff: int
    ) -> VmArea | None:
        """The region above, or the one below, or both as one, where they suit what is to be at [start, end)."""
        if vm_flags & VM_SPECIAL:
            return None
        at = mm.find_vma_index(start)
        above = mm.vmas[at] if at < len(mm.vmas) else None
        below = mm.vmas[at - 1] if at else None
        pages = end - start >> PAGE_SHIFT
        chosen, first, last, first_pgoff, anon_vma = None, start, end, pgoff, None
        if above and above.vm_start == end and can_vma_merge_before(above, vm_flags, None, file, pgoff + pages):
            chosen, last, first_pgoff, anon_vma = above, above.vm_end, above.vm_pgoff - pages, above.anon_vma
        if below and below.vm_end == start and can_vma_merge_after(below, vm_flags, anon_vma, file, pgoff):
            chosen, first, first_pgoff = below, below.vm_start, below.vm_pgoff
        if chosen is not None:
            self.kernel.vma.vma_expand(chosen, first, last, first_pgoff, above)
        return chosen

    # --- munmap() ----------------------------------------------------------------------------------------------------

    def sys_munmap(self, address: int, length: int) -> int:
        """munmap(): nothing is at [address, address + length) any more. Raises Errno(EINVAL or ENOMEM)."""
        self.do_munmap(self.kernel.current.mm, address, length)
        return 0

    def do_munmap(self, mm: Mm, start: int, length: int) -> None:
        """do_munmap(): removes regions and parts of regions; where there is none, there is nothing to do."""
        if start % PAGE_SIZE or start > TASK_SIZE or length > TASK_SIZE - start or not length:
            raise Errno(ErrorNumber.EINVAL)
        end = start + page_align(length)
        vma = mm.find_vma_intersection(start, end)
        if vma is not None:
            self.do_munmap_from(vma, start, end)

    def do_munmap_from(self, vma: VmArea, start: int, end: int) -> None:
        """do_mas_align_munmap(): the same, where `vma` is the first region that reaches into [start, end)."""
        kernel, mm = self.kernel, vma.vm_mm
        if start > vma.vm_start:
            if end < vma.vm_end and len(mm.vmas) >= kernel.sysctl["max_map_count"]:
                raise Errno(ErrorNumber.ENOMEM)
            vma = kernel.vma.split_vma_unlimited(vma, start, new_below=False)
        first = mm.find_vma_index(start)
        last = mm.find_vma_index(end - 1)
        if last < len(mm.vmas) and mm.vmas[last].vm_start < end:
            if mm.vmas[last].vm_end > end:
                kernel.vma.split_vma_unlimited(mm.vmas[last], end, new_below=True)
            last += 1
        floor = mm.ends[first - 1] if first else 0
        ceiling = mm.vmas[last].vm_start if last < len(mm.vmas) else 0
        kernel.swap.lru_add_drain()
        update_hiwater(mm)
        kernel.memory.unmap_region(mm, start, end, floor, ceiling)
        for gone in mm.vmas[first:last]:
            self._forget(gone)


def _count_pages(mm: Mm, start: int, end: int) -> int:
    """count_vma_pages_range(): pages of [start, end) that regions cover."""
    covered = (min(end, vma.vm_end) - max(start, vma.vm_start) for vma in mm)
    return sum(length for length in covered if length > 0) >> PAGE_SHIFT
