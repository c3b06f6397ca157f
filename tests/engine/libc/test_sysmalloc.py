"""sysmalloc: how the heap grows, what stops it, and what glibc does then; trimming; thresholds."""

from __future__ import annotations

import pytest

from engine.commands import Malloc
from engine.events.libc import BinPut, MallocConsolidate, MmapChunk, SbrkLess, SbrkMore, Sysmalloc, TopMerged, TopSplit
from engine.views.heap import ChunkState, heap
from tests.engine.libc.c_program import FIRST_CHUNK, FIRST_MEM, HEAP, MAIN_ARENA, MP, Program

TOP = MAIN_ARENA + 56
FLAGS = MAIN_ARENA + 4
SYSTEM_MEM = MAIN_ARENA + 1108


def test_the_heap_grows_by_the_request_and_128_kb_less_what_top_has() -> None:
    program = Program("malloc a 100000")
    end = program.ret("sbrk 0")
    assert program.libc_events("malloc b 100000") == [Sysmalloc(0x186B0), SbrkMore(end, 0x2F000)]
    assert program["b"] == program["a"] + 0x186B0
    assert program.ret("sbrk 0") == end + 0x2F000
    assert program.word(SYSTEM_MEM) == 0x22000 + 0x2F000


def test_a_chunk_of_the_mmap_threshold_gets_a_mapping() -> None:
    program = Program("malloc a 100", "malloc a2 100000")
    assert program.libc_events("malloc below 131048")[0] == Sysmalloc(0x1FFF0)
    assert program.word(MP + 32) == 0  # n_mmaps
    program.do("malloc b 40000")
    assert program.libc_events("malloc m 131068")[-1] == MmapChunk(program["m"] - 8, 0x20FF8)
    assert program["m"] % 4096 == 16
    assert (program.word(program["m"] - 8), program.head("m")) == (8, 0x20FF8 | 2)
    assert (program.word(MP + 32), program.word(MP + 48)) == (1, 0x21000)


def test_a_large_request_that_top_can_serve_gets_no_mapping() -> None:
    program = Program("malloc a 100")
    assert program.libc_events("malloc b 138000") == [TopSplit(FIRST_MEM + 0x68, 0x21B20, 0x21DF8 - 0x21B20)]


def test_with_no_mappings_allowed_a_large_request_comes_from_the_heap() -> None:
    program = Program("mallopt -4 0", "malloc a 1000000")
    assert program["a"] == FIRST_MEM
    assert program.word(MP + 32) == 0


def test_behind_a_foreign_sbrk_two_fences_end_the_old_top() -> None:
    program = Program("malloc a 100000", "sbrk 4096")
    old_top, start = program["a"] - 8 + 0x186B0, HEAP + 0x22000 + 4096
    assert program.libc_events("malloc b 60000") == [
        Sysmalloc(0xEA70),
        SbrkMore(start, 0x26000),
        BinPut(1, old_top, 0x97A0),
    ]
    assert program["b"] == start + 16
    assert [program.word(old_top + 0x97A0 + offset) for offset in (4, 12)] == [8, 9]
    assert program.word(SYSTEM_MEM) == program.ret("sbrk 0") - HEAP


def test_behind_a_foreign_sbrk_malloc_can_trim_away_what_it_has_just_got() -> None:
    program = Program("malloc a 100", "sbrk 4096", "mallopt -4 0")
    first = program.machine.trace.total
    outcome = program.do("malloc b 139000")
    # The old top is large enough that freeing it trims the new one, which then is too small.
    events = [type(record.event) for record in program.machine.trace.records(first)]
    assert [kind for kind in events if kind in (SbrkMore, BinPut, SbrkLess)] == [SbrkMore, BinPut, SbrkLess]
    assert (outcome.ret, outcome.errno) == (0, "ENOMEM")
    assert program.ret("malloc b 139000") != 0


def test_a_heap_that_meets_a_mapping_goes_on_in_a_mapping_of_a_whole_megabyte() -> None:
    program = Program("malloc a 100000", f"mmap wall 4096 rw private,fixed anon 0 {HEAP + 0x22000:#x}")
    old_top = program["a"] - 8 + 0x186B0
    assert program.libc_events("malloc b 100000") == [Sysmalloc(0x186B0), BinPut(1, old_top, 0x97A0)]
    assert program["b"] == 0xB7C9B010
    assert program.word(TOP) == program["b"] - 8 + 0x186B0
    assert program.word(program.word(TOP) + 4) == 0x100000 - 8 - 0x186B0 | 1
    assert program.word(FLAGS) == 2  # NONCONTIGUOUS_BIT
    assert program.word(SYSTEM_MEM) == 0x22000 + 0x100000
    assert program.word(MP + 32) == 0  # n_mmaps: it is heap


@pytest.mark.parametrize("resource", ["data", "as"])
def test_a_program_at_its_limit_gets_null_and_enomem(resource: str) -> None:
    program = Program("malloc a 100", f"rlimit {resource} 4000000")
    last = None
    for number in range(100):
        last = program.do(Malloc(size=60000, as_=f"p{number}"))
        if not last.ret:
            break
    assert last is not None
    assert (last.ret, last.errno) == (0, "ENOMEM")
    program.machine.check()
    assert program.ret("malloc small 24") != 0


