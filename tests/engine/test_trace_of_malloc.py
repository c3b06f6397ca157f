"""The first malloc(100) of a program, from glibc to the page frames: every event, each under its cause."""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING, Final

from engine.commands import Free, Malloc, Read, Write
from engine.config import PRESETS
from engine.events.libc import MmapChunk, SbrkMore, Sysmalloc, TopSplit
from engine.events.machine import CommandPerformed
from engine.events.memory import FaultDone, PageFaultUser, PageTableAllocated, SystemCall, SystemCallReturn, TlbFlush
from engine.events.page_alloc import MmPageAlloc, MmPageFree
from engine.events.slab import KmemCacheAlloc, KmemCacheFree, SlabAllocated
from engine.libc.chunk import SIZE
from engine.machine import Machine
from engine.trace import NO_CAUSE
from engine.views.trace_tree import SYSTEM_CALL_NAMES, TraceNode, trace_tree

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.commands import Command
    from engine.events import Event

CONFIG: Final = PRESETS["64mb"]
INSIDE_THE_PAGE_ALLOCATOR: Final = ("kmem:mm_page_alloc_zone_locked", "sim:expand")
"""Told by the page allocator's own tests."""


def detail(event: Event) -> str:
    """What of an event is told here: places of the program and sizes; not where the kernel put things."""
    match event:
        case PageFaultUser(address, error_code):
            return f"{address:#010x} error {error_code}"
        case FaultDone(branch=branch):
            return branch
        case TlbFlush(reason=reason):
            return reason
        case SystemCall(number, arguments):
            return f"{SYSTEM_CALL_NAMES[number]}({', '.join(f'{argument:#x}' for argument in arguments)})"
        case SystemCallReturn(result=value) | Sysmalloc(size=value):
            return f"{value:#x}"
        case SbrkMore(brk, size) | MmapChunk(brk, size):
            return f"{brk:#x} {size:#x}"
        case TopSplit(chunk, size, left):
            return f"{chunk:#x} {size:#x} {left:#x}"
        case SlabAllocated(cache=cache) | KmemCacheAlloc(cache=cache) | KmemCacheFree(cache=cache):
            return cache
        case MmPageAlloc(order=order) | MmPageFree(order=order):
            return f"order {order}"
        case PageTableAllocated(address=address):
            return f"{address:#010x}"
        case _:
            return ""


def lines(nodes: tuple[TraceNode, ...], depth: int = 0) -> Iterator[str]:
    """The tree as text, a line an event, but for what the page allocator does inside."""
    for node in nodes:
        if node.name not in INSIDE_THE_PAGE_ALLOCATOR:
            yield f"{'  ' * depth}{node.name} {detail(node.event)}".rstrip()
        yield from lines(node.children, depth + 1)


def tree_of(machine: Machine, command: Command) -> list[str]:
    machine.perform(command)
    return list(lines(trace_tree(machine).roots))


def written(text: str) -> list[str]:
    """A tree as it is written in these tests."""
    return dedent(text).strip().splitlines()


def test_the_first_malloc_goes_from_glibc_to_the_page_frames() -> None:
    assert tree_of(Machine(CONFIG), Malloc(size=100, as_="a")) == written(
        """
        sim:sysmalloc 0x190
        raw_syscalls:sys_enter brk(0x0)
          raw_syscalls:sys_exit 0x804e000
        raw_syscalls:sys_enter brk(0x806f000)
          kmem:kmem_cache_alloc vm_area_struct
          raw_syscalls:sys_exit 0x806f000
        libc:memory_sbrk_more 0x804e000 0x21000
        raw_syscalls:sys_enter brk(0x8070000)
          raw_syscalls:sys_exit 0x8070000
        exceptions:page_fault_user 0x0804e00c error 6
          kmem:kmem_cache_alloc anon_vma_chain
          kmem:kmem_cache_alloc anon_vma
          kmem:mm_page_alloc order 0
          sim:handle_mm_fault do_anonymous_page
        sim:top_split 0x804e198 0x70 0x21df8
        """
    )


def test_the_first_malloc_faults_once_on_the_heap() -> None:
    machine = Machine(CONFIG)
    machine.perform(Malloc(size=100, as_="a"))
    places = [record.event.address for record in machine.trace.records() if isinstance(record.event, PageFaultUser)]
    assert places == [CONFIG.image.brk + 8 + SIZE], "the loader and libc's start-up have touched libc's own variables"


