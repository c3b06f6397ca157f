"""Makes a machine that has just booted resemble one that has been used, as far as reclaim can tell the difference.

A recorded machine has more in memory than the program that was recorded: its kernel's drivers and slabs, the rest of its
initramfs, files that earlier programs left in the page cache. What a start-up tells of that is its /proc/vmstat. From it
follow three numbers: frames that nobody can reclaim, tmpfs pages that nobody maps, and cached pages of files on the disk.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.kernel.fs import FileSystem, Inode, Zeros
from engine.kernel.gfp import GFP_HIGHUSER_MOVABLE, GFP_KERNEL
from engine.kernel.mm_types import PAGE_SHIFT, PG_ACTIVE, PG_DIRTY, PG_LRU, PG_UPTODATE
from engine.kernel.xarray import XA_CHUNK_SHIFT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.image import ProgramImage
    from engine.kernel.kernel import Kernel
    from engine.kernel.mm_types import Page

_LISTS: Final = ("nr_inactive_anon", "nr_active_anon", "nr_inactive_file", "nr_active_file")
_RAMFS_PATH: Final = "/tmp/initramfs"  # noqa: S108 - simulated
_CACHED_PATH: Final = "/mnt/before"


def resemble(kernel: Kernel, vmstat: Mapping[str, int], image: ProgramImage) -> None:
    """Takes frames and fills the page cache, so that once the program has touched its image, `vmstat` is about what it finds."""
    on_disk = _on_disk(vmstat, image)
    in_ramfs = vmstat["nr_file_pages"] - vmstat["nr_swapcached"] - on_disk - _file_pages(image)
    listed = sum(vmstat[name] for name in _LISTS)
    user = max(listed, vmstat["nr_anon_pages"] + vmstat["nr_file_pages"] - vmstat["nr_swapcached"])
    available = vmstat["nr_free_pages"] + user + vmstat["nr_page_table_pages"]
    trees = _tree_pages(kernel, max(in_ramfs, 0)) + _tree_pages(kernel, on_disk)
    _take_frames(kernel, _available_pages(kernel) - available - trees)
    used = _image_pages(kernel, image)
    unused = _fill_cache(kernel, _RAMFS_PATH, FileSystem.TMPFS, max(in_ramfs, 0))
    _activate(kernel, (used + unused)[: vmstat["nr_active_anon"]])
    cached = _fill_cache(kernel, _CACHED_PATH, FileSystem.EXT4, on_disk)
    _activate(kernel, cached[: vmstat["nr_active_file"]])


def _on_disk(vmstat: Mapping[str, int], image: ProgramImage) -> int:
    """Cached pages of files on the disk; not the anonymous pages that MADV_FREE gave up, which the file lists hold, too."""
    listed = vmstat["nr_inactive_file"] + vmstat["nr_active_file"]
    of_the_program = min(vmstat["nr_mapped"], _file_pages(image))
    return max(0, min(listed, vmstat["nr_file_pages"] - vmstat["nr_swapcached"] - of_the_program))


def _activate(kernel: Kernel, pages: list[Page]) -> None:
    """These pages were used more than once; some may have been reclaimed meanwhile."""
    for page in pages:
        if not page.flags & PG_LRU:
            continue
        kernel.swap.remove(page)
        page.flags |= PG_ACTIVE
        kernel.swap.lru_cache_add(page)


def _image_pages(kernel: Kernel, image: ProgramImage) -> list[Page]:
    """The program's own files, which the programs before it have used, too."""
    found = []
    for mapping in image.mappings:
        inode = kernel.inodes.get(mapping.name)
        if inode is None or inode.fs is not FileSystem.TMPFS or not mapping.permissions.startswith("r"):
            continue
        first = mapping.offset >> PAGE_SHIFT
        pages = (mapping.end - mapping.start) >> PAGE_SHIFT
        found += [kernel.filemap.cached_page(inode, index) for index in range(first, first + pages)]
    return list(dict.fromkeys(page for page in found if page is not None))


def _available_pages(kernel: Kernel) -> int:
    """Free pages, and those that the program has already."""
    free = sum(zone.free_pages + zone.per_cpu_pageset.count for zone in kernel.page_alloc.zones)
    return free + sum(map(len, kernel.swap.lists)) + kernel.vmstat.nr_page_table_pages


def _tree_pages(kernel: Kernel, pages: int) -> int:
    """Frames for the nodes of the tree that holds so many pages of a file."""
    nodes = 0
    while pages > 1:
        pages = -(-pages >> XA_CHUNK_SHIFT)
        nodes += pages
    return -(-nodes // kernel.xarray.radix_tree_node_cachep.objects)


def _file_pages(image: ProgramImage) -> int:
    """Pages of files that the program itself maps."""
    files = [m for m in image.mappings if m.name and not m.name.startswith("[")]
    return sum(m.end - m.start >> PAGE_SHIFT for m in files if m.permissions.startswith("r"))


def _take_frames(kernel: Kernel, count: int) -> None:
    """Frames for drivers and slabs that this kernel does not have."""
    for _ in range(count):
        if kernel.page_alloc.alloc_pages(GFP_KERNEL, 0) is None:
            return


def _fill_cache(kernel: Kernel, path: str, fs: FileSystem, pages: int) -> list[Page]:
    """A file of zeros, all of it in the page cache; what is on the disk is clean there."""
    if not pages:
        return []
    inode = Inode(path, fs, pages << PAGE_SHIFT, Zeros(), resident=True, ino=len(kernel.inodes) + 1)
    kernel.inodes[path] = inode
    kernel.file_table.fput(kernel.file_table.path_openat(inode, writable=False))
    made = []
    for index in range(pages):
        page = kernel.filemap.add_folio(inode, index, GFP_HIGHUSER_MOVABLE)
        if page is None:
            break
        page.flags |= PG_UPTODATE | (PG_DIRTY if fs is FileSystem.TMPFS else 0)
        made.append(page)
    return made
