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
    """tlb:tlb_flush — translations were forgotten; `reason` is a FlushReason."""

    reason: str
