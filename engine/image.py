"""A program image: what exec() maps into a new process, and where.

Address-space randomisation is off, as `setarch -R` gives it: every run has the same addresses.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

LIBC_PATH: Final = "/lib32/libc.so.6"
STACK_TOP: Final = 0xC0000000


@dataclass(frozen=True, slots=True)
class Mapping:
    """One line of /proc/PID/maps: [start, end) in bytes, `permissions` as "r-xp", `offset` in the file, `name` as shown."""

    start: int
    end: int
    permissions: str
    offset: int
    name: str


@dataclass(frozen=True, slots=True)
class ProgramImage:
    """The regions of a freshly started program, in address order, and its break (where the heap will begin)."""

    mappings: tuple[Mapping, ...]
    brk: int

    def base_of(self, name: str) -> int:
        """Where the file `name` is mapped first. Raises KeyError when it is not mapped at all."""
        for mapping in self.mappings:
            if mapping.name == name:
                return mapping.start
        raise KeyError(name)


def _libraries() -> tuple[Mapping, ...]:
    """glibc 2.36 and its loader below 0xb8000000, the vdso between them, and the stack, as Debian 12 places them."""
    libc, loader = LIBC_PATH, "/lib/ld-linux.so.2"
    return (
        Mapping(0xB7D9B000, 0xB7DBD000, "r--p", 0, libc),
        Mapping(0xB7DBD000, 0xB7F36000, "r-xp", 139264, libc),
        Mapping(0xB7F36000, 0xB7FB6000, "r--p", 1683456, libc),
        Mapping(0xB7FB6000, 0xB7FB8000, "r--p", 2207744, libc),
        Mapping(0xB7FB8000, 0xB7FB9000, "rw-p", 2215936, libc),
        Mapping(0xB7FB9000, 0xB7FC5000, "rw-p", 0, ""),
        Mapping(0xB7FC5000, 0xB7FC9000, "r--p", 0, "[vvar]"),
        Mapping(0xB7FC9000, 0xB7FCB000, "r-xp", 0, "[vdso]"),
        Mapping(0xB7FCB000, 0xB7FCC000, "r--p", 0, loader),
        Mapping(0xB7FCC000, 0xB7FEF000, "r-xp", 4096, loader),
        Mapping(0xB7FEF000, 0xB7FFD000, "r--p", 147456, loader),
        Mapping(0xB7FFD000, 0xB7FFF000, "r--p", 200704, loader),
        Mapping(0xB7FFF000, 0xB8000000, "rw-p", 208896, loader),
        Mapping(0xBFFDF000, STACK_TOP, "rw-p", 0, "[stack]"),
    )


def _program(path: str) -> tuple[Mapping, ...]:
    """A small C program, linked without -pie: headers, code, constants, relocated constants, data, bss."""
    return (
        Mapping(0x08048000, 0x08049000, "r--p", 0, path),
        Mapping(0x08049000, 0x0804A000, "r-xp", 4096, path),
        Mapping(0x0804A000, 0x0804B000, "r--p", 8192, path),
        Mapping(0x0804B000, 0x0804C000, "r--p", 8192, path),
        Mapping(0x0804C000, 0x0804D000, "rw-p", 12288, path),
        Mapping(0x0804D000, 0x0804E000, "rw-p", 0, "[heap]"),
    )


DEFAULT_IMAGE: Final = ProgramImage(mappings=_program("/bin/student") + _libraries(), brk=0x0804E000)
"""What the playground runs. The page before the break is the program's bss; /proc calls it [heap], as Linux does."""