def test_the_first_malloc_without_memory_for_a_tcache_gives_null() -> None:
    program = Program("rlimit data 4096")
    outcome = program.do("malloc a 24")
    assert (outcome.ret, outcome.errno) == (0, "ENOMEM")
    assert program.machine.processes[0].libc.heap.tcache == 0
    assert program.do("malloc b 24").ret == 0


def test_a_freed_end_is_given_back_but_for_the_pad() -> None:
    program = Program("malloc a 2000")
    assert program.libc_events("free a") == [
        TopMerged(FIRST_CHUNK + 0x190, 0x21E68),
        SbrkLess(HEAP + 0x21000, 0x1000),
    ]
    assert program.ret("sbrk 0") == HEAP + 0x21000


def test_trim_gives_back_all_of_top_but_a_page() -> None:
    program = Program("malloc a 100")
    assert program.libc_events("trim 0") == [MallocConsolidate("malloc_trim"), SbrkLess(HEAP + 0x1000, 0x21000)]
    assert program.ret("sbrk 0") == HEAP + 0x1000
    assert program.ret("trim 0") == 0


def test_trim_keeps_the_pad() -> None:
    program = Program("malloc a 100", "trim 65536")
    assert program.ret("sbrk 0") == HEAP + 0x11000


def test_trim_empties_the_whole_pages_inside_free_chunks() -> None:
    program = Program("malloc a 20000", "malloc wall 24", "fill a 20000 0x41", "free a", "trim 0")
    page = (program["a"] + 4095) & -4096
    assert program.do(f"pagemap {program['a']:#x} 5").pages == "P---P"
    assert program.word(program["a"] - 4) == 0x4E31
    assert program.do(f"read {page:#x}").val == 0


def test_nothing_is_trimmed_when_somebody_else_moved_the_break() -> None:
    program = Program("malloc a 100", "sbrk 4096")
    assert program.libc_events("trim 0") == [MallocConsolidate("malloc_trim")]


def test_the_raw_brk_behind_glibcs_back_goes_unnoticed() -> None:
    program = Program("malloc a 100")
    end = program.ret("sbrk 0")
    program.do(f"brk {end + 8192:#x}")
    assert program.ret("sbrk 0") == end


def test_top_pad_is_what_the_heap_grows_by_besides_the_request() -> None:
    program = Program("mallopt -2 0", "malloc a 100")
    assert program.ret("sbrk 0") == HEAP + 0x2000


def test_max_fast_of_zero_ends_the_fast_bins() -> None:
    program = Program("mallopt 1 0", "malloc a 24", "malloc wall 24", *(f"malloc t{n} 24" for n in range(7)))
    for number in range(7):
        program.do(f"free t{number}")
    assert program.libc_events("free a") == [BinPut(1, program["a"] - 8, 0x20)]


def test_max_fast_beyond_80_is_refused() -> None:
    assert Program().ret("mallopt 1 81") == 0
    assert Program().ret("mallopt 1 80") == 1


def test_mallinfo_adds_up() -> None:
    program = Program("malloc a 24", "malloc b 1500", "malloc wall 24", "malloc m 200000", "free b")
    figures = program.do("mallinfo").figures
    assert figures is not None
    assert dict(figures) == {
        "arena": 0x22000, "ordblks": 2, "smblks": 0, "hblks": 1, "hblkhd": 0x31000, "usmblks": 0, "fsmblks": 0,
        "uordblks": 0x22000 - 0x5E0 - (0x21E68 - 0x20 - 0x5E0 - 0x20), "fordblks": 0x5E0 + 0x21E68 - 0x20 - 0x5E0 - 0x20,
        "keepcost": 0x21E68 - 0x20 - 0x5E0 - 0x20,
    }  # fmt: skip


def test_a_cached_chunk_counts_as_used_and_one_in_a_fast_bin_does_not() -> None:
    program = Program("malloc f 24", *(f"malloc t{n} 24" for n in range(7)), *(f"free t{n}" for n in range(7)))
    before = program.do("mallinfo").figures
    program.do("free f")
    after = program.do("mallinfo").figures
    assert before is not None
    assert after is not None
    assert (before["smblks"], before["fsmblks"]) == (0, 0)
    assert (after["smblks"], after["fsmblks"]) == (1, 0x20)
    assert after["uordblks"] == before["uordblks"] - 0x20


def test_the_chunks_of_a_heap_that_grew_and_shrank_still_tile_it() -> None:
    program = Program()
    for number in range(30):
        program.do(f"malloc p{number} {number * 3571}")
    for number in range(0, 30, 2):
        program.do(f"free p{number}")
    view = heap(program.machine)
    assert view.broken_at is None
    assert view.chunks[0].address == FIRST_CHUNK
    assert all(left.end == right.address for left, right in zip(view.chunks, view.chunks[1:], strict=False))
    assert (view.chunks[-1].state, view.chunks[-1].end) == (ChunkState.TOP, view.end)
