"""A dry run of free(): it tells what the real one then does, and changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from engine.outcome import CommandError
from engine.views.probe import Probe
from engine.views.shadow import Call, Store
from engine.views.would_free import WouldFree, would_free
from tests.engine.views.told import FIRST, machine

if TYPE_CHECKING:
    from engine.machine import Machine

SEVEN = tuple(f"malloc t{n} 40" for n in range(7))
FULL = (*SEVEN, "malloc a 40", "malloc b 40", *(f"free t{n}" for n in range(7)))
"""The tcache's bin of 48 bytes is full; a and b are in use, b before top."""
LARGE = ("malloc a 1500", "malloc b 1500", "malloc c 1500", "malloc d 1500")


def dry(on: Machine, pointer: int | str) -> WouldFree:
    """The dry run, held to leaving no trace of itself."""
    before = on.digest(), on.time_ns, on.trace.total, dict(on.cpu.tlb.entries), set(on.kernel.ram.frames)
    told = would_free(on, pointer)
    assert (on.digest(), on.time_ns, on.trace.total, dict(on.cpu.tlb.entries), set(on.kernel.ram.frames)) == before
    return told


def names(told: WouldFree) -> list[str]:
    return [step.name for step in told.steps]


def agrees(lines: tuple[str, ...], pointer: str) -> WouldFree:
    """The dry run; the real free() then does the same events, leaves the same words and ends the same way."""
    on = machine(*lines)
    told = dry(on, pointer)
    first = on.trace.total
    after = machine(*lines, f"free {pointer}")
    events = [record.event for record in after.trace.records(first)]
    for step in told.steps:
        assert step.event in events
    if told.goes_well:
        probe = Probe(after.kernel, after.processes[0].task.mm)
        assert all(probe.word(store.address) == store.after for store in told.stores)
    else:
        assert after.processes[0].ended is not None
    return told


def test_a_block_in_use_would_go_into_the_tcache() -> None:
    told = agrees(("malloc a 24",), "a")
    assert names(told) == ["sim:tcache_put"]
    tcache = FIRST - 0x190
    assert told.stores == (
        Store(tcache, 0, 0x10000),
        Store(tcache + 128 + 4, 0, FIRST),
        Store(FIRST, 0, FIRST >> 12),
        Store(FIRST + 4, 0, 0x5C7FD1A3),
    )
    assert told.goes_well
    assert told.system_calls == ()


def test_with_a_full_tcache_it_would_go_into_a_fast_bin() -> None:
    told = agrees(FULL, "a")
    assert names(told) == ["sim:fastbin_put"]
    assert (FIRST + 7 * 48, 0, FIRST >> 12) in [(store.address, store.before, store.after) for store in told.stores]


def test_a_chunk_between_free_neighbours_would_join_both() -> None:
    told = agrees((*LARGE, "free a", "free c"), "b")
    assert names(told) == ["sim:chunk_merged", "sim:bin_put"]
    assert told.steps[0].event == (FIRST - 8, 3 * 0x5E0)
    assert Store(FIRST - 4, 0x5E1, 0x11A1) in told.stores


def test_the_last_chunk_would_become_part_of_top() -> None:
    told = agrees(LARGE, "d")
    assert names(told) == ["sim:top_merged"]


def test_a_large_last_chunk_would_let_the_heap_shrink() -> None:
    told = agrees(tuple(f"malloc {name} 100000" for name in "abcdef"), "f")
    assert names(told) == ["sim:top_merged", "libc:memory_sbrk_less"]
    assert [call.name for call in told.system_calls] == ["brk"]


def test_a_mapped_chunk_would_be_unmapped() -> None:
    on = machine("malloc a 200000")
    pointer = on.processes[0].slots["a"]
    told = agrees(("malloc a 200000",), "a")
    assert told.system_calls == (Call("munmap", (pointer - 16, 0x31000)),)
    assert names(told) == ["libc:memory_mallopt_free_dyn_thresholds", "sim:munmap_chunk"]


@pytest.mark.parametrize(
    ("lines", "pointer", "sentence"),
    [
        (("malloc a 24", "free a"), "a", "free(): double free detected in tcache 2"),
        ((*FULL, "free a"), "a", "double free or corruption (fasttop)"),
        ((*LARGE, "free a"), "a", "double free or corruption (!prev)"),
        (("malloc a 100",), "a+4", "free(): invalid pointer"),
        (("malloc a 100",), "a+16", "free(): invalid pointer"),
        (("malloc a 24", "write32 a-4 0x9"), "a", "free(): invalid size"),
    ],
)
def test_a_mistake_is_told_in_glibcs_own_words(lines: tuple[str, ...], pointer: str, sentence: str) -> None:
    told = agrees(lines, pointer)
    assert (told.aborts_with, told.faults_at, told.goes_well) == (sentence, None, False)


def test_a_wild_pointer_would_be_a_fault() -> None:
    told = agrees(("malloc a 100",), "0x10000010")
    assert (told.aborts_with, told.faults_at) == (None, 0x1000000C)
    assert dry(machine("malloc a 100"), 0xC0100010).faults_at == 0xC010000C
    assert dry(machine("malloc a 200000", "free a"), "a").faults_at is not None


def test_null_is_nothing_to_free() -> None:
    told = dry(machine("malloc a 100"), 0)
    assert (told.steps, told.stores, told.goes_well) == ((), (), True)


def test_a_header_that_may_not_be_written_would_be_a_fault() -> None:
    on = machine("malloc a 24", "mprotect 0x0804e000 4096 r")
    assert dry(on, "a").faults_at == FIRST + 4


def test_a_page_in_swap_is_looked_at_where_it_lies() -> None:
    on = machine("malloc a 24", "madvise 0x0804e000 4096 pageout")
    told = dry(on, "a")
    assert names(told) == ["sim:tcache_put"]


def test_what_is_asked_must_make_sense() -> None:
    on = machine("malloc a 24", "exit 0")
    with pytest.raises(CommandError, match="has ended") as ended:
        would_free(on, "a")
    assert ended.value.field == "pid"
    with pytest.raises(CommandError, match="holds nothing") as unknown:
        would_free(machine("malloc a 24"), "b")
    assert unknown.value.field == "pointer"
    with pytest.raises(KeyError):
        would_free(on, "a", 7)
