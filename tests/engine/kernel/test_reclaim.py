"""Reclaim: who scans what, what is dropped, what is written first, and when kswapd wakes and sleeps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from engine.commands import CheckTouch, FailDisk, Fork, Madvise, Mmap, Msync, OpenFile, Read, Sync, Sysctl, Touch, Write
from engine.config import MachineConfig
from engine.events.vmscan import MmVmscanKswapdSleep, MmVmscanKswapdWake, MmVmscanWakeupKswapd
from engine.kernel.mm_types import PG_ACTIVE, PG_REFERENCED, PG_WORKINGSET
from engine.kernel.page_writeback import ext4_capacity
from engine.kernel.swap import LruList
from engine.kernel.vmscan_lists import ReclaimStat, ScanControl
from engine.machine import Machine
from tests.engine.kernel import loader_pages

if TYPE_CHECKING:
    from engine.kernel.mm_types import Page

PAGE: Final = 4096
MB: Final = 1 << 20
RAM_MB: Final = 16
GFP_KERNEL: Final = 0xCC0
MOVABLE: Final = 3


def machine(swap_mb: int = 64, **sysctls: int) -> Machine:
    box = Machine(MachineConfig(ram_mb=RAM_MB, swap_mb=swap_mb, sysctls=tuple(sysctls.items()), trace_capacity=1 << 16))
    loader_pages.put_aside(box)
    return box


def anonymous(machine: Machine, slot: str, length: int) -> None:
    machine.perform(Mmap(as_=slot, length=length, prot="rw", flags=("private",)))
    machine.perform(Touch(ptr=slot, length=length, access="w", value=7))


def mapped_file(machine: Machine, slot: str, length: int, *, drop: bool = True) -> None:
    machine.perform(OpenFile(file=0, path="/mnt/f", size=length))
    machine.perform(Sync())
    if drop:
        machine.perform(Sysctl(name="drop_caches", value=1))
    machine.perform(Mmap(as_=slot, length=length, prot="rw", flags=("shared",), file=0))


def page_at(machine: Machine, slot: str, page: int = 0) -> Page:
    process = machine.processes[0]
    entry = machine.kernel.memory.pte(process.task.mm, process.slots[slot] + page * PAGE)
    found = machine.kernel.memory.normal_page(entry)
    assert found is not None
    return found


def scan(machine: Machine, pages: int, which: LruList) -> int:
    """shrink_inactive_list(), once, as kswapd at its first priority would; how many pages it freed."""
    sc = ScanControl(GFP_KERNEL, 0, MOVABLE, kswapd=True)
    freed = machine.kernel.vmscan_lists.shrink_inactive_list(pages, sc, which)
    machine.kernel.page_io.unplug()
    return freed


# --- the second chance -----------------------------------------------------------------------------------------------


def test_a_page_used_since_the_last_look_gets_a_second_chance() -> None:
    box = machine()
    anonymous(box, "a", 4 * PAGE)
    assert scan(box, 4, LruList.INACTIVE_ANON) == 0
    page = page_at(box, "a")
    assert page.flags & (PG_REFERENCED | PG_ACTIVE) == PG_REFERENCED
    assert box.kernel.vmstat.pswpout == 0


def test_a_page_used_between_two_looks_becomes_active() -> None:
    box = machine()
    anonymous(box, "a", 4 * PAGE)
    scan(box, 4, LruList.INACTIVE_ANON)
    box.cpu.tlb.clear()
    box.perform(Read(ptr="a"))
    scan(box, 4, LruList.INACTIVE_ANON)
    assert page_at(box, "a").flags & PG_ACTIVE
    assert box.kernel.vmstat.pgactivate == 1


def test_a_page_that_the_tlb_still_knows_shows_no_new_use() -> None:
    """As on a real processor: the accessed bit is set by the walk, and there is none while the TLB has the translation."""
    box = machine()
    anonymous(box, "a", 4 * PAGE)
    scan(box, 4, LruList.INACTIVE_ANON)
    box.perform(Read(ptr="a"))
    scan(box, 4, LruList.INACTIVE_ANON)
    assert box.kernel.vmstat.pgactivate == 0


def test_an_unused_anonymous_page_is_written_at_the_second_look_and_freed_at_the_third() -> None:
    box = machine()
    anonymous(box, "a", 4 * PAGE)
    stat = box.kernel.vmstat
    assert scan(box, 4, LruList.INACTIVE_ANON) == 0
    assert scan(box, 4, LruList.INACTIVE_ANON) == 0
    assert (stat.pswpout, stat.pgrotated, stat.nr_swapcached) == (4, 4, 4)
    assert scan(box, 4, LruList.INACTIVE_ANON) == 4
    assert (stat.pgscan_kswapd, stat.pgscan_anon, stat.pgsteal_anon) == (12, 12, 4)
    box.check()


def test_a_clean_file_page_is_dropped_without_being_written() -> None:
    box = machine()
    mapped_file(box, "f", 16 * PAGE)
    box.perform(Touch(ptr="f", length=16 * PAGE, access="r"))
    written = box.kernel.vmstat.pgpgout
    scan(box, 16, LruList.INACTIVE_FILE)
    assert scan(box, 16, LruList.INACTIVE_FILE) == 16
    assert box.kernel.vmstat.pgpgout == written
    assert box.kernel.vmstat.nr_file_pages == 0
    box.check()


def test_kswapd_leaves_dirty_file_pages_to_the_flusher() -> None:
    box = machine()
    mapped_file(box, "f", 16 * PAGE)
    box.perform(Touch(ptr="f", length=16 * PAGE, access="w", value=9))
    sc = ScanControl(GFP_KERNEL, 0, MOVABLE, kswapd=True)
    pages, _ = box.kernel.vmscan_lists.isolate_lru_folios(16, sc, LruList.INACTIVE_FILE)
    for page in pages:
        box.kernel.rmap_unmap.folio_referenced(page)
        page.flags &= ~PG_REFERENCED
    assert box.kernel.vmscan_lists.shrink_folio_list(pages, sc, ReclaimStat()) == 0
    assert box.kernel.vmstat.nr_vmscan_immediate_reclaim == 16
    assert box.kernel.swap.size(LruList.ACTIVE_FILE) == 16
    box.check()


def test_deactivated_pages_remember_that_they_were_active() -> None:
    box = machine()
    anonymous(box, "a", 4 * PAGE)
    page = page_at(box, "a")
    box.kernel.swap.remove(page)
    page.flags |= PG_ACTIVE
    box.kernel.swap.lru_cache_add(page)
    sc = ScanControl(GFP_KERNEL, 0, MOVABLE, kswapd=True)
    box.kernel.vmscan_lists.shrink_active_list(32, sc, LruList.ACTIVE_ANON)
    assert page.flags & (PG_ACTIVE | PG_WORKINGSET) == PG_WORKINGSET
    assert (box.kernel.vmstat.pgrefill, box.kernel.vmstat.pgdeactivate) == (1, 1)


# --- kswapd and direct reclaim ---------------------------------------------------------------------------------------


def test_kswapd_is_woken_below_low_and_sleeps_above_high() -> None:
    box = machine()
    anonymous(box, "a", 20 * MB)
    kinds = (MmVmscanWakeupKswapd, MmVmscanKswapdWake, MmVmscanKswapdSleep)
    events = [record.event for record in box.trace.records() if isinstance(record.event, kinds)]
    woken = [event for event in events if isinstance(event, MmVmscanWakeupKswapd)]
    assert woken
    assert all(event.free_pages <= event.low for event in woken)
    assert isinstance(events[-1], MmVmscanKswapdSleep)
    assert events[-1].balanced
    [zone] = box.kernel.page_alloc.zones
    assert zone.free_pages > zone.low_wmark_pages


def test_kswapd_works_under_the_record_that_woke_it() -> None:
    box = machine()
    anonymous(box, "a", 20 * MB)
    records = {record.seq: record for record in box.trace.records()}
    wakes = [record for record in records.values() if isinstance(record.event, MmVmscanKswapdWake)]
    assert wakes
    causes = [records[record.cause].event for record in wakes if record.cause in records]
    assert causes
    assert not any(isinstance(cause, MmVmscanKswapdWake) for cause in causes)


def test_whoever_allocates_faster_than_kswapd_frees_has_to_reclaim() -> None:
    box = machine()
    anonymous(box, "a", 40 * MB)
    stat = box.kernel.vmstat
    assert stat.allocstall_movable > 0
    assert stat.pgsteal_direct > 0
    assert stat.pgsteal_kswapd + stat.pgsteal_direct == stat.pgsteal_anon + stat.pgsteal_file
    assert stat.pgscan_kswapd + stat.pgscan_direct == stat.pgscan_anon + stat.pgscan_file


def test_the_same_commands_reclaim_the_same_pages_whether_or_not_they_are_recorded() -> None:
    boxes = [machine(), machine()]
    boxes[1].trace.on = False
    for box in boxes:
        anonymous(box, "a", 24 * MB)
        assert box.perform(CheckTouch(ptr="a", length=24 * MB, value=7)).bad == 0
    assert boxes[0].digest() == boxes[1].digest()


def test_without_swap_only_file_pages_go() -> None:
    box = machine(swap_mb=0)
    anonymous(box, "a", 6 * MB)
    mapped_file(box, "f", 20 * MB)
    box.perform(Touch(ptr="f", length=20 * MB, access="r"))
    stat = box.kernel.vmstat
    assert stat.pgscan_anon == 0
    assert stat.pgsteal_file > 0
    box.check()


@pytest.mark.parametrize(
    ("swappiness", "shares"),
    [(0, (0, 200)), (60, (60, 140)), (100, (100, 100)), (200, (200, 0))],
)
def test_swappiness_divides_the_scanning_between_anonymous_and_file_pages(
    swappiness: int, shares: tuple[int, int]
) -> None:
    box = machine(swappiness=swappiness)
    for which, pfns in ((LruList.INACTIVE_ANON, range(400)), (LruList.INACTIVE_FILE, range(400, 800))):
        box.kernel.swap.lists[which].update(dict.fromkeys(pfns))  # type: ignore[arg-type]
    sc = ScanControl(GFP_KERNEL, 0, MOVABLE, kswapd=True)
    sc.priority = 1
    anon, _, file, _ = box.kernel.vmscan.get_scan_count(sc)
    assert (anon, file) == (shares[0], shares[1])


def test_plenty_of_inactive_file_pages_spare_the_anonymous_ones() -> None:
    box = machine()
    anonymous(box, "a", 4 * MB)
    mapped_file(box, "f", 30 * MB)
    box.perform(Touch(ptr="f", length=30 * MB, access="r"))
    assert box.kernel.vmstat.pswpout == 0
    assert box.perform(CheckTouch(ptr="a", length=4 * MB, value=7)).majflt == 0


# --- the working set -------------------------------------------------------------------------------------------------


def test_a_page_that_comes_back_from_the_disk_is_a_refault() -> None:
    box = machine()
    anonymous(box, "a", 24 * MB)
    box.perform(CheckTouch(ptr="a", length=24 * MB, value=7))
    stat = box.kernel.vmstat
    assert stat.workingset_refault_anon == stat.pswpin
    assert stat.pswpin > 0


@pytest.mark.parametrize(("distance", "activated"), [(0, 1), (8, 1), (9, 0), (16_384, 1), (16_393, 0)])
def test_a_refault_activates_where_the_page_would_have_fitted(distance: int, activated: int) -> None:
    """Distances are known modulo 16,384: that is all the bits that a shadow has."""
    box = machine()
    anonymous(box, "a", PAGE)
    workingset, page = box.kernel.workingset, page_at(box, "a")
    box.kernel.swap.lists[LruList.INACTIVE_FILE].update(dict.fromkeys(range(8)))  # type: ignore[arg-type]
    shadow = workingset.eviction(page)
    workingset.nonresident_age += distance - 1
    workingset.refault(page, shadow)
    assert box.kernel.vmstat.workingset_activate_anon == activated


# --- files -----------------------------------------------------------------------------------------------------------


def test_a_fault_reads_the_32_pages_around_it_and_the_next_32_when_the_mark_is_met() -> None:
    box = machine()
    mapped_file(box, "f", 128 * PAGE)
    before = box.kernel.vmstat.pgpgin
    first = box.perform(Read(ptr="f"))
    assert (first.minflt, first.majflt) == (0, 1)
    assert (box.kernel.vmstat.pgpgin - before) // 4 == 32
    # The mark is on page 24: meeting it is a major fault for the process, which Linux has let wait, and no pgmajfault.
    marked = box.perform(Read(ptr=f"f+{24 * PAGE}"))
    assert (marked.minflt, marked.majflt) == (0, 1)
    assert (box.kernel.vmstat.pgpgin - before) // 4 == 64
    assert box.kernel.vmstat.pgmajfault == 1


def test_dropping_caches_drops_clean_unmapped_pages_only() -> None:
    box = machine()
    mapped_file(box, "f", 64 * PAGE, drop=False)
    box.perform(Touch(ptr="f", length=16 * PAGE, access="r"))
    box.perform(Write(ptr="f", value=1))
    box.perform(Sysctl(name="drop_caches", value=1))
    assert box.kernel.vmstat.nr_file_pages == 16
    assert box.kernel.vmstat.drop_pagecache == 1
    box.check()


def test_what_was_written_back_survives_being_dropped() -> None:
    box = machine()
    mapped_file(box, "f", 64 * PAGE)
    box.perform(Touch(ptr="f", length=64 * PAGE, access="w", value=9))
    box.perform(Msync(ptr="f", length=64 * PAGE))
    box.perform(Madvise(ptr="f", length=64 * PAGE, advice="dontneed"))
    box.perform(Sysctl(name="drop_caches", value=1))
    assert box.kernel.vmstat.nr_file_pages == 0
    assert box.perform(CheckTouch(ptr="f", length=64 * PAGE, value=9)).bad == 0


def test_a_written_page_hears_of_the_next_write() -> None:
    box = machine()
    mapped_file(box, "f", 4 * PAGE)
    box.perform(Write(ptr="f", value=1))
    assert box.kernel.vmstat.nr_dirty == 1
    box.perform(Sync())
    assert box.kernel.vmstat.nr_dirty == 0
    assert box.perform(Write(ptr="f", value=2)).minflt == 1
    assert box.kernel.vmstat.nr_dirty == 1


def test_a_disk_that_cannot_write_is_told_at_msync_once() -> None:
    box = machine()
    mapped_file(box, "f", 4 * PAGE)
    box.perform(Write(ptr="f", value=1))
    box.perform(FailDisk(disk="files", fails="write"))
    assert box.perform(Msync(ptr="f", length=4 * PAGE)).errno == "EIO"
    assert box.perform(Msync(ptr="f", length=4 * PAGE)).errno is None
    assert "lost async page write" in box.proc_file("kmsg")


def test_a_disk_that_cannot_read_is_sigbus() -> None:
    box = machine()
    mapped_file(box, "f", 4 * PAGE)
    box.perform(FailDisk(disk="files", fails="read"))
    outcome = box.perform(Read(ptr="f"))
    assert outcome.signal is not None
    assert (outcome.signal.name, outcome.signal.code) == ("SIGBUS", 2)
    box.perform(FailDisk(disk="files", fails="none"))
    assert box.perform(Read(ptr="f")).val == ord("a")


def test_the_flusher_writes_once_a_tenth_of_what_could_be_dirty_is() -> None:
    box = machine()
    box.perform(OpenFile(file=0, path="/mnt/f", size=8 * MB))
    background, limit = box.kernel.page_writeback.dirty_limits()
    assert 0 < background < limit
    assert box.kernel.vmstat.nr_dirty <= background + 32
    assert box.kernel.vmstat.nr_written > 0


@pytest.mark.parametrize(("disk_mb", "pages"), [(256, 57_830), (64, 13_678), (0, 0)])
def test_a_disk_holds_what_ext4_leaves_of_it(disk_mb: int, pages: int) -> None:
    assert ext4_capacity(disk_mb) == pages


def test_a_file_ends_where_the_disk_is_full() -> None:
    box = Machine(MachineConfig(ram_mb=RAM_MB, disk_mb=16))
    box.perform(OpenFile(file=0, path="/mnt/f", size=20 * MB))
    box.perform(Mmap(as_="f", length=20 * MB, prot="r", flags=("shared",), file=0))
    outcome = box.perform(Touch(ptr="f", length=20 * MB, access="r"))
    assert outcome.signal is not None
    assert (outcome.signal.name, outcome.pages) == ("SIGBUS", ext4_capacity(16))


# --- processes -------------------------------------------------------------------------------------------------------


def test_a_page_that_two_processes_use_is_active_at_the_first_look() -> None:
    box = machine()
    anonymous(box, "a", 4 * PAGE)
    box.perform(Fork(child=1))
    box.perform(CheckTouch(ptr="a", length=4 * PAGE, value=7))
    box.perform(CheckTouch(ptr="a", length=4 * PAGE, value=7, pid=1))
    scan(box, 4, LruList.INACTIVE_ANON)
    assert box.kernel.vmstat.pgactivate == 4
    box.check()
