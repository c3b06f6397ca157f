"""Going near to a picture and away from it, by links: each names the part of the picture that it leads to."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ZoomBar:
    """Where a picture stands, and the links from there; empty where there is nowhere to go."""

    name: str
    """The picture's name in the address, such as frames."""
    words: str
    nearer: str = ""
    farther: str = ""
    before: str = ""
    after: str = ""
    whole: str = ""


def href(name: str, part: str) -> str:
    """The page with one picture at another part of it; "" is all of it."""
    return f"?zoom={name}:{part}"
