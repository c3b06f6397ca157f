"""What must be true of swap and of the page cache after any commands: nothing is lost, and everybody is counted.

A clean page holds exactly what its slot or its file holds on the disk: only so can it be dropped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.hardware.paging import PTE_DIRTY, PTE_PRESENT
from engine.hardware.ram import FRAME_SIZE
from engine.kernel.fork import KERNEL_PGD_BOUNDARY
from engine.kernel.fs import AddressSpace, FileSystem, Inode
from engine.kernel.mm_types import (
    PAGE_SHIFT,
    PG_ANON,
    PG_DIRTY,
    PG_LRU,
    PG_SWAPBACKED,
    PG_SWAPCACHE,
    PG_UPTODATE,
    PG_WRITEBACK,
    PGDIR_SHIFT,
    Mm,
    Page,
)
from engine.kernel.page_writeback import disk_block
from engine.kernel.pgtable import PTE_THERE, PTRS_PER_PTE, SWAP_OFFSET_SHIFT
from engine.kernel.swapfile import SWAP_HAS_CACHE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.kernel.kernel import Kernel


class InvariantError(AssertionError):
    """The machine contradicts itself: our mistake, never the user's."""


def demand(true: bool, what: str) -> None:
    """Raises InvariantError(what) unless it is true."""
    if not true:
        raise InvariantError(what)


def present_entries(kernel: Kernel, mm: Mm) -> Iterator[tuple[int, int]]:
    """(address, entry) of every entry that is not empty in the user's part of an address space."""
    directory = kernel.ram.frame(mm.pgd)
    for upper in range(KERNEL_PGD_BOUNDARY):
        if not directory[upper] & PTE_PRESENT:
            continue
        table = kernel.ram.frame(directory[upper] >> PAGE_SHIFT)
        for lower in range(PTRS_PER_PTE):
            if table[lower]:
                yield upper << PGDIR_SHIFT | lower << PAGE_SHIFT, table[lower]


def check_reclaim(kernel: Kernel) -> None:
    """Raises InvariantError for the first thing about swap or the page cache that does not add up."""
    _check_slots(kernel)
    _check_swap_cache(kernel)
    _check_page_cache(kernel)
    _check_references(kernel)
    _check_counts(kernel)


def _inodes(kernel: Kernel) -> list[Inode]:
    """Every file there is: by name, or kept alive by a mapping."""
    found = {id(inode): inode for inode in kernel.inodes.values()}
    for task in kernel.tasks.values():
        for vma in task.mm:
            if vma.vm_file is not None:
                found[id(vma.vm_file.inode)] = vma.vm_file.inode
    return list(found.values())


def _check_slots(kernel: Kernel) -> None:
    """Each slot is counted as often as a page table or a tmpfs file names it, and its content is somewhere."""
    named: dict[int, int] = {}
    for task in kernel.tasks.values():
        swapped = 0
        for _, entry in present_entries(kernel, task.mm):
            if not entry & PTE_THERE:
                named[entry >> SWAP_OFFSET_SHIFT] = named.get(entry >> SWAP_OFFSET_SHIFT, 0) + 1
                swapped += 1
        demand(task.mm.swap_rss == swapped, f"process {task.pid}: swap_rss is {task.mm.swap_rss}, {swapped} entries")
    for inode in _inodes(kernel):
        for entry in inode.i_mapping.swapped.values():
            named[entry >> SWAP_OFFSET_SHIFT] = named.get(entry >> SWAP_OFFSET_SHIFT, 0) + 1
    area = kernel.swapfile
    for offset in range(1, len(area.swap_map)):
        if not area.swap_map[offset] and offset not in named:
            continue
        count, cached = area.swap_count(offset), offset in kernel.swap_state.pages
        demand(count == named.get(offset, 0), f"slot {offset} counts {count} users, {named.get(offset, 0)} name it")
        demand(bool(area.swap_map[offset] & SWAP_HAS_CACHE) == cached, f"slot {offset} is wrong about the swap cache")
        demand(cached or offset in area.disk.blocks, f"slot {offset} is wanted, and was never written")
    free = area.swap_map.count(0) + area.total_pages + 1 - len(area.swap_map)
    demand(area.nr_swap_pages == free, f"nr_swap_pages is {area.nr_swap_pages}, {free} slots are free")


