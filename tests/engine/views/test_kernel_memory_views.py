"""What a learner sees of the kernel's memory: pieces of free memory, the buddy tree, slabs with their free lists."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import pytest
from hypothesis import given, strategies as st

from engine.commands import (
    AllocPages,
    Command,
    FreePages,
    Kfree,
    Kmalloc,
    KmemCacheAlloc,
    KmemCacheCreate,
    KmemCacheFree,
    Sysctl,
)
from engine.config import MachineConfig
from engine.kernel.fragmentation import fragmentation_index, unusable_free_index
from engine.machine import Machine
from engine.views import VIEWS, buddy_tree, fragmentation, slab
from engine.views.buddy_tree import BlockState, StepKind
from engine.views.slab import SlabPlace

PAGE_OFFSET: Final = 0xC0000000


@pytest.fixture
def machine() -> Machine:
    return Machine(MachineConfig(ram_mb=64))


def pfn_of(machine: Machine, command: Command) -> int:
    frames = machine.perform(command).frames
    assert frames is not None
    return frames[0]


# --- fragmentation ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("blocks", "order", "index", "unusable"),
    [
        ((0, 0, 0, 0), 2, 0, 1000),
        ((8, 0, 0, 0), 2, 625, 1000),
        ((0, 4, 0, 0), 2, 250, 1000),
        ((100, 50, 0, 0), 3, 827, 1000),
        ((0, 0, 0, 1), 3, -1000, 0),
        ((4, 2, 0, 1), 2, -1000, 500),
        ((4, 2, 0, 1), 0, -1000, 0),
    ],
)
def test_both_indexes_are_as_the_kernel_computes_them(
    blocks: tuple[int, ...], order: int, index: int, unusable: int
) -> None:
    assert fragmentation_index(blocks, order) == index
    assert unusable_free_index(blocks, order) == unusable


@given(st.lists(st.integers(0, 50), min_size=11, max_size=11))
def test_less_is_unusable_for_smaller_requests(blocks: list[int]) -> None:
    unusable = [unusable_free_index(blocks, order) for order in range(11)]
    assert all(smaller <= larger for smaller, larger in pairwise(unusable))
    assert unusable[0] in (0, 1000)


def test_a_fresh_machine_has_its_largest_block_free_in_every_zone(machine: Machine) -> None:
    zones = fragmentation(machine)
    assert [(zone.zone, zone.largest_order) for zone in zones] == [("DMA", 10), ("Normal", 10)]
    assert all(order.fragmentation_index is None for zone in zones for order in zone.orders)
    assert sum(zone.free_pages for zone in zones) == sum(
        order.blocks << order.order for z in zones for order in z.orders
    )


# --- the buddy tree --------------------------------------------------------------------------------------------------


def test_the_tree_leads_from_4_mb_down_to_the_block_of_a_frame(machine: Machine) -> None:
    pfn = pfn_of(machine, AllocPages(as_="p", order=4))
    view = buddy_tree(machine, pfn)
    assert view is not None
    assert (view.first, view.frames) == (pfn & -1024, 1024)
    assert [row[0].order for row in view.rows] == list(range(10, 3, -1))
    for row in view.rows[1:]:
        assert row[1].pfn == row[0].pfn + (1 << row[0].order), "two halves beside each other"
        assert [block.chosen for block in row].count(True) == 1
    [block] = [block for block in view.rows[-1] if block.chosen]
    assert (block.pfn, block.state, block.free) == (pfn, BlockState.USED, 0)


def test_the_halves_of_each_level_add_up(machine: Machine) -> None:
    view = buddy_tree(machine, pfn_of(machine, AllocPages(as_="p", order=0)))
    assert view is not None
    for above, row in pairwise(view.rows):
        [parent] = [block for block in above if block.chosen]
        assert sum(block.free for block in row) == parent.free


def test_the_steps_of_a_split_come_in_order_of_size(machine: Machine) -> None:
    while machine.kernel.page_alloc.zones[1].free_area[7].nr_free:
        machine.perform(AllocPages(as_="big", order=7))
    pfn = pfn_of(machine, AllocPages(as_="p", order=7))
    view = buddy_tree(machine, pfn)
    assert view is not None
    assert [(step.kind, step.order) for step in view.steps] == [
        *((StepKind.SPLIT, order) for order in range(view.steps[0].order, 6, -1)),
        (StepKind.TAKE, 7),
        (StepKind.ALLOC, 7),
    ]
    machine.perform(FreePages(ptr="p"))
    view = buddy_tree(machine, pfn)
    assert view is not None
    assert view.steps[0].kind is StepKind.FREE
    assert [step.order for step in view.steps if step.kind is StepKind.MERGE] == [*range(7, view.steps[-1].order)]
    assert view.steps[-1].kind is StepKind.PUT


def test_a_free_block_is_where_the_tree_ends(machine: Machine) -> None:
    zone = machine.kernel.page_alloc.zones[1]
    pfn = next(iter(zone.free_area[10].blocks))
    view = buddy_tree(machine, pfn + 17)
    assert view is not None
    [[block]] = view.rows
    assert (block.pfn, block.state, block.free) == (pfn, BlockState.FREE, 1024)


def test_the_kernels_image_is_reserved_in_the_tree(machine: Machine) -> None:
    view = buddy_tree(machine, 0x1000)
    assert view is not None
    assert view.rows[-1][0].state is BlockState.RESERVED
    assert buddy_tree(machine, 1 << 20) is None


# --- slabs -----------------------------------------------------------------------------------------------------------


def test_a_slabs_free_list_is_read_from_the_bytes_of_its_objects(machine: Machine) -> None:
    machine.perform(KmemCacheCreate(name="thing", size=700))
    for number in range(5):
        machine.perform(KmemCacheAlloc(as_=f"o{number}", cache="thing"))
    for number in (1, 3):
        machine.perform(KmemCacheFree(ptr=f"o{number}"))
    [found] = slab(machine, "thing").slabs
    assert found.place is SlabPlace.CPU
    assert found.in_use == 3
    addresses = [each.address for each in found.objects]
    assert [each.free_rank for each in found.objects[:6]] == [None, 1, None, 0, None, 2]
    assert found.objects[3].next_free == addresses[1]
    cache = machine.kernel.slub.caches["thing"]
    at = addresses[3] - PAGE_OFFSET + cache.offset
    assert machine.kernel.ram.read32(at) == addresses[1]
    machine.kernel.ram.write32(at, addresses[5])
    [found] = slab(machine, "thing").slabs
    assert [each.free_rank for each in found.objects[:6]] == [None, None, None, 0, None, 1], (
        "an overwritten link is believed"
    )


def test_a_cache_tells_what_it_wastes(machine: Machine) -> None:
    machine.perform(KmemCacheCreate(name="thing", size=700))
    machine.perform(KmemCacheAlloc(as_="o", cache="thing"))
    row = slab(machine, "thing").cache
    assert row is not None
    assert (row.object_size, row.size, row.in_use, row.slabs) == (700, 704, 1, 1)
    assert row.waste == 4 + (4096 << row.order) - row.objects_per_slab * 704


def test_kmalloc_classes_tell_what_rounding_up_costs(machine: Machine) -> None:
    for name, size in (("a", 65), ("b", 96), ("c", 100)):
        machine.perform(Kmalloc(as_=name, size=size))
    classes = {each.name: each for each in slab(machine).kmalloc}
    assert (classes["kmalloc-96"].least, classes["kmalloc-96"].worst_waste) == (65, 31)
    assert (classes["kmalloc-96"].asked, classes["kmalloc-96"].asked_objects) == (65 + 96, 2)
    assert (classes["kmalloc-128"].least, classes["kmalloc-128"].asked) == (97, 100)
    machine.perform(Kfree(ptr="a"))
    assert slab(machine).kmalloc[4].asked == 96


def test_slabs_stand_where_their_objects_put_them(machine: Machine) -> None:
    machine.perform(KmemCacheCreate(name="thing", size=1000))
    objects = machine.kernel.slub.caches["thing"].objects
    for number in range(2 * objects + 1):
        machine.perform(KmemCacheAlloc(as_=f"o{number}", cache="thing"))
    assert [each.place for each in slab(machine, "thing").slabs] == [SlabPlace.FULL, SlabPlace.FULL, SlabPlace.CPU]
    machine.perform(KmemCacheFree(ptr="o0"))
    assert slab(machine, "thing").slabs[0].place is SlabPlace.CPU_PARTIAL


def test_an_unknown_cache_is_refused_with_those_there_are(machine: Machine) -> None:
    with pytest.raises(LookupError, match="there is no cache 'nothing'; there are kmalloc-8, kmalloc-16"):
        slab(machine, "nothing")


@pytest.mark.parametrize("name", ["ledger", "fragmentation", "slab", "buddy_tree"])
def test_looking_changes_nothing(machine: Machine, name: str) -> None:
    machine.perform(AllocPages(as_="p", order=1))
    machine.perform(Sysctl(name="swappiness", value=1))
    before = machine.digest()
    arguments = {"pfn": 0x2000} if name == "buddy_tree" else {}
    assert VIEWS[name](machine, **arguments)
    assert machine.digest() == before
