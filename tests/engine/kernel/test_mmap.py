"""Where memory is mapped, which regions become one, how the heap and the stack grow, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.kernel.mm_types import PG_SLAB
from tests.engine.kernel.mapping_program import CONFIG, HEAP, PAGE, TOP, Program

STACK = 0xBFFDF000
GUARD = 256 * PAGE

# --- where a mapping goes --------------------------------------------------------------------------------------------


def test_mappings_go_below_libc_and_then_below_each_other() -> None:
    program = Program()
    assert program.result("mmap a 4096 r private") == TOP - PAGE
    assert program.result("mmap b 8192 rw private") == TOP - 3 * PAGE


def test_a_length_is_rounded_up_to_whole_pages() -> None:
    program = Program("mmap a 4097 r private")
    assert program.regions() == [(TOP - 2 * PAGE, TOP, "r--p")]


def test_the_highest_hole_that_is_large_enough_is_filled_from_its_upper_end() -> None:
    program = Program("mmap a 65536 r private", "munmap a+4096 8192", "munmap a+32768 12288")
    assert program.result("mmap b 8192 rw private") == TOP - 0x10000 + 0x8000 + PAGE
    assert program.result("mmap c 8192 rw private") == TOP - 0x10000 + PAGE
    assert program.result("mmap d 8192 rw private") == TOP - 0x10000 - 2 * PAGE


def test_a_hint_is_taken_where_there_is_room_and_ignored_where_there_is_none() -> None:
    program = Program()
    assert program.result("mmap a 4096 r private anon 0 0x20000000") == 0x20000000
    assert program.result("mmap b 4096 r private anon 0 0x20000000") == TOP - PAGE


def test_a_hint_loses_its_offset_and_is_raised_to_mmap_min_addr() -> None:
    program = Program()
    assert program.result("mmap a 4096 r private anon 0 0x20000abc") == 0x20000000
    assert program.result("mmap b 4096 r private anon 0 0x1000") == 0x10000


def test_a_fixed_mapping_replaces_what_was_there() -> None:
    program = Program("mmap a 12288 rw private", "touch a 12288 w")
    assert program.result("mmap b 4096 r private,fixed anon 0 a+4096") == TOP - 2 * PAGE
    assert program.regions() == [
        (TOP - 3 * PAGE, TOP - 2 * PAGE, "rw-p"),
        (TOP - 2 * PAGE, TOP - PAGE, "r--p"),
        (TOP - PAGE, TOP, "rw-p"),
    ]
    assert program.pages("a", 3) == "P-P"


def test_fixed_noreplace_refuses_to_replace() -> None:
    program = Program("mmap a 4096 r private")
    assert program.result("mmap b 8192 r private,fixed_noreplace anon 0 a-4096") == "EEXIST"
    assert program.result("mmap b 4096 r private,fixed_noreplace anon 0 a-4096") == TOP - 2 * PAGE


def test_a_fixed_mapping_may_lie_below_mmap_min_addr_for_root() -> None:
    assert Program().result("mmap a 4096 rw private,fixed anon 0 0x1000") == 0x1000


def test_when_nothing_is_free_below_mmap_base_the_search_begins_above_a_third_of_the_space() -> None:
    program = Program()
    taken = [program.result(f"mmap m{n} 0x10000000 none private,noreserve") for n in range(11)]
    assert taken == [*(TOP - n * 0x10000000 for n in range(1, 11)), "ENOMEM"]
    above_heap, below_program = 0x17D9B000 - HEAP, 0x08048000 - 0x10000
    assert program.result(f"mmap a {above_heap} none private,noreserve") == HEAP
    assert program.result(f"mmap b {below_program} none private,noreserve") == 0x10000
    assert program.results("mmap c 4096 r private", "mmap d 4096 rw private") == [0xB8000000, 0xB8001000]


def test_a_growing_region_keeps_256_pages_free_below_itself() -> None:
    program = Program("mmap a 4096 rw private,growsdown")
    assert program.result("mmap b 4096 r private") == TOP - PAGE - GUARD - PAGE


def test_the_search_goes_on_below_a_guard_gap_even_past_holes_inside_it() -> None:
    program = Program("mmap top 65536 none private,noreserve", "mmap a 4096 r private anon 0 0xb7d80000")
    program.do("mmap stack 4096 rw private,growsdown,fixed anon 0 0xb7d8a000")
    assert program.result("mmap b 32768 r private") == 0xB7D8A000 - GUARD - 8 * PAGE


# --- which regions become one ----------------------------------------------------------------------------------------


def test_neighbours_with_the_same_rights_are_one_region() -> None:
    program = Program("mmap a 4096 rw private", "mmap b 4096 rw private", "mmap c 4096 r private")
    assert program.regions() == [(TOP - 3 * PAGE, TOP - 2 * PAGE, "r--p"), (TOP - 2 * PAGE, TOP, "rw-p")]


def test_a_hole_that_is_filled_makes_three_regions_one() -> None:
    program = Program("mmap a 12288 rw private", "munmap a+4096 4096")
    assert program.regions() == [(TOP - 3 * PAGE, TOP - 2 * PAGE, "rw-p"), (TOP - PAGE, TOP, "rw-p")]
    program.do("mmap b 4096 rw private,fixed anon 0 a+4096")
    assert program.regions() == [(TOP - 3 * PAGE, TOP, "rw-p")]


def test_unmapping_the_middle_leaves_two_regions() -> None:
    program = Program("mmap a 16384 rw private", "munmap a+4096 4096")
    assert program.regions() == [(TOP - 4 * PAGE, TOP - 3 * PAGE, "rw-p"), (TOP - 2 * PAGE, TOP, "rw-p")]


def test_regions_whose_pages_have_different_origins_stay_apart() -> None:
    """Both were touched before they became neighbours: each has an anon_vma of its own, and the hole goes to the upper."""
    program = Program("mmap a 12288 rw private", "munmap a+4096 4096", "touch a 4096 w", "touch a+8192 4096 w")
    program.do("mmap b 4096 rw private,fixed anon 0 a+4096")
    assert program.regions() == [(TOP - 3 * PAGE, TOP - 2 * PAGE, "rw-p"), (TOP - 2 * PAGE, TOP, "rw-p")]


def test_shared_anonymous_mappings_never_merge() -> None:
    program = Program("mmap a 4096 rw shared", "mmap b 4096 rw shared")
    assert program.regions() == [(TOP - 2 * PAGE, TOP - PAGE, "rw-s"), (TOP - PAGE, TOP, "rw-s")]
    assert program.region_names() == ["/dev/zero (deleted)"] * 2


def test_mappings_of_a_file_merge_where_their_offsets_continue() -> None:
    program = Program("file 0 /tmp/a 16384", "mmap a 8192 r shared 0 8192", "mmap b 8192 r shared 0 0")
    assert program.regions() == [(TOP - 4 * PAGE, TOP, "r--s")]
    program.do("mmap c 4096 r shared 0 0")
    assert program.regions()[0] == (TOP - 5 * PAGE, TOP - 4 * PAGE, "r--s")


def test_maps_is_laid_out_as_linux_prints_it() -> None:
    program = Program("file 0 /tmp/a 8192", "mmap a 4096 rw shared 0 4096", "mmap b 4096 none private")
    lines = program.machine.proc_file("maps").splitlines()
    assert lines[5] == "0804d000-0804e000 rw-p 00000000 00:00 0          [heap]"
    assert lines[6] == "b7d99000-b7d9a000 ---p 00000000 00:00 0 "
    assert lines[7].startswith("b7d9a000-b7d9b000 rw-s 00001000 00:02 ")
    assert lines[7].endswith(" /tmp/a")
    assert lines[7].index("/tmp/a") == 49
    assert lines[-1] == "bffdf000-c0000000 rw-p 00000000 00:00 0          [stack]"


# --- munmap ----------------------------------------------------------------------------------------------------------


def frames_of_memory(program: Program) -> set[int]:
    """Frames in use, the kernel's own records left aside."""
    pages = program.machine.kernel.page_alloc.mem_map.values()
    return {page.pfn for page in pages if not page.flags & PG_SLAB}


