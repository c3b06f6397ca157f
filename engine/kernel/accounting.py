"""mm/mmap.c and mm/util.c: how many pages of address space a process has, and how many it may have.

A region's flags say which count it belongs to besides the total: code, stack, or data. Left out: RLIMIT_MEMLOCK, which
binds nobody here: the program is root, as it was in the recordings, and has CAP_IPC_LOCK.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.kernel.mm_types import (
    PAGE_SHIFT,
    VM_EXEC,
    VM_GROWSDOWN,
    VM_NORESERVE,
    VM_SHARED,
    VM_WRITE,
)
from engine.kernel.task import RLIM_INFINITY, Resource

if TYPE_CHECKING:
    from engine.kernel.mm_types import Mm
    from engine.kernel.task import Task

_STACK: Final = VM_GROWSDOWN
"""VM_STACK: what makes a region a stack where stacks grow down."""


def is_exec_mapping(flags: int) -> bool:
    """Code: may be executed, not written, and is no stack."""
    return flags & (VM_EXEC | VM_WRITE | _STACK) == VM_EXEC


def is_stack_mapping(flags: int) -> bool:
    """A stack."""
    return bool(flags & _STACK)


def is_data_mapping(flags: int) -> bool:
    """Data: private, may be written, and is no stack."""
    return flags & (VM_WRITE | VM_SHARED | _STACK) == VM_WRITE


def accountable_mapping(flags: int) -> bool:
    """Whether the region's pages count as promised: private, writable, and MAP_NORESERVE was not asked for."""
    return flags & (VM_NORESERVE | VM_SHARED | VM_WRITE) == VM_WRITE


def vm_stat_account(mm: Mm, flags: int, pages: int) -> None:
    """Adds `pages` (negative: takes them away) of regions with these flags to the counts."""
    mm.total_vm += pages
    if is_exec_mapping(flags):
        mm.exec_vm += pages
    elif is_stack_mapping(flags):
        mm.stack_vm += pages
    elif is_data_mapping(flags):
        mm.data_vm += pages


def may_expand_vm(task: Task, flags: int, pages: int) -> bool:
    """Whether RLIMIT_AS, and for data RLIMIT_DATA, leave room for `pages` more."""
    mm, limits = task.mm, task.rlimits
    if mm.total_vm + pages > limits[Resource.AS] >> PAGE_SHIFT:
        return False
    return not is_data_mapping(flags) or mm.data_vm + pages <= limits[Resource.DATA] >> PAGE_SHIFT


def check_data_rlimit(task: Task, brk: int) -> bool:
    """Whether RLIMIT_DATA allows the break at `brk`: heap and initialised data together."""
    mm, limit = task.mm, task.rlimits[Resource.DATA]
    return limit == RLIM_INFINITY or brk - mm.start_brk + mm.end_data - mm.start_data <= limit


def update_hiwater(mm: Mm) -> None:
    """update_hiwater_vm() and update_hiwater_rss(): to be called before either count falls."""
    mm.hiwater_vm = max(mm.hiwater_vm, mm.total_vm)
    mm.hiwater_rss = max(mm.hiwater_rss, mm.rss)
