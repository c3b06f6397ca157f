"""lib/xarray.c: the trees behind the page cache and the swap cache, as far as they cost memory.

What a tree holds is kept by its owner, by index (AddressSpace.pages, SwapState.pages, …); here are its nodes. A node has 64
slots and is an object of the slab cache radix_tree_node:

    head -> node, shift 6 -> node, shift 0 -> the entries of 64 indices
                 64 of them

A tree is as high as its largest index demands, and shrinks again; a single entry at index 0 stands in the head, without a node. An
entry is a page or a value: the shadow of a page that was reclaimed, the slot of a tmpfs page in swap. A node of a file on the
disk that holds shadows alone is on a list of its own (workingset.py), for it is of little use.

Left out: marks, multi-index entries, RCU: a node that is freed is free at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.kernel.gfp import (
    _GFP_ACCOUNT,
    _GFP_ATOMIC,
    _GFP_DIRECT_RECLAIM,
    _GFP_FS,
    _GFP_HIGH,
    _GFP_IO,
    _GFP_MEMALLOC,
    _GFP_NOFAIL,
    _GFP_NOMEMALLOC,
    _GFP_NORETRY,
    _GFP_NOWARN,
    _GFP_RECLAIM,
    _GFP_RETRY_MAYFAIL,
    GFP_NOWAIT,
)
from engine.kernel.slab_common import SLAB_CTOR, SLAB_RECLAIM_ACCOUNT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.kernel.fs import AddressSpace
    from engine.kernel.kernel import Kernel
    from engine.kernel.slub_cache import KmemCache

SIZEOF_XA_NODE: Final = 300
XA_CHUNK_SHIFT: Final = 6
XA_CHUNK_SIZE: Final = 1 << XA_CHUNK_SHIFT
_AT_ONCE: Final = GFP_NOWAIT | _GFP_NOWARN | _GFP_ACCOUNT
GFP_RECLAIM_MASK: Final = (
    _GFP_RECLAIM
    | _GFP_HIGH
    | _GFP_IO
    | _GFP_FS
    | _GFP_NOWARN
    | _GFP_RETRY_MAYFAIL
    | _GFP_NOFAIL
    | _GFP_NORETRY
    | _GFP_MEMALLOC
    | _GFP_NOMEMALLOC
    | _GFP_ATOMIC
)
"""What of a page's gfp mask holds for the nodes that lead to it: how hard to try, not where."""


class XaNode:
    """xa_node: 64 slots. `key` is the first index below it >> shift >> 6."""

    __slots__ = ("address", "count", "key", "nr_values")

    def __init__(self, address: int, key: int) -> None:
        self.address = address
        """Where the kernel keeps this record: an object of the slab cache radix_tree_node."""
        self.key = key
        self.count = 0
        """Slots that are used."""
        self.nr_values = 0
        """Those of them that hold no page; of the lowest nodes alone."""


class XArray:
    """xarray: one tree. Its lowest nodes are `levels[0]`, by index >> 6; its head is the only one of the last level."""

    __slots__ = ("has_zero", "levels", "owner", "zero_is_value")

    def __init__(self, owner: AddressSpace | None) -> None:
        self.owner = owner
        """The AddressSpace of a file on the disk, whose nodes of shadows are listed; None for others."""
        self.levels: list[dict[int, XaNode]] = []
        self.has_zero = False
        """Whether there is an entry at index 0."""
        self.zero_is_value = False
        """Whether that is a value."""

    def nodes(self) -> Iterator[XaNode]:
        """All nodes."""
        for level in self.levels:
            yield from level.values()