def test_unmapping_gives_back_the_frames_and_the_page_table() -> None:
    program = Program()
    before, tables = frames_of_memory(program), program.mm().pgtables_bytes
    program.do("mmap a 16384 rw private,fixed anon 0 0x20000000", "touch a 16384 w")
    assert len(frames_of_memory(program) - before) == 4 + 1
    assert program.mm().pgtables_bytes == tables + PAGE
    program.do("munmap a 16384")
    assert frames_of_memory(program) == before
    assert program.mm().pgtables_bytes == tables


def test_unmapping_where_nothing_is_mapped_succeeds() -> None:
    assert Program().result("munmap 0x20000000 4096") == 0


@pytest.mark.parametrize("line", ["munmap 0x20000001 4096", "munmap 0x20000000 0", "munmap 0xbffff000 8192"])
def test_munmap_refuses_what_is_no_range_of_pages(line: str) -> None:
    assert Program().result(line) == "EINVAL"


@pytest.mark.parametrize(
    ("line", "errno"),
    [
        ("mmap a 0 rw private", "EINVAL"),
        ("mmap a 4096 rw noreserve", "EINVAL"),
        ("mmap a 4096 rw private anon 100", "EINVAL"),
        ("mmap a 4096 rw private 5", "EBADF"),
        ("mmap a 0xc0000000 rw private", "ENOMEM"),
        ("mmap a 0xffffffff rw private", "ENOMEM"),
        ("mmap a 4096 rw private,fixed anon 0 0xc0000000", "ENOMEM"),
        ("mmap a 4096 rw private,fixed anon 0 0x20000001", "EINVAL"),
        ("mmap a 4096 rw shared,growsdown", "EINVAL"),
    ],
)
def test_mmap_refuses_as_linux_does(line: str, errno: str) -> None:
    program = Program()
    assert program.result(line) == errno
    assert program.regions() == []


