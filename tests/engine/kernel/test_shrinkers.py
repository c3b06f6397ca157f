"""When memory is short the kernel's own caches shrink: names and inodes that nobody uses, and nodes of shadows alone.

A real machine (Debian's 6.1 i386, 256 MB) on which 300 files had been made had, by /proc/sys/fs/dentry-state, 629 unused names; one
write of 2 to drop_caches left 6. /proc/vmstat counted pginodesteal 300, a page for each file, drop_slab 1; of the 310 objects
of ext4_inode_cache some 90 were left. With 1 alone all names stayed.
"""

from __future__ import annotations

import pytest

from engine.commands import CheckTouch, Mmap, Msync, Munmap, OpenFile, Read, Sync, Sysctl, Touch
from engine.config import MachineConfig
from engine.events.vmscan import MmShrinkSlabEnd, MmShrinkSlabStart
from engine.kernel.gfp import GFP_KERNEL, GFP_NOFS
from engine.machine import Machine

PAGE = 4096
MB = 1 << 20


def with_files(count: int, config: MachineConfig | None = None) -> Machine:
    """Files of a page each, written and closed, but for the last."""
    machine = Machine(config or MachineConfig(ram_mb=64))
    for number in range(count):
        machine.perform(OpenFile(file=0, path=f"/mnt/f{number}", size=PAGE))
    machine.perform(Sync())
    return machine


def objects(machine: Machine, cache: str) -> int:
    slub = machine.kernel.slub
    return slub.objects_in_use(slub.caches[cache])


def drop_slab_twice(machine: Machine) -> None:
    """Linux goes on as long as a round of all shrinkers frees something; the real one's have more to free than ours."""
    for _ in range(2):
        machine.perform(Sysctl(name="drop_caches", value=2))


def test_drop_caches_2_drops_names_and_inodes_that_nobody_uses() -> None:
    machine = with_files(300)
    names, inodes = objects(machine, "dentry"), objects(machine, "ext4_inode_cache")
    pages = machine.kernel.vmstat.nr_slab_reclaimable
    machine.perform(Sysctl(name="drop_caches", value=2))
    stat = machine.kernel.vmstat
    assert objects(machine, "dentry") == names - 299, "the last file is open"
    assert (stat.pginodesteal, stat.drop_slab, stat.drop_pagecache) == (299, 1, 0)
    machine.check()
    machine.perform(Sysctl(name="drop_caches", value=2))
    assert objects(machine, "ext4_inode_cache") == inodes - 299, "an inode whose pages were dropped gets another pass"
    assert stat.slabs_scanned >= 2 * 299
    assert stat.nr_slab_reclaimable < pages
    assert not machine.kernel.super.mounts["/mnt"].s_dentry_lru
    machine.check()


def test_drop_caches_1_leaves_names_and_inodes() -> None:
    machine = with_files(100)
    names, inodes = objects(machine, "dentry"), objects(machine, "ext4_inode_cache")
    machine.perform(Sysctl(name="drop_caches", value=1))
    assert (objects(machine, "dentry"), objects(machine, "ext4_inode_cache")) == (names, inodes)
    assert not machine.kernel.inodes["/mnt/f7"].i_mapping.pages
    machine.check()


def test_drop_caches_3_drops_pages_first_so_that_no_inode_has_any() -> None:
    machine = with_files(100)
    machine.perform(Sysctl(name="drop_caches", value=3))
    assert machine.kernel.vmstat.pginodesteal == 0
    assert machine.kernel.inodes["/mnt/f7"].address == 0
    assert machine.kernel.inodes["/mnt/f99"].address != 0, "it is open"
    machine.check()


