"""What each command does: one function a command, grouped by what the program asks: its libc, the kernel, or the CPU."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine import commands as c
from engine.operations import access, allocator, kernel, looking, memory, processes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from engine.machine import Machine
    from engine.outcome import Outcome
    from engine.process import Process

    Operation = Callable[[Machine, Process, Any, int], Outcome]
    Refusal = Callable[[Machine, Any], object]

_FUNCTIONS: Final[Mapping[type, Operation]] = {
    c.Malloc: allocator.malloc,
    c.Calloc: allocator.calloc,
    c.Realloc: allocator.realloc,
    c.Memalign: allocator.memalign,
    c.Free: allocator.free,
    c.Usable: allocator.usable,
    c.Trim: allocator.trim,
    c.Mallopt: allocator.mallopt,
    c.Mallinfo: allocator.mallinfo,
    c.Sbrk: allocator.sbrk,
    c.Brk: memory.brk,
    c.Mmap: memory.mmap,
    c.Munmap: memory.munmap,
    c.Mprotect: memory.mprotect,
    c.Mremap: memory.mremap,
    c.Madvise: memory.madvise,
    c.Msync: memory.msync,
    c.Mlock: memory.mlock,
    c.Read: access.read,
    c.Write: access.write,
    c.Read32: access.read32,
    c.Write32: access.write32,
    c.Touch: access.touch,
    c.Fill: access.fill,
    c.CheckTouch: access.checktouch,
    c.Stack: access.stack,
    c.Pagemap: looking.pagemap,
    c.Pfn: looking.pfn,
    c.Maps: looking.maps,
    c.Status: looking.status,
    c.Rss: looking.rss,
    c.Vmstat: looking.vmstat,
    c.Meminfo: looking.meminfo_,
    c.OomScore: looking.oomscore,
    c.OomAdj: processes.oomadj,
    c.Rlimit: processes.rlimit,
    c.Sysctl: processes.sysctl,
    c.OpenFile: processes.open_file,
    c.Close: processes.close,
    c.Sleep: processes.sleep,
    c.Sync: processes.sync,
    c.Fork: processes.fork,
    c.Exit: processes.exit_,
    c.Wait: processes.wait,
    c.SetPaging: processes.set_paging,
    c.FailDisk: processes.fail_disk,
    c.AllocPages: kernel.alloc_pages,
    c.FreePages: kernel.free_pages,
    c.Kmalloc: kernel.kmalloc,
    c.Kfree: kernel.kfree,
    c.KmemCacheCreate: kernel.kmem_cache_create,
    c.KmemCacheAlloc: kernel.kmem_cache_alloc,
    c.KmemCacheFree: kernel.kmem_cache_free,
    c.Vmalloc: kernel.vmalloc,
    c.Vfree: kernel.vfree,
}

_PLACE_FIELDS: Final[Mapping[type, str]] = {
    c.Realloc: "as_",
    c.Free: "ptr",
    c.Usable: "ptr",
    c.Brk: "address",
    c.Mmap: "hint",
    c.Munmap: "ptr",
    c.Mprotect: "ptr",
    c.Mremap: "as_",
    c.Madvise: "ptr",
    c.Msync: "ptr",
    c.Mlock: "ptr",
    c.Read: "ptr",
    c.Write: "ptr",
    c.Read32: "ptr",
    c.Write32: "ptr",
    c.Touch: "ptr",
    c.Fill: "ptr",
    c.CheckTouch: "ptr",
    c.Pagemap: "ptr",
    c.Pfn: "ptr",
}
"""The field of each command that names a place."""

OPERATIONS: Final[Mapping[type, tuple[Operation, str | None]]] = {
    kind: (function, _PLACE_FIELDS.get(kind)) for kind, function in _FUNCTIONS.items()
}
"""Each command's function (machine, process, command, address), and the field whose place it takes, resolved."""

REFUSALS: Final[Mapping[type, Refusal]] = {
    c.OpenFile: processes.refuse_open_file,
    c.Sleep: processes.refuse_sleep,
    c.Fork: processes.refuse_fork,
    c.Wait: processes.refuse_wait,
    c.AllocPages: kernel.refuse_alloc_pages,
    c.FreePages: kernel.refuse_free_pages,
    c.Kfree: kernel.refuse_kfree,
    c.KmemCacheCreate: kernel.refuse_kmem_cache_create,
    c.KmemCacheAlloc: kernel.refuse_kmem_cache_alloc,
    c.KmemCacheFree: kernel.refuse_kmem_cache_free,
    c.Vfree: kernel.refuse_vfree,
}
"""What raises CommandError for a command that means nothing here; asked before another process gets the CPU for it."""
