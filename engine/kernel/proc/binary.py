"""Files under /proc that are numbers of 64 bits, not text: pagemap, kpagecount, kpageflags."""

from __future__ import annotations

from struct import pack
from typing import TYPE_CHECKING, Final

from engine.kernel.errno import Errno, ErrorNumber
from engine.kernel.mm_types import PAGE_SHIFT, TASK_SIZE
from engine.kernel.proc.page import kpagecounts, kpageflags, max_dump_pfn
from engine.kernel.proc.pagemap import pagemap_entries

if TYPE_CHECKING:
    from engine.kernel.kernel import Kernel
    from engine.kernel.task import Task

BINARY_NAMES: Final = ("kpagecount", "kpageflags", "pagemap")
ENTRY_SIZE: Final = 8


def proc_bytes(kernel: Kernel, name: str, task: Task, offset: int, length: int) -> bytes:
    """pread(): up to `length` bytes from `offset` on; less at the file's end, nothing beyond it. pagemap is that of `task`.

    Raises KeyError for an unknown name, Errno(EINVAL) where `offset` or `length` is no multiple of 8.
    """
    if name not in BINARY_NAMES:
        raise KeyError(name)
    if offset % ENTRY_SIZE or length % ENTRY_SIZE:
        raise Errno(ErrorNumber.EINVAL)
    size = TASK_SIZE >> PAGE_SHIFT if name == "pagemap" else max_dump_pfn(kernel)
    first = offset // ENTRY_SIZE
    entries = max(0, min(length // ENTRY_SIZE, size - first))
    if name == "pagemap":
        numbers = list(pagemap_entries(kernel, task.mm, first << PAGE_SHIFT, entries))
    else:
        numbers = (kpagecounts if name == "kpagecount" else kpageflags)(kernel, first, entries)
    return pack(f"<{len(numbers)}Q", *numbers)
