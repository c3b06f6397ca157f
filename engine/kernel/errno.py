"""include/uapi/asm-generic/errno-base.h: the kernel's error numbers, and the exception that carries one.

Inside the kernel a failing system call raises `Errno`; the system-call gate (`entry.py`) turns it into -errno in eax.
"""

from enum import IntEnum
from typing import Final


class ErrorNumber(IntEnum):
    """The error numbers that memory management gives, with Linux's names and values."""

    EPERM = 1
    ENOENT = 2
    EIO = 5
    EBADF = 9
    ECHILD = 10
    EAGAIN = 11
    ENOMEM = 12
    EACCES = 13
    EFAULT = 14
    EBUSY = 16
    EEXIST = 17
    ENODEV = 19
    EINVAL = 22
    EMFILE = 24
    ENOSPC = 28
    ENOSYS = 38
    EOVERFLOW = 75


MAX_ERRNO: Final = 4095
"""Values of eax in -MAX_ERRNO..-1 are errors (include/linux/err.h: IS_ERR_VALUE); every other value is a result."""


class Errno(Exception):  # noqa: N818 - it is the field's own name
    """A system call failed: `number` goes back to the program as -number in eax."""

    def __init__(self, number: ErrorNumber) -> None:
        super().__init__(number.name)
        self.number = number
