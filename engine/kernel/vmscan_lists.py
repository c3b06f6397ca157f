"""mm/vmscan.c, the half that takes pages from the LRU lists: which of them go, which get a second chance, which stay.

A page is taken from the old end of a list, 32 at a time. What becomes of an inactive one, in this order:
used since the last look? back to the young end, and to the active list if it had been used before, too. Anonymous and without
a slot? it gets one. Mapped? unmapped. Dirty? written, and freed when reclaim meets it again. Otherwise it is freed.

Left out: demotion to slower memory, huge pages, pages pinned for DMA.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.clock import COSTS
from engine.events.vmscan import MmVmscanLruShrinkActive, MmVmscanLruShrinkInactive
from engine.kernel.gfp import _GFP_FS, _GFP_IO
from engine.kernel.mm_types import (
    PG_ACTIVE,
    PG_ANON,
    PG_DIRTY,
    PG_LOCKED,
    PG_LRU,
    PG_MLOCKED,
    PG_RECLAIM,
    PG_REFERENCED,
    PG_SWAPBACKED,
    PG_SWAPCACHE,
    PG_WORKINGSET,
    PG_WRITEBACK,
    VM_EXEC,
    VM_LOCKED,
    Page,
)
from engine.kernel.swap import LruList

if TYPE_CHECKING:
    from engine.kernel.kernel import Kernel

SWAP_CLUSTER_MAX: Final = 32
DEF_PRIORITY: Final = 12
_ANON_KIND: Final = PG_ANON | PG_SWAPBACKED


class ScanControl:
    """struct scan_control: what one reclaim wants, may do, and has done."""

    __slots__ = (
        "anon_cost",
        "cache_trim_mode",
        "dirty",
        "file_cost",
        "file_is_tiny",
        "file_taken",
        "force_deactivate",
        "gfp",
        "kswapd",
        "may_deactivate_anon",
        "may_deactivate_file",
        "may_swap",
        "may_unmap",
        "may_writepage",
        "nr_reclaimed",
        "nr_scanned",
        "nr_to_reclaim",
        "order",
        "priority",
        "reclaim_idx",
        "skipped_deactivate",
        "taken",
        "unqueued_dirty",
        "writeback",
    )

    def __init__(self, gfp: int, order: int, reclaim_idx: int, *, kswapd: bool) -> None:
        self.gfp = gfp
        self.order = order
        self.reclaim_idx = reclaim_idx
        self.kswapd = kswapd
        self.nr_to_reclaim = SWAP_CLUSTER_MAX
        self.priority = DEF_PRIORITY
        self.may_writepage = self.may_unmap = self.may_swap = True
        self.may_deactivate_anon = self.may_deactivate_file = False
        self.force_deactivate = self.skipped_deactivate = False
        self.cache_trim_mode = self.file_is_tiny = False
        self.anon_cost = self.file_cost = 0
        self.nr_scanned = self.nr_reclaimed = 0
        self.forget_pass()

    def forget_pass(self) -> None:
        """sc->nr of one pass over the node."""
        self.dirty = self.unqueued_dirty = self.writeback = 0
        self.file_taken = self.taken = 0


class ReclaimStat:
    """struct reclaim_stat: what became of one handful of pages."""

    __slots__ = (
        "nr_activate",
        "nr_congested",
        "nr_dirty",
        "nr_immediate",
        "nr_pageout",
        "nr_ref_keep",
        "nr_unqueued_dirty",
        "nr_writeback",
    )

    def __init__(self) -> None:
        self.nr_dirty = self.nr_congested = self.nr_unqueued_dirty = self.nr_writeback = 0
        self.nr_immediate = self.nr_pageout = self.nr_activate = self.nr_ref_keep = 0


class VmscanLists:
    """shrink_inactive_list(), shrink_active_list() and shrink_folio_list()."""

    __slots__ = ("kernel", "pgdat_dirty", "pgdat_writeback")

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.pgdat_dirty = False
        """PGDAT_DIRTY: kswapd met nothing but dirty file pages, and may write them itself."""
        self.pgdat_writeback = False
        """PGDAT_WRITEBACK: kswapd met nothing but pages that are being written."""

    # --- isolating ---------------------------------------------------------------------------------------------------

    def isolate_lru_folios(self, nr_to_scan: int, sc: ScanControl, which: LruList) -> tuple[list[Page], int]:
        """isolate_lru_folios(): takes up to `nr_to_scan` pages off a list's old end; gives them and how many were looked at.

        Pages of zones that the allocation could not use are passed over, and go to the young end.
        """
        pages = self.kernel.swap.lists[which]
        taken: list[Page] = []
        zones = self.kernel.page_alloc.zones
        if zones[-1].zone_type <= sc.reclaim_idx:
            for _ in range(min(nr_to_scan, len(pages))):
                page = pages.popitem(last=False)[1]
                page.flags &= ~PG_LRU
                taken.append(page)
            return taken, len(taken)
        end = max(zone.zone_end_pfn for zone in zones if zone.zone_type <= sc.reclaim_idx)
        scanned = 0
        for _ in range(len(pages)):
            pfn, page = pages.popitem(last=False)
            scanned += 1
            if pfn >= end:
                pages[pfn] = page
                continue
            page.flags &= ~PG_LRU
            taken.append(page)
            if len(taken) == nr_to_scan:
                break
        return taken, scanned

    def putback(self, pages: list[Page]) -> None:
        """move_folios_to_lru(): back to the lists that the pages' flags name, oldest first."""
        add = self.kernel.swap.lru_cache_add
        for page in pages:
            add(page)

    # --- inactive ----------------------------------------------------------------------------------------------------

    def shrink_inactive_list(self, nr_to_scan: int, sc: ScanControl, which: LruList) -> int:
        """shrink_inactive_list(): looks at some of the oldest inactive pages; how many it freed."""
        kernel, stat = self.kernel, self.kernel.vmstat
        file = which == LruList.INACTIVE_FILE
        pages, scanned = self.isolate_lru_folios(nr_to_scan, sc, which)
        if sc.kswapd:
            stat.pgscan_kswapd += scanned
        else:
            stat.pgscan_direct += scanned
        if file:
            stat.pgscan_file += scanned
        else:
            stat.pgscan_anon += scanned
        if not pages:
            return 0
        found = ReclaimStat()
        reclaimed = self.shrink_folio_list(pages, sc, found)
        if sc.kswapd:
            stat.pgsteal_kswapd += reclaimed
        else:
            stat.pgsteal_direct += reclaimed
        if file:
            stat.pgsteal_file += reclaimed
        else:
            stat.pgsteal_anon += reclaimed
        kernel.swap.lru_note_cost(file, found.nr_pageout)
        if found.nr_unqueued_dirty == len(pages):
            kernel.page_writeback.wakeup_flusher_threads()
        self._add_up(sc, found, len(pages), file)
        if kernel.trace.on:
            event = MmVmscanLruShrinkInactive(
                scanned,
                reclaimed,
                found.nr_dirty,
                found.nr_writeback,
                found.nr_activate,
                found.nr_ref_keep,
                sc.priority,
                file,
            )
            kernel.trace.emit(event)
        return reclaimed

    def _add_up(self, sc: ScanControl, found: ReclaimStat, taken: int, file: bool) -> None:
        sc.dirty += found.nr_dirty
        sc.unqueued_dirty += found.nr_unqueued_dirty
        sc.writeback += found.nr_writeback
        sc.taken += taken
        if file:
            sc.file_taken += taken

    def shrink_folio_list(self, pages: list[Page], sc: ScanControl, found: ReclaimStat) -> int:
        """shrink_folio_list(): frees what can be freed of isolated pages, puts the others back; how many it freed."""
        kernel = self.kernel
        kernel.clock.ns += COSTS.scan_page * len(pages)
        kept: list[Page] = []
        freed: list[Page] = []
        for page in pages:
            if page.flags & PG_LOCKED:
                kept.append(page)
                continue
            sc.nr_scanned += 1
            if self._shrink_one(page, sc, found):
                freed.append(page)
            else:
                kept.append(page)
        kernel.rmap_unmap.try_to_unmap_flush()
        free_unref_page = kernel.page_alloc.free_unref_page
        for page in reversed(freed):
            free_unref_page(page)
        kernel.vmstat.pgactivate += found.nr_activate
        self.putback(kept)
        return len(freed)

    def _shrink_one(self, page: Page, sc: ScanControl, found: ReclaimStat) -> bool:
        """The body of shrink_folio_list(): whether the page, whose last reference is gone then, is to be freed."""
        flags = page.flags
        if flags & PG_MLOCKED:
            return self._activate(page, found)
        if not sc.may_unmap and page.mapcount:
            return False
        if not flags & (PG_SWAPBACKED | PG_ANON) and flags & (PG_DIRTY | PG_WRITEBACK):
            found.nr_dirty += 1
            found.nr_unqueued_dirty += not flags & PG_WRITEBACK
        if flags & PG_WRITEBACK:
            return self._under_writeback(page, sc, found)
        clean_only = False
        if page.mapcount or flags & PG_REFERENCED:
            verdict = self._check_references(page)
            if verdict == _ACTIVATE:
                return self._activate(page, found)
            if verdict == _KEEP:
                found.nr_ref_keep += 1
                return False
            clean_only = verdict == _RECLAIM_CLEAN
        if flags & _ANON_KIND == _ANON_KIND and not flags & PG_SWAPCACHE:
            if not sc.gfp & _GFP_IO:
                return False
            if not kernel_add_to_swap(self.kernel, page):
                return self._activate(page, found)
        if page.mapcount:
            self.kernel.rmap_unmap.try_to_unmap(page)
            if page.mapcount:
                return self._activate(page, found)
        if page.flags & PG_DIRTY and not self._write(page, sc, found, clean_only):
            return False
        return self._remove(page)

    def _under_writeback(self, page: Page, sc: ScanControl, found: ReclaimStat) -> bool:
        """The page is being written: it is moved out of the way, and to the old end of the inactive list when it is done."""
        if page.flags & PG_RECLAIM:
            found.nr_congested += not page.flags & (PG_SWAPBACKED | PG_ANON)
        if sc.kswapd and page.flags & PG_RECLAIM and self.pgdat_writeback:
            found.nr_immediate += 1
        else:
            page.flags |= PG_RECLAIM
            found.nr_writeback += 1
        return self._activate(page, found)

    def _activate(self, page: Page, found: ReclaimStat) -> bool:
        """activate_locked: the page goes to the active list; never freed."""
        if page.flags & PG_SWAPCACHE and (page.flags & PG_MLOCKED or self.kernel.swapfile.vm_swap_full):
            self.kernel.swapfile.folio_free_swap(page)
        if not page.flags & PG_MLOCKED:
            page.flags |= PG_ACTIVE
            found.nr_activate += 1
        return False

    def _check_references(self, page: Page) -> int:
        """folio_check_references(): was the page used since the last look, and had it been used before?"""
        referenced_before = page.flags & PG_REFERENCED
        referenced, vm_flags = self.kernel.rmap_unmap.folio_referenced(page)
        page.flags &= ~PG_REFERENCED
        if vm_flags & VM_LOCKED:
            return _ACTIVATE
        if referenced:
            page.flags |= PG_REFERENCED
            if referenced_before or referenced > 1:
                return _ACTIVATE
            if vm_flags & VM_EXEC and not page.flags & PG_SWAPBACKED:
                return _ACTIVATE
            return _KEEP
        if referenced_before and not page.flags & PG_SWAPBACKED:
            return _RECLAIM_CLEAN
        return _RECLAIM

    # --- writing and removing ----------------------------------------------------------------------------------------

    def _write(self, page: Page, sc: ScanControl, found: ReclaimStat, clean_only: bool) -> bool:
        """The dirty page is written if it may be; whether it is clean now, and can be freed at once."""
        kernel = self.kernel
        file = not page.flags & PG_SWAPBACKED
        if file and not (sc.kswapd and page.flags & PG_RECLAIM and self.pgdat_dirty):
            kernel.vmstat.nr_vmscan_immediate_reclaim += 1
            page.flags |= PG_RECLAIM
            return self._activate(page, found)
        allowed = _GFP_IO if page.flags & PG_SWAPCACHE else _GFP_FS
        if clean_only or not sc.gfp & allowed or not sc.may_writepage:
            return False
        if page.refcount > 1:
            return False
        page.flags = page.flags & ~PG_DIRTY | PG_RECLAIM
        kernel.vmstat.nr_vmscan_write += 1
        if page.flags & PG_SWAPCACHE:
            page.refcount += 1
            kernel.page_io.swap_writepage(page)
            page.refcount -= 1
        elif file:
            page.flags |= PG_DIRTY
            kernel.page_writeback.write_page(page)
        elif not kernel.shmem.writepage(page):
            page.flags = page.flags & ~PG_RECLAIM | PG_DIRTY
            return self._activate(page, found)
        found.nr_pageout += 1
        if not page.flags & PG_WRITEBACK:
            page.flags &= ~PG_RECLAIM
        return not page.flags & (PG_WRITEBACK | PG_DIRTY) or not page.refcount

    def _remove(self, page: Page) -> bool:
        """__remove_mapping(): takes the page out of its cache, where a shadow stays behind; not if somebody else holds it."""
        if not page.refcount:
            if page.flags & _ANON_KIND == PG_ANON:
                self.kernel.vmstat.pglazyfreed += 1
            return True
        if page.refcount > 1 or page.flags & PG_DIRTY:
            return False
        kernel = self.kernel
        if page.flags & PG_SWAPCACHE:
            shadow = kernel.workingset.eviction(page)
            offset = kernel.swap_state.remove(page, shadow)
            kernel.swapfile.put_swap_folio(offset)
        else:
            kernel.filemap.evict(page)
        return True

    # --- active ------------------------------------------------------------------------------------------------------

    def shrink_active_list(self, nr_to_scan: int, sc: ScanControl, which: LruList) -> None:
        """shrink_active_list(): the oldest active pages become inactive; used or not, but for programs' code that is used."""
        kernel = self.kernel
        pages, scanned = self.isolate_lru_folios(nr_to_scan, sc, which)
        kernel.vmstat.pgrefill += scanned
        kernel.clock.ns += COSTS.scan_page * len(pages)
        active: list[Page] = []
        inactive: list[Page] = []
        for page in pages:
            referenced, vm_flags = kernel.rmap_unmap.folio_referenced(page)
            if page.flags & PG_MLOCKED or (referenced and vm_flags & VM_EXEC and not page.flags & PG_SWAPBACKED):
                active.append(page)
            else:
                page.flags = page.flags & ~PG_ACTIVE | PG_WORKINGSET
                inactive.append(page)
        self.putback(active)
        self.putback(inactive)
        kernel.vmstat.pgdeactivate += len(inactive)
        if kernel.trace.on:
            file = which == LruList.ACTIVE_FILE
            event = MmVmscanLruShrinkActive(len(pages), len(active), len(inactive), sc.priority, file)
            kernel.trace.emit(event)


_RECLAIM: Final = 0
_RECLAIM_CLEAN: Final = 1
_KEEP: Final = 2
_ACTIVATE: Final = 3


def kernel_add_to_swap(kernel: Kernel, page: Page) -> bool:
    """add_to_swap(): a slot for an anonymous page, if swap is on and has one."""
    return kernel.swapfile.total_pages > 0 and kernel.swap_state.add_to_swap(page)
