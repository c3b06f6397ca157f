"""Swap: slots, the swap cache, readahead, and what a failing disk does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.commands import CheckTouch, Exit, FailDisk, Fork, Madvise, Mlock, Mmap, Munmap, Pagemap, Read, Touch, Write
from engine.config import MachineConfig
from engine.kernel.mm_types import PG_SWAPCACHE
from engine.kernel.swap import LruList
from engine.machine import Machine
from tests.engine.kernel import loader_pages

if TYPE_CHECKING:
    from engine.kernel.vmstat import Vmstat
    from engine.outcome import Outcome

PAGE: Final = 4096
PAGES: Final = 64
LENGTH: Final = PAGES * PAGE
RAM_MB: Final = 16
MORE_THAN_RAM: Final = 24 << 20
SLOT_SHIFT: Final = 9
HAS_CACHE: Final = 0x40


def machine_with_swap(swap_mb: int = 64, **sysctls: int) -> Machine:
    settings = tuple((name.replace("page_cluster", "page-cluster"), value) for name, value in sysctls.items())
    machine = Machine(MachineConfig(ram_mb=RAM_MB, swap_mb=swap_mb, sysctls=settings))
    loader_pages.put_aside(machine)
    machine.perform(Mmap(as_="a", length=LENGTH, prot="rw", flags=("private",)))
    machine.perform(Touch(ptr="a", length=LENGTH, access="w", value=7))
    return machine


def page_out(machine: Machine) -> None:
    machine.perform(Madvise(ptr="a", length=LENGTH, advice="pageout"))


def forget_the_swap_cache(machine: Machine) -> None:
    """Reclaim frees what is written already: a mapping larger than RAM comes and goes."""
    machine.perform(Mmap(as_="ballast", length=MORE_THAN_RAM, prot="rw", flags=("private",)))
    machine.perform(Touch(ptr="ballast", length=MORE_THAN_RAM, access="w", value=1))
    machine.perform(Munmap(ptr="ballast", length=MORE_THAN_RAM))


def letters(machine: Machine, pid: int = 0) -> str:
    return str(machine.perform(Pagemap(ptr="a", pages=PAGES, pid=pid)).pages)


def stat(machine: Machine) -> Vmstat:
    return machine.kernel.vmstat


def read(machine: Machine, page: int, pid: int = 0) -> Outcome:
    return machine.perform(Read(ptr=f"a+{page * PAGE}", pid=pid))


def test_pages_paged_out_are_written_and_stay_in_the_swap_cache() -> None:
    machine = machine_with_swap()
    before = stat(machine).nr_anon_pages
    page_out(machine)
    assert letters(machine) == "s" * PAGES
    assert stat(machine).pswpout == PAGES
    assert stat(machine).nr_swapcached == PAGES
    assert stat(machine).nr_anon_pages == before - PAGES
    assert machine.processes[0].task.mm.swap_rss == PAGES
    machine.check()


def test_a_page_found_in_the_swap_cache_is_a_minor_fault() -> None:
    machine = machine_with_swap()
    page_out(machine)
    outcome = read(machine, 10)
    assert (outcome.val, outcome.minflt, outcome.majflt) == (7, 1, 0)
    assert letters(machine) == "s" * 10 + "P" + "s" * (PAGES - 11)
    assert stat(machine).pswpin == 0


def test_a_page_that_must_be_read_is_a_major_fault() -> None:
    machine = machine_with_swap(page_cluster=0)
    page_out(machine)
    forget_the_swap_cache(machine)
    before = stat(machine).pswpin
    outcome = read(machine, 10)
    assert (outcome.val, outcome.minflt, outcome.majflt) == (7, 0, 1)
    assert stat(machine).pswpin - before == 1
    machine.check()


def test_neighbours_are_read_ahead_in_aligned_blocks_once_hits_are_seen() -> None:
    machine = machine_with_swap()
    page_out(machine)
    forget_the_swap_cache(machine)
    outcome = machine.perform(CheckTouch(ptr="a", length=LENGTH, value=7))
    assert outcome.bad == 0
    # The slots begin at 1: windows of 1 and 2 pages, then aligned ones of 4 and 8.
    assert (outcome.minflt, outcome.majflt) == (53, 11)
    assert stat(machine).swap_ra_hit == outcome.minflt


def test_without_page_cluster_nothing_is_read_ahead() -> None:
    machine = machine_with_swap(page_cluster=0)
    page_out(machine)
    forget_the_swap_cache(machine)
    outcome = machine.perform(CheckTouch(ptr="a", length=LENGTH, value=7))
    assert (outcome.bad, outcome.minflt, outcome.majflt) == (0, 0, PAGES)
    assert stat(machine).swap_ra == 0


def test_slots_are_taken_one_after_the_other_from_slot_1_on() -> None:
    machine = machine_with_swap()
    page_out(machine)
    assert sorted(machine.kernel.swap_state.pages) == list(range(1, PAGES + 1))


def test_a_write_by_the_only_user_gives_the_slot_back() -> None:
    machine = machine_with_swap()
    page_out(machine)
    free = machine.kernel.swapfile.nr_swap_pages
    machine.perform(Write(ptr="a", value=8))
    assert machine.kernel.swapfile.nr_swap_pages == free + 1
    assert stat(machine).nr_swapcached == PAGES - 1
    machine.check()


def test_a_page_that_was_only_read_is_not_written_again() -> None:
    machine = machine_with_swap()
    page_out(machine)
    machine.perform(CheckTouch(ptr="a", length=LENGTH, value=7))
    written = stat(machine).pswpout
    page_out(machine)
    page_out(machine)
    assert letters(machine) == "s" * PAGES
    assert stat(machine).pswpout == written


def test_a_slot_counts_every_process_that_names_it() -> None:
    machine = machine_with_swap()
    page_out(machine)
    machine.perform(Fork(child=1))
    assert machine.kernel.swapfile.swap_count(1) == 2
    machine.perform(Write(pid=1, ptr="a", value=9))
    assert machine.kernel.swapfile.swap_count(1) == 1
    assert read(machine, 0).val == 7
    assert read(machine, 0, pid=1).val == 9
    machine.check()
    machine.perform(Exit(pid=1))
    machine.check()


def test_unmapping_gives_back_slots_and_cached_pages() -> None:
    machine = machine_with_swap()
    total = machine.kernel.swapfile.total_pages
    page_out(machine)
    assert machine.kernel.swapfile.nr_swap_pages == total - PAGES
    machine.perform(Munmap(ptr="a", length=LENGTH))
    assert machine.kernel.swapfile.nr_swap_pages == total
    assert stat(machine).nr_swapcached == 0
    machine.check()


def test_shared_anonymous_memory_goes_to_swap_and_comes_back() -> None:
    machine = Machine(MachineConfig(ram_mb=RAM_MB, swap_mb=64))
    machine.perform(Mmap(as_="a", length=MORE_THAN_RAM, prot="rw", flags=("shared",)))
    machine.perform(Touch(ptr="a", length=MORE_THAN_RAM, access="w", value=5))
    assert stat(machine).pswpout > 0
    assert machine.perform(CheckTouch(ptr="a", length=MORE_THAN_RAM, value=5)).bad == 0
    machine.check()


def test_locked_pages_are_never_swapped() -> None:
    machine = machine_with_swap()
    before = machine.kernel.swap.size(LruList.UNEVICTABLE)
    machine.perform(Mlock(ptr="a", length=LENGTH))
    forget_the_swap_cache(machine)
    assert letters(machine) == "P" * PAGES
    assert machine.kernel.swap.size(LruList.UNEVICTABLE) == before + PAGES
    machine.check()


def test_pages_given_up_are_dropped_and_not_written() -> None:
    machine = machine_with_swap()
    machine.perform(Madvise(ptr="a", length=LENGTH, advice="free"))
    machine.perform(Write(ptr="a", value=9))
    forget_the_swap_cache(machine)
    # A page that was written after it had been given up is kept; the batch of 15 still held the last ones.
    assert read(machine, 0).val == 9
    assert stat(machine).pglazyfreed > 0
    assert read(machine, 1).val == 0
    machine.check()


def test_a_page_that_cannot_be_read_is_sigbus_and_is_not_lost() -> None:
    machine = machine_with_swap(page_cluster=0)
    page_out(machine)
    forget_the_swap_cache(machine)
    machine.perform(FailDisk(disk="swap", fails="read"))
    outcome = read(machine, 3)
    assert outcome.signal is not None
    assert (outcome.signal.name, outcome.signal.code) == ("SIGBUS", 2)
    assert "Read-error on swap-device" in machine.proc_file("kmsg")
    machine.perform(FailDisk(disk="swap", fails="none"))
    assert read(machine, 4).val == 7
    machine.check()


def test_a_page_that_cannot_be_written_stays_dirty_in_memory() -> None:
    machine = machine_with_swap()
    machine.perform(FailDisk(disk="swap", fails="write"))
    page_out(machine)
    assert "Write-error on swap-device" in machine.proc_file("kmsg")
    machine.perform(FailDisk(disk="swap", fails="none"))
    assert machine.perform(CheckTouch(ptr="a", length=LENGTH, value=7)).bad == 0
    assert all(page.flags & PG_SWAPCACHE for page in machine.kernel.swap_state.pages.values())


def test_the_map_says_which_slots_the_cache_has() -> None:
    machine = machine_with_swap()
    page_out(machine)
    assert machine.kernel.swapfile.swap_map[1] == HAS_CACHE | 1
