"""Events of the machine as a whole: the commands that it is given, and what becomes of the programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from engine.commands import Command


class CommandPerformed(NamedTuple):
    """sim:command — somebody asked for this; everything below it is why and how."""

    command: Command


class SignalDelivered(NamedTuple):
    """signal:signal_deliver — a process got a signal: `code` is si_code, `address` si_addr."""

    pid: int
    signal: str
    code: int
    address: int


class ProcessExit(NamedTuple):
    """sched:sched_process_exit — a process ended and gave everything back."""

    pid: int


class ProcessFork(NamedTuple):
    """sched:sched_process_fork — `parent` has a child that shares its pages."""

    parent: int
    child: int