def test_a_write_into_the_first_block_needs_nothing_since_its_page_holds_the_tcache_too() -> None:
    machine = Machine(CONFIG)
    machine.perform(Malloc(size=100, as_="a"))
    outcome = machine.perform(Write(ptr="a", value=65))
    assert (outcome.minflt, outcome.majflt) == (0, 0)
    assert trace_tree(machine).roots == ()


def test_the_first_write_to_a_page_of_the_heap_takes_a_frame() -> None:
    machine = Machine(CONFIG)
    machine.perform(Malloc(size=20_000, as_="b"))
    assert tree_of(machine, Write(ptr="b+8192", value=65)) == written(
        """
        exceptions:page_fault_user 0x080501a0 error 6
          kmem:mm_page_alloc order 0
          sim:handle_mm_fault do_anonymous_page
        """
    )
    assert tree_of(machine, Write(ptr="b+8193", value=66)) == []


def test_a_read_maps_the_zero_page_and_a_write_after_it_copies_nothing_but_zeros() -> None:
    machine = Machine(CONFIG)
    machine.perform(Malloc(size=20_000, as_="b"))
    read = tree_of(machine, Read(ptr="b+8192"))
    assert read == ["exceptions:page_fault_user 0x080501a0 error 4", "  sim:handle_mm_fault do_anonymous_page"]
    assert tree_of(machine, Write(ptr="b+8192", value=65)) == written(
        """
        exceptions:page_fault_user 0x080501a0 error 7
          kmem:mm_page_alloc order 0
          tlb:tlb_flush invlpg
          sim:handle_mm_fault wp_page_copy
        """
    )


def test_a_large_block_is_mapped_written_and_given_back_by_three_system_calls_and_faults() -> None:
    machine = Machine(CONFIG)
    machine.perform(Malloc(size=100, as_="a"))
    assert tree_of(machine, Malloc(size=200_000, as_="m")) == written(
        """
        sim:sysmalloc 0x30d50
        raw_syscalls:sys_enter mmap2(0x0, 0x31000, 0x3, 0x22, -0x1, 0x0)
          kmem:kmem_cache_alloc vm_area_struct
          raw_syscalls:sys_exit 0xb7d6a000
        exceptions:page_fault_user 0xb7d6a008 error 6
          kmem:kmem_cache_alloc anon_vma_chain
          kmem:kmem_cache_alloc anon_vma
          kmem:mm_page_alloc order 0
          sim:handle_mm_fault do_anonymous_page
        sim:sysmalloc_mmap 0xb7d6a008 0x30ff8
        """
    )
    assert tree_of(machine, Free(ptr="m")) == written(
        """
        libc:memory_mallopt_free_dyn_thresholds
        sim:munmap_chunk
        raw_syscalls:sys_enter munmap(0xb7d6a000, 0x31000)
          kmem:mm_page_free order 0
          tlb:tlb_flush all
          kmem:kmem_cache_free anon_vma_chain
          kmem:kmem_cache_free anon_vma
          kmem:kmem_cache_free vm_area_struct
          raw_syscalls:sys_exit 0x0
        """
    )


def test_each_record_lies_within_the_time_of_its_cause() -> None:
    machine = Machine(CONFIG)
    for command in (Malloc(size=100, as_="a"), Malloc(size=200_000, as_="m"), Write(ptr="m", value=1), Free(ptr="m")):
        machine.perform(command)
    records = {record.seq: record for record in machine.trace.records()}
    roots = [record for record in records.values() if record.cause == NO_CAUSE]
    assert [record.event.command.op for record in roots if isinstance(record.event, CommandPerformed)] == [
        "malloc", "malloc", "write", "free",
    ]  # fmt: skip
    for record in records.values():
        if record.cause != NO_CAUSE:
            cause = records[record.cause]
            assert cause.seq < record.seq
            assert cause.start_ns <= record.start_ns <= record.end_ns <= cause.end_ns


def test_without_recording_the_same_malloc_gives_the_same_machine() -> None:
    recorded, silent = Machine(CONFIG), Machine(CONFIG)
    silent.trace.on = False
    for machine in (recorded, silent):
        machine.perform(Malloc(size=100, as_="a"))
        machine.perform(Write(ptr="a", value=65))
    assert recorded.digest() == silent.digest()
    assert recorded.time_ns == silent.time_ns
    assert list(silent.trace.records()) == []
    assert recorded.trace.total > 0
