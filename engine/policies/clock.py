"""CLOCK, or second chance: a hand goes round the frames; a page used since it last came by is passed over once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.policies.policy import Kept

if TYPE_CHECKING:
    from engine.policies.references import References


class Clock:
    """The frames in a circle, each with its reference bit, and the hand. A page that is loaded counts as used."""

    __slots__ = ("_frames", "_hand", "_number", "_pages", "_used")

    def __init__(self, references: References, frames: int) -> None:
        self._number = frames
        self._pages: list[int] = []
        self._used: list[bool] = []
        self._frames: dict[int, int] = {}
        self._hand = 0

    def use(self, page: int) -> None:
        """Sets its reference bit."""
        self._used[self._frames[page]] = True

    def evict(self) -> int:
        """Clears reference bits until the hand meets one that is clear already."""
        while self._used[self._hand]:
            self._used[self._hand] = False
            self._hand = (self._hand + 1) % self._number
        victim = self._pages[self._hand]
        del self._frames[victim]
        return victim

    def load(self, page: int) -> None:
        """Into the next frame that is free, else into the one under the hand, which moves on."""
        at = len(self._pages)
        if at < self._number:
            self._pages.append(page)
            self._used.append(True)
        else:
            at = self._hand
            self._pages[at], self._used[at] = page, True
            self._hand = (at + 1) % self._number
        self._frames[page] = at

    def queue(self) -> list[Kept]:
        """From the hand on."""
        frames = [*range(self._hand, len(self._pages)), *range(self._hand)]
        return [Kept(self._pages[at], referenced=self._used[at]) for at in frames]


def clock_victims(references: References, frames: int) -> tuple[int, list[int]]:
    """Misses, and who went. The reference bits are bytes in a row: the next clear one is found without a loop."""
    ids = references.ids
    frame_of = [-1] * references.limit
    held = [0] * frames
    used = bytearray(frames)
    victims: list[int] = []
    evicted = victims.append
    hand = filled = 0
    for page in ids:
        at = frame_of[page]
        if at < 0:
            if filled < frames:
                at = filled
                filled += 1
            else:
                at = _sweep(used, hand) if used[hand] else hand
                victim = held[at]
                evicted(victim)
                frame_of[victim] = -1
                hand = at + 1 if at + 1 < frames else 0
            held[at] = page
            frame_of[page] = at
        used[at] = 1
    return filled + len(victims), references.named(victims)


def _sweep(used: bytearray, hand: int) -> int:
    """Clears the bits that the hand passes on its way to the next clear one; where that is."""
    found = used.find(0, hand)
    if found < 0:
        used[hand:] = bytes(len(used) - hand)
        hand, found = 0, used.find(0)
    used[hand:found] = bytes(found - hand)
    return found
