"""Which commands are soon done, whatever they meet: those need no thread of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.commands import (
    Calloc,
    Free,
    Malloc,
    Memalign,
    Read,
    Read32,
    Realloc,
    Usable,
    Write,
    Write32,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.commands import Command
    from engine.session import Session

COMMANDS_MAXIMUM: Final = 16
BYTES_MAXIMUM: Final = 1 << 18
"""What a command may ask for: so much is cleared or copied in a moment."""
FRAMES_MAXIMUM: Final = 2048
"""Frames that the machine uses: one free may give all of them back, which takes some 2 µs each."""
HISTORY_MAXIMUM: Final = 20_000
"""Commands before: the chunks that a malloc may walk over are hardly more."""
_WITHOUT_SIZE: Final = frozenset({Free, Usable, Read, Read32, Write, Write32})
_WITH_SIZE: Final = frozenset({Malloc, Calloc, Realloc, Memalign})


def is_short(session: Session, commands: Sequence[Command]) -> bool:
    """Whether the commands are all done within milliseconds."""
    return (
        len(commands) <= COMMANDS_MAXIMUM
        and len(session.machine.kernel.ram.frames) <= FRAMES_MAXIMUM
        and session.version <= HISTORY_MAXIMUM
        and all(_is_short(command) for command in commands)
    )


def _is_short(command: Command) -> bool:
    kind = type(command)
    if kind in _WITHOUT_SIZE:
        return True
    return kind in _WITH_SIZE and command.size * getattr(command, "count", 1) <= BYTES_MAXIMUM  # type: ignore[union-attr]