# --- the heap --------------------------------------------------------------------------------------------------------


def heap(program: Program) -> list[tuple[int, int]]:
    [outcome] = program.do("maps")
    assert outcome.maps is not None
    return [(m.start, m.end) for m in outcome.maps if m.name == "[heap]"]


def test_the_heap_begins_beside_the_bss_and_is_not_part_of_it() -> None:
    program = Program(f"brk {HEAP + 1}")
    assert heap(program) == [(HEAP - PAGE, HEAP), (HEAP, HEAP + PAGE)]


def test_the_break_moves_byte_by_byte_and_the_heap_page_by_page() -> None:
    program = Program()
    assert program.results("brk 0", f"brk {HEAP + 5000}", f"brk {HEAP + 4096}") == [HEAP, HEAP + 5000, HEAP + 4096]
    assert heap(program) == [(HEAP - PAGE, HEAP), (HEAP, HEAP + PAGE)]
    assert program.result(f"brk {HEAP}") == HEAP
    assert heap(program) == [(HEAP - PAGE, HEAP)]


def test_the_heap_grows_as_one_region() -> None:
    program = Program(f"brk {HEAP + 4096}", f"touch {HEAP} 4096 w", f"brk {HEAP + 12288}")
    assert heap(program) == [(HEAP - PAGE, HEAP), (HEAP, HEAP + 3 * PAGE)]


def test_the_break_stays_below_the_program_and_does_not_run_into_a_mapping() -> None:
    program = Program(f"mmap a 4096 r private,fixed anon 0 {HEAP + 3 * PAGE}")
    assert program.results(f"brk {HEAP - 1}", f"brk {HEAP + 3 * PAGE}", f"brk {HEAP + 2 * PAGE}") == [
        HEAP,
        HEAP,
        HEAP + 2 * PAGE,
    ]


# --- the stack -------------------------------------------------------------------------------------------------------


def stack(program: Program) -> tuple[int, int]:
    [outcome] = program.do("maps")
    assert outcome.maps is not None
    return outcome.maps[-1].start, outcome.maps[-1].end


def test_the_stack_grows_to_the_page_that_is_touched() -> None:
    program = Program()
    assert stack(program) == (STACK, 0xC0000000)
    assert program.faults("stack 1000000") == 1
    assert stack(program) == (0xC0000000 - 1000000 & -PAGE, 0xC0000000)


def test_the_stack_stops_at_its_limit_of_8_mb() -> None:
    program = Program()
    assert program.signal("stack 8388609") == ("SIGSEGV", 1, 0xC0000000 - 8388609)
    assert program.signal("stack 8388608") is None
    assert stack(program) == (0xBF800000, 0xC0000000)


