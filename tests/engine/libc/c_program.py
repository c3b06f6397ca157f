"""A C program that calls the allocator line by line, for the tests of engine/libc."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.pages.command_words import command_of_words
from engine.config import PRESETS
from engine.events import libc as libc_events
from engine.events.machine import CommandPerformed
from engine.image import LIBC_PATH
from engine.libc.state import MAIN_ARENA_OFFSET, MP_OFFSET, UNSORTED
from engine.machine import Machine
from engine.views.probe import Probe

if TYPE_CHECKING:
    from engine.commands import Command
    from engine.config import MachineConfig
    from engine.events import Event
    from engine.outcome import Outcome

CONFIG: Final = PRESETS["64mb"]
HEAP: Final = CONFIG.image.brk
"""Where the break is when the program starts: 0x0804e000."""
FIRST_CHUNK: Final = HEAP + 8
"""The tcache's own chunk of 0x190 bytes: memory behind a header is a multiple of 16."""
FIRST_MEM: Final = HEAP + 0x1A0
"""What the first malloc gives."""
MAIN_ARENA: Final = CONFIG.image.base_of(LIBC_PATH) + MAIN_ARENA_OFFSET
UNSORTED_BIN: Final = MAIN_ARENA + UNSORTED
MP: Final = CONFIG.image.base_of(LIBC_PATH) + MP_OFFSET
READABLE: Final = MAIN_ARENA & -4096
"""An address in libc's data, where no list leads: whoever follows it reads words, and not the right ones."""


class Program:
    """The first process of a fresh machine. Lines are written as in the playground: "malloc a 100", "write32 a+4 7"."""

    def __init__(self, *lines: str, config: MachineConfig = CONFIG) -> None:
        self.machine = Machine(config)
        for line in lines:
            self.do(line)

    def do(self, line: str | Command) -> Outcome:
        """Performs one line."""
        slots = frozenset(self.machine.processes[0].slots)
        return self.machine.perform(command_of_words(line, 0, slots) if isinstance(line, str) else line)

    def __getitem__(self, slot: str) -> int:
        """The pointer that a slot holds."""
        return self.machine.processes[0].slots[slot]

    def ret(self, line: str | Command) -> int:
        """What a line gives back."""
        ret = self.do(line).ret
        assert ret is not None
        return ret

    def word(self, address: int) -> int:
        """The word at `address`, looked up without an access by the program. It must lie in a present page."""
        found = Probe(self.machine.kernel, self.machine.processes[0].task.mm).word(address)
        assert found is not None
        return found

    def head(self, slot: str) -> int:
        """The size word in front of a slot's memory."""
        return self.word(self[slot] - 4)

    def events(self, line: str | Command) -> list[Event]:
        """All that a line causes, in order."""
        first = self.machine.trace.total
        self.do(line)
        events = [record.event for record in self.machine.trace.records(first)]
        return [event for event in events if not isinstance(event, CommandPerformed)]

    def libc_events(self, line: str | Command) -> list[Event]:
        """What a line causes inside the allocator."""
        return [event for event in self.events(line) if type(event).__module__ == libc_events.__name__]

    def last_words(self, line: str | Command) -> str:
        """What glibc writes before it aborts on this line. It must abort."""
        signal = self.do(line).signal
        assert signal is not None
        assert (signal.name, signal.fatal) == ("SIGABRT", True)
        assert signal.message is not None
        return signal.message

    def link(self, place: str, target: int) -> int:
        """The word that says, at a slot's memory, that `target` is next: safe-linking mixes it with where it lies."""
        return self[place] >> 12 ^ target


def seven_cached(request: int) -> list[str]:
    """Lines that fill the tcache bin of a request: what is freed next goes further."""
    return [f"malloc t{n} {request}" for n in range(7)] + [f"free t{n}" for n in range(7)]
