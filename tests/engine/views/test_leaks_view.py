"""Leaks: what the program has and can no longer name."""

from __future__ import annotations

from engine.views.leaks import Leak, leaks
from tests.engine.views.told import FIRST, machine


def test_a_block_whose_only_slot_took_another_pointer_is_lost() -> None:
    told = leaks(machine("malloc a 100", "malloc b 24", "malloc a 50"))
    assert told.blocks == (Leak(FIRST, FIRST - 8, 100, 112, 1),)
    assert (told.asked, told.chunk_bytes, told.held) == (100, 112, 2)


def test_a_freed_block_is_no_leak() -> None:
    told = leaks(machine("malloc a 100", "free a", "malloc a 500", "malloc b 20"))
    assert (told.blocks, told.asked, told.held) == ((), 0, 2)


def test_a_slot_that_points_into_a_block_holds_it() -> None:
    on = machine("malloc a 100")
    on.processes[0].slots["a"] += 99
    assert leaks(on).blocks == ()
    on.processes[0].slots["a"] += 1
    assert [leak.pointer for leak in leaks(on).blocks] == [FIRST]


def test_an_empty_block_is_held_by_its_own_pointer_alone() -> None:
    assert leaks(machine("malloc a 0")).held == 1
    assert len(leaks(machine("malloc a 0", "malloc a 0")).blocks) == 1


def test_a_mapped_block_can_be_lost_too() -> None:
    told = leaks(machine("malloc a 200000", "malloc a 24"))
    assert [(leak.asked, leak.chunk_bytes, leak.given) for leak in told.blocks] == [(200000, 200696, 1)]


def test_realloc_moves_no_block_into_oblivion() -> None:
    told = leaks(machine("malloc a 100", "malloc b 100", "realloc a 5000"))
    assert (told.blocks, told.held) == ((), 2)


def test_what_was_lost_is_still_known_after_the_end() -> None:
    told = leaks(machine("malloc a 100", "malloc a 50", "exit 0"))
    assert told.blocks == (Leak(FIRST, FIRST - 8, 100, None, 1),)
    assert (told.asked, told.chunk_bytes, told.held) == (100, None, 1)


def test_before_the_first_malloc_nothing_is_lost() -> None:
    told = leaks(machine())
    assert (told.blocks, told.asked, told.chunk_bytes, told.held) == ((), 0, None, 0)


def test_a_child_loses_its_own_copy_of_a_block() -> None:
    on = machine("malloc a 100", "fork 1", "@1 malloc a 20")
    assert leaks(on).blocks == ()
    assert [leak.asked for leak in leaks(on, 1).blocks] == [100]
