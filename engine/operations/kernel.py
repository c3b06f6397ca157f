"""Commands that the kernel does for itself: a learner's module calls its allocators (engine/kernel/lab.py).

They run in the context of the command's process. An outcome's `ret` is a kernel address, 0 where the allocation failed;
`frames` are the frames behind it: the first of a block, the object's own, all of a vmalloc() area.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from engine.kernel.lab import NULL
from engine.kernel.mmzone import MAX_ORDER
from engine.kernel_program import GFP_OF_KIND
from engine.outcome import CommandError, Outcome
from engine.process import resolve_in

if TYPE_CHECKING:
    from collections.abc import Container

    from engine.commands import (
        AllocPages,
        FreePages,
        Kfree,
        Kmalloc,
        KmemCacheAlloc,
        KmemCacheCreate,
        KmemCacheFree,
        Place,
        Vfree,
        Vmalloc,
    )
    from engine.kernel.slub_cache import KmemCache
    from engine.machine import Machine
    from engine.process import Process

KMALLOC_MAX_SIZE: Final = 4096 << MAX_ORDER - 1
OBJECT_SIZE_MAXIMUM: Final = 8192
_CACHE_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,31}")


def _given(machine: Machine, place: Place, given: Container[int], by: str) -> int:
    """The address that `place` names, which is NULL or among `given`. Raises CommandError."""
    address = resolve_in(machine.kernel.lab.slots, place, "ptr", "kernel slot")
    if address != NULL and address not in given:
        raise CommandError("ptr", f"ptr is {address:#010x}; {by} gave no such address, or it has been freed")
    return address


def _allocated(machine: Machine, process: Process, command: AllocPages | Kmalloc | KmemCacheAlloc, ret: int) -> Outcome:
    """The outcome of an allocation from the direct map; the slot takes the address, or NULL."""
    lab = machine.kernel.lab
    lab.slots[command.as_] = ret
    return Outcome(command.op, process.pid, ret, frames=(lab.pfn(ret),) if ret != NULL else None)


# --- pages -----------------------------------------------------------------------------------------------------------


def alloc_pages(machine: Machine, process: Process, command: AllocPages, address: int) -> Outcome:
    """alloc_pages()."""
    refuse_alloc_pages(machine, command)
    lab = machine.kernel.lab
    found = lab.alloc_pages(GFP_OF_KIND[command.kind], command.order)
    if found is None:
        return _allocated(machine, process, command, NULL)
    lab.slots[command.as_], page = found
    return Outcome("alloc_pages", process.pid, found[0], frames=(page.pfn,))


def refuse_alloc_pages(machine: Machine, command: AllocPages) -> None:
    """Raises CommandError where a frame of high memory could not be given an address."""
    if command.kind == "movable" and machine.kernel.highmem.full:
        raise CommandError(
            "kind", "kind is movable; all 1,024 entries of kmap are in use: free some of those blocks first"
        )


def free_pages(machine: Machine, process: Process, command: FreePages, address: int) -> Outcome:
    """__free_pages()."""
    address = refuse_free_pages(machine, command)
    if address != NULL:
        machine.kernel.lab.free_pages(address)
    return Outcome("free_pages", process.pid)


def refuse_free_pages(machine: Machine, command: FreePages) -> int:
    """The block's address. Raises CommandError for what is none."""
    return _given(machine, command.ptr, machine.kernel.lab.blocks, "alloc_pages")


# --- objects ---------------------------------------------------------------------------------------------------------


def kmalloc(machine: Machine, process: Process, command: Kmalloc, address: int) -> Outcome:
    """kmalloc(); of 0 bytes it gives NULL here, where Linux gives an address that must not be used."""
    possible = 0 < command.size <= KMALLOC_MAX_SIZE
    return _allocated(machine, process, command, machine.kernel.lab.kmalloc(command.size) if possible else NULL)


def kfree(machine: Machine, process: Process, command: Kfree, address: int) -> Outcome:
    """kfree()."""
    address = refuse_kfree(machine, command)
    if address != NULL:
        machine.kernel.lab.kfree(address)
    return Outcome("kfree", process.pid)


