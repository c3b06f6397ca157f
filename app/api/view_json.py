"""Views as JSON: every record by its fields' names, events and commands among them."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any, Final

from pydantic_core import to_json

_PLAIN: Final = frozenset((int, str, bool, float, type(None)))
_NAMES: Final[dict[type, tuple[tuple[str, str], ...]]] = {}
"""Each dataclass's fields as (attribute, name outside Python), once it was met."""


def view_json(view: object) -> bytes:
    """The view as JSON. pydantic alone would write an event, which is a NamedTuple, as a list without names."""
    return to_json(_named(view))


def _named(value: Any) -> Any:
    kind = type(value)
    if kind in _PLAIN:
        return value
    if isinstance(value, tuple):
        names: tuple[str, ...] | None = getattr(value, "_fields", None)
        if names is None:
            return [_named(each) for each in value]
        return {name: _named(each) for name, each in zip(names, value, strict=True)}
    if is_dataclass(kind):
        return {name: _named(getattr(value, attribute)) for attribute, name in _names(kind)}
    return value


def _names(kind: type) -> tuple[tuple[str, str], ...]:
    """`as_` is "as" outside Python, as everywhere in the API."""
    found = _NAMES.get(kind)
    if found is None:
        found = _NAMES[kind] = tuple((field.name, field.name.rstrip("_")) for field in fields(kind))
    return found
