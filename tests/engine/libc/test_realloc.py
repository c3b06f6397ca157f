"""realloc: in place where there is room, else moved; and memalign's cutting."""

from __future__ import annotations

from engine.events.libc import BinPut, MremapChunk, MunmapChunk, TcachePut, TopSplit
from engine.views.heap import ChunkState, heap
from tests.engine.libc.c_program import MAIN_ARENA, Program


def test_a_block_that_still_fits_its_chunk_stays_as_it_is() -> None:
    program = Program("malloc a 100")
    before = program["a"]
    assert program.events("realloc a 108") == []
    assert (program["a"], program.head("a")) == (before, 0x71)


def test_a_block_beside_top_grows_into_it() -> None:
    program = Program("malloc a 100")
    before = program["a"]
    assert program.ret("realloc a 1000") == before
    assert program.head("a") == 0x3F1
    assert program.word(MAIN_ARENA + 56) == before - 8 + 0x3F0
    assert program.word(before - 8 + 0x3F0 + 4) == 0x21E69 - 0x3F0


def test_a_block_grows_into_a_free_chunk_behind_it_and_what_is_too_much_is_freed() -> None:
    program = Program("malloc a 1500", "malloc b 1500", "malloc wall 24", "free b")
    before = program["a"]
    assert program.ret("realloc a 2000") == before
    assert program.head("a") == 0x7E1
    assert program.word(before - 8 + 0x7E0 + 4) == (0x5E0 * 2 - 0x7E0) | 1
    assert program.head("wall") == 0x21  # the remainder of 0x3e0 is small enough for the tcache
    assert [chunk.state for chunk in heap(program.machine).chunks[1:4]] == [
        ChunkState.IN_USE, ChunkState.TCACHE, ChunkState.IN_USE,
    ]  # fmt: skip


def test_a_block_that_shrinks_frees_its_end() -> None:
    program = Program("malloc a 3000", "malloc wall 24")
    a = program["a"] - 8
    assert program.libc_events("realloc a 1000") == [BinPut(1, a + 0x3F0, 0x7D0)]
    assert program.head("a") == 0x3F1
    assert program.libc_events("realloc a 900") == [TcachePut(5, 0x60)]


def test_a_block_that_shrinks_by_less_than_a_chunk_keeps_it() -> None:
    program = Program("malloc a 1000", "malloc wall 24")
    assert program.libc_events("realloc a 990") == []
    assert program.head("a") == 0x3F1


def test_a_block_that_must_move_takes_its_content_along_and_is_freed() -> None:
    program = Program("malloc a 100", "malloc wall 24", "fill a 100 0x41")
    before = program["a"]
    events = program.libc_events("realloc a 200")
    assert events == [TopSplit(program["wall"] + 0x18, 0xD0, 0x21E68 - 0x70 - 0x20 - 0xD0), TcachePut(6, 0x70)]
    assert program["a"] == program["wall"] + 0x20
    assert {program.word(program["a"] + offset) for offset in range(0, 100, 4)} == {0x41414141}
    assert program.ret("malloc b 100") == before


def test_realloc_of_null_is_malloc_and_to_nothing_is_free() -> None:
    program = Program("malloc a 100")
    program.machine.processes[0].slots["n"] = 0
    assert program.ret("realloc n 100") == program["a"] + 0x70
    assert program.libc_events("realloc n 0") == [TcachePut(6, 0x70)]


def test_a_realloc_that_fails_leaves_the_block_as_it_was() -> None:
    program = Program("malloc a 100", "fill a 100 0x41")
    before = program["a"]
    outcome = program.do("realloc a 0x80000000")
    assert (outcome.ret, outcome.errno, program["a"]) == (0, "ENOMEM", before)
    assert program.word(before) == 0x41414141


def test_a_mapped_block_is_resized_by_the_kernel() -> None:
    program = Program("malloc m 200000", "fill m 200000 0x41")
    assert program.libc_events("realloc m 300000") == [MremapChunk(program["m"] - 8, 0x49FF8)]
    assert program.head("m") == 0x49FFA
    assert program.do("checktouch m 196608 0x41").bad == 0


def test_a_mapped_block_that_needs_as_many_pages_as_before_is_left_alone() -> None:
    program = Program("malloc m 200000")
    before = program["m"]
    assert program.events("realloc m 200100") == []
    assert program["m"] == before


def test_a_mapped_block_never_moves_into_the_heap_by_shrinking() -> None:
    program = Program("malloc m 200000")
    assert program.libc_events("realloc m 100") == [MremapChunk(program["m"] - 8, 0xFF8)]
    assert program.libc_events("free m") == [MunmapChunk(program["m"] - 8, 0x1000)]


def test_memalign_frees_what_lies_before_and_behind() -> None:
    program = Program("malloc a 100")
    program.do("memalign m 1024 2000")
    a, m = program["a"] - 8, program["m"] - 8
    assert m + 8 == 0x0804E400
    assert [(chunk.address, chunk.size, chunk.state) for chunk in heap(program.machine).chunks[1:]] == [
        (a, 0x70, ChunkState.IN_USE),
        (a + 0x70, 0x1F0, ChunkState.TCACHE),
        (m, 0x7E0, ChunkState.IN_USE),
        (m + 0x7E0, 0x230, ChunkState.TCACHE),
        (m + 0xA10, 0x211F8, ChunkState.TOP),
    ]


def test_memalign_of_a_mapping_keeps_the_lead_in_prev_size() -> None:
    program = Program("memalign m 65536 200000")
    mapping = 0xB7D5A000
    assert program["m"] == 0xB7D60000
    assert program.word(program["m"] - 8) == program["m"] - 8 - mapping == 0x5FF8
    assert program.head("m") == 0x41000 - 0x5FF8 | 2
    assert program.libc_events("free m")[-1] == MunmapChunk(program["m"] - 8, 0x41000)
