"""The nodes of the page cache's trees are slab objects: taken as pages come, given back when nothing is left below them.

A real machine (Debian's 6.1 i386, 256 MB) that wrote a file of 64 MB had 260 radix_tree_node objects more than before (299, then
559 in /proc/slabinfo), and 261 are what 16,384 pages need: 256 nodes of 64 pages, 4 above them and a head. One with 64 MB of
RAM that had swapped out 27,190 pages had 429 more.
"""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from engine.commands import Mmap, Munmap, OpenFile, Sync, Sysctl, Touch
from engine.config import MachineConfig
from engine.kernel.gfp import GFP_KERNEL
from engine.kernel.xarray import XArray
from engine.machine import Machine

PAGE = 4096
MB = 1 << 20


def nodes(machine: Machine) -> int:
    slub = machine.kernel.slub
    return slub.objects_in_use(slub.caches["radix_tree_node"])


@pytest.mark.parametrize(
    ("pages", "wanted"),
    [(1, 0), (2, 1), (64, 1), (65, 3), (4096, 65), (4097, 64 + 1 + 1 + 1 + 1)],
)
def test_a_file_has_the_nodes_that_its_pages_need(pages: int, wanted: int) -> None:
    machine = Machine(MachineConfig(ram_mb=64))
    before = nodes(machine)
    machine.perform(OpenFile(file=0, path="/mnt/a", size=pages * PAGE))
    machine.perform(Sync())
    assert nodes(machine) - before == wanted, "a page at index 0 alone stands in the tree's head"
    machine.check()
    machine.perform(Sysctl(name="drop_caches", value=1))
    assert not list(machine.kernel.inodes["/mnt/a"].i_mapping.i_pages.nodes())
    machine.check()


def test_a_file_of_64_mb_has_261_nodes() -> None:
    machine = Machine(MachineConfig(ram_mb=256))
    before = nodes(machine)
    machine.perform(OpenFile(file=0, path="/mnt/big", size=64 * MB))
    assert nodes(machine) - before == 256 + 4 + 1
    assert machine.kernel.vmstat.nr_slab_reclaimable >= 261 // 13


def test_a_page_far_into_a_sparse_file_brings_the_nodes_of_its_way_alone() -> None:
    machine = Machine(MachineConfig(ram_mb=64))
    machine.perform(Mmap(as_="s", length=32 * MB, prot="rw", flags=("shared",)))
    before = nodes(machine)
    machine.perform(Touch(ptr=f"s+{5000 * PAGE}", length=PAGE, access="w"))
    assert nodes(machine) - before == 3
    machine.perform(Touch(ptr="s", length=PAGE, access="w"))
    assert nodes(machine) - before == 5, "index 0 is under other nodes than index 5000"
    machine.check()
    machine.perform(Munmap(ptr="s", length=32 * MB))
    assert nodes(machine) == before


def test_swapped_pages_keep_their_nodes_for_the_shadows_that_they_leave() -> None:
    machine = Machine(MachineConfig(ram_mb=64, swap_mb=256))
    before = nodes(machine)
    machine.perform(Mmap(as_="a", length=100 * MB, prot="rw"))
    machine.perform(Touch(ptr="a", length=100 * MB, access="w"))
    slots = len(machine.kernel.swap_state.pages.keys() | machine.kernel.swap_state.shadows.keys())
    assert slots > 8000
    assert slots // 64 <= nodes(machine) - before <= slots // 64 + 16
    assert machine.kernel.vmstat.workingset_nodes == 0, "Linux 6.1 lists such nodes for files alone"
    machine.check()
    machine.perform(Munmap(ptr="a", length=100 * MB))
    assert nodes(machine) <= before + 2, "the program's own pages may be in swap, too"
    machine.check()


def test_a_node_of_shadows_alone_is_listed_until_a_page_comes_back() -> None:
    machine = Machine(MachineConfig(ram_mb=16))
    machine.perform(OpenFile(file=0, path="/mnt/a", size=12 * MB))
    machine.perform(Mmap(as_="f", length=12 * MB, prot="r", flags=("shared",), file=0))
    tree = machine.kernel.inodes["/mnt/a"].i_mapping.i_pages
    first = tree.levels[0][0]
    assert (first.count, first.nr_values) == (64, 64), "the file's first pages went first"
    assert machine.kernel.workingset.shadow_nodes[first.address] == (tree, first)
    machine.perform(Touch(ptr="f", length=PAGE, access="r"))
    assert first.nr_values < first.count == 64
    assert first.address not in machine.kernel.workingset.shadow_nodes
    machine.check()


def shape(indices: set[int]) -> int:
    """Nodes that a tree with these entries needs: as high as the largest index demands."""
    height, count, below = 0, 0, indices
    while max(indices, default=0) >> 6 * height:
        height += 1
        below = {index >> 6 for index in below}
        count += len(below)
    return count


@given(
    st.lists(
        st.tuples(st.booleans(), st.one_of(st.integers(0, 200), st.integers(0, 300_000))), min_size=1, max_size=120
    )
)
@settings(max_examples=60, deadline=None)
def test_whatever_comes_and_goes_a_tree_has_the_nodes_that_its_entries_need(steps: list[tuple[bool, int]]) -> None:
    machine = Machine(MachineConfig(ram_mb=16))
    xarray = machine.kernel.xarray
    before = nodes(machine)
    tree, held = XArray(None), dict[int, bool]()
    for value, index in steps:
        if index not in held:
            assert xarray.store(tree, index, GFP_KERNEL)
            held[index] = False
        elif held[index] != value:
            xarray.replace(tree, index, value=value)
            held[index] = value
        else:
            xarray.erase(tree, index, value=held.pop(index))
        assert sum(1 for _ in tree.nodes()) == nodes(machine) - before == shape(set(held))
        if tree.levels:
            assert sum(node.nr_values for node in tree.levels[0].values()) == sum(held.values())
    for index, value in held.items():
        xarray.erase(tree, index, value=value)
    assert nodes(machine) == before
