"""kernel/printk/printk.c: the kernel's log: the last lines that it has printed, each with the time since boot."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from engine.clock import Clock

LINES: Final = 2048
_NS_A_SECOND: Final = 1_000_000_000


class Printk:
    """dmesg."""

    __slots__ = ("_clock", "lines")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.lines: deque[tuple[int, str]] = deque(maxlen=LINES)
        """(nanoseconds since boot, text)."""

    def printk(self, text: str) -> None:
        """printk(): one line."""
        self.lines.append((self._clock.ns, text))

    def text(self) -> str:
        """As dmesg prints it: [    1.234567] text."""
        return "".join(f"[{ns // _NS_A_SECOND:5}.{ns // 1000 % 1_000_000:06}] {line}\n" for ns, line in self.lines)
