"""The kernel's allocators as commands: pages, kmalloc, caches, vmalloc, kmap."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from engine.commands import (
    AllocPages,
    Exit,
    Fork,
    FreePages,
    Kfree,
    Kmalloc,
    KmemCacheAlloc,
    KmemCacheCreate,
    KmemCacheFree,
    Read,
    Vfree,
    Vmalloc,
)
from engine.config import MachineConfig
from engine.events.slab import Kmalloc as KmallocEvent
from engine.events.vmalloc import KmapHigh, KunmapHigh, VmapAreaAllocated
from engine.hardware.paging import walk
from engine.machine import Machine
from engine.outcome import CommandError
from engine.session import Session

if TYPE_CHECKING:
    from engine.commands import Command

PAGE: Final = 4096
PAGE_OFFSET: Final = 0xC0000000
PKMAP_BASE: Final = 0xFEC00000


@pytest.fixture
def machine() -> Machine:
    return Machine(MachineConfig(ram_mb=64))


def events(machine: Machine, command: Command) -> list[object]:
    first = machine.trace.total
    machine.perform(command)
    return [record.event for record in machine.trace.records(first)]


def seen_at(machine: Machine, address: int) -> int | None:
    return walk(machine.kernel.ram, machine.kernel.swapper_pg_dir, address).pfn


def free_frames(machine: Machine) -> int:
    return sum(zone.free_pages + zone.per_cpu_pageset.count for zone in machine.kernel.page_alloc.zones)


def test_alloc_pages_gives_the_address_of_its_frames_in_the_direct_map(machine: Machine) -> None:
    outcome = machine.perform(AllocPages(as_="p", order=3))
    assert outcome.ret is not None
    assert outcome.frames == (outcome.ret - PAGE_OFFSET >> 12,)
    assert outcome.frames[0] % 8 == 0, "a block of order 3 is aligned to 8 frames"
    assert machine.kernel_slots == {"p": outcome.ret}
    assert seen_at(machine, outcome.ret) == outcome.frames[0]


def test_freed_frames_are_the_next_ones(machine: Machine) -> None:
    before = free_frames(machine)
    first = machine.perform(AllocPages(as_="p", order=0))
    machine.perform(FreePages(ptr="p"))
    assert free_frames(machine) == before
    assert machine.perform(AllocPages(as_="q", order=0)).ret == first.ret


def test_the_kernels_variables_are_not_the_programs(machine: Machine) -> None:
    outcome = machine.perform(Kmalloc(as_="k", size=64))
    assert machine.processes[0].slots == {}
    signal = machine.perform(Read(ptr=outcome.ret or 0)).signal
    assert signal is not None
    assert (signal.name, signal.code) == ("SIGSEGV", 1), "a program may not look at kernel addresses"


def test_kmalloc_says_how_much_it_really_gave(machine: Machine) -> None:
    told = [event for event in events(machine, Kmalloc(as_="k", size=100)) if isinstance(event, KmallocEvent)]
    assert [(event.bytes_req, event.bytes_alloc) for event in told] == [(100, 128)]
    told = [event for event in events(machine, Kmalloc(as_="k", size=8193)) if isinstance(event, KmallocEvent)]
    assert [(event.bytes_req, event.bytes_alloc) for event in told] == [(8193, 16384)]


def test_objects_of_a_cache_lie_in_its_slab_one_after_the_other(machine: Machine) -> None:
    machine.perform(KmemCacheCreate(name="thing", size=100, align=0))
    addresses = [machine.perform(KmemCacheAlloc(as_=f"o{n}", cache="thing")).ret for n in range(3)]
    assert addresses[0] is not None
    assert addresses == [addresses[0], addresses[0] + 104, addresses[0] + 208], "100 bytes, aligned to 8"
    machine.perform(KmemCacheFree(ptr="o1"))
    assert machine.perform(KmemCacheAlloc(as_="again", cache="thing")).ret == addresses[1]


def test_vmalloc_joins_single_frames_behind_one_stretch_of_addresses(machine: Machine) -> None:
    high_memory = PAGE_OFFSET + machine.kernel.boot.max_low_pfn * PAGE
    outcome = machine.perform(Vmalloc(as_="v", size=5 * PAGE - 100))
    assert outcome.ret == high_memory + (8 << 20)
    assert outcome.frames is not None
    assert len(outcome.frames) == 5
    assert [seen_at(machine, outcome.ret + n * PAGE) for n in range(6)] == [*outcome.frames, None]
    assert machine.perform(Vmalloc(as_="w", size=1)).ret == outcome.ret + 6 * PAGE, "after the guard page"


def test_the_addresses_of_a_freed_area_are_not_used_again_at_once(machine: Machine) -> None:
    first = machine.perform(Vmalloc(as_="v", size=PAGE)).ret
    before = free_frames(machine)
    machine.perform(Vfree(ptr="v"))
    assert free_frames(machine) == before + 1
    assert first is not None
    assert seen_at(machine, first) is None
    assert machine.perform(Vmalloc(as_="w", size=PAGE)).ret == first + 2 * PAGE


def test_a_new_kernel_page_table_is_seen_by_every_process(machine: Machine) -> None:
    machine.perform(Fork(child=1))
    address = machine.perform(Vmalloc(as_="v", size=6 << 20)).ret
    assert address is not None
    for process in machine.processes.values():
        directory = process.task.mm.pgd
        assert walk(machine.kernel.ram, directory, address).pfn == seen_at(machine, address)
    machine.check()
    machine.perform(Exit(pid=1))
    machine.check()


def test_vmalloc_of_more_than_there_is_gives_null_and_takes_nothing(machine: Machine) -> None:
    before = free_frames(machine)
    assert machine.perform(Vmalloc(as_="v", size=512 << 20)).ret == 0
    assert machine.perform(Vmalloc(as_="v", size=0)).ret == 0
    assert free_frames(machine) == before
    assert not [event for event in events(machine, Vfree(ptr="v")) if isinstance(event, VmapAreaAllocated)]


def test_a_frame_of_high_memory_has_an_address_only_while_it_is_mapped() -> None:
    machine = Machine(MachineConfig(ram_mb=1024))
    told = events(machine, AllocPages(as_="h", order=0, kind="movable"))
    [mapped] = [event for event in told if isinstance(event, KmapHigh)]
    assert mapped.address == PKMAP_BASE + PAGE, "kmap begins with its second entry"
    assert mapped.pfn >= machine.kernel.boot.max_low_pfn
    assert seen_at(machine, mapped.address) == mapped.pfn
    [unmapped] = [event for event in events(machine, FreePages(ptr="h")) if isinstance(event, KunmapHigh)]
    assert unmapped == (mapped.pfn, mapped.address)
    assert seen_at(machine, mapped.address) == mapped.pfn, "until all 1,024 entries have been gone through"
    for number in range(1023):
        machine.perform(AllocPages(as_=f"h{number}", order=0, kind="movable"))
    machine.check()
    assert machine.kernel.highmem.page_address(machine.kernel.lab.blocks[machine.kernel_slots["h1022"]].pfn)


def test_without_a_free_kmap_entry_no_high_memory_is_given() -> None:
    machine = Machine(MachineConfig(ram_mb=1024))
    for number in range(1024):
        machine.perform(AllocPages(as_=f"h{number}", order=0, kind="movable"))
    with pytest.raises(CommandError, match="all 1,024 entries of kmap are in use") as caught:
        machine.perform(AllocPages(as_="h", order=0, kind="movable"))
    assert caught.value.field == "kind"
    machine.check()


@pytest.mark.parametrize(
    ("command", "field", "said"),
    [
        (FreePages(ptr="nothing"), "ptr", "ptr names the kernel slot 'nothing', which holds nothing"),
        (FreePages(ptr="k"), "ptr", "alloc_pages gave no such address"),
        (Kfree(ptr="p"), "ptr", "kmalloc gave no such address"),
        (Kfree(ptr="k+8"), "ptr", "kmalloc gave no such address"),
        (Kfree(ptr="gone"), "ptr", "or it has been freed"),
        (Vfree(ptr=0xF0000000), "ptr", "ptr is 0xf0000000; vmalloc gave no such address"),
        (KmemCacheFree(ptr="k"), "ptr", "kmem_cache_alloc gave no such address"),
        (KmemCacheAlloc(as_="o", cache="mm_struct"), "cache", "kmem_cache_create has made: thing"),
        (KmemCacheCreate(name="thing", size=8), "name", "there is a cache 'thing' already"),
        (KmemCacheCreate(name="9", size=8), "name", "name is '9'"),
        (KmemCacheCreate(name="x", size=0), "size", "size is 0; an object can have 4 to 8192 bytes"),
        (KmemCacheCreate(name="x", size=8, align=24), "align", "align is 24; it can be a power of two"),
    ],
)
def test_what_means_nothing_is_refused_by_the_name_of_its_field(
    machine: Machine, command: Command, field: str, said: str
) -> None:
    for made in (
        AllocPages(as_="p", order=0),
        Kmalloc(as_="k", size=64),
        Kmalloc(as_="gone", size=64),
        Kfree(ptr="gone"),
        KmemCacheCreate(name="thing", size=8),
    ):
        machine.perform(made)
    before = machine.digest()
    with pytest.raises(CommandError) as caught:
        machine.perform(command)
    assert caught.value.field == field
    assert said in str(caught.value)
    assert machine.digest() == before


def test_to_free_null_does_nothing(machine: Machine) -> None:
    assert machine.perform(AllocPages(as_="p", order=10, kind="dma")).ret != 0
    before = free_frames(machine)
    for command in (FreePages(ptr=0), Kfree(ptr=0), Vfree(ptr=0), KmemCacheFree(ptr=0)):
        machine.perform(command)
    assert free_frames(machine) == before


def test_a_session_goes_back_over_the_kernels_commands() -> None:
    session = Session(MachineConfig(ram_mb=64))
    digests = [session.machine.digest()]
    for command in (Vmalloc(as_="v", size=9000), Kmalloc(as_="k", size=50), Vfree(ptr="v")):
        session.perform(command)
        digests.append(session.machine.digest())
    for version in (1, 3, 0, 2):
        session.go_to(version)
        assert session.machine.digest() == digests[version]


class KernelCommands(RuleBasedStateMachine):
    """Any commands of the kernel's: the ledger adds up, and what is mapped is what was given."""

    def __init__(self) -> None:
        super().__init__()
        self.machine = Machine(MachineConfig(ram_mb=64))
        self.machine.perform(KmemCacheCreate(name="thing", size=700))
        self.made = 0

    @rule(data=st.data())
    def allocate(self, data: st.DataObject) -> None:
        self.made += 1
        name = f"s{self.made}"
        kinds: list[st.SearchStrategy[Command]] = [
            st.builds(
                AllocPages, as_=st.just(name), order=st.integers(0, 6), kind=st.sampled_from(["kernel", "movable"])
            ),
            st.builds(Kmalloc, as_=st.just(name), size=st.integers(1, 70_000)),
            st.just(KmemCacheAlloc(as_=name, cache="thing")),
            st.builds(Vmalloc, as_=st.just(name), size=st.integers(1, 6 << 20)),
        ]
        self.machine.perform(data.draw(st.one_of(kinds)))

    @rule(data=st.data())
    def free(self, data: st.DataObject) -> None:
        lab = self.machine.kernel.lab
        held: list[Command] = [FreePages(ptr=at) for at in lab.blocks]
        held += [Kfree(ptr=at) for at in lab.kmallocs]
        held += [KmemCacheFree(ptr=at) for at in lab.objects]
        held += [Vfree(ptr=at) for at in sorted(lab.vmallocs)]
        if held:
            self.machine.perform(data.draw(st.sampled_from(held)))

    @invariant()
    def everything_adds_up(self) -> None:
        self.machine.check()


TestKernelCommands = KernelCommands.TestCase
TestKernelCommands.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)
