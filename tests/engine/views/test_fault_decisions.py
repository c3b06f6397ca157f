"""Faults told as the questions that Linux asks: each branch of the page-fault handler is reached, and told as what it was."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.pages.command_words import command_of_words
from engine import views
from engine.config import PRESETS
from engine.machine import Machine
from engine.views.fault_decisions import FAULTS_TOLD, Answer, Question

if TYPE_CHECKING:
    from engine.views.fault_decisions import FaultTold


def machine(*program: str) -> Machine:
    """A machine on which `program` was performed, line by line."""
    made = Machine(PRESETS["64mb"])
    for line in program:
        made.perform(command_of_words(line, 0, frozenset(made.processes[0].slots)))
    return made


def last_fault(*program: str) -> FaultTold:
    """The only fault of the program's last line."""
    (told,) = views.fault_decisions(machine(*program)).faults
    return told


def asked(told: FaultTold) -> list[tuple[Question, Answer]]:
    return [(decision.question, decision.answer) for decision in told.decisions]


MAY: list[tuple[Question, Answer]] = [
    (Question.USER_ADDRESS, Answer.YES),
    (Question.REGION, Answer.YES),
    (Question.ACCESS, Answer.YES),
]
WRITE_PROTECTED = (Question.ENTRY, Answer.WRITE_PROTECTED)
START = "malloc z 100"
"""The C library's first steps make the page table that holds the mappings of these programs, too."""
FIRST = [*MAY, (Question.TABLE, Answer.YES), (Question.ENTRY, Answer.EMPTY)]


def test_the_first_write_to_anonymous_memory_gets_a_frame() -> None:
    told = last_fault(START, "mmap m 65536", "write m 1")
    assert asked(told) == [*FIRST, (Question.BACKING, Answer.ANONYMOUS), (Question.WRITE, Answer.YES)]
    assert (told.branch, told.write, told.present, told.major, told.signal) == (
        "do_anonymous_page",
        True,
        False,
        False,
        "",
    )
    assert [decision.function for decision in told.decisions[:3]] == [
        "fault_in_kernel_space",
        "find_vma",
        "access_error",
    ]


def test_a_first_read_maps_the_zero_page_and_a_write_then_leaves_it() -> None:
    read = last_fault(START, "mmap m 65536", "read m")
    assert asked(read) == [*FIRST, (Question.BACKING, Answer.ANONYMOUS), (Question.WRITE, Answer.NO)]
    seen = machine(START, "mmap m 65536", "read m")
    assert read.pfn == seen.kernel.memory.zero_pfn
    written = last_fault(START, "mmap m 65536", "read m", "write m 1")
    assert asked(written) == [*MAY, WRITE_PROTECTED, (Question.OTHERS, Answer.ZERO_PAGE)]
    assert (written.branch, written.parting) == ("wp_page_copy", None)


def test_a_page_table_is_made_for_the_first_page_of_its_four_megabytes() -> None:
    told = last_fault("mmap m 8388608", "write m 1")
    assert (Question.TABLE, Answer.NO) in asked(told)
    assert (Question.TABLE, Answer.YES) in asked(last_fault("mmap m 8388608", "write m 1", "write m+4096 1"))


def test_a_write_after_fork_copies_and_tells_who_keeps_the_old_frame() -> None:
    seen = machine("mmap m 4096", "write m 1", "fork 1")
    place = seen.processes[0].slots["m"]
    shared = views.page_walk(seen, place).pfn
    seen.perform(command_of_words("@1 write m 2", 0, frozenset("m")))
    (told,) = views.fault_decisions(seen).faults
    assert asked(told) == [*MAY, WRITE_PROTECTED, (Question.OTHERS, Answer.YES)]
    assert (told.pid, told.branch) == (1, "wp_page_copy")
    assert told.parting is not None
    assert (told.parting.old, told.parting.refcount, told.parting.mapcount) == (shared, 1, 1)
    assert told.parting.new == told.pfn == views.page_walk(seen, place, 1).pfn
    assert views.page_walk(seen, place, 0).pfn == shared


def test_who_is_left_with_a_page_alone_may_write_it_without_a_copy() -> None:
    told = last_fault("mmap m 4096", "write m 1", "fork 1", "@1 write m 2", "write m 3")
    assert asked(told) == [*MAY, WRITE_PROTECTED, (Question.SHARED, Answer.NO), (Question.OTHERS, Answer.NO)]
    assert (told.branch, told.parting) == ("wp_page_reuse", None)


