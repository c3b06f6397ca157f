"""mm/vmalloc.c: memory in one piece for the kernel alone: single frames, from wherever, behind one stretch of addresses.

    PAGE_OFFSET   high_memory    VMALLOC_START                           VMALLOC_END    PKMAP_BASE
    | direct map  | 8 MB: hole   | area |guard| area |guard|    ...      | 8 KB: hole   | kmap (highmem.py)

An area's addresses are the lowest that are free. They are not free again at once when it goes: first the CPUs' TLBs would
have to forget them, and that is done for many areas together.

Left out: huge pages, vm_map_ram(), ioremap(), the vmap_area records of the stretches that are free.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.clock import COSTS
from engine.events.memory import PageTableAllocated, SetPte
from engine.events.vmalloc import VmapAreaAllocated, VmapAreaFreed, VmapAreasPurged
from engine.hardware.paging import PTE_ACCESSED, PTE_DIRTY, PTE_GLOBAL, PTE_PRESENT, PTE_RW
from engine.kernel.gfp import _GFP_HIGHMEM, _GFP_NOWARN, GFP_KERNEL
from engine.kernel.mm_types import PAGE_OFFSET, PAGE_SHIFT, PAGE_SIZE, PG_TABLE, PG_VMALLOC, PGDIR_SHIFT
from engine.kernel.pgtable import PTRS_PER_PTE

if TYPE_CHECKING:
    from engine.kernel.kernel import Kernel
    from engine.kernel.mm_types import Page

VMALLOC_OFFSET: Final = 8 << 20
VMALLOC_END: Final = 0xFEBFE000
"""arch/x86/include/asm/pgtable_32_areas.h: two pages below PKMAP_BASE."""
LAZY_MAX_PAGES: Final = (32 << 20) >> PAGE_SHIFT
"""lazy_max_pages(), for one CPU."""
SIZEOF_VM_STRUCT: Final = 32
SIZEOF_VMAP_AREA: Final = 32
SIZEOF_POINTER: Final = 4
PAGE_KERNEL: Final = PTE_PRESENT | PTE_RW | PTE_ACCESSED | PTE_DIRTY | PTE_GLOBAL
PAGE_KERNEL_TABLE: Final = PTE_PRESENT | PTE_RW | PTE_ACCESSED | PTE_DIRTY
"""_KERNPG_TABLE: what a directory entry of the kernel's carries; a program may not use it."""


class VmStruct:
    """vm_struct and its vmap_area: `pages` behind [addr, addr + size), of which the last page is the guard."""

    __slots__ = ("addr", "pages", "pages_address", "size", "va_address", "vm_address")

    def __init__(self, vm_address: int, va_address: int, addr: int, size: int) -> None:
        self.vm_address = vm_address
        """Where the kernel keeps the vm_struct: what kmalloc() gave."""
        self.va_address = va_address
        """The object of the slab cache vmap_area."""
        self.addr = addr
        self.size = size
        self.pages: list[Page] = []
        self.pages_address = 0
        """The array of pointers to the pages; it has an area of its own where it is larger than a page."""


