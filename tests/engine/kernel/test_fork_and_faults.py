"""Pages that appear when they are first touched, files in memory, and processes that share frames until one writes."""

from __future__ import annotations

import pytest

from tests.engine.kernel.mapping_program import PAGE, TOP, Program

MAPERR, ACCERR, ADRERR = 1, 2, 2


def zero_page(program: Program) -> int:
    return program.machine.kernel.memory.zero_pfn


# --- anonymous memory ------------------------------------------------------------------------------------------------


def test_a_read_of_untouched_memory_maps_the_zero_page() -> None:
    program = Program("mmap a 8192 rw private")
    rss = program.mm().rss
    assert [program.faults("read a"), program.faults("read a+4096")] == [1, 1]
    assert program.frames("a", 2) == (zero_page(program), zero_page(program))
    assert program.mm().rss == rss


def test_a_write_to_the_zero_page_takes_a_frame_of_its_own() -> None:
    program = Program("mmap a 4096 rw private", "read a")
    assert program.faults("write a 1") == 1
    frames = program.frames("a", 1)
    assert frames is not None
    assert frames[0] not in (0, zero_page(program))
    assert program.mm().anon_rss == Program("mmap a 4096 rw private").mm().anon_rss + 1


def test_a_first_write_takes_one_fault_and_one_frame_of_zeros() -> None:
    program = Program("mmap a 8192 rw private")
    assert program.faults("write a+5 1") == 1
    assert program.pages("a", 2) == "P-"
    [outcome] = program.do("read32 a")
    assert (outcome.val, outcome.minflt) == (0, 0)


@pytest.mark.parametrize(
    ("line", "signal"),
    [
        ("read 0", ("SIGSEGV", MAPERR, 0)),
        ("write 0xffffffff 1", ("SIGSEGV", MAPERR, 0xFFFFFFFF)),
        ("read 0xc0000000", ("SIGSEGV", MAPERR, 0xC0000000)),
        ("read 0x20000000", ("SIGSEGV", MAPERR, 0x20000000)),
        ("write 0x08048000 1", ("SIGSEGV", ACCERR, 0x08048000)),
        ("read a", ("SIGSEGV", ACCERR, TOP - PAGE)),
    ],
)
def test_a_bad_access_is_told_with_its_address_and_whether_there_is_a_region(
    line: str, signal: tuple[str, int, int]
) -> None:
    assert Program("mmap a 4096 none private").signal(line) == signal


# --- files -----------------------------------------------------------------------------------------------------------


def test_a_read_of_a_cached_file_maps_the_16_pages_around_it() -> None:
    program = Program("file 0 /tmp/a 262144", "mmap a 262144 r private 0 0")
    assert program.result("mmap b 4096 r private") == TOP - 65 * PAGE
    [outcome] = program.do("read a+86016")
    assert (outcome.val, outcome.minflt) == (ord("a") + 21, 1)
    first = -((TOP - 64 * PAGE) >> 12) % 16
    assert program.pages("a", 64) == "-" * (first + 16) + "f" * 16 + "-" * (32 - first)


def test_beyond_the_last_page_of_a_file_there_is_sigbus_and_within_it_zeros() -> None:
    program = Program("file 0 /tmp/a 5000", "mmap a 16384 rw shared 0 0")
    [inside, behind] = program.do("read a+4999", "read a+5000")
    assert (inside.val, behind.val) == (ord("b"), 0)
    assert program.signal("read a+8192") == ("SIGBUS", ADRERR, TOP - 2 * PAGE)
    assert program.signal("write a+12288 1") == ("SIGBUS", ADRERR, TOP - PAGE)


def test_a_private_write_copies_the_files_page_and_a_shared_one_changes_it() -> None:
    program = Program("file 0 /tmp/a 8192", "mmap a 8192 rw private 0 0", "mmap b 8192 rw shared 0 0")
    program.do("write a 90", "write b 91", "write b+4096 92")
    [own, files, seen] = program.do("read a", "read b", "read a+4096")
    assert (own.val, files.val, seen.val) == (90, 91, 92)
    assert program.pages("a", 2) == "Pf"
    private, shared = program.frames("a", 2), program.frames("b", 2)
    assert private is not None
    assert shared is not None
    assert private[0] != shared[0]
    assert private[1] == shared[1]


