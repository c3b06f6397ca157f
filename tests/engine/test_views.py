"""The views: what they tell is what the machine is, and looking changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from app.pages.command_words import command_of_words
from engine import views
from engine.config import PRESETS, MachineConfig
from engine.machine import Machine
from engine.views import VIEWS
from engine.views.bins import BinKind
from engine.views.heap import ChunkState
from engine.views.page_walk import Stop
from engine.views.physical_memory import CELLS_MAXIMUM, Owner

if TYPE_CHECKING:
    from engine.outcome import Outcome
    from engine.views.frame import FrameView
    from engine.views.heap import HeapView
    from engine.views.trace_tree import TraceNode

FIRST_MEM = 0x0804E1A0
"""What the first malloc of 100 bytes gives: the tcache's own chunk lies before it."""


def machine(*program: str, config: MachineConfig = PRESETS["64mb"]) -> Machine:
    """A machine on which `program` was performed."""
    made = Machine(config)
    for line in program:
        perform(made, line)
    return made


def perform(on: Machine, line: str) -> Outcome:
    return on.perform(command_of_words(line, 0, frozenset(on.processes[0].slots)))


def frame_of(seen: Machine, pfn: int) -> FrameView:
    found = views.frame(seen, pfn)
    assert found is not None
    return found


def states(heap: HeapView) -> list[ChunkState]:
    return [chunk.state for chunk in heap.chunks]


def arguments(name: str) -> tuple[Any, ...]:
    return {
        "page_walk": (FIRST_MEM,),
        "at": (FIRST_MEM,),
        "frame": (0x1D72,),
        "buddy_tree": (0x1D72,),
        "page_sharing": (FIRST_MEM,),
        "swap_slot": (1,),
        "file_page": ("/bin/student", 0),
        "chunk": ("a",),
        "would_free": ("a",),
    }.get(name, ())


@pytest.mark.parametrize("name", VIEWS)
def test_looking_changes_nothing(name: str) -> None:
    seen = machine("malloc a 100", "malloc b 3000", "free a", "mmap m 65536", "touch m 20000")
    before = seen.digest(), seen.time_ns, dict(seen.cpu.tlb.entries), set(seen.kernel.ram.frames), seen.trace.total
    first = VIEWS[name](seen, *arguments(name))
    assert VIEWS[name](seen, *arguments(name)) == first
    after = seen.digest(), seen.time_ns, dict(seen.cpu.tlb.entries), set(seen.kernel.ram.frames), seen.trace.total
    assert after == before


def test_there_is_no_heap_before_the_first_malloc() -> None:
    heap = views.heap(machine())
    assert (heap.chunks, heap.broken_at) == ((), None)


def test_the_first_malloc_makes_three_chunks_that_tile_the_heap() -> None:
    heap = views.heap(machine("malloc a 100"))
    assert [(chunk.mem, chunk.size, chunk.state) for chunk in heap.chunks] == [
        (0x0804E010, 0x190, ChunkState.TCACHE_STRUCT),
        (FIRST_MEM, 0x70, ChunkState.IN_USE),
        (FIRST_MEM + 0x70, 0x21DF8, ChunkState.TOP),
    ]
    assert heap.chunks[-1].end == heap.end == 0x08070000
    assert heap.chunks[1].slots == ("a",)
    assert heap.chunks[1].head == 0x71
    assert heap.chunks[1].flags == ("P",)


def test_the_eighth_free_of_a_size_goes_beyond_the_tcache_into_a_fast_bin() -> None:
    seen = machine(*(f"malloc p{n} 24" for n in range(9)), *(f"free p{n}" for n in range(9)))
    tcache, fast = views.bins(seen).bins
    assert (tcache.kind, tcache.size, tcache.count, len(tcache.links)) == (BinKind.TCACHE, 0x20, 7, 7)
    assert [link.chunk for link in tcache.links] == [
        seen.processes[0].slots[f"p{n}"] - 8 for n in (6, 5, 4, 3, 2, 1, 0)
    ]
    assert (fast.kind, fast.size) == (BinKind.FAST, 0x20)
    assert [link.chunk for link in fast.links] == [seen.processes[0].slots[f"p{n}"] - 8 for n in (8, 7)]
    assert states(views.heap(seen))[1:10] == [ChunkState.TCACHE] * 7 + [ChunkState.FASTBIN] * 2


def test_a_large_chunk_goes_through_the_unsorted_bin_into_a_large_one() -> None:
    seen = machine("malloc a 5000", "malloc wall 24", "free a")
    assert states(views.heap(seen))[1] is ChunkState.UNSORTED
    perform(seen, "malloc b 20000")
    assert states(views.heap(seen))[1] is ChunkState.LARGE


def test_a_chunk_with_a_mapping_of_its_own_is_listed_apart() -> None:
    seen = machine("malloc a 100", "malloc big 200000")
    [chunk] = views.heap(seen).mapped
    assert (chunk.slots, chunk.flags, chunk.prev_size, chunk.size) == (("big",), ("M",), 8, 0x30FF8)


