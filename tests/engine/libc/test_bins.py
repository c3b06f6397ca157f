"""The unsorted bin, the small bins and the large ones: how free chunks are filed, found, and cut."""

from __future__ import annotations

import pytest

from engine.events.libc import BinGet, BinPut, ChunkSplit, MallocConsolidate, TcacheGet, TcachePut, TopSplit
from engine.libc.state import bin_index, largebin_index, smallbin_index
from engine.views.bins import BinKind, bins
from tests.engine.libc.c_program import MAIN_ARENA, UNSORTED_BIN, Program, seven_cached

BINMAP = MAIN_ARENA + 1080
CUT = ("malloc a 1500", "malloc wall 24", "free a", "malloc b 1040")
"""a of 0x5e0 was cut: b took 0x420 bytes, the last remainder has 0x1c0."""


def chunks_of(program: Program, kind: BinKind) -> list[int]:
    """Memory of the chunks in all bins of a kind, the one that malloc takes first in front."""
    return [link.chunk + 8 for found in bins(program.machine).of(kind) for link in found.links]


@pytest.mark.parametrize(
    ("size", "index"),
    [
        (16, 2), (32, 3), (992, 63), (1008, 64), (1024, 65), (1088, 66), (2928, 94), (2944, 96), (3008, 96), (3072, 97),
        (10752, 112), (12288, 113), (40960, 120), (65536, 121), (163840, 124), (262144, 125), (524288, 126),
        (0x7FFFFFF0, 126),
    ],
)  # fmt: skip
def test_each_size_has_one_bin(size: int, index: int) -> None:
    assert bin_index(size) == index
    assert (smallbin_index(size) if size < 1008 else largebin_index(size)) == index


def test_a_search_files_what_is_unsorted_by_size() -> None:
    program = Program(
        "malloc a 1500", "malloc w1 24", "malloc b 5000", "malloc w2 24", "free a", "free b"
    )  # fmt: skip
    a, b = program["a"] - 8, program["b"] - 8
    events = program.libc_events("malloc c 20000")
    assert events[:2] == [BinPut(72, a, 0x5E0), BinPut(100, b, 0x1390)]
    assert isinstance(events[2], TopSplit)
    assert chunks_of(program, BinKind.UNSORTED) == []
    assert chunks_of(program, BinKind.LARGE) == [program["a"], program["b"]]


def test_the_bin_map_marks_a_bin_that_was_filled_and_forgets_it_when_it_is_found_empty() -> None:
    program = Program("malloc a 1500", "malloc wall 24", "free a", "malloc c 3000")
    assert program.word(BINMAP + 4 * (72 >> 5)) == 1 << (72 & 31)
    program.do("malloc d 1500")
    assert program.word(BINMAP + 4 * (72 >> 5)) == 1 << (72 & 31)
    program.do("malloc e 1100")
    assert program.word(BINMAP + 4 * (72 >> 5)) == 0


def test_a_chunk_of_just_the_size_wanted_goes_to_the_tcache_and_from_there_to_the_program() -> None:
    program = Program("malloc a 300", "malloc w 24", *seven_cached(300), "free a")
    for number in range(7):
        program.do(f"malloc u{number} 300")
    assert chunks_of(program, BinKind.UNSORTED) == [program["a"]]
    assert program.libc_events("malloc b 300") == [TcachePut(18, 0x130), TcacheGet(18, 0x130)]
    assert program["b"] == program["a"]


def test_a_chunk_of_just_the_size_wanted_is_taken_at_once_when_the_tcache_does_not_serve_it() -> None:
    program = Program("malloc a 1500", "malloc wall 24", "free a")
    assert program.libc_events("malloc b 1500") == [BinGet(1, program["a"] - 8, 0x5E0)]
    assert program["b"] == program["a"]
    assert program.head("wall") == 0x21


def test_the_smallest_that_fits_of_a_large_bin_is_cut_and_the_rest_is_unsorted() -> None:
    program = Program("malloc a 1500", "malloc wall 24", "free a")
    a = program["a"] - 8
    assert program.libc_events("malloc b 1040") == [
        BinPut(72, a, 0x5E0),
        BinGet(72, a, 0x5E0),
        ChunkSplit(a, 0x420, a + 0x420, 0x1C0),
    ]
    assert program.head("b") == 0x421
    assert program.word(a + 0x420 + 4) == 0x1C1
    assert chunks_of(program, BinKind.UNSORTED) == [program["b"] + 0x420]