def test_a_name_that_was_used_again_gets_a_second_pass() -> None:
    machine = with_files(3)
    for path in ("/mnt/f0", "/mnt/f2"):
        machine.perform(OpenFile(file=0, path=path, size=-1))
    sb = machine.kernel.super.mounts["/mnt"]
    assert [dentry.name for dentry in sb.s_dentry_lru.values()] == ["f0", "f1", "f2"]
    assert machine.kernel.dcache.prune_dcache_sb(sb, 3) == 2, "f1, and f2, which is in use and on the list by mistake"
    assert [dentry.name for dentry in sb.s_dentry_lru.values()] == ["f0"]
    assert machine.kernel.dcache.prune_dcache_sb(sb, 1) == 1
    machine.check()


def test_a_directory_goes_with_its_last_name() -> None:
    machine = Machine(MachineConfig(ram_mb=64))
    machine.perform(OpenFile(file=0, path="/mnt/deep/er/a", size=PAGE))
    machine.perform(OpenFile(file=0, path="/mnt/b", size=PAGE))
    machine.perform(Sync())
    names = objects(machine, "dentry")
    machine.perform(Sysctl(name="drop_caches", value=2))
    assert objects(machine, "dentry") == names - 3
    machine.check()


def test_what_is_in_tmpfs_alone_is_never_dropped() -> None:
    machine = Machine(MachineConfig(ram_mb=64))
    for number in range(20):
        machine.perform(OpenFile(file=0, path=f"/tmp/f{number}", size=PAGE))
    names, inodes = objects(machine, "dentry"), objects(machine, "shmem_inode_cache")
    machine.perform(Sysctl(name="drop_caches", value=3))
    assert (objects(machine, "dentry"), objects(machine, "shmem_inode_cache")) == (names, inodes)
    machine.check()


def test_a_file_is_read_again_from_the_disk_when_its_inode_was_dropped() -> None:
    machine = Machine(MachineConfig(ram_mb=64))
    machine.perform(OpenFile(file=0, path="/mnt/a", size=4 * PAGE))
    machine.perform(Mmap(as_="f", length=4 * PAGE, prot="rw", flags=("shared",), file=0))
    machine.perform(Touch(ptr="f+4096", length=PAGE, access="w", value=90))
    machine.perform(Msync(ptr="f", length=4 * PAGE))
    machine.perform(Munmap(ptr="f", length=4 * PAGE))
    machine.perform(OpenFile(file=0, path="/mnt/other", size=PAGE))
    drop_slab_twice(machine)
    assert machine.kernel.inodes["/mnt/a"].address == 0
    machine.check()
    machine.perform(OpenFile(file=0, path="/mnt/a", size=-1))
    machine.perform(Mmap(as_="g", length=4 * PAGE, prot="r", flags=("private",), file=0))
    assert [machine.perform(Read(ptr=f"g+{n * PAGE}")).val for n in range(4)] == [ord("a"), 90, ord("c"), ord("d")]
    machine.check()


def test_an_inode_with_dirty_pages_stays_until_they_are_written() -> None:
    machine = Machine(MachineConfig(ram_mb=64))
    machine.perform(OpenFile(file=0, path="/mnt/a", size=PAGE))
    machine.perform(OpenFile(file=0, path="/mnt/b", size=PAGE))
    machine.perform(Sysctl(name="drop_caches", value=2))
    inode = machine.kernel.inodes["/mnt/a"]
    assert (inode.i_count, bool(inode.address), inode.i_mapping.nr_dirty) == (0, True, 1)
    machine.check()
    machine.perform(Sync())
    assert inode.i_sb is not None
    assert inode.address in inode.i_sb.s_inode_lru
    drop_slab_twice(machine)
    assert not inode.address
    machine.check()


def test_a_file_may_be_opened_while_its_inode_waits_without_a_name() -> None:
    machine = Machine(MachineConfig(ram_mb=64))
    machine.perform(OpenFile(file=0, path="/mnt/a", size=PAGE))
    machine.perform(OpenFile(file=0, path="/mnt/b", size=PAGE))
    machine.perform(Sysctl(name="drop_caches", value=2))
    inodes = objects(machine, "ext4_inode_cache")
    machine.perform(OpenFile(file=1, path="/mnt/a", size=-1))
    assert objects(machine, "ext4_inode_cache") == inodes, "only a name had to be made again"
    machine.check()


