"""A catalogue: every message of one language, read once from its TOML file, ready to be filled in.

A message is text with named places, `{name}`, which take Python's format specifications: `{pages:,}`. A place whose
specification has a bar chooses a word by number: `{pages:,} {pages:page|pages}` is "1 page" or "2 pages". How many words
there are, and which of them a number takes, is the language's own: Chinese has one, and writes `{pages:,} 页`.
Code stands between backticks: `malloc`.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from string import Formatter
from typing import TYPE_CHECKING, Any, Final

from markupsafe import Markup, escape

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

FOLDER: Final = Path(__file__).parents[1] / "content" / "words"
SOURCE: Final = "en"
"""The language that every other is translated from; what another lacks is said in it."""
PLURALS: Final[Mapping[str, tuple[int, Callable[[int], int]]]] = {
    "none": (1, lambda number: 0),
    "one, other": (2, lambda number: number != 1),
}
"""How many forms a word has, and which of them a number takes (CLDR's cardinal rules, for whole numbers)."""
_MARK: Final = "`"


class CatalogueError(ValueError):
    """A catalogue that cannot be read: the message names the file's key and what is wrong with it."""


class Message:
    """One message. `places` are the names that it must be given."""

    __slots__ = ("_choices", "_markup", "_number_of", "_template", "places", "text")

    def __init__(self, text: str, plural: str) -> None:
        self.text = text
        self._template, self._choices = _compiled(text, PLURALS[plural][0])
        self._number_of = PLURALS[plural][1]
        self._markup: Markup | None = None
        self.places = frozenset(name for _, name, _, _ in Formatter().parse(text) if name is not None)

    def say(self, values: dict[str, Any]) -> str:
        """The message with its places filled in. Raises KeyError for one that is not given."""
        for place, name, forms in self._choices:
            values[place] = forms[self._number_of(values[name])]
        return self._template.format_map(values) if self.places else self._template

    def mark_up(self, values: dict[str, Any]) -> Markup:
        """The same as HTML: code as <code>, values escaped unless they are Markup."""
        if self._markup is None:
            # An apostrophe needs no escape where attributes stand between quotation marks.
            parts = str(escape(self._template)).replace("&#39;", "'").split(_MARK)
            marked = (part if number % 2 == 0 else f"<code>{part}</code>" for number, part in enumerate(parts))
            self._markup = Markup("".join(marked))  # noqa: S704 - the catalogue's text, escaped
        for place, name, forms in self._choices:
            values[place] = forms[self._number_of(values[name])]
        return self._markup.format_map(values) if self.places else self._markup

    def forms(self) -> tuple[int, ...]:
        """How many forms each choice by number has."""
        return tuple(len(forms) for _, _, forms in self._choices)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The messages of one language. `tag` is what HTML's lang says."""

    tag: str
    name: str
    """The language's name for itself, as the switch shows it."""
    short: str
    messages: Mapping[str, Message]

    def __getitem__(self, key: str) -> Message:
        return self.messages[key]


def read_catalogue(text: str, tag: str) -> Catalogue:
    """The catalogue that `text`, a TOML file, is. Raises CatalogueError."""
    tables = tomllib.loads(text)
    head = tables.pop("language", {})
    missing = [name for name in ("name", "short", "plural") if not isinstance(head.get(name), str)]
    if missing:
        raise CatalogueError(f"[language] lacks {', '.join(missing)}")
    if head["plural"] not in PLURALS:
        raise CatalogueError(f"[language] plural is {head['plural']!r}; it can be {', '.join(map(repr, PLURALS))}")
    found: dict[str, Message] = {}
    for key, message in _flat(tables):
        if not isinstance(message, str):
            raise CatalogueError(f"{key} is {message!r}; a message is text between quotation marks")
        try:
            found[key] = Message(message, head["plural"])
        except ValueError as error:
            raise CatalogueError(f"{key}: {error}") from None
    return Catalogue(tag, head["name"], head["short"], found)


@cache
def catalogues() -> Mapping[str, Catalogue]:
    """All of them by tag, English first. What one lacks, English says for it."""
    english = read_catalogue((FOLDER / f"{SOURCE}.toml").read_text("utf-8"), SOURCE)
    found = {SOURCE: english}
    for path in sorted(FOLDER.glob("*.toml")):
        if path.stem != SOURCE:
            own = read_catalogue(path.read_text("utf-8"), path.stem)
            found[own.tag] = Catalogue(own.tag, own.name, own.short, {**english.messages, **own.messages})
    return found


def catalogue(tag: str) -> Catalogue | None:
    """The catalogue for a language as a browser names it (zh, zh-CN, en-GB), or None."""
    known = catalogues()
    wanted = tag.strip().lower()
    exact = next((found for name, found in known.items() if name.lower() == wanted), None)
    main = wanted.partition("-")[0]
    return exact or next((found for name, found in known.items() if name.partition("-")[0] == main), None)


def _flat(tables: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in tables.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield before + name, value


def _compiled(text: str, count: int) -> tuple[str, tuple[tuple[str, str, tuple[str, ...]], ...]]:
    """The text for str.format, and its choices: (the place that takes the word, the number's name, the words)."""
    parts: list[str] = []
    choices: list[tuple[str, str, tuple[str, ...]]] = []
    for literal, name, spec, conversion in Formatter().parse(text):
        parts.append(literal.replace("{", "{{").replace("}", "}}"))
        if name is None:
            continue
        if not name.isidentifier() or conversion:
            raise ValueError(f"{{{name}}} is no place; write a name: {{pages}}")
        if "|" not in (spec or ""):
            parts.append(f"{{{name}:{spec}}}" if spec else f"{{{name}}}")
            continue
        forms = tuple((spec or "").split("|"))
        if len(forms) != count:
            raise ValueError(f"{{{name}:{spec}}} has {len(forms)} forms; this language has {count}")
        place = f"{name}_{len(choices)}"
        choices.append((place, name, forms))
        parts.append(f"{{{place}}}")
    whole = "".join(parts)
    return (whole if choices or "{" in text else text), tuple(choices)
