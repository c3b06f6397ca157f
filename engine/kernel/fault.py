"""arch/x86/mm/fault.c: exc_page_fault(): what the kernel does when the CPU could not translate an address.

A list of questions: is the address the user's at all? is there a region? may the stack grow to it? does the region allow
the access? Only then is it repaired (mm_fault.py). Otherwise the program gets SIGSEGV, or SIGBUS beyond a file's end.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Final

from engine.events.memory import BadArea, PageFaultUser
from engine.hardware.faults import FAULT_PRESENT, FAULT_WRITE, GeneralProtection
from engine.kernel.mm_fault import VmFault
from engine.kernel.mm_types import TASK_SIZE, VM_ACCESS_FLAGS, VM_GROWSDOWN, VM_WRITE, VmArea
from engine.kernel.task import Killed, SignalNumber

if TYPE_CHECKING:
    from engine.kernel.kernel import Kernel

_MAJOR: Final = VmFault.MAJOR
_OOM: Final = VmFault.OOM
_SIGBUS: Final = VmFault.SIGBUS
_new: Final = tuple.__new__
"""Makes an event of its type and a tuple in half the time that its constructor takes."""


class SegvCode(IntEnum):
    """si_code of SIGSEGV and SIGBUS (include/uapi/asm-generic/siginfo.h)."""

    SEGV_MAPERR = 1
    """There is no region at the address."""
    SEGV_ACCERR = 2
    """There is one, and it does not allow the access."""
    BUS_ADRERR = 2
    """The region is there, the file's page is not."""
    SI_KERNEL = 128


class Fault:
    """The page-fault handler, entered by the CPU."""

    __slots__ = ("kernel",)

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel

    def exc_page_fault(self, address: int, error_code: int) -> None:
        """Repairs the fault and returns, so that the CPU tries again; raises Killed where the program is at fault."""
        kernel = self.kernel
        kernel.entries += 1
        trace = kernel.trace
        if not trace.on:
            result = self._do_user_addr_fault(address, error_code)
        else:
            outer, start_ns = trace.cause, kernel.clock.ns
            trace.enter(_new(PageFaultUser, (address, error_code)))
            try:
                result = self._do_user_addr_fault(address, error_code)
            finally:
                trace.leave(outer, start_ns)
        if result & _MAJOR:
            kernel.current.maj_flt += 1
        else:
            kernel.current.min_flt += 1
        if kernel.work_pending:
            kernel.return_to_user()

    def exc_general_protection(self, fault: GeneralProtection) -> None:
        """A segment forbade the access: SIGSEGV without an address."""
        self.kernel.entries += 1
        raise Killed(SignalNumber.SIGSEGV, SegvCode.SI_KERNEL, 0)

    def _do_user_addr_fault(self, address: int, error_code: int) -> int:
        kernel = self.kernel
        if address >= TASK_SIZE:
            raise self._bad_area(address, SegvCode.SEGV_MAPERR, None)
        vma = kernel.current.mm.find_vma(address)
        if vma is None:
            raise self._bad_area(address, SegvCode.SEGV_MAPERR, None)
        if vma.vm_start > address and not (vma.vm_flags & VM_GROWSDOWN and kernel.stack.expand_stack(vma, address)):
            raise self._bad_area(address, SegvCode.SEGV_MAPERR, vma)
        if access_error(error_code, vma):
            raise self._bad_area(address, SegvCode.SEGV_ACCERR, vma)
        while True:
            kernel.vmstat.pgfault += 1
            result = kernel.mm_fault.handle_mm_fault(vma, address, error_code & FAULT_WRITE != 0)
            if not result & _OOM:
                break
            kernel.oom_kill.pagefault_out_of_memory()
            kernel.return_to_user()
        if result & _SIGBUS:
            raise Killed(SignalNumber.SIGBUS, SegvCode.BUS_ADRERR, address)
        return result

    def _bad_area(self, address: int, code: SegvCode, vma: VmArea | None) -> Killed:
        """bad_area(): what the program dies of; `vma` is the first region that ends above the address."""
        region = (0, 0, 0) if vma is None else (vma.vm_start, vma.vm_end, vma.vm_flags)
        self.kernel.trace.emit(BadArea(address, code, *region))
        return Killed(SignalNumber.SIGSEGV, code, address)


def access_error(error_code: int, vma: VmArea) -> bool:
    """access_error(): whether the region forbids the access."""
    if error_code & FAULT_WRITE:
        return not vma.vm_flags & VM_WRITE
    if error_code & FAULT_PRESENT:
        return True
    return not vma.vm_flags & VM_ACCESS_FLAGS
