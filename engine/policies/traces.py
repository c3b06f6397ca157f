"""Traces to import: page numbers or addresses, one or several a line, or what valgrind's lackey tells of a program's memory.

7 0 1 2             page numbers (or addresses), in decimal, or 0x… in hexadecimal
0x08049f20 w        r or w after a number: read or write; a read unless told
# or //             the rest of the line is a remark
 L 1ffeffe7e,8      lackey, --trace-mem=yes: I fetch, L load, S store, M both; address in hexadecimal, size in bytes
==1234== …          valgrind's own words are passed over
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

REFERENCES_MAXIMUM: Final = 100_000
PAGE_SHIFT_MAXIMUM: Final = 30
LACKEY_PAGE_SHIFT: Final = 12
"""Lackey tells addresses, whatever the other numbers are: their pages are of 4 KB unless told otherwise."""
_LACKEY: Final = re.compile(r"(I |\s[LSM])\s+([0-9a-fA-F]{1,16}),([0-9]{1,6})\s*")
_NUMBER: Final = re.compile(r"0[xX][0-9a-fA-F]{1,16}|[0-9]{1,20}")
_REMARK: Final = re.compile(r"#|//")
_SHOWN: Final = 40


class TraceError(ValueError):
    """A line that is no reference; `line` counts from 1."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(f"line {line}: {message}" if line else message)
        self.line = line


@dataclass(frozen=True, slots=True)
class Trace:
    """The references: a page number each, and a byte that is 1 for a write."""

    pages: list[int]
    writes: bytes


def read_trace(text: str, page_shift: int = 0) -> Trace:
    """The references in `text`. A number's page is number >> page_shift: 0 for page numbers, 12 for addresses.

    Raises TraceError for what cannot be read, for none at all, and for more than REFERENCES_MAXIMUM.
    """
    pages: list[int] = []
    writes = bytearray()
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith(("==", "--")):
            continue
        access = _LACKEY.fullmatch(line)
        if access is not None:
            _add_access(access, page_shift or LACKEY_PAGE_SHIFT, pages, writes)
        else:
            _add_words(_REMARK.split(line, maxsplit=1)[0], number, page_shift, pages, writes)
        if len(pages) > REFERENCES_MAXIMUM:
            raise TraceError(number, f"these are more than {REFERENCES_MAXIMUM:,} references")
    if not pages:
        raise TraceError(0, "there is no reference in it")
    return Trace(pages, bytes(writes))


def _add_access(access: re.Match[str], shift: int, pages: list[int], writes: bytearray) -> None:
    """A line of lackey's: one reference to each page that the bytes lie in."""
    kind, address, size = access[1].strip(), int(access[2], 16), int(access[3])
    touched = range(address >> shift, (address + max(size, 1) - 1 >> shift) + 1)
    pages.extend(touched)
    writes.extend(bytes([kind in "SM"]) * len(touched))


def _add_words(line: str, number: int, shift: int, pages: list[int], writes: bytearray) -> None:
    fresh = False
    for word in line.replace(",", " ").replace(";", " ").split():
        if word in ("r", "R", "w", "W"):
            if not fresh:
                raise TraceError(number, f"{word!r} stands after the number that it is of")
            writes[-1] = word in "wW"
            fresh = False
            continue
        if not _NUMBER.fullmatch(word):
            shown = word if len(word) <= _SHOWN else word[:_SHOWN] + "…"
            raise TraceError(number, f"{shown!r} is no number; write 123 or 0x7b")
        pages.append(int(word, 16 if word[:2] in ("0x", "0X") else 10) >> shift)
        writes.append(0)
        fresh = True
