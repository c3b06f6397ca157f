"""The keys of the page: what each does. The script acts by this list, and the panel that shows it is made from it."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple


class Act(StrEnum):
    """What a key does to its target."""

    CLICK = "click"
    FOCUS = "focus"
    OPEN = "open"
    """Opens or closes what folds."""
    NONE = ""
    """The browser's or another script's own doing, told here."""


class Key(NamedTuple):
    """A key as the browser names it (several with a blank between), and the id of what it acts on. `name`: in the catalogue."""

    name: str
    press: str
    act: Act = Act.NONE
    target: str = ""

    @property
    def caps(self) -> tuple[str, ...]:
        """What stands on the keys."""
        return tuple(self.press.split(" "))


class KeyGroup(NamedTuple):
    """Keys that belong together. `name`: in the catalogue."""

    name: str
    keys: tuple[Key, ...]


KEYS: Final = (
    KeyGroup(
        "do",
        (
            Key("command", "/", Act.FOCUS, "f-words"),
            Key("line", ".", Act.CLICK, "program-next"),
        ),
    ),
    KeyGroup(
        "time",
        (
            Key("back", "[", Act.CLICK, "step-back"),
            Key("next", "]", Act.CLICK, "step-next"),
            Key("event_back", "{", Act.CLICK, "event-back"),
            Key("event_next", "}", Act.CLICK, "event-next"),
            Key("play", "p", Act.CLICK, "play"),
            Key("go", "g", Act.FOCUS, "go-to"),
            Key("branch", "b", Act.OPEN, "branches"),
        ),
    ),
    KeyGroup(
        "rows",
        (
            Key("within", "← → ↑ ↓"),
            Key("ends", "Home End"),
            Key("choose", "Enter"),
            Key("leave", "Esc"),
        ),
    ),
    KeyGroup(
        "picture",
        (
            Key("nearer", "+ ="),
            Key("farther", "-"),
            Key("all", "0"),
            Key("along", "< >"),
        ),
    ),
    KeyGroup(
        "editor",
        (
            Key("complete", "Ctrl+Space"),
            Key("candidates", "↑ ↓"),
            Key("take", "Tab"),
        ),
    ),
    KeyGroup("help", (Key("keys", "?", Act.CLICK, "keys-open"),)),
)
"""In the order in which they are shown."""


def acting() -> tuple[Key, ...]:
    """The keys by which the page's script acts."""
    return tuple(key for group in KEYS for key in group.keys if key.act is not Act.NONE)
