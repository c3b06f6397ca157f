"""What must be true of opened files, names, inodes and the trees of caches: each is used as often as it says, and is an object."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.invariants_reclaim import demand
from engine.kernel.fs import FileSystem
from engine.kernel.swap_state import SWAP_ADDRESS_SPACE_SHIFT
from engine.kernel.xarray import XA_CHUNK_SHIFT

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from engine.kernel.dcache import Dentry
    from engine.kernel.fs import File, Inode
    from engine.kernel.kernel import Kernel
    from engine.kernel.xarray import XaNode, XArray


def check_files(kernel: Kernel) -> None:
    """Raises InvariantError for the first thing that does not add up."""
    files = _check_opened(kernel)
    dentries = _check_dentries(kernel, files)
    _check_inodes(kernel, dentries)
    known = {id(inode): inode for inode in (*kernel.inodes.values(), *(each.d_inode for each in dentries))}
    check_trees(kernel, list(known.values()))


def _check_opened(kernel: Kernel) -> list[File]:
    """Each opened file counts the descriptors, regions and programs that have it."""
    uses: dict[int, int] = {}
    files: dict[int, File] = {}
    for task in kernel.tasks.values():
        held = [vma.vm_file for vma in task.mm]
        for file in (*held, *task.files.values(), task.mm.exe_file):
            if file is not None and file.address:
                files[file.address] = file
                uses[file.address] = uses.get(file.address, 0) + 1
    for address, file in files.items():
        demand(
            file.f_count == uses[address],
            f"{file.inode.path} at {address:#x} counts {file.f_count}, {uses[address]} have it",
        )
    _check_objects(kernel, "filp", set(files))
    return list(files.values())


def _check_dentries(kernel: Kernel, files: list[File]) -> list[Dentry]:
    """Each dentry counts its children, the files opened by it, and what keeps it for good; its list knows it."""
    opened: dict[int, int] = {}
    dentries = {dentry.address: dentry for dentry in kernel.dcache.dentries()}
    for file in files:
        dentry = file.f_dentry
        assert dentry is not None
        opened[dentry.address] = opened.get(dentry.address, 0) + 1
        demand(dentry.d_inode is file.inode, f"{file.inode.path} was opened by the name of another file")
        dentries[dentry.address] = dentry
    for address, dentry in dentries.items():
        users = len(dentry.children) + opened.get(address, 0) + _pins(kernel, dentry)
        demand(dentry.count == users, f"dentry {dentry.name!r} counts {dentry.count} users, {users} are known")
        demand(
            dentry.on_lru == (address in dentry.d_sb.s_dentry_lru), f"dentry {dentry.name!r} is wrong about its list"
        )
        demand(dentry.on_lru or dentry.count > 0, f"dentry {dentry.name!r} has no users, and is on no list")
    listed = sum(len(sb.s_dentry_lru) for sb in kernel.super)
    demand(listed == sum(dentry.on_lru for dentry in dentries.values()), "a list has a dentry that is no more")
    _check_objects(kernel, "dentry", set(dentries))
    return list(dentries.values())


def _pins(kernel: Kernel, dentry: Dentry) -> int:
    """What keeps a dentry in memory for good: being a root, having something mounted on it, being nowhere but in memory."""
    sb = dentry.d_sb
    if dentry.parent is None:
        return int(sb.s_root is dentry)
    mounted_on = sb.s_id == "/" and dentry.parent is sb.s_root and f"/{dentry.name}" in kernel.super.mounts
    return int(mounted_on) + (sb.fs is FileSystem.TMPFS)


def _check_inodes(kernel: Kernel, dentries: list[Dentry]) -> None:
    """Each inode in memory counts its dentries; without any it waits on its list, or has pages to be written."""
    uses: dict[int, int] = {}
    inodes: dict[int, Inode] = {inode.address: inode for inode in kernel.inodes.values() if inode.address}
    for dentry in dentries:
        inode = dentry.d_inode
        demand(inode.address != 0, f"dentry {dentry.name!r} leads to no inode")
        inodes[inode.address] = inode
        uses[inode.address] = uses.get(inode.address, 0) + 1
    for sb in kernel.super:
        for address, inode in sb.s_inode_lru.items():
            demand(inode.address == address and inode.i_sb is sb, f"{inode.path} is on a list under another's address")
            inodes[address] = inode
    for address, inode in inodes.items():
        found = uses.get(address, 0)
        demand(inode.i_count == found, f"{inode.path} counts {inode.i_count} dentries, it has {found}")
        assert inode.i_sb is not None
        waits = address in inode.i_sb.s_inode_lru or inode.i_mapping.nr_dirty > 0
        demand(found > 0 or waits, f"{inode.path} has no dentry, and is on no list")
    for inode in kernel.inodes.values():
        demand(
            bool(inode.address) or inode.fs is FileSystem.SPECIAL or inode.i_mapping.empty,
            f"{inode.path} has pages, and no inode",
        )
    for sb, name in {sb.fs: (sb, sb.inode_cachep.name) for sb in kernel.super}.values():
        _check_objects(kernel, name, {address for address, inode in inodes.items() if inode.fs is sb.fs})


def _check_objects(kernel: Kernel, name: str, addresses: set[int]) -> None:
    in_use = kernel.slub.objects_in_use(kernel.slub.caches[name])
    demand(len(addresses) == in_use, f"{len(addresses)} records of {name}, {in_use} objects in use")


# --- trees -----------------------------------------------------------------------------------------------------------


def check_trees(kernel: Kernel, inodes: list[Inode]) -> None:
    """The trees of the page cache and the swap cache have the nodes that their entries need, and no others."""
    nodes: dict[int, XaNode] = {}
    lonely: set[int] = set()
    for inode in inodes:
        mapping = inode.i_mapping
        values = mapping.shadows.keys() | mapping.swapped.keys()
        _check_tree(mapping.i_pages, mapping.pages.keys(), values, inode.path)
        nodes |= {node.address: node for node in mapping.i_pages.nodes()}
        if mapping.i_pages.owner is not None:
            lonely |= {node.address for node in mapping.i_pages.nodes() if node.count == node.nr_values}
    swap = kernel.swap_state
    for number, space in swap.spaces.items():
        pages = {offset for offset in swap.pages if offset >> SWAP_ADDRESS_SPACE_SHIFT == number}
        shadows = {offset for offset in swap.shadows if offset >> SWAP_ADDRESS_SPACE_SHIFT == number}
        _check_tree(space, pages, shadows, f"part {number} of the swap cache")
        nodes |= {node.address: node for node in space.nodes()}
    _check_objects(kernel, "radix_tree_node", set(nodes))
    listed = kernel.workingset.shadow_nodes
    demand(listed.keys() == lonely, f"{len(listed)} nodes are listed as holding shadows alone, {len(lonely)} do")
    counted = kernel.vmstat.workingset_nodes
    demand(counted == len(listed), f"workingset_nodes is {counted}, {len(listed)} are listed")


def _check_tree(xa: XArray, pages: AbstractSet[int], values: AbstractSet[int], of: str) -> None:
    demand(pages.isdisjoint(values), f"the tree of {of} has a page and a value at one index")
    indices = pages | values
    demand(
        xa.has_zero == (0 in indices) and xa.zero_is_value == (0 in values), f"the tree of {of} is wrong about index 0"
    )
    height, top = 0, max(indices, default=0)
    while top >> XA_CHUNK_SHIFT * height:
        height += 1
    demand(
        len(xa.levels) == height,
        f"the tree of {of} has {len(xa.levels)} levels; its {len(indices)} entries need {height}",
    )
    below = indices
    for level, found in enumerate(xa.levels):
        counts: dict[int, int] = {}
        for each in below:
            counts[each >> XA_CHUNK_SHIFT] = counts.get(each >> XA_CHUNK_SHIFT, 0) + 1
        told = {key: node.count for key, node in found.items()}
        demand(told == counts, f"level {level} of the tree of {of} is not as its entries say")
        below = set(counts)
    for key, node in xa.levels[0].items() if xa.levels else ():
        expected = sum(1 for index in values if index >> XA_CHUNK_SHIFT == key)
        demand(node.nr_values == expected, f"a node of {of} counts {node.nr_values} values, {expected} are there")
