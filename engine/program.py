"""How a program meets its libc: what the dynamic loader has done when main() begins.

It has written to the data of the program and of every library, to relocate them and to set up libc: those pages are the
process's own by now, and the first malloc() takes no fault for them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.image import LIBC_PATH
from engine.kernel.mm_types import VM_ACCOUNT
from engine.libc.malloc import Libc

if TYPE_CHECKING:
    from engine.hardware.cpu import Cpu
    from engine.image import ProgramImage
    from engine.kernel.kernel import Kernel
    from engine.kernel.task import Task
    from engine.trace import Trace

PAGE: Final = 4096
LIBC_BSS: Final = 0x21E000
"""Where libc's zeroed data begin, from its first mapping; the thread's own block follows it here."""
WRITTEN_BSS_PAGES: Final = (0, 2, 3, 9, 10, 11)
"""Pages from LIBC_BSS on to which libc's start-up writes: stdio, locale, the thread's block."""
WRITTEN_STACK_PAGES: Final = 2
"""At the stack's top: the arguments and environment, and main()'s callers."""


def relocate(kernel: Kernel, task: Task, image: ProgramImage) -> None:
    """Gives the process the pages that its loader has written to, as its own. Read-only ones among them were protected after."""
    mm = task.mm
    for vma in mm.vmas:
        if vma.vm_file is not None and vma.vm_flags & VM_ACCOUNT:
            for address in range(vma.vm_start, vma.vm_end, PAGE):
                kernel.mm_fault.handle_mm_fault(vma, address, True)
    bss = image.base_of(LIBC_PATH) + LIBC_BSS
    written = [bss + page * PAGE for page in WRITTEN_BSS_PAGES]
    written += [image.mappings[-1].end - (page + 1) * PAGE for page in range(WRITTEN_STACK_PAGES)]
    for address in written:
        region = mm.vma_lookup(address)
        if region is not None and region.vm_file is None:
            kernel.mm_fault.handle_mm_fault(region, address, True)


def start_libc(cpu: Cpu, trace: Trace, image: ProgramImage) -> Libc:
    """Binds glibc's allocator to the process that runs on `cpu` now, at the place where its image maps libc."""
    return Libc(cpu, trace, image.base_of(LIBC_PATH))