class Vmalloc:
    """The areas of the kernel's address space."""

    __slots__ = ("areas", "kernel", "lazy", "nr_pages", "start", "vmap_area_cachep")

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.start = PAGE_OFFSET + (kernel.boot.max_low_pfn << PAGE_SHIFT) + VMALLOC_OFFSET
        """VMALLOC_START."""
        self.areas: dict[int, VmStruct] = {}
        """By address."""
        self.lazy: list[VmStruct] = []
        """Areas that are gone, whose addresses nobody may use yet."""
        self.nr_pages = 0
        """vmalloc_nr_pages()."""
        self.vmap_area_cachep = kernel.slub.kmem_cache_create("vmap_area", SIZEOF_VMAP_AREA, 0, 0)

    @property
    def total(self) -> int:
        """VMALLOC_TOTAL: bytes of address space."""
        return VMALLOC_END - self.start

    # --- taking ------------------------------------------------------------------------------------------------------

    def vmalloc(self, size: int) -> int | None:
        """vmalloc(): a kernel address with at least `size` bytes behind it; None without memory, without addresses, for 0."""
        pages = size + PAGE_SIZE - 1 >> PAGE_SHIFT
        if not pages or pages > sum(zone.managed_pages for zone in self.kernel.page_alloc.zones):
            return None
        area = self._get_vm_area(pages)
        if area is None:
            return None
        if not self._alloc_pages(area, pages) or not self._map(area):
            self.vfree(area.addr)
            return None
        return area.addr

    def _get_vm_area(self, pages: int) -> VmStruct | None:
        """__get_vm_area_node(): addresses for so many pages and their guard."""
        slub = self.kernel.slub
        vm_address = slub.kmalloc(SIZEOF_VM_STRUCT)
        va_address = None if vm_address is None else slub.kmem_cache_alloc(self.vmap_area_cachep)
        size = pages + 1 << PAGE_SHIFT
        addr = None if va_address is None else self._find_addresses(size)
        if addr is None or va_address is None or vm_address is None:
            if va_address is not None:
                slub.kmem_cache_free(self.vmap_area_cachep, va_address)
            if vm_address is not None:
                slub.kfree(vm_address)
            return None
        area = self.areas[addr] = VmStruct(vm_address, va_address, addr, size)
        if self.kernel.trace.on:
            self.kernel.trace.emit(VmapAreaAllocated(addr, pages))
        return area

    def _find_addresses(self, size: int) -> int | None:
        """alloc_vmap_area(): the lowest stretch that is free; when there is none, once more after a purge."""
        found = self._lowest_hole(size)
        if found is None and self.lazy:
            self._purge()
            found = self._lowest_hole(size)
        return found

    def _lowest_hole(self, size: int) -> int | None:
        at = self.start
        for area in sorted([*self.areas.values(), *self.lazy], key=lambda each: each.addr):
            if area.addr - at >= size:
                return at
            at = area.addr + area.size
        return at if VMALLOC_END - at >= size else None

    def _alloc_pages(self, area: VmStruct, pages: int) -> bool:
        """__vmalloc_area_node(): the array of pointers, then the frames, one by one."""
        kernel, array = self.kernel, pages * SIZEOF_POINTER
        pages_address = self.vmalloc(array) if array > PAGE_SIZE else kernel.slub.kmalloc(array)
        if pages_address is None:
            return False
        area.pages_address = pages_address
        for _ in range(pages):
            if kernel.current.sigkill_pending:
                return False
            page = kernel.page_alloc.alloc_pages(GFP_KERNEL | _GFP_HIGHMEM | _GFP_NOWARN, 0)
            if page is None:
                return False
            page.flags |= PG_VMALLOC
            area.pages.append(page)
            self.nr_pages += 1
        return True

    def _map(self, area: VmStruct) -> bool:
        """vmap_pages_range(): an entry a page in the kernel's page tables."""
        kernel = self.kernel
        for number, page in enumerate(area.pages):
            address = area.addr + (number << PAGE_SHIFT)
            table = self.pte_alloc_kernel(address)
            if table is None:
                return False
            entry = page.pfn << PAGE_SHIFT | PAGE_KERNEL
            kernel.ram.writable(table)[address >> PAGE_SHIFT & PTRS_PER_PTE - 1] = entry
            if kernel.trace.on:
                kernel.trace.emit(SetPte(address, entry))
        kernel.clock.ns += COSTS.vma
        return True

    def pte_alloc_kernel(self, address: int) -> int | None:
        """pte_alloc_kernel(): the frame of the kernel's page table for `address`, made if there is none; None without memory."""
        kernel, index = self.kernel, address >> PGDIR_SHIFT
        entry = kernel.ram.frame(kernel.swapper_pg_dir)[index]
        if entry & PTE_PRESENT:
            return entry >> PAGE_SHIFT
        page = kernel.page_alloc.alloc_pages(GFP_KERNEL, 0)
        if page is None:
            return None
        page.flags |= PG_TABLE
        kernel.clock.ns += COSTS.clear_page
        self._sync(index, page.pfn << PAGE_SHIFT | PAGE_KERNEL_TABLE)
        if kernel.trace.on:
            kernel.trace.emit(PageTableAllocated(index << PGDIR_SHIFT, page.pfn))
        return page.pfn

    def _sync(self, index: int, entry: int) -> None:
        """arch_sync_kernel_mappings(): the directory entry goes into every address space's directory."""
        ram = self.kernel.ram
        ram.writable(self.kernel.swapper_pg_dir)[index] = entry
        for task in self.kernel.tasks.values():
            ram.writable(task.mm.pgd)[index] = entry

    # --- giving back -------------------------------------------------------------------------------------------------

    def vfree(self, address: int) -> None:
        """vfree() of what vmalloc() gave: the frames go back at once, the addresses later, the page tables never."""
        kernel, area = self.kernel, self.areas.pop(address)
        for number in range(len(area.pages)):
            self._clear_pte(area.addr + (number << PAGE_SHIFT))
        for page in area.pages:
            kernel.page_alloc.free_pages(page, 0)
        self.nr_pages -= len(area.pages)
        if area.pages_address >= self.start:
            self.vfree(area.pages_address)
        elif area.pages_address:
            kernel.slub.kfree(area.pages_address)
        kernel.slub.kfree(area.vm_address)
        if kernel.trace.on:
            kernel.trace.emit(VmapAreaFreed(area.addr, len(area.pages)))
        area.pages.clear()
        self.lazy.append(area)
        if sum(each.size for each in self.lazy) >> PAGE_SHIFT > LAZY_MAX_PAGES:
            self._purge()

    def _clear_pte(self, address: int) -> None:
        ram = self.kernel.ram
        entry = ram.frame(self.kernel.swapper_pg_dir)[address >> PGDIR_SHIFT]
        if entry & PTE_PRESENT:
            ram.writable(entry >> PAGE_SHIFT)[address >> PAGE_SHIFT & PTRS_PER_PTE - 1] = 0

    def _purge(self) -> None:
        """__purge_vmap_area_lazy(): the addresses of all areas that are gone can be taken again."""
        purged, self.lazy = self.lazy, []
        for area in purged:
            self.kernel.slub.kmem_cache_free(self.vmap_area_cachep, area.va_address)
        if self.kernel.trace.on:
            self.kernel.trace.emit(VmapAreasPurged(len(purged)))