def test_the_stack_stops_256_pages_above_another_mapping() -> None:
    program = Program("mmap a 4096 rw private,fixed anon 0 0xbfe00000")
    assert program.signal(f"stack {0xC0000000 - 0xBFF00FFF}") == ("SIGSEGV", 1, 0xBFF00FFF)
    assert program.signal(f"stack {0xC0000000 - 0xBFF01000}") is None


def test_the_stack_comes_close_to_a_mapping_that_nobody_may_access() -> None:
    program = Program("mmap a 4096 none private,fixed anon 0 0xbfe00000")
    assert program.signal(f"stack {0xC0000000 - 0xBFE01000}") is None
    assert program.signal(f"stack {0xC0000000 - 0xBFE00FFF}") == ("SIGSEGV", 2, 0xBFE00FFF)


# --- limits and promises ---------------------------------------------------------------------------------------------


def test_rlimit_as_counts_every_page_and_a_fixed_mapping_only_what_it_adds() -> None:
    program = Program("mmap a 8192 rw private")
    size = program.mm().total_vm * PAGE
    program.do(f"rlimit as {size + PAGE}")
    assert program.results("mmap b 8192 none private", "mmap b 12288 rw private,fixed anon 0 a-4096") == [
        "ENOMEM",
        TOP - 3 * PAGE,
    ]
    assert program.result(f"brk {HEAP + 1}") == HEAP


def test_rlimit_data_counts_private_writable_pages_alone() -> None:
    program = Program()
    program.do(f"rlimit data {program.mm().data_vm * PAGE + PAGE}")
    assert program.results("mmap a 8192 rw private", "mmap a 8192 r private", "mmap b 8192 rw shared") == [
        "ENOMEM",
        TOP - 2 * PAGE,
        TOP - 4 * PAGE,
    ]
    assert program.result("mprotect a 8192 rw") == "ENOMEM"
    assert program.result("mprotect a 4096 rw") == 0


def test_one_mapping_may_promise_all_of_memory_but_no_page_more() -> None:
    program = Program()
    pages = program.machine.kernel.oom_kill.total_pages()
    assert program.result(f"mmap a {(pages + 1) * PAGE} rw private") == "ENOMEM"
    assert program.result(f"mmap a {pages * PAGE} rw private") == TOP - pages * PAGE
    assert program.result(f"mmap b {pages * PAGE} rw private") == TOP - 2 * pages * PAGE


def test_noreserve_and_read_only_mappings_promise_nothing() -> None:
    program = Program()
    before = program.machine.kernel.mmap.vm_committed_as
    program.do("mmap a 8192 rw private,noreserve", "mmap b 8192 r private")
    assert program.machine.kernel.mmap.vm_committed_as == before
    program.do("mmap c 8192 rw private", "mmap d 4096 rw shared")
    assert program.machine.kernel.mmap.vm_committed_as == before + 3
    program.do("munmap c 8192", "munmap d 4096")
    assert program.machine.kernel.mmap.vm_committed_as == before


def test_strict_overcommit_refuses_beyond_the_commit_limit() -> None:
    program = Program(config=replace(CONFIG, sysctls=(("overcommit_memory", 2),)))
    kernel, mm = program.machine.kernel, program.mm()
    room = kernel.mmap.vm_commit_limit() - mm.total_vm // 32 - kernel.mmap.vm_committed_as
    assert program.result(f"mmap a {room * PAGE} rw private") == "ENOMEM"
    assert program.result(f"mmap a {(room - 1) * PAGE} rw private,noreserve") == TOP - (room - 1) * PAGE


def test_a_process_may_have_max_map_count_regions_and_one_more() -> None:
    program = Program("mmap a 4096 r private")
    program.do(f"sysctl max_map_count {len(program.mm().vmas)}")
    assert program.result("mmap b 4096 rw private") == TOP - 2 * PAGE
    assert program.result("mmap c 4096 r private") == "ENOMEM"
    assert program.result("mprotect b 4096 r") == 0


def test_vmpeak_remembers_the_largest_size() -> None:
    program = Program()
    size = program.mm().total_vm
    program.do("mmap a 1048576 r private", "munmap a 1048576")
    [status] = program.do("status")
    assert status.figures is not None
    assert (status.figures["VmPeak"], status.figures["VmSize"]) == ((size + 256) * 4, size * 4)
