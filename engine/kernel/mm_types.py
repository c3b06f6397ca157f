"""include/linux/mm_types.h: the records of memory management: page, vm_area_struct, mm_struct.

Left out: everything that only NUMA, huge pages, userfaultfd or memory cgroups need.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.kernel.fs import File
    from engine.kernel.rmap import AnonVma

PAGE_SHIFT: Final = 12
PAGE_SIZE: Final = 1 << PAGE_SHIFT
PAGE_MASK: Final = 0xFFFFF000
PGDIR_SHIFT: Final = 22
TASK_SIZE: Final = 0xC0000000
PAGE_OFFSET: Final = 0xC0000000

# include/linux/mm.h: vm_flags
VM_NONE: Final = 0x0
VM_READ: Final = 0x1
VM_WRITE: Final = 0x2
VM_EXEC: Final = 0x4
VM_SHARED: Final = 0x8
VM_MAYREAD: Final = 0x10
VM_MAYWRITE: Final = 0x20
VM_MAYEXEC: Final = 0x40
VM_MAYSHARE: Final = 0x80
VM_GROWSDOWN: Final = 0x100
VM_PFNMAP: Final = 0x400
VM_LOCKED: Final = 0x2000
VM_IO: Final = 0x4000
VM_SEQ_READ: Final = 0x8000
VM_RAND_READ: Final = 0x10000
VM_DONTCOPY: Final = 0x20000
VM_DONTEXPAND: Final = 0x40000
VM_LOCKONFAULT: Final = 0x80000
VM_ACCOUNT: Final = 0x100000
VM_NORESERVE: Final = 0x200000
VM_WIPEONFORK: Final = 0x2000000
VM_DONTDUMP: Final = 0x4000000
VM_MIXEDMAP: Final = 0x10000000
VM_SPECIAL: Final = VM_IO | VM_DONTEXPAND | VM_PFNMAP | VM_MIXEDMAP
"""Regions with pages that are not ordinary memory: never merged, never locked."""
VM_LOCKED_CLEAR_MASK: Final = ~(VM_LOCKED | VM_LOCKONFAULT)
VM_ACCESS_FLAGS: Final = VM_READ | VM_WRITE | VM_EXEC
VM_STACK_FLAGS: Final = VM_READ | VM_WRITE | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC | VM_GROWSDOWN | VM_ACCOUNT
VM_DATA_DEFAULT_FLAGS: Final = VM_READ | VM_WRITE | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC

# include/linux/page-flags.h: the flags that this machine keeps, in `Page.flags`
PG_LOCKED: Final = 1 << 0
PG_REFERENCED: Final = 1 << 2
PG_UPTODATE: Final = 1 << 3
PG_DIRTY: Final = 1 << 4
PG_LRU: Final = 1 << 5
PG_ACTIVE: Final = 1 << 6
PG_WORKINGSET: Final = 1 << 7
PG_SLAB: Final = 1 << 9
PG_WRITEBACK: Final = 1 << 15
PG_RECLAIM: Final = 1 << 18
PG_READAHEAD: Final = PG_RECLAIM
"""One bit with two meanings: reclaim had the page written, to free it then; or it was read ahead, and bears the mark."""
PG_SWAPBACKED: Final = 1 << 19
PG_UNEVICTABLE: Final = 1 << 20
PG_MLOCKED: Final = 1 << 21
PG_ANON: Final = 1 << 24
"""Linux keeps this as bit 0 of page->mapping (PAGE_MAPPING_ANON)."""
PG_SWAPCACHE: Final = 1 << 25
PG_ANON_EXCLUSIVE: Final = 1 << 26
PG_TABLE: Final = 1 << 27
"""A page table (PageTable)."""
PG_KSTACK: Final = 1 << 28
"""A kernel stack; ours alone, for the ledger."""
PG_VMALLOC: Final = 1 << 29
"""Behind an address of vmalloc(); ours alone, for the ledger."""


class Page:
    """struct page of an allocated block; free frames have none (they stand in the free lists alone).

    `mapcount` counts page-table entries that map the page (Linux's _mapcount + 1). `mapping` is the AnonVma of an
    anonymous page or the AddressSpace of a file's page; `index` the page's offset there, in pages.
    """

    __slots__ = ("flags", "index", "mapcount", "mapping", "migratetype", "order", "pfn", "private", "refcount")

    def __init__(self, pfn: int, order: int, migratetype: int = 0) -> None:
        self.pfn = pfn
        self.order = order
        self.refcount = 1
        self.mapcount = 0
        self.flags = 0
        self.mapping: object = None
        self.index = 0
        self.private = 0
        self.migratetype = migratetype

    def __repr__(self) -> str:
        return f"Page(pfn={self.pfn:#x}, order={self.order}, flags={self.flags:#x}, count={self.refcount})"


class VmArea:
    """vm_area_struct: one region [vm_start, vm_end) of a process's address space with one kind of content and rights.

    `vm_pgoff` is the offset of vm_start in the file, in pages; for an anonymous region vm_start >> PAGE_SHIFT at its birth.
    """

    __slots__ = (
        "address",
        "anon_vma",
        "anon_vma_chain",
        "chain_addresses",
        "name",
        "vm_end",
        "vm_file",
        "vm_flags",
        "vm_mm",
        "vm_pgoff",
        "vm_start",
    )

    def __init__(
        self, mm: Mm, start: int, end: int, flags: int, pgoff: int, file: File | None = None, name: str = ""
    ) -> None:
        self.address = 0
        """Where the kernel keeps this record: an object of the slab cache vm_area_struct."""
        self.vm_mm = mm
        self.vm_start = start
        self.vm_end = end
        self.vm_flags = flags
        self.vm_pgoff = pgoff
        self.vm_file = file
        self.anon_vma: AnonVma | None = None
        self.anon_vma_chain: tuple[AnonVma, ...] = ()
        """The anon_vmas whose pages may be mapped here: the region's own first, then its ancestors' (after fork)."""
        self.chain_addresses: tuple[int, ...] = ()
        """The objects of the slab cache anon_vma_chain that say so, one an anon_vma."""
        self.name = name
        """"[vdso]" and its like (special mappings); "" where /proc derives the name."""

    def __repr__(self) -> str:
        return f"VmArea({self.vm_start:#x}-{self.vm_end:#x}, flags={self.vm_flags:#x})"

    @property
    def pages(self) -> int:
        """vma_pages(): the region's length in pages."""
        return (self.vm_end - self.vm_start) >> PAGE_SHIFT


class Mm:
    """mm_struct: a process's address space: its regions in address order, its page directory, its counts of pages.

    `vmas` and `ends` run in parallel (ends[i] == vmas[i].vm_end), so that find_vma is one bisection.
    """

    __slots__ = (
        "address",
        "anon_rss",
        "brk",
        "data_vm",
        "def_flags",
        "end_code",
        "end_data",
        "ends",
        "exe_file",
        "exec_vm",
        "file_rss",
        "hiwater_rss",
        "hiwater_vm",
        "locked_vm",
        "mmap_base",
        "pgd",
        "pgtables_bytes",
        "shmem_rss",
        "stack_vm",
        "start_brk",
        "start_code",
        "start_data",
        "start_stack",
        "swap_rss",
        "total_vm",
        "vmas",
    )

    def __init__(self, address: int, pgd: int) -> None:
        self.address = address
        """Where the kernel keeps this record: an object of the slab cache mm_struct."""
        self.pgd = pgd
        """The page directory's frame (pfn); CR3 is pgd << PAGE_SHIFT."""
        self.vmas: list[VmArea] = []
        self.ends: list[int] = []
        self.mmap_base = 0
        self.start_brk = self.brk = 0
        self.start_code = self.end_code = self.start_data = self.end_data = 0
        self.start_stack = 0
        self.def_flags = 0
        self.total_vm = self.data_vm = self.stack_vm = self.exec_vm = self.locked_vm = 0
        """Pages of address space: all, private writable, stack, executable, locked."""
        self.hiwater_vm = self.hiwater_rss = 0
        self.anon_rss = self.file_rss = self.shmem_rss = self.swap_rss = 0
        """Pages present: MM_ANONPAGES, MM_FILEPAGES, MM_SHMEMPAGES; and MM_SWAPENTS."""
        self.pgtables_bytes = 0
        self.exe_file: File | None = None
        """The program that the process runs, opened."""

    def find_vma(self, address: int) -> VmArea | None:
        """find_vma(): the first region that ends above `address`; it need not contain it. None if there is none."""
        at = bisect_right(self.ends, address)
        return self.vmas[at] if at < len(self.vmas) else None

    def find_vma_index(self, address: int) -> int:
        """The place in `vmas` of find_vma(address); len(vmas) if there is none."""
        return bisect_right(self.ends, address)

    def find_vma_intersection(self, start: int, end: int) -> VmArea | None:
        """find_vma_intersection(): the first region that reaches into [start, end), else None."""
        vma = self.find_vma(start)
        return vma if vma is not None and vma.vm_start < end else None

    def region_before(self, address: int) -> VmArea | None:
        """The last region that begins below `address`: the one that holds it in its middle, or the one before."""
        at = bisect_right(self.ends, address)
        if at < len(self.vmas) and self.vmas[at].vm_start < address:
            return self.vmas[at]
        return self.vmas[at - 1] if at else None

    def vma_lookup(self, address: int) -> VmArea | None:
        """vma_lookup(): the region that contains `address`, else None."""
        vma = self.find_vma(address)
        return vma if vma is not None and vma.vm_start <= address else None

    def __iter__(self) -> Iterator[VmArea]:
        return iter(self.vmas)

    @property
    def rss(self) -> int:
        """get_mm_rss(): pages present."""
        return self.anon_rss + self.file_rss + self.shmem_rss
