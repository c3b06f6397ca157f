"""The views of reclaim: what the last command did, the lists' pages, whom the OOM killer would take, and the log."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from engine import views
from engine.commands import Command, Fork, Malloc, Mlock, Mmap, OomAdj, OpenFile, Sync, Sysctl, Touch
from engine.config import MachineConfig
from engine.machine import Machine

if TYPE_CHECKING:
    from engine.views.lru_lists import LruPage

MB = 1 << 20


def machine(*commands: Command, swap_mb: int = 16) -> Machine:
    found = Machine(MachineConfig(ram_mb=16, swap_mb=swap_mb, trace_capacity=1 << 18))
    for command in commands:
        found.perform(command)
    return found


FILE = (
    OpenFile(file=1, path="/mnt/f", size=MB),
    Mmap(as_="f", length=MB, file=1, flags=("shared",)),
)
ANONYMOUS = (Mmap(as_="m", length=14 * MB), Touch(ptr="m", length=14 * MB))


def test_nothing_has_happened_before_the_first_command() -> None:
    step = views.reclaim_step(machine())
    assert (step.ns, step.woken, step.stalls, step.minor.count, step.major.count) == (0, (), (), 0, 0)
    assert step.io_wait_ns == 0


def test_more_pages_than_frames_wake_kswapd_and_are_written_to_swap() -> None:
    found = machine(*ANONYMOUS)
    step = views.reclaim_step(found)
    assert not step.lost
    assert step.swapped_out == found.kernel.vmstat.pswpout > 0
    assert step.minor.count == 14 * MB // 4096
    assert step.kswapd.count > 0
    assert step.anon.freed == found.kernel.vmstat.pgsteal_anon
    assert step.anon.scanned == found.kernel.vmstat.pgscan_anon
    assert step.anon.deactivated == found.kernel.vmstat.pgdeactivate
    assert all(woken.zone == "DMA" and woken.free_pages <= woken.low for woken in step.woken)
    assert sum(stall.freed for stall in step.stalls) == found.kernel.vmstat.pgsteal_direct


def test_a_major_fault_costs_the_disk_and_a_minor_one_does_not() -> None:
    found = machine(*ANONYMOUS, Touch(ptr="m", length=14 * MB, access="r"))
    step = views.reclaim_step(found)
    assert step.major.count == found.kernel.vmstat.pgmajfault > 0
    assert step.swapped_in == found.kernel.vmstat.pswpin
    assert step.major.ns // step.major.count > 25_000
    assert 0 < step.io_wait_ns < step.time_ns


def test_the_curve_of_free_pages_ends_at_what_is_free_and_dips_below_low() -> None:
    found = machine(*ANONYMOUS)
    (curve,) = views.reclaim_step(found).curves
    (zone,) = found.kernel.page_alloc.zones
    assert curve.points[-1] == (found.time_ns, zone.free_pages + zone.per_cpu_pageset.count)
    assert curve.points[0][1] > 1000
    assert min(free for _, free in curve.points) < curve.low_mark < curve.high_mark
    assert [at for at, _ in curve.points] == sorted(at for at, _ in curve.points)


def test_a_short_trace_says_that_its_beginning_is_lost() -> None:
    found = Machine(MachineConfig(ram_mb=16, swap_mb=16, trace_capacity=64))
    for command in ANONYMOUS:
        found.perform(command)
    assert views.reclaim_step(found).lost


def test_dirty_file_pages_are_written_and_only_pages_that_nobody_maps_are_dropped() -> None:
    found = machine(*FILE, Touch(ptr="f", length=MB), Sync())
    assert views.reclaim_step(found).written == 256
    before = found.kernel.vmstat.nr_file_pages
    found.perform(Sysctl(name="drop_caches", value=1))
    step = views.reclaim_step(found)
    assert step.dropped == before - found.kernel.vmstat.nr_file_pages == 8
    assert step.written == 0


def test_the_lists_tell_each_page_s_owner_and_whether_it_was_used() -> None:
    found = machine(
        *FILE, Touch(ptr="f", length=MB, access="r"), Mmap(as_="m", length=4096), Touch(ptr="m", length=4096)
    )
    lists = {one.name: one for one in views.lru_lists(found, 300)}
    slots = found.processes[0].slots
    page = next(page for page in lists["inactive_anon"].oldest if (0, slots["m"]) in _places(page))
    assert page.accessed
    assert page.file is None
    pages = [
        page
        for page in (*lists["inactive_file"].oldest, *lists["inactive_file"].youngest)
        if page.file is not None and page.file.path == "/mnt/f"
    ]
    assert {page.file.index for page in pages if page.file is not None} == set(range(256))
    assert [len(one.oldest) + len(one.youngest) <= one.pages for one in lists.values()] == [True] * 5


def test_a_locked_page_is_unevictable() -> None:
    found = machine(Mmap(as_="m", length=8192), Mlock(ptr="m", length=8192))
    (unevictable,) = (one for one in views.lru_lists(found) if one.name == "unevictable")
    assert unevictable.pages == len(unevictable.oldest) == 2


def test_the_ends_of_a_list_do_not_overlap() -> None:
    found = machine(Mmap(as_="m", length=80 * 4096), Touch(ptr="m", length=80 * 4096))
    (anonymous, *_) = views.lru_lists(found, 10)
    pfns = [page.pfn for page in (*anonymous.oldest, *anonymous.youngest)]
    held = list(found.kernel.swap.lists[0])
    assert pfns == held[:10] + held[-10:]


def test_the_oom_killer_would_take_the_largest_and_spares_whom_it_may_not_kill() -> None:
    found = machine(
        Malloc(as_="a", size=100), Fork(child=1), Mmap(as_="m", length=MB, pid=1), Touch(ptr="m", length=MB, pid=1)
    )
    view = views.oom(found)
    parent, child = view.candidates
    assert (parent.worst, child.worst) == (False, True)
    assert child.points == child.rss + child.swap + child.tables
    assert view.total_pages == 7066
    found.perform(OomAdj(pid=1, value=-1000))
    parent, child = views.oom(found).candidates
    assert child.points is None
    assert parent.worst


def test_the_report_and_the_scores_stand_in_the_log_and_in_the_step() -> None:
    halves = (Mmap(as_="a", length=8 * MB), Mmap(as_="b", length=8 * MB))
    found = machine(*halves, Touch(ptr="a", length=8 * MB), Touch(ptr="b", length=8 * MB), swap_mb=0)
    step = views.reclaim_step(found)
    assert [victim for victim, _ in step.killed] == [0]
    texts = [line.text for line in views.dmesg(found)]
    assert any("invoked oom-killer" in text for text in texts)
    assert texts[-1].startswith("Out of memory: Killed process 0 (student)")
    assert [line.text for line in views.dmesg(found, 1)] == texts[-1:]
    assert views.dmesg(found, 0) == ()


@pytest.mark.parametrize("name", ["reclaim_step", "lru_lists", "oom", "dmesg"])
def test_looking_changes_nothing(name: str) -> None:
    found = machine(*ANONYMOUS)
    before = found.digest()
    views.VIEWS[name](found)
    assert found.digest() == before


def _places(page: LruPage) -> set[tuple[int, int]]:
    return {(place.pid, place.address) for place in page.mapped_at}
