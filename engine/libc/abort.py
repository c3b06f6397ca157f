"""malloc_printerr(): glibc found the heap damaged, says so, and ends the process."""

from typing import NoReturn


class Abort(Exception):  # noqa: N818 - it is what the program does
    """The program wrote `message` to stderr and raised SIGABRT."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


def malloc_printerr(message: str) -> NoReturn:
    """Ends the process with one of glibc's own sentences."""
    raise Abort(message)


def malloc_assert(function: str, assertion: str) -> NoReturn:
    """__malloc_assert(): what glibc says when one of its own assertions fails."""
    raise Abort(f"Fatal glibc error: malloc assertion failure in {function}: {assertion}")
