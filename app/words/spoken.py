"""The language that is spoken here and now: set for each request, English where nobody has set it."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from app.words.catalogue import SOURCE, catalogues

if TYPE_CHECKING:
    from collections.abc import Iterator

    from markupsafe import Markup

    from app.words.catalogue import Catalogue

ENGLISH: Final = catalogues()[SOURCE]
_SPOKEN: Final[ContextVar[Catalogue]] = ContextVar("spoken", default=ENGLISH)
"""Threads that anyio starts for a request have a copy of its context, and so speak its language."""


def t(key: str, /, **values: Any) -> str:
    """The message `key` with its places filled in. Raises KeyError for a key or a place that is missing: our mistake."""
    return _SPOKEN.get().messages[key].say(values)


def html(key: str, /, **values: Any) -> Markup:
    """The same as HTML, with code between backticks as <code>; values are escaped unless they are Markup."""
    return _SPOKEN.get().messages[key].mark_up(values)


def shown(key: str, /, **values: Any) -> str:
    """What `t` is to a template: the same, escaped already where nothing is filled in."""
    message = _SPOKEN.get().messages[key]
    return message.say(values) if values else message.mark_up(values)


def word(table: str, name: str, default: str | None = None) -> str:
    """What a table of the catalogue calls `name`. Without a default, raises KeyError for a name that it does not have."""
    found = _SPOKEN.get().messages.get(f"{table}.{name}")
    if found is not None:
        return found.text
    if default is None:
        raise KeyError(f"{table}.{name}")
    return default


def language() -> Catalogue:
    """The language spoken here."""
    return _SPOKEN.get()


@contextmanager
def speaking(catalogue: Catalogue) -> Iterator[None]:
    """Speaks another language inside the block."""
    token = _SPOKEN.set(catalogue)
    try:
        yield
    finally:
        _SPOKEN.reset(token)