def test_a_write_to_a_read_only_region_is_refused_by_the_region() -> None:
    told = last_fault("mmap m 4096 r", "write m 1")
    assert asked(told) == [
        (Question.USER_ADDRESS, Answer.YES),
        (Question.REGION, Answer.YES),
        (Question.ACCESS, Answer.NO),
    ]
    assert (told.branch, told.pfn, told.signal) == ("", None, "SIGSEGV")


def test_where_there_is_no_region_the_questions_end() -> None:
    told = last_fault("read 0x40000000")
    assert asked(told) == [(Question.USER_ADDRESS, Answer.YES), (Question.REGION, Answer.NO)]
    assert told.signal == "SIGSEGV"


def test_the_kernels_addresses_are_nobodys_to_ask_about() -> None:
    told = last_fault("read 0xc0100000")
    assert asked(told) == [(Question.USER_ADDRESS, Answer.NO)]
    assert (told.present, told.signal) == (True, "SIGSEGV")


def test_a_stack_grows_to_what_is_touched_below_it() -> None:
    told = last_fault("write 0xbff00000 1")
    assert asked(told)[:4] == [
        (Question.USER_ADDRESS, Answer.YES),
        (Question.REGION, Answer.NO),
        (Question.STACK, Answer.YES),
        (Question.ACCESS, Answer.YES),
    ]
    assert told.region is not None
    assert told.region.name == "[stack]"


def test_a_stack_does_not_grow_beyond_its_limit() -> None:
    told = last_fault("write 0xbf000000 1")
    assert asked(told)[1:] == [(Question.REGION, Answer.NO), (Question.STACK, Answer.NO)]
    assert told.signal == "SIGSEGV"


FILE = ("file 1 /tmp/data 40960",)


def test_a_read_of_a_file_maps_what_the_page_cache_has() -> None:
    told = last_fault(*FILE, "mmap m 40960 rw private 1", "read m")
    assert asked(told)[-3:] == [
        (Question.BACKING, Answer.FILE),
        (Question.WRITE, Answer.NO),
        (Question.IN_MEMORY, Answer.YES),
    ]
    assert told.branch == "filemap_map_pages"


def test_a_private_write_copies_the_files_page_and_a_shared_one_reaches_it() -> None:
    private = last_fault(*FILE, "mmap m 40960 rw private 1", "write m 1")
    shared = last_fault(*FILE, "mmap m 40960 rw shared 1", "write m 1")
    assert (Question.SHARED, Answer.NO) in asked(private)
    assert (Question.SHARED, Answer.YES) in asked(shared)
    assert (private.branch, shared.branch) == ("do_cow_fault", "do_shared_fault")


def test_beyond_a_files_end_there_is_no_page_to_map() -> None:
    told = last_fault("file 1 /tmp/data 4096", "mmap m 8192 rw shared 1", "read m+4096")
    assert asked(told)[-1] == (Question.IN_MEMORY, Answer.BEYOND_END)
    assert told.signal == "SIGBUS"


def test_a_page_that_went_to_swap_is_read_back_by_a_major_fault_that_names_its_slot() -> None:
    seen = Machine(PRESETS["16mb"])
    for line in ("mmap m 20971520", "touch m 20971520"):
        seen.perform(command_of_words(line, 0, frozenset("m")))
    slot = views.page_walk(seen, seen.processes[0].slots["m"]).swap_slot
    seen.perform(command_of_words("read m", 0, frozenset("m")))
    (told,) = views.fault_decisions(seen).faults
    assert asked(told)[-2:] == [(Question.ENTRY, Answer.SWAPPED), (Question.IN_MEMORY, Answer.NO)]
    assert (told.branch, told.major, told.slot) == ("do_swap_page", True, slot)


def test_a_page_that_is_still_in_the_swap_cache_comes_back_without_the_disk() -> None:
    told = last_fault("mmap m 4096", "write m 7", "madvise m 4096 pageout", "read m")
    assert asked(told)[-2:] == [(Question.ENTRY, Answer.SWAPPED), (Question.IN_MEMORY, Answer.YES)]
    assert (told.branch, told.major, told.slot) == ("do_swap_page", False, None)


def test_of_many_faults_the_first_and_the_last_are_told() -> None:
    seen = views.fault_decisions(machine("mmap m 409600", "touch m 409600"))
    assert (len(seen.faults), seen.left_out) == (FAULTS_TOLD, 100 - FAULTS_TOLD)
    assert seen.faults[-1].address - seen.faults[0].address == 99 * 4096


def test_before_the_first_command_there_is_nothing_to_tell() -> None:
    assert views.fault_decisions(machine()).faults == ()
