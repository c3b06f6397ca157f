"""A line's words and where they stand. Brackets, commas and a closing semicolon only part words, as in C."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

COMMENT: Final = "#"
_WORD: Final = re.compile(r"'(?:\\.|[^'\\])'|=|[^\s,()=;]+")
_COMMENT: Final = re.compile(r"(?:^|\s)#.*")


class Token(NamedTuple):
    """A word, and its column from 0."""

    text: str
    column: int

    @property
    def end(self) -> int:
        """The column behind it."""
        return self.column + len(self.text)


def tokens_of(line: str) -> list[Token]:
    """The words of a line without its comment."""
    return [Token(found.group(), found.start()) for found in _WORD.finditer(without_comment(line))]


def without_comment(line: str) -> str:
    """The line up to its comment, if it has one: a # at its beginning or behind a space."""
    return _COMMENT.sub("", line, count=1)
