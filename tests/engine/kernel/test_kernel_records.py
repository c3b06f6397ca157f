"""The kernel's own records are objects of slab caches, and cost page frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from engine.commands import Exit, Fork, Madvise, Mmap, Mprotect, Mremap, Munmap, Touch
from engine.config import MachineConfig
from engine.events.page_alloc import MmPageAlloc
from engine.events.slab import KmemCacheAlloc, KmemCacheFree, SlabAllocated
from engine.kernel.mm_types import PG_SLAB
from engine.machine import Machine

if TYPE_CHECKING:
    from engine.commands import Command

PAGE = 4096
PAGES = 8


def in_use(machine: Machine) -> dict[str, int]:
    slub = machine.kernel.slub
    return {name: count for name, cache in slub.caches.items() if (count := slub.objects_in_use(cache))}


def told(machine: Machine, command: Command) -> list[object]:
    first = machine.trace.total
    machine.perform(command)
    return [record.event for record in machine.trace.records(first)]


def test_a_process_is_a_task_an_address_space_and_its_regions() -> None:
    machine = Machine(MachineConfig(ram_mb=64))
    regions = len(machine.processes[0].task.mm.vmas)
    assert in_use(machine) == {
        "task_struct": 1,
        "mm_struct": 1,
        "vm_area_struct": regions,
        "anon_vma": 5,
        "anon_vma_chain": 8,
        "cred_jar": 1,
        "files_cache": 1,
        "signal_cache": 1,
        "sighand_cache": 1,
        "pid": 2,
        "filp": 3,
        "dentry": 12,
        "ext4_inode_cache": 10,
        "shmem_inode_cache": 2,
        "radix_tree_node": 4,
    }, (
        "eight regions have pages of their own; neighbours that may be joined one day share an anon_vma; fs_cache is pid, too;"
        " the program, its libc and its loader are open; /bin, /lib32, /lib, what is mounted, and where, have names"
    )
    frames = {pfn for pfn, page in machine.kernel.page_alloc.mem_map.items() if page.flags & PG_SLAB}
    assert frames == set(machine.kernel.slub.slabs)
    assert machine.kernel.vmstat.nr_slab_unreclaimable == 8 + 2 + 1 + 1 + 1 + 4 + 2 + 1 + 1 + 1 + 1 + 1
    assert machine.kernel.vmstat.nr_slab_reclaimable == 1 + 2 + 1, (
        "names, inodes of files on the disk, nodes of the page cache"
    )


def test_a_new_region_takes_an_object_and_the_57th_a_page() -> None:
    machine = Machine(MachineConfig(ram_mb=64))
    regions = len(machine.processes[0].task.mm.vmas)
    taken = []
    for number in range(57 - regions):
        prot = "rw" if number % 2 else "r"
        events = told(machine, Mmap(as_=f"m{number}", length=PAGE, prot=prot, flags=("private",)))
        taken += [event for event in events if isinstance(event, KmemCacheAlloc)]
        pages = [event for event in events if isinstance(event, MmPageAlloc | SlabAllocated)]
        assert len(pages) == (2 if number == 56 - regions else 0)
    assert {event.cache for event in taken} == {"vm_area_struct"}
    assert len(taken) == 57 - regions
    machine.check()


def test_an_unmapped_regions_object_is_the_next_ones() -> None:
    machine = Machine(MachineConfig(ram_mb=64))
    [taken] = [e for e in told(machine, Mmap(as_="a", length=PAGE, prot="r")) if isinstance(e, KmemCacheAlloc)]
    [freed] = [e for e in told(machine, Munmap(ptr="a", length=PAGE)) if isinstance(e, KmemCacheFree)]
    [again] = [e for e in told(machine, Mmap(as_="a", length=PAGE, prot="r")) if isinstance(e, KmemCacheAlloc)]
    assert taken.address == freed.address == again.address


def test_a_childs_records_are_given_back_when_it_ends() -> None:
    machine = Machine(MachineConfig(ram_mb=64))
    machine.perform(Mmap(as_="a", length=PAGE, prot="rw"))
    machine.perform(Touch(ptr="a", length=PAGE, access="w"))
    before = in_use(machine)
    machine.perform(Fork(child=1))
    both = in_use(machine)
    assert both["task_struct"] == both["mm_struct"] == 2
    assert both["vm_area_struct"] == 2 * before["vm_area_struct"]
    assert both["anon_vma"] == before["anon_vma"] + before["anon_vma_chain"], "each of the child's regions gets its own"
    assert both["anon_vma_chain"] == 3 * before["anon_vma_chain"], "a child's region is linked to its parent's too"
    machine.perform(Exit(pid=1))
    assert in_use(machine) == before


class Regions(RuleBasedStateMachine):
    """Regions made, cut, moved, merged, written and forked: no record is lost or shared."""

    def __init__(self) -> None:
        super().__init__()
        self.machine = Machine(MachineConfig(ram_mb=64))
        self.children = 0
        self.machine.perform(Mmap(as_="a", length=PAGES * PAGE, prot="rw"))
        self.machine.perform(Mmap(as_="b", length=PAGES * PAGE, prot="r"))

    def living(self) -> list[int]:
        return [pid for pid, process in self.machine.processes.items() if process.ended is None]

    @rule(at=st.integers(0, PAGES - 1), pages=st.integers(1, PAGES), prot=st.sampled_from(["r", "rw"]), data=st.data())
    def change(self, at: int, pages: int, prot: str, data: st.DataObject) -> None:
        place, length = f"a+{at * PAGE}", pages * PAGE
        commands: list[Command] = [
            Mmap(as_="b", length=length, prot=prot),
            Mmap(as_="c", length=length, prot=prot, flags=("private", "fixed"), hint=place),
            Munmap(ptr=place, length=length),
            Mprotect(ptr=place, length=length, prot=prot),
            Madvise(ptr=place, length=length, advice="dontneed"),
            Mremap(as_="b", old_length=PAGE, new_length=length),
            Touch(ptr=place, length=length, access="w"),
        ]
        self.machine.perform(data.draw(st.sampled_from(commands)))

    @precondition(lambda self: len(self.living()) < 4)
    @rule()
    def fork(self) -> None:
        self.children += 1
        self.machine.perform(Fork(child=self.children))

    @precondition(lambda self: len(self.living()) > 1)
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        self.machine.perform(Exit(pid=data.draw(st.sampled_from(self.living()[1:]))))

    @invariant()
    def every_record_has_its_object(self) -> None:
        self.machine.check()


TestRegions = Regions.TestCase
TestRegions.settings = settings(max_examples=40, stateful_step_count=20, deadline=None)