def test_small_requests_in_a_row_are_cut_from_the_last_remainder() -> None:
    program = Program("malloc a 1500", "malloc wall 24", "free a", "malloc b 40")
    assert program["b"] == program["a"]
    assert program.word(MAIN_ARENA + 60) == program["b"] + 0x30 - 8  # last_remainder
    first = program["b"] + 0x30 - 8
    assert program.libc_events("malloc c 40") == [ChunkSplit(first, 0x30, first + 0x30, 0x580)]
    assert program.libc_events("malloc d 40") == [ChunkSplit(first + 0x30, 0x30, first + 0x60, 0x550)]
    assert [program["c"], program["d"]] == [program["b"] + 0x30, program["b"] + 0x60]


def test_a_remainder_too_small_for_a_chunk_stays_with_the_program() -> None:
    program = Program("malloc a 1500", "malloc wall 24", "free a", "malloc c 3000")
    program.do("malloc d 1484")
    assert program.head("d") == 0x5D1
    program = Program("malloc a 1000", "malloc wall 24", "malloc b 1500", "malloc w2 24", "free b", "malloc c 3000")
    assert program.ret("malloc d 1490") == program["b"]
    assert program.head("d") == 0x5E1


def test_a_large_bin_is_sorted_largest_first_and_links_the_first_of_each_size() -> None:
    names = "pqrs"
    sizes = dict(zip(names, (1484, 1500, 1516, 1500), strict=True))
    program = Program(*(line for name in names for line in (f"malloc {name} {sizes[name]}", f"malloc w{name} 24")))
    for name in names:
        program.do(f"free {name}")
    program.do("malloc c 3000")
    p, q, r, s = (program[name] - 8 for name in names)
    header = MAIN_ARENA + 64 + (72 - 1) * 8 - 8
    forward = [program.word(at + 8) for at in (header, r, q, s, p)]
    assert forward == [r, q, s, p, header]
    assert [program.word(at + 12) for at in (header, p, s, q, r)] == [p, s, q, r, header]
    assert [program.word(at + 16) for at in (r, q, p)] == [q, p, r]  # fd_nextsize
    assert [program.word(at + 20) for at in (r, q, p)] == [p, r, q]  # bk_nextsize
    assert program.word(s + 16) == 0


def test_the_second_of_a_size_is_preferred_since_it_is_not_in_the_list_of_sizes() -> None:
    program = Program(
        "malloc a 1500", "malloc w1 24", "malloc b 1500", "malloc w2 24", "free a", "free b", "malloc c 3000"
    )
    assert program.ret("malloc d 1500") == program["b"]
    assert program.ret("malloc e 1500") == program["a"]


def test_a_small_bin_is_first_in_first_out_and_fills_the_tcache() -> None:
    program = Program(
        *(line for name in "abcd" for line in (f"malloc {name} 300", f"malloc w{name} 24")),
        *seven_cached(300),
        *(f"free {name}" for name in "abcd"),
        *(f"malloc u{number} 300" for number in range(7)),
        "malloc big 3000",
    )
    assert chunks_of(program, BinKind.SMALL) == [program[name] for name in "abcd"]
    assert program.libc_events("malloc x 300") == [BinGet(20, program["a"] - 8, 0x130), *[TcachePut(18, 0x130)] * 3]
    assert [program["x"], *(program.ret(f"malloc y{n} 300") for n in range(3))] == [program[name] for name in "adcb"]


def test_a_large_request_empties_the_fast_bins_and_their_chunks_join() -> None:
    program = Program("malloc f 24", "malloc g 24", "malloc wall 24", *seven_cached(24), "free f", "free g")
    events = program.libc_events("malloc big 2000")
    assert events[:2] == [MallocConsolidate("malloc: a large request"), BinPut(5, program["f"] - 8, 0x40)]
    assert program.head("f") == 0x41
    assert chunks_of(program, BinKind.SMALL) == [program["f"]]


def test_an_unsorted_chunk_that_is_too_small_stays_filed_and_top_is_cut() -> None:
    program = Program(*CUT)
    events = program.libc_events("malloc c 3000")
    assert events[0] == BinPut(smallbin_index(0x1C0), program["b"] + 0x420 - 8, 0x1C0)
    assert program["c"] == program["wall"] + 0x20
    assert program.word(program["b"] + 0x420) == UNSORTED_BIN + (smallbin_index(0x1C0) - 1) * 8