def _check_swap_cache(kernel: Kernel) -> None:
    dirty = _dirty_by_entry(kernel)
    for offset, page in kernel.swap_state.pages.items():
        demand(bool(page.flags & PG_SWAPCACHE), f"{page} is in the swap cache unawares")
        demand(page.private >> SWAP_OFFSET_SHIFT == offset, f"{page} is not the page of slot {offset}")
        if page.flags & (PG_UPTODATE | PG_DIRTY | PG_WRITEBACK) == PG_UPTODATE and page.pfn not in dirty:
            written = kernel.swapfile.disk.blocks.get(offset, b"").ljust(FRAME_SIZE, b"\0")
            demand(written == kernel.ram.content(page.pfn), f"{page} is clean, and differs from slot {offset}")


def _check_page_cache(kernel: Kernel) -> None:
    dirty = _dirty_by_entry(kernel)
    for inode in _inodes(kernel):
        for index, page in inode.i_mapping.pages.items():
            demand(
                page.mapping is inode.i_mapping and page.index == index, f"{page} is not page {index} of {inode.path}"
            )
            if inode.fs is FileSystem.EXT4 and page.flags & (PG_UPTODATE | PG_DIRTY) == PG_UPTODATE:
                written = kernel.page_writeback.disk.blocks.get(disk_block(inode, index))
                content = inode.content.page(index) if written is None else written.ljust(FRAME_SIZE, b"\0")
                same = page.pfn in dirty or inode.i_mapping.write_error or content == kernel.ram.content(page.pfn)
                demand(same, f"{page} is clean, and differs from page {index} of {inode.path}")


def _dirty_by_entry(kernel: Kernel) -> set[int]:
    """Frames that some page-table entry knows to be dirty."""
    found = set()
    for task in kernel.tasks.values():
        for _, entry in present_entries(kernel, task.mm):
            if entry & PTE_THERE and entry & PTE_DIRTY:
                found.add(entry >> PAGE_SHIFT)
    return found


def _check_references(kernel: Kernel) -> None:
    """Each page on a list has a reference for each entry that maps it, for its cache, and for a batch that it is in."""
    batched: dict[int, int] = {}
    for page in kernel.swap.lru_lazyfree:
        batched[page.pfn] = batched.get(page.pfn, 0) + 1
    for page in kernel.page_alloc.mem_map.values():
        if page.flags & PG_LRU:
            expected = page.mapcount + _in_a_cache(page) + batched.get(page.pfn, 0)
            demand(page.refcount == expected, f"{page} has {page.refcount} references, {expected} are known")


def _in_a_cache(page: Page) -> bool:
    return bool(page.flags & PG_SWAPCACHE) or isinstance(page.mapping, AddressSpace)


def _check_counts(kernel: Kernel) -> None:
    """/proc/vmstat's counts of pages are those of the pages."""
    pages = [page for page in kernel.page_alloc.mem_map.values() if page.flags & PG_LRU]
    files = [page for page in pages if isinstance(page.mapping, AddressSpace)]
    cached = len(kernel.swap_state.pages)
    stat = kernel.vmstat
    expected = {
        "nr_file_pages": len(files) + cached,
        "nr_swapcached": cached,
        "nr_shmem": sum(1 for page in files if page.flags & PG_SWAPBACKED),
        "nr_anon_pages": sum(1 for page in pages if page.flags & PG_ANON and page.mapcount),
        "nr_mapped": sum(1 for page in files if page.mapcount),
        "nr_dirty": sum(1 for page in files if page.flags & PG_DIRTY and not page.flags & PG_SWAPBACKED),
        "nr_writeback": 0,
    }
    for name, value in expected.items():
        demand(getattr(stat, name) == value, f"{name} is {getattr(stat, name)}, the pages say {value}")
