"""Rights that change, mappings that change their size or place, advice, locks: what becomes of regions and pages."""

from __future__ import annotations

import pytest

from engine.kernel.swap import LruList
from tests.engine.kernel.mapping_program import PAGE, TOP, Program

ACCERR, MAPERR = 2, 1

# --- mprotect --------------------------------------------------------------------------------------------------------


def test_changing_the_rights_of_the_middle_makes_three_regions_and_changing_them_back_one() -> None:
    program = Program("mmap a 12288 rw private", "mprotect a+4096 4096 r")
    assert program.regions() == [
        (TOP - 3 * PAGE, TOP - 2 * PAGE, "rw-p"),
        (TOP - 2 * PAGE, TOP - PAGE, "r--p"),
        (TOP - PAGE, TOP, "rw-p"),
    ]
    program.do("mprotect a+4096 4096 rw")
    assert program.regions() == [(TOP - 3 * PAGE, TOP, "rw-p")]


def test_the_boundary_between_two_regions_moves_up_and_down() -> None:
    program = Program("mmap a 16384 rw private", "mprotect a 8192 r")
    program.do("mprotect a+8192 4096 r")
    assert program.regions() == [(TOP - 4 * PAGE, TOP - PAGE, "r--p"), (TOP - PAGE, TOP, "rw-p")]
    program.do("mprotect a+4096 8192 rw")
    assert program.regions() == [(TOP - 4 * PAGE, TOP - 3 * PAGE, "r--p"), (TOP - 3 * PAGE, TOP, "rw-p")]


def test_a_whole_region_joins_the_one_above_or_the_one_below() -> None:
    program = Program("mmap a 12288 rw private", "mprotect a 4096 r", "mprotect a+8192 4096 none")
    program.do("mprotect a+4096 4096 none")
    assert program.regions() == [(TOP - 3 * PAGE, TOP - 2 * PAGE, "r--p"), (TOP - 2 * PAGE, TOP, "---p")]
    program.do("mprotect a+4096 8192 r")
    assert program.regions() == [(TOP - 3 * PAGE, TOP, "r--p")]


def test_neighbours_touched_while_their_rights_differed_can_become_one_again() -> None:
    """Just for that they share an anon_vma."""
    program = Program("mmap a 8192 rw private", "mprotect a 4096 rwx", "touch a+4096 4096 w", "touch a 4096 w")
    program.do("mprotect a 4096 rw")
    assert program.regions() == [(TOP - 2 * PAGE, TOP, "rw-p")]


def test_regions_of_a_child_do_not_merge_once_they_are_split() -> None:
    """Their pages may be the parent's: a region with two anon_vmas takes no other in that has none."""
    program = Program("mmap a 8192 rw private", "mprotect a 4096 r", "touch a+4096 4096 w", "fork 1")
    program.do("mprotect a 4096 rw", "@1 mprotect a 4096 rw")
    assert program.regions(0) == [(TOP - 2 * PAGE, TOP, "rw-p")]
    assert program.regions(1) == [(TOP - 2 * PAGE, TOP - PAGE, "rw-p"), (TOP - PAGE, TOP, "rw-p")]


def test_a_write_to_read_only_memory_is_refused_and_the_page_keeps_its_content() -> None:
    program = Program("mmap a 4096 rw private", "write a 7", "mprotect a 4096 r")
    assert program.signal("write a 8") == ("SIGSEGV", ACCERR, TOP - PAGE)
    program.do("mprotect a 4096 none")
    assert program.signal("read a") == ("SIGSEGV", ACCERR, TOP - PAGE)
    program.do("mprotect a 4096 r")
    [outcome] = program.do("read a")
    assert (outcome.val, outcome.minflt) == (7, 0)


def test_a_page_of_its_own_is_writable_again_without_a_fault() -> None:
    program = Program("mmap a 4096 rw private", "write a 7", "mprotect a 4096 r", "mprotect a 4096 rw")
    assert program.faults("write a 8") == 0


def test_mprotect_changes_what_comes_before_a_hole_and_then_says_enomem() -> None:
    program = Program("mmap a 12288 rw private", "munmap a+4096 4096")
    assert program.result("mprotect a 12288 r") == "ENOMEM"
    assert program.regions() == [(TOP - 3 * PAGE, TOP - 2 * PAGE, "r--p"), (TOP - PAGE, TOP, "rw-p")]


@pytest.mark.parametrize(
    ("line", "result"),
    [
        ("mprotect a+1 4096 r", "EINVAL"),
        ("mprotect 0x20000000 4096 r", "ENOMEM"),
        ("mprotect a 0xf0000000 r", "ENOMEM"),
        ("mprotect a 0 r", 0),
        ("mprotect 0x20000000 0 r", 0),
    ],
)
def test_mprotect_answers_as_linux_does(line: str, result: int | str) -> None:
    assert Program("mmap a 8192 rw private").result(line) == result


