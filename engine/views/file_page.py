"""One page of a file: whether it is in the page cache, in which frame, and who maps it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.kernel.fs import AddressSpace, FileSystem
from engine.kernel.mm_types import PAGE_SHIFT, PAGE_SIZE, PG_ANON, PG_DIRTY
from engine.kernel.pgtable import pte_to_swap_offset
from engine.outcome import CommandError
from engine.views.mapped_at import MappedAt, mapped_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.kernel.fs import Inode
    from engine.kernel.kernel import Kernel
    from engine.kernel.mm_types import Page
    from engine.machine import Machine


@dataclass(frozen=True, slots=True)
class FilePage:
    """Which page of which file: `index` counts from 0; `pages` is the file's length in pages."""

    path: str
    inode: int
    index: int
    pages: int
    file_system: FileSystem


@dataclass(frozen=True, slots=True)
class FilePageView:
    """One page of a file. Neither frame nor slot: it is only on the disk, or a hole."""

    file: FilePage
    pfn: int | None
    slot: int | None
    """A page of tmpfs that is in swap."""
    dirty: bool
    """Newer than the disk."""
    mapped_at: tuple[MappedAt, ...]


def file_page(machine: Machine, file: str, page: int = 0) -> FilePageView:
    """Page `page` of the file at path `file`. Raises CommandError where there is no such file or page."""
    inode = next((inode for inode in _inodes(machine.kernel) if inode.path == file), None)
    if inode is None:
        raise CommandError("file", f"there is no file {file!r} that a process has opened or mapped")
    if not 0 <= page << PAGE_SHIFT < max(inode.i_size, 1):
        raise CommandError("page", f"{file} has {_pages(inode)} pages, the first is 0; there is no page {page}")
    return view_of(machine.kernel, inode, page)


def file_page_at(machine: Machine, address: int, pid: int) -> FilePageView | None:
    """The page of the file that process `pid` maps at `address`; None in anonymous memory and beyond the file's end."""
    process = machine.processes[pid]
    vma = None if process.ended is not None else process.task.mm.vma_lookup(address)
    if vma is None or vma.vm_file is None or vma.vm_file.inode.fs is FileSystem.SPECIAL:
        return None
    inode, index = vma.vm_file.inode, (address - vma.vm_start >> PAGE_SHIFT) + vma.vm_pgoff
    return view_of(machine.kernel, inode, index) if index < _pages(inode) else None


def file_page_held(machine: Machine, page: Page) -> FilePageView | None:
    """The page of a file that an allocated frame holds."""
    if page.flags & PG_ANON or not isinstance(page.mapping, AddressSpace):
        return None
    return view_of(machine.kernel, page.mapping.host, page.index)


def view_of(kernel: Kernel, inode: Inode, index: int) -> FilePageView:
    """Page `index` of an open or mapped file."""
    page = inode.i_mapping.pages.get(index)
    entry = inode.i_mapping.swapped.get(index)
    return FilePageView(
        file=_named(inode, index),
        pfn=None if page is None else page.pfn,
        slot=None if entry is None else pte_to_swap_offset(entry),
        dirty=page is not None and bool(page.flags & PG_DIRTY),
        mapped_at=() if page is None else mapped_at(kernel, page),
    )


def file_page_of(page: Page) -> FilePage | None:
    """Which page of a file an allocated frame holds; None for anonymous memory and the kernel's own."""
    if page.flags & PG_ANON or not isinstance(page.mapping, AddressSpace):
        return None
    return _named(page.mapping.host, page.index)


def file_page_in_slot(kernel: Kernel, slot: int) -> FilePageView | None:
    """Which page of tmpfs is in swap slot `slot`."""
    for inode in _inodes(kernel):
        for index, entry in inode.i_mapping.swapped.items():
            if pte_to_swap_offset(entry) == slot:
                return view_of(kernel, inode, index)
    return None


def _inodes(kernel: Kernel) -> Iterator[Inode]:
    """Files by their path, then shared anonymous memory, which only its mappings know."""
    yield from kernel.inodes.values()
    for task in kernel.tasks.values():
        for vma in task.mm:
            if vma.vm_file is not None:
                yield vma.vm_file.inode


def _named(inode: Inode, index: int) -> FilePage:
    return FilePage(inode.path, inode.i_ino, index, _pages(inode), inode.fs)


def _pages(inode: Inode) -> int:
    return inode.i_size + PAGE_SIZE - 1 >> PAGE_SHIFT
