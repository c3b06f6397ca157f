"""External fragmentation: half of memory is free, and a larger request fails until the one block in the way is freed."""

from __future__ import annotations

from typing import Final

from engine.commands import AllocPages, FreePages
from engine.config import PRESETS
from engine.events.page_alloc import BuddyMerge
from engine.machine import Machine
from engine.views import fragmentation

HELD: Final = 4
WANTED: Final = 5
BLOCK: Final = 4096 << HELD


def take_all(machine: Machine, letter: str, order: int) -> dict[int, str]:
    """Names of blocks by address, until there is no more."""
    found: dict[int, str] = {}
    while address := machine.perform(AllocPages(as_=f"{letter}{len(found)}", order=order)).ret:
        found[address] = f"{letter}{len(found)}"
    return found


def test_half_of_memory_is_free_and_nothing_larger_can_be_had_until_one_block_goes() -> None:
    machine = Machine(PRESETS["16mb"])
    blocks = take_all(machine, "b", HELD)
    for address, name in blocks.items():
        if not address & BLOCK:
            machine.perform(FreePages(ptr=name))
    take_all(machine, "r", WANTED)

    [zone] = fragmentation(machine)
    assert 0.45 < zone.free_pages / zone.managed < 0.55, "half of memory is free"
    assert zone.largest_order == HELD
    index = zone.orders[WANTED].fragmentation_index
    assert index is not None
    assert index > 500, "nearer to 1000 than to 0: there is memory, in pieces"
    assert zone.orders[WANTED].unusable_index == 1000
    assert machine.perform(AllocPages(as_="p", order=WANTED)).ret == 0

    address, name = next((at, name) for at, name in blocks.items() if at & BLOCK and at - BLOCK in blocks)
    first = machine.trace.total
    machine.perform(FreePages(ptr=name))
    merged = [r.event for r in machine.trace.records(first) if isinstance(r.event, BuddyMerge)]
    assert [event.order for event in merged] == [HELD]
    [zone] = fragmentation(machine)
    assert (zone.largest_order, zone.orders[WANTED].blocks) == (WANTED, 1)
    assert zone.orders[WANTED].fragmentation_index is None
    assert machine.perform(AllocPages(as_="p", order=WANTED)).ret == address - BLOCK
    machine.check()


def test_a_single_page_that_is_freed_stays_with_the_cpu_and_merges_with_nothing() -> None:
    machine = Machine(PRESETS["16mb"])
    machine.perform(AllocPages(as_="page", order=0))
    before = fragmentation(machine)[0]
    machine.perform(FreePages(ptr="page"))
    after = fragmentation(machine)[0]
    assert (after.free_pages, after.cpu_pages) == (before.free_pages, before.cpu_pages + 1)
