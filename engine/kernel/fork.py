"""kernel/fork.c: new processes: the first one's address space, and copies of a running one.

Left out: threads, namespaces, everything of a task that memory management does not see.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.clock import COSTS
from engine.events.machine import ProcessFork
from engine.kernel.accounting import vm_stat_account
from engine.kernel.errno import Errno, ErrorNumber
from engine.kernel.gfp import GFP_KERNEL
from engine.kernel.mm_types import (
    PAGE_OFFSET,
    PAGE_SIZE,
    PG_KSTACK,
    PG_TABLE,
    PGDIR_SHIFT,
    VM_ACCOUNT,
    VM_DONTCOPY,
    VM_LOCKED_CLEAR_MASK,
    VM_WIPEONFORK,
    Mm,
    VmArea,
)
from engine.kernel.pgtable import PTRS_PER_PTE
from engine.kernel.slab_common import (
    L1_CACHE_BYTES,
    SLAB_ACCOUNT,
    SLAB_CTOR,
    SLAB_HWCACHE_ALIGN,
    SLAB_TYPESAFE_BY_RCU,
    SLAB_USERCOPY,
)
from engine.kernel.task import Killed, Task

if TYPE_CHECKING:
    from engine.kernel.kernel import Kernel

THREAD_SIZE_ORDER: Final = 1
"""A kernel stack is two pages on i386."""
THREAD_SIZE_KB: Final = PAGE_SIZE << THREAD_SIZE_ORDER >> 10
SIZEOF_MM_STRUCT: Final = 564
SIZEOF_TASK_STRUCT: Final = 2944
SIZEOF_CRED: Final = 128
SIZEOF_FILES_STRUCT: Final = 256
SIZEOF_PID: Final = 64
SIZEOF_SIGHAND_STRUCT: Final = 1300
SIZEOF_SIGNAL_STRUCT: Final = 736
SIZEOF_FS_STRUCT: Final = 36
KERNEL_PGD_BOUNDARY: Final = PAGE_OFFSET >> PGDIR_SHIFT


class Fork:
    """Makes address spaces and tasks."""

    __slots__ = ("kernel", "making", "mm_cachep", "record_cacheps", "task_struct_cachep")

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.making: Task | None = None
        """The child that fork() is about to finish: nobody may kill it yet."""
        create = kernel.slub.kmem_cache_create
        flags = SLAB_ACCOUNT | SLAB_USERCOPY
        self.mm_cachep = create("mm_struct", SIZEOF_MM_STRUCT, 0, flags | SLAB_HWCACHE_ALIGN)
        self.task_struct_cachep = create("task_struct", SIZEOF_TASK_STRUCT, L1_CACHE_BYTES, flags)
        aligned = SLAB_ACCOUNT | SLAB_HWCACHE_ALIGN
        self.record_cacheps = (
            create("cred_jar", SIZEOF_CRED, 0, aligned),
            create("files_cache", SIZEOF_FILES_STRUCT, 0, aligned),
            create("pid", SIZEOF_PID, 0, aligned),
            create("sighand_cache", SIZEOF_SIGHAND_STRUCT, 0, aligned | SLAB_TYPESAFE_BY_RCU | SLAB_CTOR),
            create("signal_cache", SIZEOF_SIGNAL_STRUCT, 0, aligned),
            create("fs_cache", SIZEOF_FS_STRUCT, 0, aligned),
        )
        """What every process has one object of, besides its task_struct and mm_struct; fs_cache is merged with pid."""

    def mm_alloc(self) -> Mm:
        """mm_alloc(): an empty address space: a directory whose upper quarter is the kernel's. Raises Errno(ENOMEM)."""
        kernel = self.kernel
        address = kernel.slub.new_record(self.mm_cachep)
        page = kernel.page_alloc.alloc_pages(GFP_KERNEL, 0)
        if page is None:
            kernel.slub.kmem_cache_free(self.mm_cachep, address)
            raise Errno(ErrorNumber.ENOMEM)
        page.flags |= PG_TABLE
        directory = kernel.ram.writable(page.pfn)
        directory[KERNEL_PGD_BOUNDARY:PTRS_PER_PTE] = kernel.ram.frame(kernel.swapper_pg_dir)[KERNEL_PGD_BOUNDARY:]
        mm = Mm(address, page.pfn)
        page.mapping = mm
        kernel.clock.ns += COSTS.clear_page
        return mm

    def task_alloc(self, pid: int, comm: str, mm: Mm, parent: Task | None) -> Task:
        """dup_task_struct(): a task with its kernel stack. Raises Errno(ENOMEM)."""
        kernel = self.kernel
        address = kernel.slub.new_record(self.task_struct_cachep)
        stack = kernel.page_alloc.alloc_pages(GFP_KERNEL, THREAD_SIZE_ORDER)
        if stack is None:
            kernel.slub.kmem_cache_free(self.task_struct_cachep, address)
            raise Errno(ErrorNumber.ENOMEM)
        stack.flags |= PG_KSTACK
        kernel.vmstat.nr_kernel_stack += THREAD_SIZE_KB
        task = Task(address, pid, comm, mm, parent)
        task.stack_pfn = stack.pfn
        try:
            for cache in self.record_cacheps:
                task.records.append((cache, kernel.slub.new_record(cache)))
        except (Errno, Killed):
            self.free_task(task)
            raise
        if parent is not None:
            task.rlimits = dict(parent.rlimits)
            task.files = dict(parent.files)
            for file in task.files.values():
                file.f_count += 1
            task.oom_score_adj = parent.oom_score_adj
        kernel.tasks[pid] = task
        return task

    def mm_free(self, mm: Mm) -> None:
        """__mmdrop(): the directory and the record of an address space in which nothing is mapped any more."""
        kernel = self.kernel
        kernel.page_alloc.free_pages(kernel.page_alloc.mem_map[mm.pgd], 0)
        kernel.slub.kmem_cache_free(self.mm_cachep, mm.address)

    def free_task(self, task: Task) -> None:
        """free_task() and release_task(): the task's records and its kernel stack go back."""
        kernel = self.kernel
        for cache, address in task.records:
            kernel.slub.kmem_cache_free(cache, address)
        task.records.clear()
        kernel.page_alloc.free_pages(kernel.page_alloc.mem_map[task.stack_pfn], THREAD_SIZE_ORDER)
        kernel.vmstat.nr_kernel_stack -= THREAD_SIZE_KB
        kernel.slub.kmem_cache_free(self.task_struct_cachep, task.address)

    def sys_fork(self, parent: Task, pid: int) -> Task:
        """kernel_clone(): a child with the same memory, its pages shared until one of the two writes.

        Raises Errno(ENOMEM) where the copy would promise more memory than there may be; then there is no child.
        """
        kernel = self.kernel
        kernel.clock.ns += COSTS.fork
        mm = self.mm_alloc()
        try:
            child = self.task_alloc(pid, parent.comm, mm, parent)
        except (Errno, Killed):
            self.mm_free(mm)
            raise
        try:
            self.making = child
            self._dup_mmap(mm, parent.mm)
        except (Errno, Killed):
            kernel.exit.release(child)
            raise
        finally:
            self.making = None
        kernel.memory.flush_tlb_mm(parent.mm)
        kernel.trace.emit(ProcessFork(parent.pid, pid))
        return child

    def _dup_mmap(self, mm: Mm, old: Mm) -> None:
        _copy_layout(mm, old)
        mm.exe_file = old.exe_file
        if mm.exe_file is not None:
            mm.exe_file.f_count += 1
        for source in old:
            if source.vm_flags & VM_DONTCOPY:
                vm_stat_account(mm, source.vm_flags, -source.pages)
                continue
            if source.vm_flags & VM_ACCOUNT:
                self.kernel.mmap.security_vm_enough_memory(mm, source.pages)
            self._dup_vma(mm, source)
        mm.hiwater_vm, mm.hiwater_rss = mm.total_vm, mm.rss

    def _dup_vma(self, mm: Mm, source: VmArea) -> None:
        kernel = self.kernel
        flags = source.vm_flags & VM_LOCKED_CLEAR_MASK
        copy = kernel.vma.vm_area_alloc(
            mm, source.vm_start, source.vm_end, flags, source.vm_pgoff, source.vm_file, source.name
        )
        mm.vmas.append(copy)
        mm.ends.append(copy.vm_end)
        kernel.vma.vma_link_file(copy)
        if not source.vm_flags & VM_WIPEONFORK:
            kernel.rmap.anon_vma_fork(copy, source)
        if not source.vm_flags & VM_WIPEONFORK and not kernel.memory.copy_page_range(copy, source):
            raise Errno(ErrorNumber.ENOMEM)


def _copy_layout(mm: Mm, old: Mm) -> None:
    """What dup_mm() copies as it stands: where things lie, and how much is mapped."""
    for field in (
        "mmap_base",
        "start_brk",
        "brk",
        "start_code",
        "end_code",
        "start_data",
        "end_data",
        "start_stack",
        "total_vm",
        "data_vm",
        "stack_vm",
        "exec_vm",
    ):
        setattr(mm, field, getattr(old, field))
