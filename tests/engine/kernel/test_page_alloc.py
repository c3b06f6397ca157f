"""The page allocator: against a real machine's free lists, told event by event, and against itself under random use."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from app.replay_kernel import END, perform, replay
from engine.events.page_alloc import BuddyMerge, Expand, FreeOnePage, MmPageAlloc, MmPageAllocZoneLocked, MmPageFree
from engine.kernel.gfp import GFP_ATOMIC, GFP_KERNEL
from engine.kernel.mmzone import (
    MAX_ORDER,
    MIGRATE_MOVABLE,
    MIGRATE_UNMOVABLE,
    PAGEBLOCK_NR_PAGES,
    MigrateType,
    Watermark,
)
from engine.kernel_program import GFP_OF_KIND, AllocKind, KernelMachine
from tests.oracle_corpus import ORACLE, machine_of, program_names, recording

if TYPE_CHECKING:
    from engine.kernel.mmzone import Zone

OTHERS: Final = json.loads((ORACLE / "buddy_others.json").read_text())
"""What other tasks did while the programs of `buddy` ran: the kernel stacks of tasks that had just ended came back to the
page allocator, some time after the program began. The start cannot tell: they were in use. Worked out from the recording:
`stacks` are the frames that the last lists have and the first have not, `before_line` the first line that explains all."""
STACK_ORDER: Final = 1
STACK_PAGES: Final = 1 << STACK_ORDER


def as_recorded(rows: list[dict[str, Any]]) -> list[Any]:
    return [json.loads(json.dumps(row)) for row in rows]


@pytest.mark.parametrize("name", program_names("buddy_quiet"))
def test_every_frame_is_the_real_machines_where_no_other_task_runs(name: str) -> None:
    recorded = recording("buddy_quiet", name)
    kernel = KernelMachine.from_start(machine_of("buddy_quiet"), recorded.start)
    assert as_recorded([*replay(kernel, recorded.program), END]) == recorded.expected
    kernel.page_alloc.check()


@pytest.mark.parametrize("name", program_names("buddy"))
def test_every_frame_is_the_real_machines_when_ended_tasks_give_their_stacks_back(name: str) -> None:
    recorded = recording("buddy", name)
    kernel = KernelMachine.from_start(machine_of("buddy"), recorded.start)
    rows = []
    for index, line in enumerate(recorded.program.splitlines()):
        if index == OTHERS[name]["before_line"]:
            for stack in OTHERS[name]["stacks"]:
                kernel.freed_by_others(stack, STACK_ORDER)
        rows.append({"i": index, **perform(kernel, index, line.split())})
    assert as_recorded([*rows, END]) == recorded.expected
    kernel.page_alloc.check()


# --- split and merge, told -------------------------------------------------------------------------------------------


class Told:
    """A machine of 64 MB that records, and the events of one action."""

    def __init__(self, ram_mb: int = 64) -> None:
        self.kernel = KernelMachine.boot(ram_mb, trace_capacity=4096)

    def zone(self, name: str) -> Zone:
        return next(zone for zone in self.kernel.page_alloc.zones if zone.name == name)

    def alloc(self, ident: int, order: int, kind: AllocKind = "movable") -> list[object]:
        first = self.kernel.trace.total
        self.kernel.alloc(ident, order, kind)
        return [record.event for record in self.kernel.trace.records(first)]

    def free(self, ident: int) -> list[object]:
        first = self.kernel.trace.total
        self.kernel.free(ident)
        return [record.event for record in self.kernel.trace.records(first)]


def test_a_block_of_16_pages_is_split_from_one_of_1024_half_by_half() -> None:
    machine = Told()
    events = machine.alloc(0, 4, "dma")
    start = machine.kernel.blocks[0].pfn
    unmovable = MIGRATE_UNMOVABLE
    assert machine.zone("DMA").nr_free_by_order() == [0, 0, 0, 0, 1, 1, 1, 1, 0, 1, 3]
    assert events == [
        Expand("DMA", start + 128, 7, unmovable),
        Expand("DMA", start + 64, 6, unmovable),
        Expand("DMA", start + 32, 5, unmovable),
        Expand("DMA", start + 16, 4, unmovable),
        MmPageAllocZoneLocked(start, 4, unmovable, percpu_refill=False),
        MmPageAlloc(start, 4, GFP_OF_KIND["dma"], unmovable),
    ]


def test_a_freed_block_merges_with_its_buddy_until_the_buddy_is_in_use() -> None:
    machine = Told()
    machine.alloc(0, 4, "dma")
    start = machine.kernel.blocks[0].pfn
    events = machine.free(0)
    assert machine.zone("DMA").nr_free_by_order() == [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 3]
    assert events == [
        MmPageFree(start, 4),
        BuddyMerge("DMA", start, start + 16, 4),
        BuddyMerge("DMA", start, start + 32, 5),
        BuddyMerge("DMA", start, start + 64, 6),
        BuddyMerge("DMA", start, start + 128, 7),
        FreeOnePage("DMA", start, 8, MIGRATE_UNMOVABLE, to_tail=True),
    ]


def test_a_freed_block_whose_buddy_is_in_use_waits_for_it() -> None:
    machine = Told()
    machine.alloc(0, 4, "dma")
    machine.alloc(1, 4, "dma")
    first, second = machine.kernel.blocks[0].pfn, machine.kernel.blocks[1].pfn
    assert second == first + 16
    assert machine.free(0) == [MmPageFree(first, 4), FreeOnePage("DMA", first, 4, MIGRATE_UNMOVABLE, to_tail=True)]
    assert machine.free(1)[1] == BuddyMerge("DMA", second, first, 4)


def test_a_single_page_is_fetched_in_a_batch_and_freed_to_the_cpu_alone() -> None:
    machine = Told(256)
    zone = machine.zone("Normal")
    batch = zone.per_cpu_pageset.batch
    before = zone.free_pages
    events = machine.alloc(0, 0)
    fetched = [event for event in events if isinstance(event, MmPageAllocZoneLocked)]
    assert (batch, len(fetched), zone.per_cpu_pageset.count, before - zone.free_pages) == (15, 15, 14, 15)
    page = machine.kernel.blocks[0].pfn
    assert machine.free(0) == [MmPageFree(page, 0)]
    assert machine.alloc(1, 0) == [MmPageAlloc(page, 0, GFP_OF_KIND["movable"], MIGRATE_MOVABLE)]


def test_a_frame_is_zeroed_when_it_is_allocated() -> None:
    machine = Told()
    machine.alloc(0, 0)
    pfn = machine.kernel.blocks[0].pfn
    machine.kernel.ram.write32(pfn << 12, 0xDEAD_BEEF)
    machine.free(0)
    assert machine.kernel.ram.read32(pfn << 12) == 0xDEAD_BEEF
    machine.alloc(1, 0)
    assert machine.kernel.blocks[1].pfn == pfn
    assert machine.kernel.ram.read32(pfn << 12) == 0


# --- when memory is short --------------------------------------------------------------------------------------------


def exhausted(gfp: int) -> KernelMachine:
    """A machine of 64 MB of which single pages were taken until there were none."""
    kernel = KernelMachine.boot(64)
    while kernel.page_alloc.alloc_pages(gfp, 0) is not None:
        pass
    kernel.page_alloc.check()
    return kernel


def test_requests_that_may_not_wait_stop_at_the_min_watermark_and_leave_dma_its_reserve() -> None:
    dma, normal = exhausted(GFP_OF_KIND["kernel"]).page_alloc.zones
    assert (normal.watermark[Watermark.MIN], normal.watermark_boost) == (141, 1024)
    assert normal.nr_free_pages == 141 + 1024
    assert (dma.watermark[Watermark.MIN], dma.watermark_boost, dma.lowmem_reserve[1]) == (71, 0, 29)
    assert dma.nr_free_pages == 71 + 29 - 1, "the CPU tells the zone of every third page only"


def test_atomic_requests_ignore_the_boost_and_may_use_five_eighths_of_what_the_min_watermark_guards() -> None:
    dma, normal = exhausted(GFP_ATOMIC).page_alloc.zones
    assert normal.watermark_boost == 1024
    assert normal.nr_free_pages == 141 - 141 // 2 - (141 - 141 // 2) // 4 - 2
    assert dma.nr_free_pages == 71 - 71 // 2 - (71 - 71 // 2) // 4 + 29 - 2


def test_an_urgent_block_below_the_mark_reserves_its_pageblock_for_others_of_its_kind() -> None:
    kernel = KernelMachine.boot(64)
    allocator = kernel.page_alloc
    _, normal = allocator.zones
    while normal.nr_free_pages > normal.min_wmark_pages:
        kernel.alloc(0, 0, "kernel")
    assert allocator.alloc_pages(GFP_ATOMIC, 1) is not None
    assert normal.nr_reserved_highatomic == PAGEBLOCK_NR_PAGES
    assert MigrateType.HIGHATOMIC in normal.pageblock_flags.values()
    reserved = sum(len(area.free_list[MigrateType.HIGHATOMIC]) << order for order, area in enumerate(normal.free_area))
    assert 0 < reserved < PAGEBLOCK_NR_PAGES
    assert not any(area.free_list[MigrateType.ISOLATE] for area in normal.free_area)
    allocator.check()


def test_a_request_without_memory_fails_after_waking_kswapd() -> None:
    kernel = KernelMachine.boot(16)
    assert kernel.alloc(0, MAX_ORDER) == -1
    taken = 0
    while kernel.alloc(taken, MAX_ORDER - 1, "kernel") >= 0:
        taken += 1
    assert taken == 1
    assert kernel.page_alloc.zones[0].nr_free_by_order()[MAX_ORDER - 1] == 0


# --- against itself --------------------------------------------------------------------------------------------------


class Allocator(RuleBasedStateMachine):
    """Any requests on a machine of 16 MB, where memory soon is short: afterwards everything still adds up."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = KernelMachine.boot(16)
        self.managed = sum(zone.managed_pages for zone in self.kernel.page_alloc.zones)
        self.count = 0

    @rule(order=st.integers(0, MAX_ORDER - 1), kind=st.sampled_from(["movable", "user", "kernel", "dma"]))
    def alloc(self, order: int, kind: AllocKind) -> None:
        pfn = self.kernel.alloc(self.count, order, kind)
        assert pfn % (1 << order) == 0 or pfn == -1
        self.count += 1

    @rule(times=st.integers(1, 200))
    def alloc_single_pages(self, times: int) -> None:
        for _ in range(times):
            self.alloc(0, "kernel")

    @precondition(lambda self: self.kernel.blocks)
    @rule(data=st.data())
    def free(self, data: st.DataObject) -> None:
        self.kernel.free(data.draw(st.sampled_from(sorted(self.kernel.blocks))))

    @precondition(lambda self: self.kernel.blocks)
    @rule(data=st.data())
    def split(self, data: st.DataObject) -> None:
        """A block becomes single pages, of which its owner keeps the first."""
        ident = data.draw(st.sampled_from(sorted(self.kernel.blocks)))
        page = self.kernel.blocks[ident]
        order = page.order
        page.refcount += 1
        self.kernel.page_alloc.free_pages(page, order)
        assert (page.order, page.refcount) == (0, 1)

    @rule()
    def drain(self) -> None:
        self.kernel.page_alloc.drain_all_pages()

    @invariant()
    def everything_adds_up(self) -> None:
        allocator = self.kernel.page_alloc
        allocator.check()
        owned = sum(1 << page.order for page in allocator.mem_map.values())
        free = sum(zone.free_pages + zone.per_cpu_pageset.count for zone in allocator.zones)
        assert owned + free == self.managed

    def teardown(self) -> None:
        for ident in sorted(self.kernel.blocks):
            self.kernel.free(ident)
        self.kernel.page_alloc.drain_all_pages()
        self.everything_adds_up()
        assert sum(zone.free_pages for zone in self.kernel.page_alloc.zones) == self.managed