def test_a_mapping_that_memalign_gave_is_there_before_any_heap() -> None:
    heap = views.heap(machine("memalign big 2048 200000"))
    assert heap.chunks == ()
    assert [(chunk.slots, chunk.mem % 2048) for chunk in heap.mapped] == [(("big",), 0)]


def test_a_heap_whose_size_word_was_overwritten_is_followed_as_far_as_it_goes() -> None:
    seen = machine("malloc a 24", "malloc b 24", "malloc c 24", "write32 a+28 0")
    heap = views.heap(seen)
    assert heap.broken_at == seen.processes[0].slots["b"] - 8
    assert [chunk.slots for chunk in heap.chunks] == [(), ("a",)]


def test_a_heap_in_swap_can_be_read_without_bringing_it_back() -> None:
    seen = machine("malloc a 100", "malloc b 3000", "free a", config=PRESETS["16mb"])
    before = views.heap(seen).chunks
    perform(seen, "mmap m 20000000")
    perform(seen, "touch m 14000000")
    assert views.page_walk(seen, FIRST_MEM).stop is Stop.SWAPPED
    digest = seen.digest()
    assert views.heap(seen).chunks == before
    assert seen.digest() == digest
    assert views.reclaim(seen).swap_used > 0


def test_an_untouched_page_stops_the_walk_and_a_write_takes_it_to_a_frame() -> None:
    seen = machine("mmap m 65536")
    place = seen.processes[0].slots["m"]
    assert views.page_walk(seen, place).stop in (Stop.NO_TABLE, Stop.EMPTY)
    perform(seen, "write m 7")
    walk = views.page_walk(seen, place + 5)
    frames = perform(seen, "pfn m 1").frames
    assert frames is not None
    assert (walk.pfn,) == frames
    assert walk.physical == frames[0] << 12 | 5
    assert walk.table is not None
    assert set(walk.table.flags) == {"P", "RW", "US", "A", "D"}
    assert (walk.stop, walk.writable, walk.in_tlb) == (None, True, True)


def test_the_indices_of_a_walk_are_the_three_parts_of_the_address() -> None:
    walk = views.page_walk(machine("malloc a 100"), FIRST_MEM)
    assert (walk.directory_index, walk.table_index, walk.offset) == (32, 78, 0x1A0)
    assert walk.directory_index << 22 | walk.table_index << 12 | walk.offset == walk.linear == FIRST_MEM
    assert (walk.segment.selector, walk.segment.index, walk.segment.base) == (0x7B, 15, 0)


def test_a_program_may_not_use_the_kernels_four_megabyte_pages() -> None:
    walk = views.page_walk(machine(), 0xC0000000)
    assert (walk.stop, walk.table, walk.pfn) == (Stop.KERNEL_ONLY, None, 0)


def test_without_paging_an_address_is_the_physical_one() -> None:
    seen = machine("paging off")
    walk = views.page_walk(seen, 0x00123456)
    assert (walk.directory, walk.table, walk.pfn, walk.physical) == (None, None, 0x123, 0x00123456)
    assert views.page_walk(seen, 0xB0000000).stop is Stop.NO_MEMORY


@pytest.mark.parametrize("name", PRESETS)
def test_every_frame_of_every_machine_has_one_owner_and_few_enough_cells(name: str) -> None:
    memory = views.physical_memory(machine(config=PRESETS[name]))
    assert memory.frames == PRESETS[name].ram_mb * 256
    assert sum(count for _, count in memory.owners) == memory.frames
    assert sum(len(zone.cells) for zone in memory.zones) <= CELLS_MAXIMUM
    for zone in memory.zones:
        assert sum(cell.frames for cell in zone.cells) == zone.end - zone.start
        assert dict(zone.owners)[Owner.FREE] == zone.free + zone.cpu_pages


def test_a_frame_shared_after_fork_is_mapped_by_both_processes() -> None:
    seen = machine("malloc a 100", "write a 1", "fork 1")
    pfn = views.page_walk(seen, FIRST_MEM).pfn
    assert pfn is not None
    frame = frame_of(seen, pfn)
    assert (frame.owner, frame.mapcount) == (Owner.ANONYMOUS, 2)
    assert {(place.pid, place.address) for place in frame.mapped_at} == {(0, 0x0804E000), (1, 0x0804E000)}


def test_a_free_frame_belongs_to_a_block_whose_buddy_differs_in_one_bit() -> None:
    seen = machine()
    [zone, *_] = [zone for zone in views.buddy(seen) if zone.zone == "Normal"]
    order = next(order for order in zone.orders if order.free)
    pfn = order.lists[0].first[0]
    block = frame_of(seen, pfn).block
    assert block is not None
    assert (block.pfn, block.order, block.buddy) == (pfn, order.order, pfn ^ 1 << order.order)