@pytest.mark.parametrize(("pressure", "dropped"), [(0, 0), (100, 49)])
def test_vfs_cache_pressure_says_how_much_the_shrinkers_own_to(pressure: int, dropped: int) -> None:
    machine = with_files(50)
    machine.perform(Sysctl(name="vfs_cache_pressure", value=pressure))
    names = objects(machine, "dentry")
    machine.perform(Sysctl(name="drop_caches", value=2))
    assert names - objects(machine, "dentry") == dropped


def test_what_is_too_little_for_a_batch_is_put_off() -> None:
    """do_shrink_slab(): 600 objects at priority 8: 4 * (600 >> 8) / 2 = 4; scanned are 1,024 at once, or all."""
    machine = with_files(601)
    shrinkers = machine.kernel.shrinkers
    number = [shrinker.name for shrinker in shrinkers.shrinkers].index("ext4:/mnt")
    assert shrinkers.shrinkers[number].count_objects(machine.kernel) == 600
    for round_ in range(1, 4):
        assert shrinkers.shrink_slab(GFP_KERNEL, 8) == 0
        assert shrinkers.nr_deferred[number] == 4 * round_
    assert machine.kernel.vmstat.slabs_scanned == 0
    assert shrinkers.shrink_slab(GFP_KERNEL, 0) > 0
    assert machine.kernel.vmstat.slabs_scanned == 1024, "of 1,200, twice what there is, one batch; the rest is put off"
    machine.check()


def test_who_must_not_enter_the_file_system_shrinks_none() -> None:
    machine = with_files(100)
    assert machine.kernel.shrinkers.shrink_slab(GFP_NOFS, 0) == 0


def test_reclaim_shrinks_when_memory_is_short() -> None:
    machine = with_files(800, MachineConfig(ram_mb=16, swap_mb=64))
    inodes = objects(machine, "ext4_inode_cache")
    first = machine.trace.total
    machine.perform(Mmap(as_="a", length=14 * MB, prot="rw"))
    machine.perform(Touch(ptr="a", length=14 * MB, access="w", value=7))
    assert machine.kernel.vmstat.slabs_scanned > 0
    assert objects(machine, "ext4_inode_cache") < inodes
    told = {type(record.event) for record in machine.trace.records(first)}
    assert machine.kernel.vmstat.kswapd_inodesteal + machine.kernel.vmstat.pginodesteal > 0
    assert told
    machine.check()
    assert machine.perform(CheckTouch(ptr="a", length=14 * MB, value=7)).bad == 0


def test_shrinking_is_told_with_what_it_could_and_what_it_did() -> None:
    machine = with_files(50)
    first = machine.trace.total
    machine.perform(Sysctl(name="drop_caches", value=2))
    told = [record.event for record in machine.trace.records(first)]
    [start, *_] = [event for event in told if isinstance(event, MmShrinkSlabStart)]
    [end, *_] = [event for event in told if isinstance(event, MmShrinkSlabEnd)]
    assert start == MmShrinkSlabStart("ext4:/mnt", 49, 98, 0)
    assert end == MmShrinkSlabEnd("ext4:/mnt", 98, 49)


def test_nodes_of_shadows_alone_are_freed_when_there_are_too_many() -> None:
    machine = Machine(MachineConfig(ram_mb=16))
    machine.perform(OpenFile(file=0, path="/mnt/a", size=24 * MB))
    workingset = machine.kernel.workingset
    oldest = list(workingset.shadow_nodes.values())[:3]
    listed = len(workingset.shadow_nodes)
    assert listed > 10
    assert workingset.scan_shadow_nodes(3) == 3
    assert len(workingset.shadow_nodes) == listed - 3
    for xa, node in oldest:
        assert xa.owner is not None
        assert not any(index >> 6 == node.key for index in xa.owner.shadows)
    assert machine.kernel.vmstat.workingset_nodereclaim == 3
    machine.check()
