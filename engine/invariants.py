"""What must be true of a machine after any commands: `check` looks at all of it, and names what is not.

It reads simulated RAM and the kernel's records alike, and holds each against the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.hardware.paging import PTE_PRESENT, PTE_PSE
from engine.invariants_files import check_files
from engine.invariants_kernel import check_kernel_memory
from engine.invariants_reclaim import check_reclaim, demand as _demand, present_entries
from engine.kernel.mm_types import PAGE_SHIFT, PAGE_SIZE, PG_ANON, PG_LRU, PG_SWAPBACKED, Mm
from engine.kernel.pgtable import PTE_THERE, PTRS_PER_PTE
from engine.kernel.swap import folio_lru_list

if TYPE_CHECKING:
    from engine.kernel.kernel import Kernel
    from engine.machine import Machine


def check(machine: Machine) -> None:
    """Raises InvariantError for the first thing that does not add up."""
    kernel = machine.kernel
    _check_frames(kernel)
    for task in kernel.tasks.values():
        _check_regions(task.mm)
    _check_mappings(kernel)
    _check_lists(kernel)
    _check_records(kernel)
    check_files(kernel)
    check_reclaim(kernel)
    check_kernel_memory(kernel)
    _check_tlb(kernel)


def _check_frames(kernel: Kernel) -> None:
    """Every frame of RAM has one owner: reserved at boot, allocated, or free."""
    kernel.page_alloc.check()
    owned = sum(1 << page.order for page in kernel.page_alloc.mem_map.values())
    free = sum(zone.free_pages + zone.per_cpu_pageset.count for zone in kernel.page_alloc.zones)
    managed = sum(zone.managed_pages for zone in kernel.page_alloc.zones)
    _demand(owned + free == managed, f"{owned} frames allocated and {free} free, but {managed} managed")


def _check_regions(mm: Mm) -> None:
    """Regions lie in order, apart, on page boundaries; and their pages are counted."""
    _demand(mm.ends == [vma.vm_end for vma in mm.vmas], "mm.ends does not run beside mm.vmas")
    end = 0
    for vma in mm.vmas:
        _demand(end <= vma.vm_start < vma.vm_end, f"{vma} overlaps what is below it, or is empty")
        _demand((vma.vm_start | vma.vm_end) % PAGE_SIZE == 0, f"{vma} is not on page boundaries")
        end = vma.vm_end
    total = sum(vma.pages for vma in mm.vmas)
    _demand(mm.total_vm == total, f"total_vm is {mm.total_vm}, the regions have {total} pages")


def _check_mappings(kernel: Kernel) -> None:
    """Every present entry lies in a region, its page counts it, and its reverse mapping leads back to it."""
    mapped: dict[int, int] = {}
    for task in kernel.tasks.values():
        anonymous = shmem = files = 0
        for address, entry in present_entries(kernel, task.mm):
            if not entry & PTE_THERE:
                continue
            vma = task.mm.vma_lookup(address)
            _demand(vma is not None, f"process {task.pid} maps {address:#x}, where it has no region")
            page = kernel.memory.normal_page(entry)
            if page is None:
                continue
            mapped[page.pfn] = mapped.get(page.pfn, 0) + 1
            anonymous += bool(page.flags & PG_ANON)
            shmem += page.flags & (PG_ANON | PG_SWAPBACKED) == PG_SWAPBACKED
            files += not page.flags & (PG_ANON | PG_SWAPBACKED)
            _demand((vma, address) in list(kernel.rmap.places(page)), f"{page} has no way back to {address:#x}")
        counted = task.mm.anon_rss, task.mm.shmem_rss, task.mm.file_rss
        _demand(counted == (anonymous, shmem, files), f"process {task.pid}: {counted} pages counted")
    for page in kernel.page_alloc.mem_map.values():
        found = mapped.get(page.pfn, 0)
        _demand(page.mapcount == found, f"{page} has mapcount {page.mapcount}, and {found} entries map it")


def _check_lists(kernel: Kernel) -> None:
    """Each LRU list holds the pages whose flags name it, and those pages are allocated."""
    listed = 0
    for number, pages in enumerate(kernel.swap.lists):
        for pfn, page in pages.items():
            _demand(page.pfn == pfn and bool(page.flags & PG_LRU), f"{page} stands on LRU list {number} unawares")
            _demand(folio_lru_list(page) == number, f"{page} stands on LRU list {number}, its flags name another")
            _demand(kernel.page_alloc.mem_map.get(pfn) is page, f"{page} is on an LRU list, and free")
            listed += 1
    flagged = sum(1 for page in kernel.page_alloc.mem_map.values() if page.flags & PG_LRU)
    _demand(flagged == listed, f"{flagged} pages say they are on an LRU list, {listed} are")


def _check_records(kernel: Kernel) -> None:
    """The kernel's records are the objects that their slab caches have given out: none lost, none twice."""
    vmas = [vma for task in kernel.tasks.values() for vma in task.mm]
    anon_vmas = {id(each): each for vma in vmas for linked in vma.anon_vma_chain for each in (linked, linked.root)}
    records = {
        "vm_area_struct": [vma.address for vma in vmas],
        "anon_vma_chain": [address for vma in vmas for address in vma.chain_addresses],
        "anon_vma": [anon_vma.address for anon_vma in anon_vmas.values()],
        "mm_struct": [task.mm.address for task in kernel.tasks.values()],
        "task_struct": [task.address for task in kernel.tasks.values()],
    }
    for task in kernel.tasks.values():
        for cache, address in task.records:
            records.setdefault(cache.name, []).append(address)
    for name, addresses in records.items():
        in_use = kernel.slub.objects_in_use(kernel.slub.caches[name])
        _demand(len(set(addresses)) == len(addresses), f"two records share an object of {name}")
        _demand(len(addresses) == in_use, f"{len(addresses)} records of {name}, {in_use} objects in use")


def _check_tlb(kernel: Kernel) -> None:
    """The TLB remembers nothing that the page tables do not say (but for accessed and dirty bits)."""
    cpu = kernel.cpu
    if not cpu.paging:
        return
    directory = kernel.ram.frame(cpu.mmu.cr3 >> PAGE_SHIFT)
    for vpn, entry in cpu.tlb.entries.items():
        upper = directory[vpn >> 10]
        _demand(bool(upper & PTE_PRESENT), f"the TLB knows page {vpn:#x}, the directory does not")
        if upper & PTE_PSE:
            continue
        lower = kernel.ram.frame(upper >> PAGE_SHIFT)[vpn & PTRS_PER_PTE - 1]
        same = lower & PTE_PRESENT and lower >> PAGE_SHIFT == entry >> PAGE_SHIFT
        _demand(bool(same), f"the TLB has {entry:#x} for page {vpn:#x}, the table {lower:#x}")
