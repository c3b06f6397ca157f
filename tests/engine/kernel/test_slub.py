"""The slab allocator: the geometry and the slabs of a real machine, and objects that stay where they belong."""

from __future__ import annotations

from typing import Any, Final

import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from app.replay_kernel import END, ProgramError, replay
from engine.events.page_alloc import MmPageAlloc, MmPageFree
from engine.events.slab import KmemCacheAlloc, KmemCacheFree, SlabAllocated, SlabFreed
from engine.kernel.mm_types import PAGE_OFFSET
from engine.kernel_program import KernelMachine
from tests.oracle_corpus import machine_of, program_names, recording

WHERE_IT_LIES: Final = {"pfn", "slab_pfn", "off"}
"""Depends on what else the real machine had allocated, and on a free list that this kernel shuffles."""
SLABINFO: Final = {"objsize": 3, "objperslab": 4, "pagesperslab": 5, "num_slabs": 14}


def comparable(row: dict[str, Any]) -> dict[str, Any]:
    if "slabinfo" in row:
        words = row["slabinfo"].split()
        return {"name": words[0], **{name: words[at] for name, at in SLABINFO.items()}}
    return {key: value for key, value in row.items() if key not in WHERE_IT_LIES}


@pytest.mark.parametrize("name", program_names("slab"))
def test_caches_have_the_real_machines_geometry_and_as_many_slabs(name: str) -> None:
    recorded = recording("slab", name)
    kernel = KernelMachine.from_start(machine_of("slab"), recorded.start)
    rows: list[dict[str, Any]] = [*replay(kernel, recorded.program)]
    rows += [*({"slabinfo": line} for line in kernel.slabinfo()), END]
    assert [comparable(row) for row in rows] == [comparable(row) for row in recorded.expected]
    kernel.page_alloc.check()


def events_since(kernel: KernelMachine, first: int) -> list[object]:
    return [record.event for record in kernel.trace.records(first)]


def test_the_first_object_of_a_cache_takes_a_slab_from_the_page_allocator() -> None:
    kernel = KernelMachine.boot(64, trace_capacity=1024)
    kernel.create_cache(0, "chairs", 1000, 0)
    first = kernel.trace.total
    place = kernel.alloc_object(0, 0)
    assert place is not None
    told = [
        event
        for event in events_since(kernel, first)
        if isinstance(event, MmPageAlloc | SlabAllocated | KmemCacheAlloc)
    ]
    assert [type(event) for event in told] == [MmPageAlloc, SlabAllocated, KmemCacheAlloc]
    pfn = place["slab_pfn"]
    assert told[1:] == [
        SlabAllocated("chairs", pfn, 1, 8),
        KmemCacheAlloc("chairs", PAGE_OFFSET + (pfn << 12), 1000),
    ]
    assert kernel.vmstat.nr_slab_unreclaimable == 2


def test_a_free_object_holds_the_address_of_the_next_in_its_middle() -> None:
    kernel = KernelMachine.boot(64)
    kernel.create_cache(0, "chairs", 64, 0)
    for ident in range(2):
        kernel.alloc_object(0, ident)
    first, second = kernel.objects[0][1], kernel.objects[1][1]
    assert second == first + 64
    kernel.free_object(1)
    kernel.free_object(0)
    assert kernel.ram.read32(first + 32 - PAGE_OFFSET) == second
    assert kernel.ram.read32(second + 32 - PAGE_OFFSET) == second + 64


def test_the_object_freed_last_is_the_first_to_be_taken_again() -> None:
    kernel = KernelMachine.boot(64)
    kernel.create_cache(0, "chairs", 64, 0)
    for ident in range(3):
        kernel.alloc_object(0, ident)
    freed = kernel.objects[1][1]
    kernel.free_object(1)
    kernel.alloc_object(0, 3)
    assert kernel.objects[3][1] == freed


def test_empty_slabs_go_back_once_the_node_keeps_enough_partial_ones() -> None:
    kernel = KernelMachine.boot(64, trace_capacity=1 << 14)
    kernel.create_cache(0, "chairs", 4096, 0)
    for ident in range(160):
        kernel.alloc_object(0, ident)
    cache = kernel.caches[0]
    assert (cache.nr_slabs, cache.total_objects, cache.min_partial) == (20, 160, 6)
    first = kernel.trace.total
    for ident in range(160):
        kernel.free_object(ident)
    events = events_since(kernel, first)
    discarded = [event.pfn for event in events if isinstance(event, SlabFreed)]
    assert [event.pfn for event in events if isinstance(event, MmPageFree)] == discarded
    assert sum(isinstance(event, KmemCacheFree) for event in events) == 160
    assert cache.nr_slabs == 20 - len(discarded) == len(kernel.slub.slabs)
    assert len(cache.node_partial) == cache.min_partial


@pytest.mark.parametrize(("asked", "given"), [(1, 8), (96, 96), (97, 128), (192, 192), (193, 256), (8193, 16384)])
def test_kmalloc_gives_the_smallest_class_that_holds_the_request(asked: int, given: int) -> None:
    assert KernelMachine.boot(64).ksize(asked) == given


@pytest.mark.parametrize("line", ["oalloc 7 0", "ofree 7", "cache 0 x 0", "dance", "alloc 0 0 mine", "alloc 0 -1"])
def test_a_line_that_is_no_operation_is_refused_by_number(line: str) -> None:
    with pytest.raises(ProgramError, match=r"^line 1: ") as refused:
        list(replay(KernelMachine.boot(16), f"counts\n{line}\n"))
    assert refused.value.line == 1


class Objects(RuleBasedStateMachine):
    """Any taking and returning from three caches."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = KernelMachine.boot(16)
        self.count = 0
        for ident, size in enumerate((24, 700, 4096)):
            self.kernel.create_cache(ident, f"cache-{ident}", size, 0)

    @rule(cache=st.integers(0, 2), times=st.integers(1, 60))
    def take(self, cache: int, times: int) -> None:
        for _ in range(times):
            self.kernel.alloc_object(cache, self.count)
            self.count += 1

    @precondition(lambda self: self.kernel.objects)
    @rule(data=st.data(), times=st.integers(1, 60))
    def give_back(self, data: st.DataObject, times: int) -> None:
        for _ in range(min(times, len(self.kernel.objects))):
            self.kernel.free_object(data.draw(st.sampled_from(sorted(self.kernel.objects))))

    @invariant()
    def objects_lie_apart_and_every_slab_adds_up(self) -> None:
        slub = self.kernel.slub
        taken: dict[int, set[int]] = {}
        for _, address in self.kernel.objects.values():
            taken.setdefault(slub.slab_of(address).pfn, set()).add(address)
        assert sum(map(len, taken.values())) == len(self.kernel.objects)
        for cache, slab in slub.slabs.values():
            free = list(slub.free_objects(cache, slab))
            places = {slab.address + number * cache.size for number in range(slab.objects)}
            assert len(free) == len(set(free))
            assert set(free) | taken.get(slab.pfn, set()) == places
            assert not set(free) & taken.get(slab.pfn, set())
        self.kernel.page_alloc.check()


TestObjects = Objects.TestCase
TestObjects.settings = settings(max_examples=40, stateful_step_count=20, deadline=None)