def test_the_kernels_image_is_reserved_and_named() -> None:
    frame = frame_of(machine(), 0x1000)
    assert (frame.owner, frame.detail, frame.block) == (Owner.RESERVED, "kernel code", None)
    assert views.frame(machine(), 64 * 256) is None


def test_the_buddy_view_agrees_with_proc_buddyinfo() -> None:
    seen = machine("mmap m 65536", "touch m 65536")
    lines = [line.split() for line in seen.proc_file("buddyinfo").splitlines()]
    assert [(line[3], [int(count) for count in line[4:]]) for line in lines] == [
        (zone.zone, [order.free for order in zone.orders]) for zone in views.buddy(seen)
    ]


def test_the_regions_agree_with_proc_maps_and_their_pages_with_the_rss() -> None:
    seen = machine("malloc a 100", "mmap m 65536", "touch m 20000")
    space = views.address_space(seen)
    maps = [line.split()[0] for line in seen.proc_file("maps").splitlines()]
    assert [f"{region.start:08x}-{region.end:08x}" for region in space.regions] == maps
    assert sum(region.pages for region in space.regions) == space.total_vm
    mapping = next(region for region in space.regions if region.start == seen.processes[0].slots["m"])
    assert (mapping.permissions, mapping.resident) == ("rw-p", 5)


def test_what_is_here_goes_from_the_pointer_down_to_the_frame() -> None:
    seen = machine("malloc a 100", "write a 1")
    here = views.at_address(seen, FIRST_MEM)
    assert [slot.name for slot in here.slots] == ["a"]
    assert here.chunk is not None
    assert here.chunk.address == FIRST_MEM - 8
    assert here.region is not None
    assert here.region.name == "[heap]"
    assert here.frame is not None
    assert here.frame.pfn == here.walk.pfn
    assert here.frame.owner is Owner.ANONYMOUS


def test_where_there_is_nothing_the_view_says_so() -> None:
    here = views.at_address(machine(), 0x40000000)
    assert (here.slots, here.chunk, here.region, here.frame, here.walk.stop) == ((), None, None, None, Stop.NO_TABLE)


def names(nodes: tuple[TraceNode, ...]) -> list[str]:
    return [node.name for node in nodes]


def test_the_tree_of_a_write_is_its_fault_and_what_repaired_it() -> None:
    seen = machine("mmap m 4096", "write m 1")
    tree = views.trace_tree(seen)
    assert tree.command is not None
    assert tree.command.op == "write"
    [fault] = tree.roots
    assert fault.name == "exceptions:page_fault_user"
    assert names(fault.children)[-1] == "sim:handle_mm_fault"
    assert "kmem:mm_page_alloc" in names(fault.children)
    assert 0 < fault.cost_ns <= tree.ns
    assert not tree.lost


def test_a_trace_that_lost_its_beginning_says_so() -> None:
    seen = machine("mmap m 65536", "touch m 65536", config=MachineConfig(trace_capacity=10))
    tree = views.trace_tree(seen)
    assert (tree.lost, tree.command) == (True, None)
    assert 0 < tree.records <= 10


def test_the_changes_of_a_step_are_the_pages_and_frames_that_it_touched() -> None:
    seen = machine("malloc a 100", "mmap m 65536", "write m 1")
    changes = views.changes(seen)
    place = seen.processes[0].slots["m"]
    assert changes.pages == {place >> 12}
    assert views.page_walk(seen, place).pfn in changes.allocated
    assert changes.chunks == frozenset()
    perform(seen, "free a")
    assert views.changes(seen).chunks == {FIRST_MEM - 8}


def test_an_ended_process_has_no_regions_and_no_heap() -> None:
    seen = machine("malloc a 100", "exit 3")
    assert views.address_space(seen).regions == ()
    assert views.heap(seen).chunks == ()
    assert views.page_walk(seen, FIRST_MEM).stop is Stop.NO_TABLE
    [process] = views.processes(seen)
    assert process.ended is not None
    assert process.ended.code == 3


def test_the_machine_tells_its_size_and_the_presets() -> None:
    seen = views.machine(machine("malloc a 1", config=PRESETS["1gb"]))
    assert (seen.ram_mb, seen.version, seen.zones) == (1024, 1, ("DMA", "Normal", "HighMem"))
    assert [preset.name for preset in seen.presets] == list(PRESETS)


def test_the_heap_goes_on_behind_a_break_that_somebody_else_moved() -> None:
    seen = machine("malloc a 24", "sbrk 4096", "malloc b 131000", "malloc c 24", "malloc d 60000")
    heap = views.heap(seen)
    slots = seen.processes[0].slots
    assert [chunk.slots for chunk in heap.chunks if chunk.in_use] == [("a",), ("b",), ("c",), ("d",)]
    assert (heap.broken_at, len(heap.fences), heap.chunks[-1].state) == (None, 1, ChunkState.TOP)
    assert heap.fences[0] + 24 + 4096 == slots["d"] - 16
