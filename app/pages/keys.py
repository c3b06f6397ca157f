"""Names of the things on the page, by which its diagrams are linked: what has a key lights up with what mentions it.

A run of pages or frames is one name, "frame:1e60-1e6f", both ends counted: the page's script takes it apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.pages.formats import PAGE_SHIFT
from engine.views.address_space import KERNEL_START

if TYPE_CHECKING:
    from collections.abc import Iterable

RUNS_MAXIMUM: Final = 48
"""Runs that one thing mentions: what lies in more pieces lights up in part."""


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


def pages(first: int, last: int) -> str:
    """A run of pages."""
    return f"page:{first:x}-{last:x}" if last > first else page(first)


def block(pfn: int, order: int) -> str:
    """The frames of a buddy block."""
    return f"frame:{pfn:x}-{pfn + (1 << order) - 1:x}" if order else frame(pfn)


def frames(numbers: Iterable[int]) -> list[str]:
    """Frames as runs, in the order in which they come: upwards or downwards."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        elif runs and number == runs[-1][0] - 1:
            runs[-1][0] = number
        elif len(runs) < RUNS_MAXIMUM:
            runs.append([number, number])
        else:
            break
    return [f"frame:{first:x}-{last:x}" if last > first else frame(first) for first, last in runs]


def swap(slot: int) -> str:
    """A slot of the swap area."""
    return f"swap:{slot:x}"


def entry(table: int, index: int) -> str:
    """An entry of the directory or page table in frame `table`."""
    return f"entry:{table:x}:{index:x}"


def slab_object(address: int) -> str:
    """An object of a slab cache."""
    return f"object:{address:x}"


def order(zone: str, number: int) -> str:
    """A zone's free list of one order."""
    return f"order:{zone}:{number}"


def zone(name: str) -> str:
    """A zone."""
    return f"zone:{name}"


def join(*names: str) -> str:
    """The value of a data-keys attribute: each name once."""
    return " ".join(dict.fromkeys(names))
