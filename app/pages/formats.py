"""How numbers are written: addresses as Linux prints them, sizes in powers of two, simulated time in its own unit."""

from __future__ import annotations

from typing import Final

_SIZES: Final = ((1 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "KB"))
_TIMES: Final = ((1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "µs"))
PAGE_SHIFT: Final = 12
PAGE: Final = 1 << PAGE_SHIFT


def address(value: int) -> str:
    """0x0804e1a0."""
    return f"{value:#010x}"


def short_hex(value: int) -> str:
    """0x70."""
    return f"{value:#x}"


def pfn(value: int) -> str:
    """A page frame number: 0x05c1d."""
    return f"{value:#07x}"


def size(value: int) -> str:
    """Bytes: 100 B, 4 KB, 1.5 MB."""
    for unit, name in _SIZES:
        if value >= unit:
            amount = value / unit
            return f"{amount:.0f} {name}" if value % unit == 0 or amount >= 100 else f"{amount:.1f} {name}"
    return f"{value} B"


def pages(value: int) -> str:
    """Pages as a size."""
    return size(value * PAGE)


def count(value: int) -> str:
    """1,234."""
    return f"{value:,}"


def times(value: int, noun: str) -> str:
    """1 page, 2 pages."""
    return f"{value:,} {noun}" if value == 1 else f"{value:,} {noun}s"


def duration(ns: int) -> str:
    """Simulated time: 530 ns, 4.1 µs, 12 ms."""
    for unit, name in _TIMES:
        if ns >= unit:
            amount = ns / unit
            return f"{amount:.0f} {name}" if amount >= 100 or ns % unit == 0 else f"{amount:.1f} {name}"
    return f"{ns} ns"
