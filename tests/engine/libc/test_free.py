"""free: tcache, fast bins, joining with neighbours, and giving back to the kernel."""

from __future__ import annotations

from engine.commands import Free, Malloc
from engine.events.libc import (
    BinPut,
    ChunkMerged,
    FastbinGet,
    FastbinPut,
    FreeDynThresholds,
    MallocConsolidate,
    MunmapChunk,
    SbrkLess,
    TcacheGet,
    TcachePut,
    TopMerged,
)
from engine.libc.malloc import TCACHE_KEY
from tests.engine.libc.c_program import (
    FIRST_CHUNK,
    FIRST_MEM,
    HEAP,
    MAIN_ARENA,
    MP,
    UNSORTED_BIN,
    Program,
    seven_cached,
)


def test_a_freed_chunk_goes_to_the_tcache_and_keeps_its_header() -> None:
    program = Program("malloc a 24")
    assert program.libc_events("free a") == [TcachePut(1, 0x20)]
    assert program.head("a") == 0x21
    tcache = FIRST_CHUNK + 8
    assert program.word(tcache) == 1 << 16  # counts[1], 16 bits each
    assert program.word(tcache + 128 + 4) == program["a"]  # entries[1]


def test_a_cached_chunk_holds_the_mixed_link_and_the_key() -> None:
    program = Program("malloc a 24", "malloc b 24", "free a", "free b")
    assert program.word(program["a"]) == program["a"] >> 12 == 0x0804E
    assert program.word(program["b"]) == program["b"] >> 12 ^ program["a"] == 0x0804E1A0 ^ 0x0804E
    assert [program.word(program[slot] + 4) for slot in "ab"] == [TCACHE_KEY, TCACHE_KEY]


def test_a_second_free_of_the_newest_chunk_is_noticed_in_the_tcache() -> None:
    program = Program("malloc a 24", "free a")
    assert program.last_words("free a") == "free(): double free detected in tcache 2"


def test_a_second_free_goes_unnoticed_once_the_key_was_overwritten() -> None:
    program = Program("malloc a 24", "free a", "write32 a+4 0", "free a")
    assert program.ret("malloc b 24") == program["a"]
    assert program.ret("malloc c 24") == program["a"]


def test_the_eighth_of_a_size_goes_to_a_fast_bin_whose_link_is_mixed_too() -> None:
    program = Program("malloc f 24", "malloc g 24", *seven_cached(24))
    assert program.libc_events("free f") == [FastbinPut(program["f"] - 8, 0x20)]
    assert program.libc_events("free g") == [FastbinPut(program["g"] - 8, 0x20)]
    assert program.word(program["f"]) == program["f"] >> 12
    assert program.word(program["g"]) == program["g"] >> 12 ^ program["f"] - 8
    assert program.word(MAIN_ARENA + 12 + 4 * 2) == program["g"] - 8  # fastbinsY[2]
    assert program.word(MAIN_ARENA + 8) == 1  # have_fastchunks


def test_malloc_from_a_fast_bin_moves_the_others_into_the_tcache() -> None:
    program = Program("malloc f 24", "malloc g 24", "malloc h 24", *seven_cached(24), "free f", "free g", "free h")
    for number in range(7):
        assert program.libc_events(Malloc(size=24, as_=f"u{number}")) == [TcacheGet(1, 0x20)]
    assert program.libc_events("malloc a 24") == [
        FastbinGet(program["h"] - 8, 0x20),
        TcachePut(1, 0x20),
        TcachePut(1, 0x20),
    ]
    assert [program.ret("malloc b 24"), program.ret("malloc c 24")] == [program["f"], program["g"]]


def test_chunks_beyond_64_bytes_go_to_no_fast_bin() -> None:
    program = Program("malloc f 60", "malloc g 61", "malloc wall 24", *seven_cached(60), *seven_cached(61))
    assert program.libc_events("free f") == [FastbinPut(program["f"] - 8, 0x40)]
    assert program.libc_events("free g") == [BinPut(1, program["g"] - 8, 0x50)]


