"""What must be true of the kernel's own memory: the ledger adds up, and all address spaces see the same kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.hardware.paging import walk
from engine.invariants_reclaim import demand
from engine.kernel.fork import KERNEL_PGD_BOUNDARY
from engine.kernel.ledger import check_ledger
from engine.kernel.mm_types import PAGE_SIZE

if TYPE_CHECKING:
    from engine.kernel.kernel import Kernel


def check_kernel_memory(kernel: Kernel) -> None:
    """Raises InvariantError for the first thing that does not add up."""
    for true, what in check_ledger(kernel):
        demand(true, what)
    _check_directories(kernel)
    _check_areas(kernel)
    _check_module(kernel)


def _check_directories(kernel: Kernel) -> None:
    """Every address space's directory has the kernel's own entries."""
    directory = kernel.ram.frame(kernel.swapper_pg_dir)[KERNEL_PGD_BOUNDARY:]
    for task in kernel.tasks.values():
        same = kernel.ram.frame(task.mm.pgd)[KERNEL_PGD_BOUNDARY:] == directory
        demand(same, f"process {task.pid} sees another kernel than swapper_pg_dir")


def _check_areas(kernel: Kernel) -> None:
    """Each area of vmalloc() is mapped to its frames, and its guard page to none; so is each frame that kmap() shows."""
    for area in kernel.vmalloc.areas.values():
        frames = [page.pfn for page in area.pages]
        for number, pfn in enumerate([*frames, None]):
            found = walk(kernel.ram, kernel.swapper_pg_dir, area.addr + number * PAGE_SIZE).pfn
            demand(found == pfn, f"the area at {area.addr:#x} shows frame {found} where {pfn} should be")
    for pfn in kernel.highmem.page_address_htable:
        address = kernel.highmem.page_address(pfn)
        assert address is not None
        found = walk(kernel.ram, kernel.swapper_pg_dir, address).pfn
        demand(found == pfn, f"kmap shows frame {found} at {address:#x}, not {pfn}")


def _check_module(kernel: Kernel) -> None:
    """What the learner's module holds is allocated."""
    lab = kernel.lab
    for address, page in lab.blocks.items():
        demand(
            kernel.page_alloc.mem_map.get(page.pfn) is page, f"the block at {address:#x} is not the module's any more"
        )
    for cache in {id(cache): cache for cache in lab.caches.values()}.values():
        held = sum(1 for each in lab.objects.values() if each is cache)
        in_use = kernel.slub.objects_in_use(cache)
        if cache.refcount == sum(1 for each in lab.caches.values() if each is cache):
            demand(held == in_use, f"{cache.name} has {in_use} objects in use, the module holds {held}")
        else:
            demand(held <= in_use, f"{cache.name} has {in_use} objects in use, fewer than the module's {held}")
    demand(lab.vmallocs <= kernel.vmalloc.areas.keys(), "the module holds an area that there is not")
