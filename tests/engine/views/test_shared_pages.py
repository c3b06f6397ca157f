"""Processes side by side: the same pages, whose frames, how much of it is shared, and what the TLB knows of it."""

from __future__ import annotations

from dataclasses import replace

from app.pages.command_words import command_of_words
from engine import views
from engine.config import PRESETS, MachineConfig
from engine.machine import Machine
from engine.session import Session


def machine(*program: str, config: MachineConfig = PRESETS["64mb"]) -> Machine:
    made = Machine(config)
    for line in program:
        made.perform(command_of_words(line, 0, frozenset(made.processes[0].slots)))
    return made


COUNTING = replace(PRESETS["64mb"], tlb_hits=True)


def test_after_fork_both_processes_have_the_same_frames_and_neither_may_write() -> None:
    seen = machine("mmap m 16384", "touch m 8192", "fork 1")
    rows = views.page_sharing(seen, seen.processes[0].slots["m"]).rows
    assert [row.pid for row in rows] == [0, 1]
    first, second = (row.pages for row in rows)
    assert [page.pfn for page in first] == [page.pfn for page in second]
    assert [(page.shared, page.mapcount, page.writable) for page in first[:2]] == [(True, 2, False)] * 2
    assert [(page.pfn, page.mapped) for page in first[2:]] == [(None, True)] * 2


def test_a_write_parts_one_page_and_leaves_the_others_shared() -> None:
    seen = machine("mmap m 16384", "touch m 8192", "fork 1", "@1 write m 9")
    first, second = (row.pages for row in views.page_sharing(seen, seen.processes[0].slots["m"]).rows)
    assert first[0].pfn != second[0].pfn
    assert (first[0].mapcount, second[0].mapcount, second[0].writable, first[0].writable) == (1, 1, True, False)
    assert first[1].pfn == second[1].pfn


def test_the_zero_page_is_named_and_shared_with_nobody() -> None:
    seen = machine("mmap m 4096", "read m")
    (row,) = views.page_sharing(seen, seen.processes[0].slots["m"]).rows
    (page,) = row.pages
    assert (page.zero, page.shared, page.mapcount) == (True, False, 0)


def test_a_page_in_swap_is_shown_by_its_slot() -> None:
    seen = machine("mmap m 4096", "write m 7", "madvise m 4096 pageout", "fork 1")
    rows = views.page_sharing(seen, seen.processes[0].slots["m"]).rows
    (slot,) = {page.slot for row in rows for page in row.pages}
    assert slot is not None
    there = views.swap_slot(seen, slot)
    assert (there.count, [place.pid for place in there.named_at]) == (2, [0, 1])


def test_an_ended_process_has_no_row() -> None:
    seen = machine("mmap m 4096", "write m 7", "fork 1", "@1 exit 0")
    assert [row.pid for row in views.page_sharing(seen, seen.processes[0].slots["m"]).rows] == [0]


def test_the_regions_memory_is_what_smaps_prints() -> None:
    seen = machine("mmap m 65536", "touch m 32768", "fork 1", "touch m 8192")
    memory = views.region_memory(seen)
    mapping = next(region for region in memory.regions if region.start == seen.processes[0].slots["m"])
    assert (mapping.size, mapping.rss, mapping.pss, mapping.shared_dirty, mapping.private_dirty) == (64, 32, 20, 24, 8)
    assert f"Rss:            {memory.rss:8} kB\n" in seen.proc_file("smaps_rollup")
    assert f"Pss:            {memory.pss:8} kB\n" in seen.proc_file("smaps_rollup")
    assert memory.rss == memory.shared + memory.private
    assert memory.size == views.address_space(seen).total_vm * 4


def test_hits_are_counted_where_the_machine_was_asked_to() -> None:
    seen = machine("mmap m 8192", "write m 1", config=COUNTING)
    before = views.tlb(seen)
    seen.perform(command_of_words("read m", 0, frozenset("m")))
    after = views.tlb(seen)
    assert before.hits is not None
    assert after.hits is not None
    assert (after.hits - before.hits, after.misses - before.misses) == (1, 0)
    assert views.tlb(machine("malloc a 100")).hits is None


def test_counting_hits_changes_nothing_that_a_program_sees() -> None:
    program = ("malloc a 100", "malloc b 300000", "free a", "fork 1", "@1 write b 3", "touch b 90000", "free b")
    counted, plain = machine(*program, config=COUNTING), machine(*program)
    assert counted.time_ns == plain.time_ns
    assert counted.proc_file("smaps") == plain.proc_file("smaps")
    assert counted.cpu.tlb.misses == plain.cpu.tlb.misses
    assert counted.cpu.tlb.entries == plain.cpu.tlb.entries


def test_hits_come_back_by_stepping_back_and_by_replay() -> None:
    session = Session(COUNTING)
    hits = [0]
    for line in ("malloc a 100", "write a 1", "read a", "read a", "malloc b 50"):
        session.perform(command_of_words(line, 0, frozenset(session.machine.processes[0].slots)))
        hits.append(session.machine.cpu.tlb.hits)
    for version in (3, 1, 4, 2):
        session.go_to(version)
        assert session.machine.cpu.tlb.hits == hits[version]


def test_the_tlb_tells_what_the_last_command_made_it_forget() -> None:
    seen = machine("mmap m 8192", "touch m 8192", "munmap m 4096")
    (flush,) = views.tlb(seen).flushed
    assert (flush.reason, flush.address) == ("all", None)
    assert flush.entries > 0
    seen = machine("mmap m 4096", "read m", "write m 1")
    place = seen.processes[0].slots["m"]
    assert [(one.reason, one.address, one.entries) for one in views.tlb(seen).flushed] == [("invlpg", place, 1)]


def test_a_switch_to_another_process_forgets_every_translation() -> None:
    seen = machine("malloc a 100", "fork 1", "read a", "@1 read a")
    assert [one.reason for one in views.tlb(seen).flushed] == ["cr3"]
    assert views.tlb(seen).pid == 1


def test_the_oldest_translation_goes_when_there_is_no_room() -> None:
    seen = machine("mmap m 65536", "touch m 65536 r", config=replace(PRESETS["64mb"], tlb_entries=4))
    tlb = views.tlb(seen)
    assert len(tlb.entries) == 4
    assert tlb.evictions >= 12
    last = seen.processes[0].slots["m"] + 15 * 4096 >> 12
    assert [entry.vpn for entry in tlb.entries] == [last - 3, last - 2, last - 1, last]