def test_part_of_the_vdso_cannot_be_cut_off() -> None:
    assert Program().results("mprotect 0xb7fc9000 4096 r", "munmap 0xb7fca000 4096") == ["EINVAL", "EINVAL"]


# --- mremap ----------------------------------------------------------------------------------------------------------


def test_a_mapping_shrinks_where_it_is() -> None:
    program = Program("mmap a 16384 rw private", "touch a 16384 w")
    assert program.result("mremap a 16384 4096 off") == TOP - 4 * PAGE
    assert program.regions() == [(TOP - 4 * PAGE, TOP - 3 * PAGE, "rw-p")]


def test_a_mapping_grows_where_it_is_when_there_is_room_above() -> None:
    program = Program("mmap a 16384 rw private", "munmap a+4096 12288", "touch a 4096 w")
    assert program.result("mremap a 4096 12288 off") == TOP - 4 * PAGE
    assert program.regions() == [(TOP - 4 * PAGE, TOP - PAGE, "rw-p")]
    assert program.pages("a", 3) == "P--"


def test_a_mapping_that_grows_to_its_neighbour_becomes_one_with_it() -> None:
    program = Program("mmap a 12288 rw private", "munmap a+4096 4096")
    program.do("mremap a 4096 8192 off")
    assert program.regions() == [(TOP - 3 * PAGE, TOP, "rw-p")]


def test_a_mapping_without_room_moves_and_its_pages_keep_their_frames() -> None:
    program = Program("mmap a 8192 rw private", "touch a 8192 w 5")
    frames = program.frames("a", 2)
    assert program.result("mremap a 8192 16384 off") == "ENOMEM"
    assert program.result("mremap a 8192 16384 on") == TOP - 6 * PAGE
    assert program.regions() == [(TOP - 6 * PAGE, TOP - 2 * PAGE, "rw-p")]
    assert frames is not None
    assert program.frames("a", 4) == (*frames, 0, 0)
    [outcome] = program.do("checktouch a 8192 5")
    assert (outcome.bad, outcome.minflt) == (0, 0)


def test_moved_pages_that_were_touched_do_not_merge_where_they_come_to_lie() -> None:
    """Their offset still tells where they were born."""
    program = Program("mmap a 8192 rw private", "touch a 4096 w", "mmap b 4096 r private", "mremap a 8192 12288 on")
    program.do("mmap c 4096 rw private,fixed anon 0 a-4096")
    assert program.regions()[0] == (TOP - 7 * PAGE, TOP - 6 * PAGE, "rw-p")
    assert program.regions()[1] == (TOP - 6 * PAGE, TOP - 3 * PAGE, "rw-p")


def test_the_promise_of_memory_moves_with_the_mapping() -> None:
    program = Program("mmap a 12288 rw private", "mmap b 4096 r private")
    mmap = program.machine.kernel.mmap
    before = mmap.vm_committed_as
    program.do("mremap a 4096 8192 on")
    assert mmap.vm_committed_as == before + 1
    program.do("munmap a 8192", f"munmap {TOP - 2 * PAGE} 8192")
    assert mmap.vm_committed_as == before - 3


@pytest.mark.parametrize(
    ("line", "errno"),
    [
        ("mremap a 8192 0 on", "EINVAL"),
        ("mremap a 0 8192 on", "EINVAL"),
        ("mremap a 16384 32768 on", "EFAULT"),
        ("mremap hole 8192 16384 on", "EFAULT"),
        ("mremap a 8192 0xb0000000 on", "ENOMEM"),
    ],
)
def test_mremap_refuses_as_linux_does(line: str, errno: str) -> None:
    program = Program("mmap a 8192 rw private", "mmap hole 4096 r private", "munmap hole 4096")
    assert program.result(line) == errno
    assert program.regions() == [(TOP - 2 * PAGE, TOP, "rw-p")]


def test_a_shared_mapping_of_no_length_is_mapped_a_second_time() -> None:
    program = Program("mmap a 4096 rw shared", "write a 9")
    assert program.result("mremap a 0 4096 on") == TOP - 2 * PAGE
    [outcome] = program.do("read a")
    assert outcome.val == 9


# --- madvise ---------------------------------------------------------------------------------------------------------


def test_memory_that_is_not_needed_reads_as_zeros_afterwards() -> None:
    program = Program("mmap a 8192 rw private", "touch a 8192 w 7")
    assert program.result("madvise a 4096 dontneed") == 0
    assert program.pages("a", 2) == "-P"
    [first, second] = program.do("read a", "read a+4096")
    assert (first.val, first.minflt, second.val, second.minflt) == (0, 1, 7, 0)