class XArrays:
    """Makes and frees nodes."""

    __slots__ = ("kernel", "radix_tree_node_cachep")

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        create = kernel.slub.kmem_cache_create
        self.radix_tree_node_cachep: KmemCache = create(
            "radix_tree_node", SIZEOF_XA_NODE, 0, SLAB_RECLAIM_ACCOUNT | SLAB_CTOR
        )

    # --- entries -----------------------------------------------------------------------------------------------------

    def store(self, xa: XArray, index: int, gfp: int) -> bool:
        """xas_store() of a page where nothing was; False when there is no memory for a node, and nothing has changed.

        The nodes are asked for at once; where there is no memory for that, `gfp` says whether to reclaim some.
        """
        levels = xa.levels
        if levels:
            leaf = levels[0].get(index >> XA_CHUNK_SHIFT)
            if leaf is not None:
                leaf.count += 1
                if not index:
                    xa.has_zero = True
                if leaf.nr_values:
                    self._update_node(xa, leaf)
                return True
        elif not index:
            xa.has_zero = True
            return True
        return self._create(xa, index, gfp)

    def erase(self, xa: XArray, index: int, *, value: bool) -> None:
        """xas_store(NULL): the entry, a page or a value, is no more; nodes that are empty are freed."""
        if not index:
            xa.has_zero = xa.zero_is_value = False
        if not xa.levels:
            return
        leaf = xa.levels[0][index >> XA_CHUNK_SHIFT]
        leaf.count -= 1
        if value:
            leaf.nr_values -= 1
        if not leaf.count or len(xa.levels) == 1:
            self._delete_node(xa, leaf)
        elif leaf.nr_values:
            self._update_node(xa, leaf)

    def replace(self, xa: XArray, index: int, *, value: bool) -> None:
        """xas_store() where an entry was: a page becomes a value, or (False) a value a page."""
        if not index:
            xa.zero_is_value = value
        if not xa.levels:
            return
        leaf = xa.levels[0][index >> XA_CHUNK_SHIFT]
        leaf.nr_values += 1 if value else -1
        self._update_node(xa, leaf)

    def _update_node(self, xa: XArray, leaf: XaNode) -> None:
        """xas_update(): the owner hears that a node has changed."""
        if xa.owner is not None:
            self.kernel.workingset.update_node(xa, leaf)

    # --- nodes -------------------------------------------------------------------------------------------------------

    def _create(self, xa: XArray, index: int, gfp: int) -> bool:
        """xas_create() and xas_nomem(): makes the nodes that lead to `index`, and counts the entry there."""
        slub, cache = self.kernel.slub, self.radix_tree_node_cachep
        while True:
            missing = _missing(xa, index)
            made: list[int] = []
            for _ in missing:
                address = slub.kmem_cache_alloc(cache, _AT_ONCE)
                if address is None:
                    break
                made.append(address)
            if len(made) == len(missing):
                self._link(xa, index, missing, made)
                return True
            for address in reversed(made):
                slub.kmem_cache_free(cache, address)
            spare = (
                slub.kmem_cache_alloc(cache, gfp & GFP_RECLAIM_MASK | _GFP_ACCOUNT)
                if gfp & _GFP_DIRECT_RECLAIM
                else None
            )
            if spare is None:
                return False
            slub.kmem_cache_free(cache, spare)

    def _link(self, xa: XArray, index: int, missing: list[tuple[int, int]], made: list[int]) -> None:
        """Puts the new nodes where they belong; a tree that grows becomes the first child of its new head."""
        levels, height = xa.levels, len(xa.levels)
        for (level, key), address in zip(missing, made, strict=True):
            while len(levels) <= level:
                levels.append({})
            levels[level][key] = XaNode(address, key)
        if not height and xa.has_zero:
            first = levels[0][0]
            first.count, first.nr_values = 1, int(xa.zero_is_value)
        for level, key in missing:
            if level + 1 < len(levels):
                levels[level + 1][key >> XA_CHUNK_SHIFT].count += 1
        if 0 < height < len(levels):
            levels[height][0].count += 1
        leaf = levels[0][index >> XA_CHUNK_SHIFT]
        leaf.count += 1
        if not index:
            xa.has_zero = True
        self._update_node(xa, leaf)

    def _delete_node(self, xa: XArray, leaf: XaNode) -> None:
        """xas_delete_node(): frees `leaf` if it is empty, and what is empty above it then; the head may be needed no more."""
        levels, level, node = xa.levels, 0, leaf
        self._update_node(xa, leaf)
        while not node.count:
            self._free(xa, level, node)
            level += 1
            if level == len(levels):
                levels.clear()
                return
            node = levels[level][node.key >> XA_CHUNK_SHIFT]
            node.count -= 1
        if level == len(levels) - 1:
            self._shrink(xa)

    def delete_leaf(self, xa: XArray, leaf: XaNode) -> None:
        """xa_delete_node(): all of a lowest node's entries, values all of them, are no more."""
        leaf.count = leaf.nr_values = 0
        if not leaf.key:
            xa.has_zero = xa.zero_is_value = False
        self._delete_node(xa, leaf)

    def _shrink(self, xa: XArray) -> None:
        """xas_shrink(): a head that has nothing but its first slot gives way to what is there."""
        levels = xa.levels
        while levels:
            head = levels[-1][0]
            if head.count != 1 or not (0 in levels[-2] if len(levels) > 1 else xa.has_zero):
                break
            head.count = head.nr_values = 0
            if len(levels) == 1:
                self._update_node(xa, head)
            self._free(xa, len(levels) - 1, head)
            levels.pop()

    def _free(self, xa: XArray, level: int, node: XaNode) -> None:
        """xa_node_free()."""
        del xa.levels[level][node.key]
        self.kernel.slub.kmem_cache_free(self.radix_tree_node_cachep, node.address)


def _missing(xa: XArray, index: int) -> list[tuple[int, int]]:
    """(level, key) of the nodes without which `index` has no slot, in the order in which Linux makes them.

    First the tree grows from its head upwards, then the way down to the index is made.
    """
    height = len(xa.levels)
    needed = max(height, 1)
    while index >> XA_CHUNK_SHIFT * needed:
        needed += 1
    grown = [(level, 0) for level in range(height, needed)] if height or xa.has_zero else []
    way = [(level, index >> XA_CHUNK_SHIFT * (level + 1)) for level in range(needed - 1, -1, -1)]
    return grown + [
        (level, key)
        for level, key in way
        if (level, key) not in grown and not (level < height and key in xa.levels[level])
    ]
