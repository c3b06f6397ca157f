"""Events of the process side of memory: system calls, page faults, page tables."""

from typing import NamedTuple


class SystemCall(NamedTuple):
    """raw_syscalls:sys_enter — the program entered the kernel by int $0x80."""

    number: int
    arguments: tuple[int, ...]


class SystemCallReturn(NamedTuple):
    """raw_syscalls:sys_exit — eax as the program sees it: a result, or -errno."""

    number: int
    result: int


class PageFaultUser(NamedTuple):
    """exceptions:page_fault_user — the CPU could not translate `address`; `error_code` says why."""

    address: int
    error_code: int


class FaultDone(NamedTuple):
    """sim:handle_mm_fault — how the fault was repaired: `branch` is Linux's function, `pfn` the frame now mapped."""

    address: int
    branch: str
    pfn: int
    major: bool


class SetPte(NamedTuple):
    """sim:set_pte — the table entry of `address` was written."""

    address: int
    entry: int


class PageTableAllocated(NamedTuple):
    """sim:pte_alloc — frame `pfn` became the page table for the 4 MB at `address`."""

    address: int
    pfn: int


class PageTableFreed(NamedTuple):
    """sim:pte_free — the page table for the 4 MB at `address` was given back."""

    address: int
    pfn: int


class TlbFlush(NamedTuple):
    """tlb:tlb_flush — the CPU forgot so many translations; `reason` is a FlushReason, `address` that of its one page or -1."""

    reason: str
    address: int
    entries: int


class ExpandStack(NamedTuple):
    """sim:expand_stack — the stack that began at `start` begins at `address` now, because something there was touched."""

    address: int
    start: int


class BadArea(NamedTuple):
    """sim:bad_area — the fault at `address` is the program's mistake: `code` is si_code; the first region that ends above it
    is [start, end) with `vm_flags`, all 0 where there is none."""

    address: int
    code: int
    start: int
    end: int
    vm_flags: int


class WpPageCopy(NamedTuple):
    """sim:wp_page_copy — a write parted the page at `address` from frame `old`, which keeps `refcount` references and
    `mapcount` mappings; its own frame is `new`."""

    address: int
    old: int
    new: int
    refcount: int
    mapcount: int
