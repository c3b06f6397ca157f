"""What a command gives back: what the program itself could observe, no more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from engine.image import Mapping

if TYPE_CHECKING:
    from collections.abc import Mapping as MappingOf

__all__ = ["CommandError", "Ended", "Mapping", "Outcome", "Signal", "returned"]


class CommandError(ValueError):
    """A command that means nothing here (an unknown slot, a process that has ended): nothing was changed by it.

    `field` names what was wrong; the message says what it was and what would be right.
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field
        self.index: int | None = None
        """Which command of several it was, from 0."""

    def __reduce__(self) -> tuple[type[CommandError], tuple[Any, ...]]:
        """As it crosses from one process to another."""
        return CommandError, (self.field, str(self))


class OutOfHostMemory(CommandError):  # noqa: N818 - it says what is the matter
    """The command needs more of the host's memory than the machine may have.

    A session has put itself back to where it was. A machine alone stands in the middle of the command: it is of no more use.
    """

    def __init__(self, message: str) -> None:
        super().__init__("host_memory_mb", message)

    def __reduce__(self) -> tuple[type[CommandError], tuple[Any, ...]]:
        """As it crosses from one process to another."""
        return OutOfHostMemory, (str(self),)


class Signal(NamedTuple):
    """A signal that the command raised. `fatal`: the process is gone by it."""

    name: str
    code: int
    """si_code: 1 SEGV_MAPERR or BUS_ADRALN, 2 SEGV_ACCERR or BUS_ADRERR."""
    address: int | None
    fatal: bool
    message: str | None = None
    """What glibc wrote to stderr before it aborted."""


class Ended(NamedTuple):
    """How a process ended: by exit `code`, or by signal number `termsig` (then `code` is -1)."""

    pid: int
    code: int
    termsig: int


class Outcome(NamedTuple):
    """One command's result. Fields that its operation does not have are None."""

    op: str
    pid: int
    ret: int | None = None
    """The return value: for calls that give an address, unsigned."""
    errno: str | None = None
    val: int | None = None
    """What a load found."""
    pages: int | str | None = None
    """touch: pages done; pagemap: a letter a page."""
    bad: int | None = None
    minflt: int | None = None
    majflt: int | None = None
    signal: Signal | None = None
    frames: tuple[int, ...] | None = None
    maps: tuple[Mapping, ...] | None = None
    figures: MappingOf[str, int] | None = None
    """mallinfo, status, rss, vmstat, meminfo: names and numbers, in Linux's order and units."""
    ended: Ended | None = None


NOTHING_ELSE: Final = (None,) * (len(Outcome._fields) - 3)
"""What follows the return value of a call that gives just that."""


def returned(op: str, pid: int, ret: int | None) -> Outcome:
    """The outcome of a call that just gives `ret`; a third of the cost of Outcome's own constructor."""
    return tuple.__new__(Outcome, (op, pid, ret, *NOTHING_ELSE))
