"""A program that maps, unmaps and touches memory line by line, for the tests of the kernel's process side.

Addresses are those of the recorded machine: the first mapping ends where libc begins, at TOP, the next one below it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.pages.command_words import command_of_words
from engine.config import MachineConfig
from engine.machine import Machine

if TYPE_CHECKING:
    from engine.kernel.mm_types import Mm
    from engine.outcome import Outcome

CONFIG: Final = MachineConfig(ram_mb=64)
TOP: Final = 0xB7D9B000
"""Where libc begins in the default image."""
HEAP: Final = CONFIG.image.brk
PAGE: Final = 4096


class Program:
    """The first process of a fresh machine, and its children. Lines are written as in the playground: "munmap a+4096 4096"."""

    def __init__(self, *lines: str, config: MachineConfig = CONFIG) -> None:
        self.machine = Machine(config)
        self.do(*lines)

    def do(self, *lines: str) -> list[Outcome]:
        """Performs the lines, and holds the machine against its invariants."""
        outcomes = []
        for line in lines:
            outcomes.append(self.machine.perform(command_of_words(line, 0, frozenset())))
            self.machine.check()
        return outcomes

    def result(self, line: str) -> int | str | None:
        """What the line's call gave: its errno, or the value that it returned."""
        [outcome] = self.do(line)
        return outcome.errno or outcome.ret

    def results(self, *lines: str) -> list[int | str | None]:
        """The same for several lines."""
        return [self.result(line) for line in lines]

    def faults(self, line: str) -> int | None:
        """Minor faults that the line took."""
        [outcome] = self.do(line)
        return outcome.minflt

    def signal(self, line: str) -> tuple[str, int, int | None] | None:
        """The signal that the line raised: its name, si_code and address."""
        [outcome] = self.do(line)
        return None if outcome.signal is None else (outcome.signal.name, outcome.signal.code, outcome.signal.address)

    def frames(self, slot: str, pages: int, pid: int = 0) -> tuple[int, ...] | None:
        """The frames behind a slot's pages; 0 where there is none."""
        [outcome] = self.do(f"@{pid} pfn {slot} {pages}")
        return outcome.frames

    def pages(self, slot: str, pages: int, pid: int = 0) -> int | str | None:
        """A letter a page: P anonymous, f a file's, - none."""
        [outcome] = self.do(f"@{pid} pagemap {slot} {pages}")
        return outcome.pages

    def mm(self, pid: int = 0) -> Mm:
        """A process's address space."""
        return self.machine.processes[pid].task.mm

    def regions(self, pid: int = 0) -> list[tuple[int, int, str]]:
        """The regions that the program mapped itself, as (start, end, permissions): those below libc, above the heap."""
        [outcome] = self.do(f"@{pid} maps")
        assert outcome.maps is not None
        return [(m.start, m.end, m.permissions) for m in outcome.maps if HEAP + (64 << 20) <= m.start < TOP]

    def region_names(self, pid: int = 0) -> list[str]:
        """Names of those regions."""
        [outcome] = self.do(f"@{pid} maps")
        assert outcome.maps is not None
        return [m.name for m in outcome.maps if HEAP + (64 << 20) <= m.start < TOP]
