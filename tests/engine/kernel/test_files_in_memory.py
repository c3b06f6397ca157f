"""Opened files, the names that lead to them and their inodes are objects of slab caches, for as long as Linux keeps them."""

from __future__ import annotations

import pytest

from engine.commands import Exit, Fork, Mmap, Munmap, OpenFile, Touch
from engine.config import MachineConfig
from engine.machine import Machine

PAGE = 4096
CACHES = ("filp", "dentry", "ext4_inode_cache", "shmem_inode_cache")


@pytest.fixture
def machine() -> Machine:
    return Machine(MachineConfig(ram_mb=64))


def in_use(machine: Machine) -> dict[str, int]:
    slub = machine.kernel.slub
    return {name: slub.objects_in_use(slub.caches[name]) for name in CACHES}


def change(machine: Machine, *commands: object) -> dict[str, int]:
    """Objects that the commands have taken, by cache; given back: less than 0."""
    before = in_use(machine)
    for command in commands:
        outcome = machine.perform(command)  # type: ignore[arg-type]
        assert outcome.errno is None
        machine.check()
    return {name: count - before[name] for name, count in in_use(machine).items() if count != before[name]}


@pytest.mark.parametrize(
    ("cache", "object_size", "size", "objects", "order", "link"),
    [
        ("filp", 160, 160, 25, 0, 80),
        ("dentry", 128, 128, 32, 0, 64),
        ("ext4_inode_cache", 792, 800, 10, 1, 792),
        ("shmem_inode_cache", 480, 488, 8, 0, 480),
        ("sighand_cache", 1300, 1312, 12, 2, 1300),
        ("signal_cache", 736, 736, 11, 1, 368),
        ("files_cache", 256, 256, 16, 0, 128),
        ("cred_jar", 128, 128, 32, 0, 64),
        ("mm_struct", 564, 576, 14, 1, 280),
        ("task_struct", 2944, 2944, 11, 3, 1472),
    ],
)
def test_caches_have_the_geometry_that_the_real_machines_sysfs_tells(
    machine: Machine, cache: str, object_size: int, size: int, objects: int, order: int, link: int
) -> None:
    """/sys/kernel/slab/NAME/{object_size,slab_size,objs_per_slab,order}; the link's place follows from ctor and destroy_by_rcu."""
    found = machine.kernel.slub.caches[cache]
    told = (found.object_size, found.size, found.objects, found.order, found.offset)
    assert told == (object_size, size, objects, order, link)


def test_the_first_open_takes_a_file_a_name_and_an_inode(machine: Machine) -> None:
    assert change(machine, OpenFile(file=0, path="/mnt/a", size=PAGE)) == {
        "filp": 1,
        "dentry": 1,
        "ext4_inode_cache": 1,
    }


def test_opening_it_again_takes_a_file_alone(machine: Machine) -> None:
    machine.perform(OpenFile(file=0, path="/mnt/a", size=PAGE))
    assert change(machine, OpenFile(file=1, path="/mnt/a", size=-1)) == {"filp": 1}


def test_a_file_of_tmpfs_has_an_inode_of_shmem(machine: Machine) -> None:
    assert change(machine, OpenFile(file=0, path="/tmp/a", size=PAGE)) == {
        "filp": 1,
        "dentry": 1,
        "shmem_inode_cache": 1,
    }


def test_a_directory_on_the_way_has_a_name_and_an_inode_too(machine: Machine) -> None:
    taken = change(machine, OpenFile(file=0, path="/mnt/some/where/a", size=PAGE))
    assert taken == {"filp": 1, "dentry": 3, "ext4_inode_cache": 3}
    assert change(machine, OpenFile(file=1, path="/mnt/some/b", size=PAGE)) == {
        "filp": 1,
        "dentry": 1,
        "ext4_inode_cache": 1,
    }


def test_a_descriptor_used_again_closes_the_file_that_it_stood_for(machine: Machine) -> None:
    machine.perform(OpenFile(file=0, path="/mnt/a", size=PAGE))
    assert change(machine, OpenFile(file=0, path="/mnt/a", size=-1)) == {}


