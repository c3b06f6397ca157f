"""mm/slab_common.c: /proc/slabinfo: a line a cache."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.kernel.slab_common import cache_show

if TYPE_CHECKING:
    from engine.kernel.kernel import Kernel
    from engine.kernel.slub_cache import KmemCache

HEADER: Final = (
    "slabinfo - version: 2.1\n"
    "# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab>"
    " : tunables <limit> <batchcount> <sharedfactor>"
    " : slabdata <active_slabs> <num_slabs> <sharedavail>\n"
)

_OF_THE_BOOT: Final = """
    ext4_inode_cache shmem_inode_cache filp dentry vm_area_struct files_cache signal_cache sighand_cache task_struct cred_jar
    anon_vma_chain anon_vma pid radix_tree_node mm_struct vmap_area
""".split()
"""Caches that Linux makes while it boots, the newest first; this kernel makes them in another order."""


def slabinfo_text(kernel: Kernel) -> str:
    """The caches, the newest first: those made since, those of the boot, the kmalloc classes."""
    newest_first = list(reversed(kernel.slub.caches.values()))
    places = iter(sorted((each for each in newest_first if each.name in _OF_THE_BOOT), key=_place_in_boot))
    ordered = [next(places) if each.name in _OF_THE_BOOT else each for each in newest_first]
    return HEADER + "".join(cache_show(cache) + "\n" for cache in ordered)


def _place_in_boot(cache: KmemCache) -> int:
    return _OF_THE_BOOT.index(cache.name)
