"""Refusals in another language. The engine and the readers of programs refuse in English sentences, which the API and the
command line show as they are; on a page each is recognised by the catalogue's own English sentence, and said in the
language that is spoken.
"""

from __future__ import annotations

import re
from functools import cache
from string import Formatter
from typing import Final

from app.words.spoken import ENGLISH, language

TABLE: Final = "refusal."


def refusal(error: object) -> str:
    """What a refusal says, in the language that is spoken; one that the catalogue does not know stays English.

    A refusal may stand inside another: "line 3: size is -1; …".
    """
    said = str(error)
    spoken = language()
    if spoken is ENGLISH:
        return said
    for key, pattern in _patterns():
        found = pattern.fullmatch(said)
        if found is not None:
            return spoken[key].say({name: refusal(value) for name, value in found.groupdict().items()})
    return said


def recognised(sentence: str) -> str | None:
    """The key of the refusal that says `sentence`, or None."""
    return next((key for key, pattern in _patterns() if pattern.fullmatch(sentence)), None)


@cache
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """Each refusal's sentence as a pattern, tried in the catalogue's order: general ones come last there."""
    return tuple((key, _pattern(message.text)) for key, message in ENGLISH.messages.items() if key.startswith(TABLE))


def _pattern(text: str) -> re.Pattern[str]:
    parts = []
    for literal, name, _, _ in Formatter().parse(text):
        parts.append(re.escape(literal))
        if name is not None:
            parts.append(f"(?P<{name}>.+?)")
    return re.compile("".join(parts), re.DOTALL)
