"""mm/slab_common.c: /proc/slabinfo: a line a cache."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.kernel.slab_common import cache_show

if TYPE_CHECKING:
    from engine.kernel.kernel import Kernel

HEADER: Final = (
    "slabinfo - version: 2.1\n"
    "# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab>"
    " : tunables <limit> <batchcount> <sharedfactor>"
    " : slabdata <active_slabs> <num_slabs> <sharedavail>\n"
)


def slabinfo_text(kernel: Kernel) -> str:
    """The caches, the newest first."""
    return HEADER + "".join(cache_show(cache) + "\n" for cache in reversed(kernel.slub.caches.values()))