TestAllocator = Allocator.TestCase
TestAllocator.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


# --- the check itself ------------------------------------------------------------------------------------------------


def test_the_check_finds_a_frame_with_two_owners() -> None:
    kernel = KernelMachine.boot(64)
    pfn = kernel.alloc(0, 0, "kernel")
    kernel.page_alloc.zones[1].per_cpu_pageset.lists[0].append(pfn)
    kernel.page_alloc.zones[1].per_cpu_pageset.count += 1
    with pytest.raises(AssertionError, match=f"frame {pfn:#x} belongs to"):
        kernel.page_alloc.check()


def test_the_check_finds_buddies_that_did_not_merge() -> None:
    kernel = KernelMachine.boot(64)
    area = kernel.page_alloc.zones[0].free_area
    [pfn] = area[8].blocks
    migratetype = area[8].blocks.pop(pfn)
    del area[8].free_list[migratetype][pfn]
    for half in (pfn, pfn + 128):
        area[7].blocks[half] = migratetype
        area[7].free_list[migratetype][half] = None
    with pytest.raises(AssertionError, match="and its buddy"):
        kernel.page_alloc.check()


def test_the_check_finds_a_count_that_the_lists_do_not_bear_out() -> None:
    kernel = KernelMachine.boot(64)
    kernel.page_alloc.zones[1].nr_free_pages -= 1
    with pytest.raises(AssertionError, match="Normal counts"):
        kernel.page_alloc.check()


def test_running_out_without_anybody_to_kill_is_the_end_of_the_machine() -> None:
    allocator = KernelMachine.boot(16).page_alloc
    [zone] = allocator.zones
    while zone.nr_free_pages > zone.min_wmark_pages:
        assert allocator.alloc_pages(GFP_KERNEL, 0) is not None
    with pytest.raises(MemoryError, match="no killable processes"):
        allocator.alloc_pages(GFP_KERNEL, 0)
