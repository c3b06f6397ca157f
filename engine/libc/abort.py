"""malloc_printerr(): glibc found the heap damaged, says so, and ends the process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterator

TURNS_MAXIMUM: Final = 1 << 20
"""Turns after which a walk along a list is taken to be endless: more chunks than any session has."""


class Abort(Exception):  # noqa: N818 - it is what the program does
    """The program wrote `message` to stderr and raised SIGABRT."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Endless(Exception):  # noqa: N818 - it is what the program does
    """A damaged list leads back to itself, and glibc walks along it for ever. Whoever waits kills the program."""

    def __init__(self, function: str) -> None:
        super().__init__(f"{function}() follows a damaged list that leads back to itself, and would never return")
        self.function = function

    def __reduce__(self) -> tuple[type[Endless], tuple[str]]:
        """As it crosses from one process to another."""
        return Endless, (self.function,)


def counted(function: str) -> Iterator[int]:
    """Turns of a walk along a list, one a `next()`. Raises Endless when there have been more than any list can have."""
    yield from range(TURNS_MAXIMUM)
    raise Endless(function)


def malloc_printerr(message: str) -> NoReturn:
    """Ends the process with one of glibc's own sentences."""
    raise Abort(message)


def malloc_assert(function: str, assertion: str) -> NoReturn:
    """__malloc_assert(): what glibc says when one of its own assertions fails."""
    raise Abort(f"Fatal glibc error: malloc assertion failure in {function}: {assertion}")
