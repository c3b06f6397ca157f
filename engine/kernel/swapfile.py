"""mm/swapfile.c: swap areas and their slots.

So far no area is switched on: nothing is ever swapped, and no swap entry can exist.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from engine.kernel.kernel import Kernel
    from engine.kernel.mm_types import Page, VmArea


class Swapfile:
    """The swap areas."""

    __slots__ = ("kernel", "total_pages")

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.total_pages = 0

    def do_swap_page(self, vma: VmArea, address: int, entry: int) -> NoReturn:
        """Brings a page back."""
        raise AssertionError(f"a swap entry {entry:#x} at {address:#x} in {vma} without a swap area")

    def free_swap_and_cache(self, entry: int) -> NoReturn:
        """Drops one reference to a slot."""
        raise AssertionError(f"a swap entry {entry:#x} without a swap area")

    def swap_duplicate(self, entry: int) -> NoReturn:
        """Adds one reference to a slot."""
        raise AssertionError(f"a swap entry {entry:#x} without a swap area")

    def folio_free_swap(self, page: Page) -> NoReturn:
        """Takes a page out of the swap cache."""
        raise AssertionError(f"{page} in the swap cache without a swap area")