def test_a_chunk_beside_top_joins_it() -> None:
    program = Program("malloc keep 10000", "malloc a 2000")
    assert program.libc_events("free a") == [TopMerged(program["a"] - 8, 0x1F748)]
    assert program.word(MAIN_ARENA + 56) == program["a"] - 8
    assert program.head("a") == 0x1F749


def test_a_freed_large_chunk_points_to_the_unsorted_bin_and_tells_its_neighbour() -> None:
    program = Program("malloc a 2000", "malloc wall 24")
    assert program.libc_events("free a") == [BinPut(1, program["a"] - 8, 0x7E0)]
    assert [program.word(program["a"] + offset) for offset in (0, 4, 8, 12)] == [UNSORTED_BIN, UNSORTED_BIN, 0, 0]
    assert program.word(program["wall"] - 8) == 0x7E0
    assert program.head("wall") == 0x20
    assert program.ret("usable a") == 0


def test_free_neighbours_become_one_chunk_behind_and_before() -> None:
    program = Program("malloc a 1500", "malloc b 1500", "malloc c 1500", "malloc wall 24", "free a")
    assert program.libc_events("free c") == [BinPut(1, program["c"] - 8, 0x5E0)]
    whole = program["a"] - 8
    assert program.libc_events("free b") == [ChunkMerged(whole, 0x11A0), BinPut(1, whole, 0x11A0)]
    assert program.head("a") == 0x11A1
    assert program.word(program["wall"] - 8) == 0x11A0


def test_a_chunk_that_joins_top_and_makes_it_large_is_followed_by_a_trim() -> None:
    program = Program("malloc a 120000", "malloc b 120000")
    before = program.ret("sbrk 0")
    assert program.libc_events("free b") == [
        TopMerged(program["b"] - 8, 0x3D998),
        SbrkLess(before - 0x1D000, 0x1D000),
    ]
    assert program.ret("sbrk 0") == before - 0x1D000


def test_a_large_free_empties_the_fast_bins_first() -> None:
    program = Program("malloc f 24", "malloc wall 24", "malloc a 70000", *seven_cached(24), "free f")
    events = program.libc_events("free a")
    assert MallocConsolidate("free: a large free chunk") in events
    assert program.word(MAIN_ARENA + 8) == 0
    assert program.word(MAIN_ARENA + 12 + 4 * 2) == 0


def test_freeing_a_mapped_chunk_gives_it_back_and_raises_the_threshold() -> None:
    program = Program("malloc m 200000")
    assert program.head("m") == 0x30FF8 | 2
    assert program.libc_events("free m") == [
        FreeDynThresholds(0x30FF8, 0x61FF0),
        MunmapChunk(program["m"] - 8, 0x31000),
    ]
    assert (program.word(MP), program.word(MP + 8)) == (0x61FF0, 0x30FF8)
    assert program.ret("malloc n 200000") == FIRST_MEM


def test_a_threshold_that_was_set_no_longer_adapts() -> None:
    program = Program("mallopt -3 131072", "malloc m 200000")
    assert program.libc_events("free m") == [MunmapChunk(program["m"] - 8, 0x31000)]
    assert program.ret("malloc n 200000") == program["m"]


def test_a_mapping_beyond_half_a_megabyte_does_not_raise_the_threshold() -> None:
    program = Program("malloc m 600000")
    assert program.libc_events("free m") == [MunmapChunk(program["m"] - 8, 0x93000)]


def test_free_keeps_errno() -> None:
    program = Program("malloc a 24", "malloc m 200000")
    libc = program.machine.processes[0].libc
    program.do("malloc n 0x80000000")
    assert libc.errno == 12
    for slot in "am":
        program.do(Free(ptr=slot))
        assert libc.errno == 12


def test_the_slot_keeps_its_pointer_as_a_variable_would() -> None:
    program = Program("malloc a 24", "free a")
    assert program["a"] == FIRST_MEM == HEAP + 0x1A0
