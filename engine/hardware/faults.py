"""What the CPU raises while it executes an access: exceptions 13 and 14 of Intel's SDM, volume 3, chapter 6."""

from typing import Final

# The error code that a page fault pushes (SDM 3A, 4.7)
FAULT_PRESENT: Final = 1 << 0
"""The entry was present: the access broke its rights. Clear: no entry."""
FAULT_WRITE: Final = 1 << 1
FAULT_USER: Final = 1 << 2


class PageFault(Exception):  # noqa: N818 - the processor's own name
    """#PF: `address` goes to CR2; `error_code` says why."""

    def __init__(self, address: int, error_code: int) -> None:
        super().__init__(address, error_code)
        self.address = address
        self.error_code = error_code

    def __str__(self) -> str:
        return f"page fault at {self.address:#010x}, error code {self.error_code}"


class GeneralProtection(Exception):  # noqa: N818 - the processor's own name
    """#GP: the segment does not allow the access: beyond its limit, or to a segment that may not be written."""

    def __init__(self, selector: int, offset: int) -> None:
        super().__init__(f"general protection: selector {selector:#x}, offset {offset:#010x}")
        self.selector = selector
        self.offset = offset
