"""malloc and calloc: where memory comes from, and what its headers say."""

from __future__ import annotations

import pytest

from engine.commands import Memalign
from engine.events.libc import SbrkMore, Sysmalloc, TcacheGet, TopSplit
from tests.engine.libc.c_program import FIRST_CHUNK, FIRST_MEM, HEAP, MAIN_ARENA, MP, Program


def test_the_first_malloc_makes_the_tcache_and_cuts_from_top() -> None:
    program = Program()
    assert program.libc_events("malloc a 100") == [
        Sysmalloc(0x190),
        SbrkMore(HEAP, 0x21000),
        TopSplit(FIRST_CHUNK + 0x190, 0x70, 0x21DF8),
    ]
    assert program["a"] == FIRST_MEM == 0x0804E1A0
    assert program.word(FIRST_CHUNK + 4) == 0x191
    assert program.head("a") == 0x71
    assert program.word(FIRST_CHUNK + 0x190 + 0x70 + 4) == 0x21DF9


def test_the_first_malloc_asks_for_a_page_more_because_chunks_begin_8_bytes_further() -> None:
    program = Program("malloc a 100")
    assert program.ret("sbrk 0") == HEAP + 0x22000 == 0x08070000


def test_the_arena_knows_its_top_and_how_much_it_got() -> None:
    program = Program("malloc a 100")
    assert program.word(MAIN_ARENA + 56) == FIRST_MEM + 0x68  # top
    assert program.word(MAIN_ARENA + 1108) == 0x22000  # system_mem
    assert program.word(MP + 56) == HEAP  # sbrk_base


def test_the_next_malloc_takes_no_system_call() -> None:
    program = Program("malloc a 100")
    assert program.events("malloc b 100") == [TopSplit(FIRST_MEM + 0x68, 0x70, 0x21D88)]
    assert program["b"] == program["a"] + 0x70


@pytest.mark.parametrize(
    ("request_", "chunk"),
    [(0, 16), (1, 16), (12, 16), (13, 32), (28, 32), (29, 48), (100, 112), (1000, 1008), (1004, 1008), (1005, 1024)],
)
def test_a_chunk_is_the_request_and_a_word_rounded_up_to_16(request_: int, chunk: int) -> None:
    program = Program(f"malloc a {request_}", "malloc b 0")
    assert program.head("a") == chunk | 1
    assert program["b"] == program["a"] + chunk
    assert program.ret("usable a") == chunk - 4


def test_the_last_word_of_a_block_lies_where_the_next_chunk_would_keep_prev_size() -> None:
    program = Program("malloc a 28", "malloc b 28", "write32 a+24 0x11223344", "write32 a+20 0x55667788")
    assert program.word(program["b"] - 8) == 0x11223344
    assert program.head("b") == 0x21


@pytest.mark.parametrize("request_", [0x80000000, 0xFFFFFFFF])
def test_more_than_half_the_address_space_is_refused_without_asking_the_kernel(request_: int) -> None:
    program = Program("malloc a 100")
    first = program.machine.trace.total
    outcome = program.do(f"malloc b {request_}")
    assert (outcome.ret, outcome.errno) == (0, "ENOMEM")
    assert program.machine.trace.total == first + 1


def test_a_calloc_whose_product_overflows_is_refused() -> None:
    outcome = Program().do("calloc a 65536 65536")
    assert (outcome.ret, outcome.errno) == (0, "ENOMEM")


def test_malloc_takes_the_newest_of_the_tcache() -> None:
    program = Program("malloc a 24", "malloc b 24", "malloc c 24", "free a", "free b", "free c")
    assert program.libc_events("malloc d 20") == [TcacheGet(1, 0x20)]
    assert [program["d"], program.ret("malloc e 28"), program.ret("malloc f 13")] == [
        program["c"],
        program["b"],
        program["a"],
    ]


def test_malloc_does_not_clear_what_was_there_but_for_the_key() -> None:
    program = Program("malloc a 24", "fill a 24 0x41", "free a", "malloc b 24")
    words = [program.word(program["b"] + offset) for offset in range(0, 24, 4)]
    assert words == [program["a"] >> 12, 0, 0x41414141, 0x41414141, 0x41414141, 0x41414141]


def test_calloc_clears_and_never_takes_from_the_tcache() -> None:
    program = Program("malloc a 24", "malloc b 24", "fill b 24 0x41", "free a")
    assert program.libc_events("calloc c 3 8") == [TopSplit(program["b"] + 0x18, 0x20, 0x21E28 - 0x20)]
    assert program["c"] == program["b"] + 0x20


def test_calloc_clears_what_a_freed_chunk_had_held() -> None:
    program = Program("malloc a 2000", "fill a 2000 0x41", "free a", "calloc c 500 4")
    assert program["c"] == program["a"]
    assert {program.word(program["c"] + offset) for offset in range(0, 2000, 4)} == {0}


def test_calloc_need_not_clear_what_the_kernel_has_just_cleared() -> None:
    program = Program("mallopt -3 1000000", "malloc a 100", "calloc c 1 400000")
    old_end = HEAP + 0x22000
    assert program.do(f"pagemap {HEAP:#x} 34").pages == "P" * 34
    # It clears as many bytes as the old top had, from the memory on: 4 more than reach the old end.
    assert program.do(f"pagemap {old_end:#x} 16").pages == "P" + "-" * 15


def test_calloc_of_a_mapping_need_not_clear_it() -> None:
    program = Program("calloc m 1 400000")
    assert program.do("pagemap m 98").pages == "P" + "-" * 97


def test_with_perturb_memory_comes_full_of_the_complement_and_goes_full_of_the_byte() -> None:
    program = Program("mallopt -6 0xa5", "malloc a 2000", "malloc wall 24")
    assert {program.word(program["a"] + offset) for offset in range(0, 2000, 4)} == {0x5A5A5A5A}
    program.do("free a")
    assert {program.word(program["a"] + offset) for offset in range(16, 2000, 4)} == {0xA5A5A5A5}


def test_perturb_does_not_reach_what_goes_into_the_tcache() -> None:
    program = Program("mallopt -6 0xa5", "malloc a 24", "fill a 24 0x41", "free a")
    assert program.word(program["a"] + 8) == 0x41414141


def test_with_perturb_calloc_still_clears() -> None:
    program = Program("mallopt -6 0xa5", "calloc c 1 2000")
    assert {program.word(program["c"] + offset) for offset in range(0, 2000, 4)} == {0}


@pytest.mark.parametrize("alignment", [32, 64, 4096, 65536])
def test_memalign_gives_a_multiple_and_frees_what_lies_before_it(alignment: int) -> None:
    program = Program("malloc a 100")
    place = program.ret(Memalign(alignment=alignment, size=200, as_="m"))
    assert place % alignment == 0
    assert program["a"] + 0x70 <= place < program["a"] + 0x70 + 16 + alignment
    assert program.head("m") & ~7 == 0xD0


def test_memalign_rounds_an_alignment_up_to_a_power_of_two() -> None:
    assert Program("malloc a 100").ret("memalign m 100 50") % 128 == 0


def test_memalign_beyond_half_the_address_space_is_invalid() -> None:
    outcome = Program().do("memalign m 0x80000001 50")
    assert (outcome.ret, outcome.errno) == (0, "EINVAL")


def test_the_usable_size_of_null_and_of_a_cached_chunk() -> None:
    program = Program("malloc a 24", "free a")
    assert program.ret("usable 0") == 0
    assert program.ret("usable a") == 28