def test_a_private_file_page_is_the_files_again_when_it_is_not_needed() -> None:
    program = Program("file 0 /tmp/a 4096", "mmap a 4096 rw private 0 0", "write a 7", "madvise a 4096 dontneed")
    [outcome] = program.do("read a")
    assert outcome.val == ord("a")


def test_freed_pages_stay_readable_and_count_as_lazily_free_from_the_15th_on() -> None:
    program = Program("mmap a 65536 rw private", "touch a 65536 w 7", "madvise a 57344 free")
    [before, read] = program.do("rss", "read a")
    program.do("madvise a+57344 4096 free")
    [after] = program.do("rss")
    assert before.figures is not None
    assert after.figures is not None
    assert (before.figures["LazyFree"], read.val, after.figures["LazyFree"]) == (0, 7, 56)


def test_advice_about_a_hole_is_followed_elsewhere_and_then_says_enomem() -> None:
    program = Program("mmap a 12288 rw private", "touch a 12288 w", "munmap a+4096 4096")
    assert program.result("madvise a 12288 dontneed") == "ENOMEM"
    assert program.pages("a", 3) == "---"


@pytest.mark.parametrize(
    ("line", "errno"),
    [
        ("madvise a+1 4096 dontneed", "EINVAL"),
        ("madvise 0x20000000 4096 dontneed", "ENOMEM"),
        ("madvise b 4096 free", "EINVAL"),
        ("madvise c 4096 dontneed", "EINVAL"),
        ("madvise c 4096 cold", "EINVAL"),
    ],
)
def test_madvise_refuses_as_linux_does(line: str, errno: str) -> None:
    program = Program("mmap a 4096 rw private", "mmap b 4096 rw shared", "mmap c 4096 rw private,locked")
    assert program.result(line) == errno


def test_a_region_with_advice_of_its_own_stays_apart() -> None:
    program = Program("mmap a 8192 rw private", "madvise a 4096 random")
    assert program.regions() == [(TOP - 2 * PAGE, TOP - PAGE, "rw-p"), (TOP - PAGE, TOP, "rw-p")]
    program.do("madvise a 4096 normal")
    assert program.regions() == [(TOP - 2 * PAGE, TOP, "rw-p")]


# --- mlock and populate ----------------------------------------------------------------------------------------------


def locked(program: Program) -> tuple[int, int]:
    """(pages of locked regions, pages on the unevictable list)."""
    return program.mm().locked_vm, program.machine.kernel.swap.size(LruList.UNEVICTABLE)


def test_locking_makes_pages_present_and_keeps_them_off_the_lists_of_reclaim() -> None:
    program = Program("mmap a 16384 rw private", "touch a 4096 w")
    [outcome] = program.do("mlock a 8192")
    assert (outcome.ret, outcome.minflt) == (0, 1)
    assert program.pages("a", 4) == "PP--"
    assert locked(program) == (2, 2)
    assert program.regions() == [(TOP - 4 * PAGE, TOP - 2 * PAGE, "rw-p"), (TOP - 2 * PAGE, TOP, "rw-p")]


def test_pages_that_are_unmapped_are_locked_no_more() -> None:
    program = Program("mmap a 16384 rw private,locked", "munmap a 8192")
    assert locked(program) == (2, 2)
    program.do("munmap a+8192 8192")
    assert locked(program) == (0, 0)


def test_a_file_page_stays_locked_as_long_as_one_locked_region_maps_it() -> None:
    program = Program("file 0 /tmp/a 4096", "mmap a 4096 r shared 0 0", "mmap b 4096 r private 0 0")
    program.do("mlock a 4096", "mlock b 4096", "munmap a 4096")
    assert locked(program) == (1, 1)
    program.do("munmap b 4096")
    assert locked(program) == (0, 0)


def test_a_child_inherits_no_locks() -> None:
    program = Program("mmap a 8192 rw private,locked", "fork 1")
    assert (program.mm(0).locked_vm, program.mm(1).locked_vm) == (2, 0)


def test_mlock_of_a_hole_or_of_memory_that_nobody_may_read_says_enomem() -> None:
    program = Program("mmap a 4096 none private")
    assert program.results("mlock a 4096", "mlock 0x20000000 4096") == ["ENOMEM", "ENOMEM"]


def test_populating_makes_private_writable_pages_as_if_they_had_been_written() -> None:
    program = Program()
    [written] = program.do("mmap a 8192 rw private,populate")
    [read] = program.do("mmap b 8192 r private,populate")
    assert (written.minflt, read.minflt) == (2, 2)
    assert program.pages("a", 2) == "PP"
    assert program.frames("b", 2) == (program.machine.kernel.memory.zero_pfn,) * 2
    assert program.faults("touch a 8192 w") == 0
