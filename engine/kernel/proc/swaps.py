"""mm/swapfile.c: /proc/swaps: the swap areas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.kernel.mm_types import PAGE_SHIFT

if TYPE_CHECKING:
    from engine.kernel.kernel import Kernel

HEADER: Final = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
SWAP_DEVICE: Final = "/dev/vda"
FIRST_PRIORITY: Final = -2
"""What swapon gives the first area that asks for none."""
_NAME_WIDTH: Final = 40
_TAB_BELOW: Final = 10_000_000


def swaps_text(kernel: Kernel) -> str:
    """The header, and the area where there is one; sizes in kB."""
    swapfile = kernel.swapfile
    if not swapfile.total_pages:
        return HEADER
    used = swapfile.total_pages - swapfile.nr_swap_pages
    return HEADER + swaps_line(SWAP_DEVICE, swapfile.total_pages << PAGE_SHIFT - 10, used << PAGE_SHIFT - 10)


def swaps_line(name: str, size: int, used: int) -> str:
    """swap_show(), for a partition."""
    sizes = "".join(f"{number}{chr(9) if number < _TAB_BELOW else ''}\t" for number in (size, used))
    return f"{name:<{_NAME_WIDTH}}partition\t{sizes}{FIRST_PRIORITY}\n"
