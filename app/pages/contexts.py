"""What the pages without a machine are made of: one typed context a template."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.pages.first_picture import FirstPicture, first_picture
from app.scenarios import FIRST, Scenario, themes
from engine.views.machine import Preset, presets

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class StartPage:
    """/: the machines to choose from."""

    presets: tuple[Preset, ...]
    themes: Mapping[str, tuple[Scenario, ...]]
    first: str
    picture: FirstPicture
    error: str = ""


@dataclass(frozen=True, slots=True)
class MissingPage:
    """A machine that is not there."""

    words: str


def start_page(error: str = "") -> StartPage:
    """The first page."""
    return StartPage(presets(), themes(), FIRST, first_picture(), error)
