"""The arena's totals are glibc's own, and fragmentation is what the learner can count."""

from __future__ import annotations

import pytest

from engine.views.arena import ArenaView, FreeSpace, StateTotal, arena
from engine.views.heap import ChunkState
from tests.engine.views.told import FIRST, machine

PROGRAMS = (
    ("malloc a 100",),
    ("malloc a 1500", "malloc b 1500", "malloc c 1500", "malloc d 1500", "free a", "free c", "malloc e 3000"),
    ("malloc a 200000", "malloc b 24", "malloc c 300000", "free c", "malloc d 250000"),
    tuple(f"malloc t{n} 40" for n in range(12)) + tuple(f"free t{n}" for n in range(10)),
    ("mallopt 1 0", "mallopt -3 4096", "malloc a 5000", "malloc b 30", "free b"),
)


def seen(*lines: str) -> ArenaView:
    found = arena(machine(*lines))
    assert found is not None
    return found


@pytest.mark.parametrize("lines", PROGRAMS)
def test_mallinfo2_is_what_the_program_itself_would_be_told(lines: tuple[str, ...]) -> None:
    on = machine(*lines)
    before = on.digest()
    told = arena(on)
    assert on.digest() == before
    assert told is not None
    on = machine(*lines, "mallinfo")
    figures = on.processes[0].libc.mallinfo2()._asdict()
    assert told.mallinfo == figures
    assert (told.system_mem, told.top_size) == (figures["arena"], figures["keepcost"])
    assert (told.mmaps, told.mmapped_mem) == (figures["hblks"], figures["hblkhd"])


@pytest.mark.parametrize("lines", PROGRAMS)
def test_the_states_add_up_to_the_heap(lines: tuple[str, ...]) -> None:
    told = seen(*lines)
    assert sum(state.bytes for state in told.states) == told.system_mem - 8  # the first chunk begins 8 bytes further


def test_internal_fragmentation_is_what_nobody_asked_for() -> None:
    told = seen("malloc a 1", "malloc b 100", "calloc c 3 7", "malloc d 24", "free d")
    assert (told.blocks.count, told.blocks.asked, told.blocks.chunk_bytes) == (3, 122, 16 + 112 + 32)
    assert told.blocks.fragmentation == 0.2375


def test_external_fragmentation_is_what_the_largest_free_chunk_has_not() -> None:
    blocks = [f"malloc {name} 1500" for name in "abcdefg"]
    told = seen(*blocks, "free a", "free c", "free e", "free f")
    assert told.free == FreeSpace(3, 4 * 0x5E0, 2 * 0x5E0, FIRST - 8 + 4 * 0x5E0, 0.5)
    assert StateTotal(ChunkState.UNSORTED, 3, 4 * 0x5E0) in told.states
    assert seen(*blocks).free == FreeSpace(0, 0, 0, None, 0.0)


def test_the_thresholds_are_glibcs_defaults_until_they_adapt() -> None:
    limits = seen("malloc a 24").thresholds
    assert (limits.mmap_threshold, limits.trim_threshold, limits.top_pad) == (131072, 131072, 131072)
    assert (limits.max_fast, limits.tcache_count, limits.tcache_bins, limits.tcache_max_bytes) == (64, 7, 64, 1020)
    assert limits.adapting
    limits = seen("malloc a 200000", "free a").thresholds
    assert (limits.mmap_threshold, limits.trim_threshold) == (200696, 401392)
    limits = seen("mallopt -3 65536", "malloc a 24").thresholds
    assert (limits.mmap_threshold, limits.adapting) == (65536, False)


def test_a_list_in_a_circle_leaves_mallinfo_untold() -> None:
    chunk = FIRST - 8 + 0x5E0
    blocks = [f"malloc {name} 1500" for name in "abcd"]
    told = seen(*blocks, "free b", f"write32 b+4 {chunk}")
    assert told.mallinfo is None


def test_there_is_no_arena_before_the_first_malloc_and_after_the_end() -> None:
    assert arena(machine()) is None
    assert arena(machine("malloc a 1", "exit 0")) is None
    with pytest.raises(KeyError):
        arena(machine(), 5)
