"""mm/rmap.c: from a page to the page-table entries that map it.

An anonymous page knows its AnonVma, a file's page its AddressSpace; both list the regions that may map it.
Left out: locking, and the interval trees (the lists are short here).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.hardware.paging import PTE_DIRTY, PTE_RW
from engine.kernel.errno import Errno
from engine.kernel.fs import AddressSpace
from engine.kernel.mm_types import (
    PAGE_SHIFT,
    PG_ANON,
    PG_ANON_EXCLUSIVE,
    PG_MLOCKED,
    PG_SWAPBACKED,
    VM_ACCESS_FLAGS,
    VM_SHARED,
    Page,
    VmArea,
)
from engine.kernel.pgtable import PTE_THERE
from engine.kernel.slab_common import SLAB_ACCOUNT, SLAB_CTOR, SLAB_TYPESAFE_BY_RCU
from engine.kernel.task import Killed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.kernel.kernel import Kernel

SIZEOF_ANON_VMA: Final = 52
SIZEOF_ANON_VMA_CHAIN: Final = 32


class AnonVma:
    """anon_vma: the regions in which pages of one origin may be mapped: the region that made them, and its copies in children."""

    __slots__ = ("address", "number", "parent", "refcount", "root", "vmas")

    def __init__(self, address: int, number: int, parent: AnonVma | None) -> None:
        self.address = address
        """Where the kernel keeps this record: an object of the slab cache anon_vma."""
        self.number = number
        self.parent = parent
        self.root: AnonVma = self if parent is None else parent.root
        """The first of the family; it stays as long as one of the others does."""
        self.refcount = 1
        self.vmas: list[VmArea] = []


class Rmap:
    """Keeps mapcounts, and the regions behind each anonymous page."""

    __slots__ = ("_made", "anon_vma_cachep", "anon_vma_chain_cachep", "kernel")

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        create = kernel.slub.kmem_cache_create
        flags = SLAB_TYPESAFE_BY_RCU | SLAB_ACCOUNT | SLAB_CTOR
        self.anon_vma_cachep = create("anon_vma", SIZEOF_ANON_VMA, 0, flags)
        self.anon_vma_chain_cachep = create("anon_vma_chain", SIZEOF_ANON_VMA_CHAIN, 0, SLAB_ACCOUNT)
        self._made = 0

    # --- anon_vma ----------------------------------------------------------------------------------------------------

    def anon_vma_prepare(self, vma: VmArea) -> AnonVma:
        """Gives `vma` an anon_vma before its first anonymous page: a neighbour's where the two could be one, or a new one."""
        if vma.anon_vma is not None:
            return vma.anon_vma
        anon_vma = self._find_mergeable_anon_vma(vma)
        if anon_vma is None:
            anon_vma = self._new_for(vma, None)
        else:
            self._link(vma, anon_vma)
        vma.anon_vma = anon_vma
        return anon_vma

    def anon_vma_clone(self, destination: VmArea, source: VmArea) -> None:
        """Links `destination` to every anon_vma of `source`: after a split, a move, or as the first half of a fork."""
        for anon_vma in source.anon_vma_chain:
            self._link(destination, anon_vma)

    def anon_vma_fork(self, child: VmArea, parent: VmArea) -> None:
        """The child's region sees the parent's pages, and gets an anon_vma of its own for those it will make."""
        if parent.anon_vma is None:
            return
        child.anon_vma = None
        self.anon_vma_clone(child, parent)
        own = self._new_for(child, parent.anon_vma)
        child.anon_vma = own

    def unlink_anon_vmas(self, vma: VmArea) -> None:
        """The region goes: no page will be looked for in it any more."""
        for anon_vma, address in zip(vma.anon_vma_chain, vma.chain_addresses, strict=True):
            anon_vma.vmas.remove(vma)
            self.kernel.slub.kmem_cache_free(self.anon_vma_chain_cachep, address)
            if not anon_vma.vmas:
                self._put_anon_vma(anon_vma)
        vma.anon_vma_chain = vma.chain_addresses = ()
        vma.anon_vma = None

    def _new_for(self, vma: VmArea, parent: AnonVma | None) -> AnonVma:
        """anon_vma_alloc(), and the link to the region that it is for. Raises Errno(ENOMEM)."""
        slub = self.kernel.slub
        link = slub.new_record(self.anon_vma_chain_cachep)
        try:
            address = slub.new_record(self.anon_vma_cachep)
        except (Errno, Killed):
            slub.kmem_cache_free(self.anon_vma_chain_cachep, link)
            raise
        self._made += 1
        anon_vma = AnonVma(address, self._made, parent)
        if parent is not None:
            anon_vma.root.refcount += 1
        self._link_by(link, vma, anon_vma)
        return anon_vma

    def _put_anon_vma(self, anon_vma: AnonVma) -> None:
        """put_anon_vma(): no region shows its pages any more, or the last of its family is gone."""
        anon_vma.refcount -= 1
        if anon_vma.refcount:
            return
        self.kernel.slub.kmem_cache_free(self.anon_vma_cachep, anon_vma.address)
        if anon_vma.root is not anon_vma:
            self._put_anon_vma(anon_vma.root)

    def _link(self, vma: VmArea, anon_vma: AnonVma) -> None:
        """anon_vma_chain_alloc() and anon_vma_chain_link(). Raises Errno(ENOMEM)."""
        if anon_vma not in vma.anon_vma_chain:
            self._link_by(self.kernel.slub.new_record(self.anon_vma_chain_cachep), vma, anon_vma)

    def _link_by(self, link: int, vma: VmArea, anon_vma: AnonVma) -> None:
        vma.anon_vma_chain += (anon_vma,)
        vma.chain_addresses += (link,)
        anon_vma.vmas.append(vma)

    def _find_mergeable_anon_vma(self, vma: VmArea) -> AnonVma | None:
        """find_mergeable_anon_vma(): the next region's, else the previous one's, where they could merge but for rights."""
        vmas = vma.vm_mm.vmas
        at = vmas.index(vma)
        if at + 1 < len(vmas) and (found := _reusable_anon_vma(vmas[at + 1], vma, vmas[at + 1])):
            return found
        if at > 0 and (found := _reusable_anon_vma(vmas[at - 1], vmas[at - 1], vma)):
            return found
        return None

    # --- counts ------------------------------------------------------------------------------------------------------

    def page_add_new_anon_rmap(self, page: Page, vma: VmArea, address: int) -> None:
        """A fresh anonymous page is mapped for the first time, in one place, by one process alone."""
        page.flags |= PG_ANON | PG_SWAPBACKED | PG_ANON_EXCLUSIVE
        page.mapcount = 1
        page.mapping = vma.anon_vma
        page.index = (address - vma.vm_start >> PAGE_SHIFT) + vma.vm_pgoff
        self.kernel.vmstat.nr_anon_pages += 1

    def page_add_anon_rmap(self, page: Page) -> None:
        """One entry more maps this anonymous page."""
        if page.mapcount == 0:
            self.kernel.vmstat.nr_anon_pages += 1
        page.mapcount += 1

    def page_add_file_rmap(self, page: Page) -> None:
        """One entry more maps this page of a file."""
        if page.mapcount == 0:
            self.kernel.vmstat.nr_mapped += 1
        page.mapcount += 1

    def page_remove_rmap(self, page: Page) -> None:
        """One entry less maps this page."""
        page.mapcount -= 1
        if page.flags & PG_MLOCKED:
            self.kernel.mlock.munlock_folio(page)
        if page.mapcount:
            return
        if page.flags & PG_ANON:
            self.kernel.vmstat.nr_anon_pages -= 1
        else:
            self.kernel.vmstat.nr_mapped -= 1

    def page_mkclean(self, page: Page) -> None:
        """folio_mkclean(): every shared mapping of the page hears of the next write to it. For a page that is written back."""
        memory = self.kernel.memory
        for vma, address in self.places(page):
            entry = memory.pte(vma.vm_mm, address)
            maps_it = entry & PTE_THERE and entry >> PAGE_SHIFT == page.pfn
            if vma.vm_flags & VM_SHARED and maps_it and entry & (PTE_RW | PTE_DIRTY):
                memory.set_pte(vma.vm_mm, address, entry & ~(PTE_RW | PTE_DIRTY))

    # --- walks -------------------------------------------------------------------------------------------------------

    def places(self, page: Page) -> Iterator[tuple[VmArea, int]]:
        """rmap_walk(): every (region, virtual address) where the page may be mapped; the entry there must be looked at."""
        mapping = page.mapping
        if isinstance(mapping, AnonVma):
            vmas = mapping.vmas
        elif isinstance(mapping, AddressSpace):
            vmas = mapping.i_mmap
        else:
            return
        for vma in list(vmas):
            address = vma.vm_start + (page.index - vma.vm_pgoff << PAGE_SHIFT)
            if vma.vm_start <= address < vma.vm_end:
                yield vma, address


def _reusable_anon_vma(candidate: VmArea, first: VmArea, second: VmArea) -> AnonVma | None:
    """reusable_anon_vma(): that of `candidate`, where `first` and `second` touch, differ at most in rights, and it never forked."""
    if candidate.anon_vma is None or len(candidate.anon_vma_chain) > 1 or first.vm_end != second.vm_start:
        return None
    if first.vm_file is not second.vm_file or (first.vm_flags ^ second.vm_flags) & ~VM_ACCESS_FLAGS:
        return None
    if second.vm_pgoff != first.vm_pgoff + first.pages:
        return None
    return candidate.anon_vma