def test_a_mapping_keeps_the_file_open_and_the_name_stays_when_nobody_has_it(machine: Machine) -> None:
    machine.perform(OpenFile(file=0, path="/mnt/a", size=PAGE))
    machine.perform(Mmap(as_="f", length=PAGE, prot="r", flags=("private",), file=0))
    assert change(machine, OpenFile(file=0, path="/mnt/b", size=PAGE)) == {
        "filp": 1,
        "dentry": 1,
        "ext4_inode_cache": 1,
    }
    assert change(machine, Munmap(ptr="f", length=PAGE)) == {"filp": -1}
    lru = machine.kernel.super.mounts["/mnt"].s_dentry_lru
    assert [dentry.name for dentry in lru.values()] == ["a"]


def test_a_file_used_again_stays_on_the_list_of_names_without_users(machine: Machine) -> None:
    """Linux's lists are lazy: only who scans one takes the name off."""
    machine.perform(OpenFile(file=0, path="/mnt/a", size=PAGE))
    machine.perform(OpenFile(file=0, path="/mnt/b", size=PAGE))
    machine.perform(OpenFile(file=0, path="/mnt/a", size=-1))
    [a, b] = machine.kernel.super.mounts["/mnt"].s_dentry_lru.values()
    assert [(each.name, each.count, each.referenced) for each in (a, b)] == [("a", 1, False), ("b", 0, False)]
    machine.perform(OpenFile(file=0, path="/mnt/b", size=-1))
    assert (a.count, a.referenced) == (0, True), "it has been used since it was put there"
    machine.check()


def test_shared_memory_without_a_name_is_a_file_that_dies_with_its_last_mapping(machine: Machine) -> None:
    taken = change(
        machine, Mmap(as_="s", length=4 * PAGE, prot="rw", flags=("shared",)), Touch(ptr="s", length=PAGE, access="w")
    )
    assert taken == {"filp": 1, "dentry": 1, "shmem_inode_cache": 1}
    machine.perform(Munmap(ptr="s+4096", length=PAGE))
    assert change(machine, Fork(child=1)) == {}
    assert change(machine, Munmap(ptr="s", length=4 * PAGE)) == {}
    assert change(machine, Exit(pid=1)) == {name: -count for name, count in taken.items()}
    assert machine.kernel.vmstat.nr_shmem == 0


def test_a_child_shares_its_parents_open_files(machine: Machine) -> None:
    machine.perform(OpenFile(file=0, path="/mnt/a", size=PAGE))
    assert change(machine, Fork(child=1)) == {}
    assert change(machine, OpenFile(file=0, path="/mnt/b", size=PAGE)) == {
        "filp": 1,
        "dentry": 1,
        "ext4_inode_cache": 1,
    }
    assert machine.processes[1].task.files[0].f_count == 1, "the child alone has it now"
    assert change(machine, Exit(pid=1)) == {"filp": -1}


def test_the_program_stays_open_while_it_runs_even_if_it_unmaps_itself(machine: Machine) -> None:
    program = machine.processes[0].task.mm.exe_file
    assert program is not None
    regions = [vma for vma in machine.processes[0].task.mm if vma.vm_file is program]
    assert program.f_count == 1 + len(regions)
    for vma in list(regions):
        machine.perform(Munmap(ptr=vma.vm_start, length=vma.vm_end - vma.vm_start))
    assert program.f_count == 1
    machine.check()


def test_a_file_that_cannot_be_opened_for_want_of_memory_leaves_nothing_behind() -> None:
    machine = Machine(MachineConfig(ram_mb=16))
    kernel = machine.kernel
    before = in_use(machine)
    slub = kernel.slub
    slub.kmem_cache_free(slub.caches["filp"], slub.new_record(slub.caches["filp"]))
    taken = slub.kmem_cache_alloc

    def no_inode(cache: object, gfp: int = 0) -> int | None:
        return None if cache is slub.caches["ext4_inode_cache"] else taken(cache, gfp)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(slub), "kmem_cache_alloc", lambda self, cache, gfp=0: no_inode(cache, gfp))
        assert machine.perform(OpenFile(file=0, path="/mnt/some/a", size=PAGE)).errno == "ENOMEM"
    assert in_use(machine) == before
    assert "/mnt/some/a" not in kernel.inodes
    machine.check()
