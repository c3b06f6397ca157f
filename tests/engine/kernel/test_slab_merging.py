"""Caches that are alike share their slabs, unless the machine is told not to merge; and free lists can be shuffled.

What Debian's 6.1 i386 kernel says, asked with one program: caches of 100 bytes, of 100 again, of 98 at multiples of 8 and
of 200. As it boots, /proc/slabinfo has "oracle-0-100-0 … 104 39 1" and "oracle-6-200-0 … 200 20 1" alone, and an object of each of
the first three lies in one slab; booted with slab_nomerge, each cache has its line, and its object a slab of its own.
"""

from __future__ import annotations

import pytest

from engine.commands import KmemCacheAlloc, KmemCacheCreate, KmemCacheFree
from engine.config import MachineConfig
from engine.machine import Machine

NAMES = ("first", "again", "smaller", "large")
CACHES = (("first", 100, 0), ("again", 100, 0), ("smaller", 98, 8), ("large", 200, 0))


def with_caches(config: MachineConfig) -> Machine:
    machine = Machine(config)
    for name, size, align in CACHES:
        machine.perform(KmemCacheCreate(name=name, size=size, align=align))
    return machine


def lines(machine: Machine) -> list[list[str]]:
    """name, objsize, objperslab, pagesperslab and num_slabs of the module's caches."""
    words = [line.split() for line in machine.proc_file("slabinfo").splitlines()]
    return [[each[0], *each[3:6], each[14]] for each in words if each[0] in NAMES]


def slab_of_an_object(machine: Machine, cache: str) -> int:
    address = machine.perform(KmemCacheAlloc(as_=f"in_{cache}", cache=cache)).ret
    assert address is not None
    return machine.kernel.slub.slab_of(address).pfn


def test_like_caches_are_one_as_on_debians_kernel() -> None:
    machine = with_caches(MachineConfig())
    slabs = {slab_of_an_object(machine, name) for name in NAMES[:3]}
    assert len(slabs) == 1
    assert lines(machine) == [["large", "200", "20", "1", "0"], ["first", "104", "39", "1", "1"]]
    machine.check()
    machine.perform(KmemCacheFree(ptr="in_again"))
    machine.check()


def test_with_slab_nomerge_each_cache_has_its_own_slab() -> None:
    machine = with_caches(MachineConfig(slab_nomerge=True))
    slabs = {slab_of_an_object(machine, name) for name in NAMES[:3]}
    assert len(slabs) == 3
    assert [line[0] for line in lines(machine)] == [*reversed(NAMES)]
    machine.check()


def test_a_cache_may_be_merged_with_one_of_the_kernels_own() -> None:
    """The real machine has vmap_area, of 32 bytes, with nine aliases in /sys/kernel/slab."""
    machine = Machine(MachineConfig())
    vmap_area = machine.kernel.slub.caches["vmap_area"]
    machine.perform(KmemCacheCreate(name="thing", size=30))
    assert machine.kernel.slub.kmem_cache("thing") is vmap_area
    assert vmap_area.refcount == 2
    assert slab_of_an_object(machine, "thing") in {
        slab.pfn for cache, slab in machine.kernel.slub.slabs.values() if cache is vmap_area
    }
    machine.check()


@pytest.mark.parametrize(
    ("size", "why"),
    [(64, "kmalloc-64 may be copied to user space"), (72, "a vm_area_struct is charged to its memory cgroup")],
)
def test_what_differs_in_kind_is_not_merged(size: int, why: str) -> None:
    machine = Machine(MachineConfig())
    machine.perform(KmemCacheCreate(name="thing", size=size))
    assert "thing" in machine.kernel.slub.caches, why


def test_a_free_object_with_a_constructor_keeps_its_content() -> None:
    """/sys/kernel/slab/anon_vma: object_size 52, slab_size 56: the link lies behind the object."""
    cache = Machine(MachineConfig()).kernel.slub.caches["anon_vma"]
    assert (cache.object_size, cache.size, cache.offset) == (52, 56, 52)


def test_a_shuffled_slab_gives_its_objects_in_an_order_of_chance_each_once() -> None:
    places = {}
    for seed in (1, 2):
        machine = Machine(MachineConfig(slab_freelist_random=True, seed=seed))
        machine.perform(KmemCacheCreate(name="thing", size=100))
        given = [machine.perform(KmemCacheAlloc(as_=f"o{n}", cache="thing")).ret or 0 for n in range(2 * 39)]
        slabs = [given[:39], given[39:]]
        for slab in slabs:
            assert sorted(slab) == [min(slab) + 104 * n for n in range(39)]
            assert slab != sorted(slab)
        places[seed] = [[(address - min(slab)) // 104 for address in slab] for slab in slabs]
        machine.check()
    assert places[1] != places[2]
    first, second = places[1]
    turn = first.index(second[0])
    assert second == first[turn:] + first[:turn], "one order a cache, begun elsewhere for each slab"