def refuse_kfree(machine: Machine, command: Kfree) -> int:
    """The address. Raises CommandError for what kmalloc did not give."""
    return _given(machine, command.ptr, machine.kernel.lab.kmallocs, "kmalloc")


def kmem_cache_create(machine: Machine, process: Process, command: KmemCacheCreate, address: int) -> Outcome:
    """kmem_cache_create()."""
    refuse_kmem_cache_create(machine, command)
    machine.kernel.lab.kmem_cache_create(command.name, command.size, command.align)
    return Outcome("kmem_cache_create", process.pid)


def refuse_kmem_cache_create(machine: Machine, command: KmemCacheCreate) -> None:
    """Raises CommandError for a cache that cannot be."""
    name, size, align = command.name, command.size, command.align
    if not _CACHE_NAME.fullmatch(name):
        raise CommandError("name", f"name is {name!r}; it can be letters, digits, _ and -, at most 32, no digit first")
    if machine.kernel.slub.kmem_cache(name) is not None:
        raise CommandError("name", f"there is a cache {name!r} already")
    if not 4 <= size <= OBJECT_SIZE_MAXIMUM:
        raise CommandError("size", f"size is {size}; an object can have 4 to {OBJECT_SIZE_MAXIMUM} bytes")
    if align & align - 1:
        raise CommandError("align", f"align is {align}; it can be a power of two, or 0")


def kmem_cache_alloc(machine: Machine, process: Process, command: KmemCacheAlloc, address: int) -> Outcome:
    """kmem_cache_alloc()."""
    cache = refuse_kmem_cache_alloc(machine, command)
    return _allocated(machine, process, command, machine.kernel.lab.kmem_cache_alloc(cache))


def refuse_kmem_cache_alloc(machine: Machine, command: KmemCacheAlloc) -> KmemCache:
    """The cache. Raises CommandError for one that kmem_cache_create did not make."""
    caches = machine.kernel.lab.caches
    if command.cache not in caches:
        known = ", ".join(caches) or "none yet"
        raise CommandError("cache", f"cache is {command.cache!r}; kmem_cache_create has made: {known}")
    return caches[command.cache]


def kmem_cache_free(machine: Machine, process: Process, command: KmemCacheFree, address: int) -> Outcome:
    """kmem_cache_free()."""
    address = refuse_kmem_cache_free(machine, command)
    if address != NULL:
        machine.kernel.lab.kmem_cache_free(address)
    return Outcome("kmem_cache_free", process.pid)


def refuse_kmem_cache_free(machine: Machine, command: KmemCacheFree) -> int:
    """The object's address. Raises CommandError for what is none."""
    return _given(machine, command.ptr, machine.kernel.lab.objects, "kmem_cache_alloc")


# --- vmalloc ---------------------------------------------------------------------------------------------------------


def vmalloc(machine: Machine, process: Process, command: Vmalloc, address: int) -> Outcome:
    """vmalloc()."""
    kernel = machine.kernel
    got = kernel.vmalloc.vmalloc(command.size)
    kernel.lab.slots[command.as_] = got or NULL
    if got is None:
        return Outcome("vmalloc", process.pid, NULL)
    kernel.lab.vmallocs.add(got)
    return Outcome("vmalloc", process.pid, got, frames=tuple(page.pfn for page in kernel.vmalloc.areas[got].pages))


def vfree(machine: Machine, process: Process, command: Vfree, address: int) -> Outcome:
    """vfree()."""
    address = refuse_vfree(machine, command)
    if address != NULL:
        machine.kernel.lab.vmallocs.remove(address)
        machine.kernel.vmalloc.vfree(address)
    return Outcome("vfree", process.pid)


def refuse_vfree(machine: Machine, command: Vfree) -> int:
    """The area's address. Raises CommandError for what vmalloc did not give."""
    return _given(machine, command.ptr, machine.kernel.lab.vmallocs, "vmalloc")