def test_a_write_beyond_a_files_end_costs_no_frame() -> None:
    program = Program("file 0 /tmp/a 4096", "mmap a 8192 rw private 0 0", "write a 1")
    before = program.mm().anon_rss
    assert program.signal("write a+4096 1") == ("SIGBUS", ADRERR, TOP - PAGE)
    assert program.mm().anon_rss == before


# --- fork ------------------------------------------------------------------------------------------------------------


def test_a_child_shares_its_parents_frames_until_one_of_them_writes() -> None:
    program = Program("mmap a 8192 rw private", "touch a 8192 w 1", "fork 1")
    before = program.frames("a", 2)
    assert program.frames("a", 2, pid=1) == before
    assert program.faults("@1 write a 2") == 1
    parent, child = program.frames("a", 2), program.frames("a", 2, pid=1)
    assert parent == before
    assert before is not None
    assert child is not None
    assert child[0] not in before
    assert child[1] == before[1]
    [old, new] = program.do("read a", "@1 read a")
    assert (old.val, new.val) == (1, 2)


def test_the_last_process_that_has_a_page_writes_to_it_without_a_copy() -> None:
    program = Program("mmap a 4096 rw private", "write a 1", "fork 1", "@1 write a 2")
    before = program.frames("a", 1)
    reused = program.machine.kernel.vmstat.pgreuse
    assert program.faults("write a 3") == 1
    assert program.frames("a", 1) == before
    assert program.machine.kernel.vmstat.pgreuse == reused + 1


def test_a_page_is_the_parents_own_again_when_the_child_has_ended() -> None:
    program = Program("mmap a 4096 rw private", "write a 1", "fork 1", "@1 exit 0")
    before = program.frames("a", 1)
    assert program.faults("write a 2") == 1
    assert program.frames("a", 1) == before


def test_shared_memory_stays_shared_after_fork() -> None:
    program = Program("mmap a 4096 rw shared", "write a 1", "fork 1", "@1 write a 2")
    [outcome] = program.do("read a")
    assert (outcome.val, outcome.minflt) == (2, 0)
    assert program.frames("a", 1) == program.frames("a", 1, pid=1)


def test_a_child_maps_shared_memory_by_its_own_faults() -> None:
    program = Program("mmap a 4096 rw shared", "write a 1", "fork 1")
    assert program.pages("a", 1, pid=1) == "-"
    assert program.faults("@1 read a") == 1


def test_a_region_with_dontfork_is_not_the_childs() -> None:
    program = Program("mmap a 8192 rw private", "touch a 8192 w", "madvise a 4096 dontfork", "fork 1")
    assert program.regions(1) == [(TOP - PAGE, TOP, "rw-p")]
    assert program.signal("@1 read a") == ("SIGSEGV", MAPERR, TOP - 2 * PAGE)
    assert program.mm(1).total_vm == program.mm(0).total_vm - 1


def test_the_child_of_a_child_sees_what_its_ancestors_wrote() -> None:
    program = Program("mmap a 12288 rw private", "touch a 12288 w 1", "fork 1", "@1 write a 2", "@1 fork 2")
    program.do("@2 write a+4096 3", "write a+8192 4")
    seen = [[outcome.val for outcome in program.do(*(f"@{p} read a+{n * PAGE}" for n in range(3)))] for p in range(3)]
    assert seen == [[1, 1, 4], [2, 1, 1], [2, 3, 1]]


def test_fork_promises_the_same_memory_again_and_exit_gives_it_back() -> None:
    program = Program("mmap a 1048576 rw private")
    mmap = program.machine.kernel.mmap
    before = mmap.vm_committed_as
    program.do("fork 1")
    assert mmap.vm_committed_as == 2 * before
    program.do("@1 exit 0")
    assert mmap.vm_committed_as == before


def test_a_childs_peak_is_its_own() -> None:
    program = Program("mmap a 1048576 rw private", "munmap a 1048576", "fork 1")
    [status] = program.do("@1 status")
    assert status.figures is not None
    assert status.figures["VmPeak"] == status.figures["VmSize"]


def test_shared_memory_without_a_name_dies_with_its_last_mapping() -> None:
    program = Program("mmap a 16384 rw shared", "touch a 16384 w", "fork 1")
    stat = program.machine.kernel.vmstat
    assert stat.nr_shmem == 4
    program.do("munmap a 16384")
    assert stat.nr_shmem == 4
    program.do("@1 exit 0")
    assert stat.nr_shmem == 0
