"""mm/mmap.c: the regions of an address space: put in, taken out, split in two, merged with their neighbours.

Two regions merge when they touch and nothing tells them apart: the same file at offsets that continue, the same flags, and
anonymous pages that belong together (or to one of the two alone). Left out: the maple tree (sorted lists do here),
memory policies, named anonymous memory.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Final

from engine.clock import COSTS
from engine.kernel.errno import Errno, ErrorNumber
from engine.kernel.mm_types import PAGE_SHIFT, VM_SPECIAL, Mm, VmArea
from engine.kernel.slab_common import SLAB_ACCOUNT
from engine.kernel.task import Killed

if TYPE_CHECKING:
    from engine.kernel.fs import File
    from engine.kernel.kernel import Kernel
    from engine.kernel.rmap import AnonVma

SIZEOF_VM_AREA_STRUCT: Final = 72


class Vma:
    """Changes the regions of address spaces, and nothing else: no page, no count of pages."""

    __slots__ = ("kernel", "vm_area_cachep")

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.vm_area_cachep = kernel.slub.kmem_cache_create("vm_area_struct", SIZEOF_VM_AREA_STRUCT, 0, SLAB_ACCOUNT)

    # --- records -----------------------------------------------------------------------------------------------------

    def vm_area_alloc(
        self, mm: Mm, start: int, end: int, flags: int, pgoff: int, file: File | None = None, name: str = ""
    ) -> VmArea:
        """vm_area_alloc(): a region that is not linked yet. Raises Errno(ENOMEM)."""
        address = self.kernel.slub.new_record(self.vm_area_cachep)
        vma = VmArea(mm, start, end, flags, pgoff, file, name)
        vma.address = address
        if file is not None:
            file.f_count += 1
        return vma

    def vm_area_free(self, vma: VmArea) -> None:
        """vm_area_free(), and fput() of its file: a region that is linked nowhere any more."""
        self.kernel.slub.kmem_cache_free(self.vm_area_cachep, vma.address)
        if vma.vm_file is not None:
            self.kernel.file_table.fput(vma.vm_file)

    # --- in and out --------------------------------------------------------------------------------------------------

    def vma_link(self, vma: VmArea) -> None:
        """vma_link(): the region becomes part of its address space, and of its file's mappings."""
        mm = vma.vm_mm
        at = bisect_left(mm.ends, vma.vm_end)
        mm.vmas.insert(at, vma)
        mm.ends.insert(at, vma.vm_end)
        self.vma_link_file(vma)
        self.kernel.clock.ns += COSTS.vma

    def vma_link_file(self, vma: VmArea) -> None:
        """__vma_link_file(): the file knows that this region maps it."""
        if vma.vm_file is not None:
            vma.vm_file.inode.i_mapping.i_mmap.append(vma)

    def remove_vma(self, vma: VmArea) -> None:
        """remove_vma(): the region is no more. Memory without a name dies with the last region that shows it."""
        mm = vma.vm_mm
        at = _index(vma)
        del mm.vmas[at], mm.ends[at]
        self.kernel.rmap.unlink_anon_vmas(vma)
        self.kernel.clock.ns += COSTS.vma
        if vma.vm_file is not None:
            vma.vm_file.inode.i_mapping.i_mmap.remove(vma)
        self.vm_area_free(vma)

    # --- splitting ---------------------------------------------------------------------------------------------------

    def split_vma(self, vma: VmArea, address: int, *, new_below: bool) -> VmArea:
        """split_vma(): cuts `vma` at `address`; gives the new region, which is the lower or the upper part.

        Raises Errno: ENOMEM at sysctl max_map_count, EINVAL for the kernel's own special regions.
        """
        if len(vma.vm_mm.vmas) >= self.kernel.sysctl["max_map_count"]:
            raise Errno(ErrorNumber.ENOMEM)
        return self.split_vma_unlimited(vma, address, new_below=new_below)

    def split_vma_unlimited(self, vma: VmArea, address: int, *, new_below: bool) -> VmArea:
        """__split_vma(): the same where the number of regions was checked, or falls again at once."""
        if vma.name:
            raise Errno(ErrorNumber.EINVAL)
        start, end, cut = vma.vm_start, vma.vm_end, vma.vm_pgoff + (address - vma.vm_start >> PAGE_SHIFT)
        if new_below:
            new = self.vm_area_dup(vma, start, address, vma.vm_pgoff)
            _move_bounds(vma, address, end, cut)
        else:
            new = self.vm_area_dup(vma, address, end, cut)
            _move_bounds(vma, start, address, vma.vm_pgoff)
        self.vma_link(new)
        return new

    def vm_area_dup(self, vma: VmArea, start: int, end: int, pgoff: int) -> VmArea:
        """vm_area_dup() and anon_vma_clone(): a region like `vma` at [start, end), not yet linked."""
        new = self.vm_area_alloc(vma.vm_mm, start, end, vma.vm_flags, pgoff, vma.vm_file, vma.name)
        new.anon_vma = vma.anon_vma
        try:
            self.kernel.rmap.anon_vma_clone(new, vma)
        except (Errno, Killed):
            self.kernel.rmap.unlink_anon_vmas(new)
            self.vm_area_free(new)
            raise
        return new

    def isolate(self, vma: VmArea, start: int, end: int) -> None:
        """Cuts `vma` down to [start, end): what mprotect, mlock and madvise do before they change its flags."""
        if start != vma.vm_start:
            self.split_vma(vma, start, new_below=True)
        if end != vma.vm_end:
            self.split_vma(vma, end, new_below=False)

    # --- growing and merging -----------------------------------------------------------------------------------------

    def vma_expand(self, vma: VmArea, start: int, end: int, pgoff: int, following: VmArea | None) -> None:
        """vma_expand(): `vma` grows to [start, end); it swallows `following` where it reaches that one's end."""
        if following is not None and following is not vma and end == following.vm_end:
            self._swallow(vma, following)
        _move_bounds(vma, start, end, pgoff)
        self.kernel.clock.ns += COSTS.vma

    def vma_merge(
        self, mm: Mm, prev: VmArea | None, start: int, end: int, flags: int, like: VmArea, pgoff: int
    ) -> VmArea | None:
        """vma_merge(): makes [start, end), which is free or part of one region, part of a neighbour that suits it.

        `prev` is the region below (or the one that holds `start` in its middle); `flags` and `pgoff` are what the range
        shall have, its file and anonymous pages those of `like`. Gives the merged region; None where nothing suits.
        """
        if flags & VM_SPECIAL:
            return None
        mid = following = mm.find_vma(prev.vm_end if prev else 0)
        if following is not None and following.vm_end == end:
            following = mm.find_vma(end)
        pages, file, anon_vma = end - start >> PAGE_SHIFT, like.vm_file, like.anon_vma
        below = prev if prev and prev.vm_end == start else None
        if below and not can_vma_merge_after(below, flags, anon_vma, file, pgoff):
            below = None
        above = following if following and following.vm_start == end else None
        if above and not can_vma_merge_before(above, flags, anon_vma, file, pgoff + pages):
            above = None
        self.kernel.clock.ns += COSTS.vma
        if below:
            if above and is_mergeable_anon_vma(below.anon_vma, above.anon_vma, None):
                return self._merge_both(below, mid, above)
            return self._merge_below(below, mid, end)
        if above:
            return self._merge_above(prev, mid, above, start)
        return None

    def _merge_both(self, below: VmArea, mid: VmArea | None, above: VmArea) -> VmArea:
        """Cases 1 and 6: the hole, or the whole region, between two neighbours closes."""
        end = above.vm_end
        if mid is not None and mid is not above:
            self._swallow(below, mid)
        self._swallow(below, above)
        _move_bounds(below, below.vm_start, end, below.vm_pgoff)
        return below

    def _merge_below(self, below: VmArea, mid: VmArea | None, end: int) -> VmArea:
        """Cases 2, 5 and 7: the region below grows over a hole, the first part, or the whole of the next one."""
        if mid is not None and mid.vm_end == end:
            self._swallow(below, mid)
        elif mid is not None and mid.vm_start < end:
            self._share_anon_vma(below, mid)
            _move_bounds(mid, end, mid.vm_end, mid.vm_pgoff + (end - mid.vm_start >> PAGE_SHIFT))
        _move_bounds(below, below.vm_start, end, below.vm_pgoff)
        return below

    def _merge_above(self, prev: VmArea | None, mid: VmArea | None, above: VmArea, start: int) -> VmArea:
        """Cases 3, 4 and 8: the region above grows down over a hole, the last part, or the whole of the one before."""
        if prev is not None and start < prev.vm_end:
            self._share_anon_vma(above, prev)
            _move_bounds(prev, prev.vm_start, start, prev.vm_pgoff)
        elif mid is not None and mid is not above:
            self._swallow(above, mid)
        _move_bounds(above, start, above.vm_end, above.vm_pgoff - (above.vm_start - start >> PAGE_SHIFT))
        return above

    def _swallow(self, vma: VmArea, gone: VmArea) -> None:
        """`gone` becomes part of `vma`, whose bounds the caller sets."""
        self._share_anon_vma(vma, gone)
        self.remove_vma(gone)

    def _share_anon_vma(self, importer: VmArea, exporter: VmArea) -> None:
        """The region that takes over pages must be found from them."""
        if exporter.anon_vma is not None and importer.anon_vma is None:
            importer.anon_vma = exporter.anon_vma
            self.kernel.rmap.anon_vma_clone(importer, exporter)


