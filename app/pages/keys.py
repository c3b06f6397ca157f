"""Names of the things on the page, by which its diagrams are linked: what has a key lights up with what mentions it."""

from __future__ import annotations

from app.pages.formats import PAGE_SHIFT
from engine.views.address_space import KERNEL_START


def slot(name: str) -> str:
    """A pointer variable."""
    return f"slot:{name}"


def chunk(address: int) -> str:
    """A chunk, by its header's address."""
    return f"chunk:{address:x}"


def region(start: int) -> str:
    """A region of the address space."""
    return f"region:{start:x}"


def page(vpn: int) -> str:
    """A page of the address space, by its number."""
    return f"page:{vpn:x}"


def frame(pfn: int) -> str:
    """A page frame."""
    return f"frame:{pfn:x}"


def kernel_object(address: int) -> str:
    """The frame of something in the kernel's direct map of low memory, as all slab objects are."""
    return frame(address - KERNEL_START >> PAGE_SHIFT)


def cell(pfn: int, frames_per_cell: int) -> str:
    """The cell of the physical picture that holds a frame."""
    return f"cell:{pfn // frames_per_cell:x}"


def order(zone: str, number: int) -> str:
    """A zone's free list of one order."""
    return f"order:{zone}:{number}"


def zone(name: str) -> str:
    """A zone."""
    return f"zone:{name}"


def join(*names: str) -> str:
    """The value of a data-keys attribute: each name once."""
    return " ".join(dict.fromkeys(names))
