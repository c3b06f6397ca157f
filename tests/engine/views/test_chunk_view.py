"""One chunk in full: header, links, list, and what was asked of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from engine.libc.malloc import TCACHE_KEY
from engine.outcome import CommandError
from engine.views.chunk import ChunkDetail, Field, Listed, Target, Word, chunk
from engine.views.heap import ChunkState
from tests.engine.views.told import FIRST, machine

if TYPE_CHECKING:
    from engine.machine import Machine

LARGE = ("malloc a 1500", "malloc b 1500", "malloc c 1500", "malloc d 1500")
B = FIRST + 0x5E0


def seen(on: Machine, place: int | str, pid: int = 0) -> ChunkDetail:
    found = chunk(on, place, pid)
    assert found is not None
    return found


def word(of: ChunkDetail, field: Field) -> Word:
    return next(each for each in of.words if each.field is field)


def test_a_block_in_use_tells_asked_usable_and_chunk() -> None:
    found = seen(machine("malloc a 100"), "a")
    assert (found.address, found.mem, found.size, found.head) == (FIRST - 8, FIRST, 112, 0x71)
    assert (found.asked, found.usable, found.waste, found.overhead) == (100, 108, 8, 4)
    assert (found.prev_inuse, found.is_mmapped, found.non_main_arena, found.previous) == (True, False, False, None)
    assert (found.given, found.freed, found.listed) == (1, None, None)
    assert [each.field for each in found.words] == [Field.PREV_SIZE, Field.SIZE]


def test_prev_size_means_something_only_behind_a_free_chunk() -> None:
    on = machine(*LARGE, "write32 a+1496 0xdeadbeef")
    found = seen(on, "b")
    assert word(found, Field.PREV_SIZE) == Word(Field.PREV_SIZE, B - 8, 0xDEADBEEF, meaningful=False)
    found = seen(machine(*LARGE, "free a"), "b")
    assert word(found, Field.PREV_SIZE) == Word(Field.PREV_SIZE, B - 8, 0x5E0, meaningful=True)
    assert (found.prev_inuse, found.previous) == (False, FIRST - 8)


def test_links_in_the_tcache_are_told_as_they_lie_and_taken_apart() -> None:
    found = seen(machine("malloc a 24", "malloc b 24", "free a", "free b"), "b")
    second = FIRST + 32
    assert found.state is ChunkState.TCACHE
    assert found.listed == Listed("tcache", 1, 32, 0, 2, damaged=False)
    assert word(found, Field.NEXT) == Word(
        Field.NEXT, second, second >> 12 ^ FIRST, True, True, FIRST, Target.CHUNK, FIRST - 8
    )
    assert word(found, Field.KEY) == Word(Field.KEY, second + 4, TCACHE_KEY, meaningful=True)
    assert (found.asked, found.usable, found.waste, found.given, found.freed) == (24, None, None, 2, 4)


def test_the_last_one_of_a_list_leads_nowhere_further() -> None:
    found = seen(machine("malloc a 24", "free a"), "a")
    link = word(found, Field.NEXT)
    assert (link.raw, link.points_to, link.target) == (FIRST >> 12, 0, Target.END)


def test_a_fast_bins_link_points_at_the_chunk_not_at_its_memory() -> None:
    lines = [f"malloc t{n} 40" for n in range(9)] + [f"free t{n}" for n in range(9)]
    found = seen(machine(*lines), "t8")
    link = word(found, Field.FD)
    eighth = FIRST + 7 * 48 - 8
    assert (found.state, found.listed) == (ChunkState.FASTBIN, Listed("fastbin", 4, 48, 0, 2, damaged=False))
    assert (link.protected, link.points_to, link.target_chunk) == (True, eighth, eighth)


def test_links_of_the_unsorted_bin_lead_to_chunks_and_to_the_bin() -> None:
    found = seen(machine(*LARGE, "free a", "free c"), "c")
    forward, back = word(found, Field.FD), word(found, Field.BK)
    assert found.state is ChunkState.UNSORTED
    assert (forward.target, forward.target_chunk) == (Target.CHUNK, FIRST - 8)
    assert (back.target, back.target_chunk, back.protected) == (Target.BIN, None, False)


def test_a_large_chunk_links_sizes_too() -> None:
    found = seen(machine(*LARGE, "free a", "malloc e 3000"), "a")
    assert found.state is ChunkState.LARGE
    assert [each.field for each in found.words[2:]] == [Field.FD, Field.BK, Field.FD_NEXTSIZE, Field.BK_NEXTSIZE]
    assert word(found, Field.FD_NEXTSIZE).target_chunk == FIRST - 8


def test_a_damaged_link_leads_nowhere() -> None:
    found = seen(machine(*LARGE, "free b", "write32 b 0x41414141"), "b")
    link = word(found, Field.FD)
    assert (link.raw, link.target, link.target_chunk) == (0x41414141, Target.NOWHERE, None)
    assert found.listed is not None


def test_a_mapped_chunk_is_found_though_no_slot_leads_to_it() -> None:
    on = machine("malloc a 200000", "malloc b 10")
    pointer = on.processes[0].slots["a"]
    del on.processes[0].slots["a"]
    found = seen(on, pointer + 5)
    assert (found.is_mmapped, found.asked, found.usable, found.size) == (True, 200000, 200688, 200696)
    assert word(found, Field.PREV_SIZE) == Word(Field.PREV_SIZE, pointer - 8, 8, meaningful=True)


def test_any_address_inside_leads_to_the_chunk() -> None:
    on = machine("malloc a 100", "malloc b 100")
    assert seen(on, "a+99") == seen(on, "a-8") == seen(on, FIRST)
    assert seen(on, "b-8") == seen(on, "b")


def test_there_is_no_chunk_outside_the_heap_or_before_it() -> None:
    assert chunk(machine(), 0x0804E000) is None
    assert chunk(machine("malloc a 1"), 0xBFFF0000) is None
    assert chunk(machine("malloc a 1", "exit 0"), "a") is None


def test_a_child_has_chunks_of_its_own() -> None:
    on = machine("malloc a 24", "fork 1", "@1 free a")
    assert (seen(on, "a").state, seen(on, "a", 1).state) == (ChunkState.IN_USE, ChunkState.TCACHE)


def test_what_is_asked_must_make_sense() -> None:
    on = machine("malloc a 24")
    with pytest.raises(CommandError) as error:
        chunk(on, "b")
    assert error.value.field == "address"
    with pytest.raises(KeyError):
        chunk(on, "a", 3)