def is_mergeable_vma(vma: VmArea, flags: int, file: File | None) -> bool:
    """is_mergeable_vma(): the same flags and the same opened file, and none of the kernel's special regions."""
    return vma.vm_flags == flags and vma.vm_file is file and not vma.name


def is_mergeable_anon_vma(first: AnonVma | None, second: AnonVma | None, vma: VmArea | None) -> bool:
    """is_mergeable_anon_vma(): one anon_vma, or none on one side and a region (where given) that was never forked."""
    if (first is None or second is None) and (vma is None or len(vma.anon_vma_chain) == 1):
        return True
    return first is second


def can_vma_merge_before(vma: VmArea, flags: int, anon_vma: AnonVma | None, file: File | None, pgoff: int) -> bool:
    """can_vma_merge_before(): whether what lies just below `vma`, and ends at file page `pgoff`, could be part of it."""
    suits = is_mergeable_vma(vma, flags, file) and is_mergeable_anon_vma(anon_vma, vma.anon_vma, vma)
    return suits and vma.vm_pgoff == pgoff


def can_vma_merge_after(vma: VmArea, flags: int, anon_vma: AnonVma | None, file: File | None, pgoff: int) -> bool:
    """can_vma_merge_after(): whether what lies just above `vma`, and begins at file page `pgoff`, could be part of it."""
    suits = is_mergeable_vma(vma, flags, file) and is_mergeable_anon_vma(anon_vma, vma.anon_vma, vma)
    return suits and vma.vm_pgoff + vma.pages == pgoff


def _index(vma: VmArea) -> int:
    """Where the region stands in its address space's lists."""
    return bisect_left(vma.vm_mm.ends, vma.vm_end)


def _move_bounds(vma: VmArea, start: int, end: int, pgoff: int) -> None:
    """vma_adjust(): the region becomes [start, end); its place among the others stays."""
    vma.vm_mm.ends[_index(vma)] = end
    vma.vm_start, vma.vm_end, vma.vm_pgoff = start, end, pgoff


def set_start(vma: VmArea, start: int) -> None:
    """Moves the lower end, as a stack does that grows; what is at each address stays."""
    _move_bounds(vma, start, vma.vm_end, vma.vm_pgoff - (vma.vm_start - start >> PAGE_SHIFT))
