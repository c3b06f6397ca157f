"""One event told: the words, where it happens, and the keys of the things that it names."""

from __future__ import annotations

from typing import NamedTuple


class Sentence(NamedTuple):
    """`place` is the function of Linux or glibc; `keys` link the sentence with the diagrams (see keys.py)."""

    words: str
    place: str
    keys: tuple[str, ...] = ()
