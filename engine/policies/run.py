"""References through a policy: hits, misses, evictions, and the frames step by step."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

from engine.policies.clock import Clock, clock_victims
from engine.policies.fifo import Fifo, fifo_victims
from engine.policies.lru import Lru, lru_victims
from engine.policies.opt import Opt, opt_victims
from engine.policies.two_lists import TwoLists

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from engine.policies.policy import Kept, Policy
    from engine.policies.references import References


class PolicyName(StrEnum):
    """The policies, in the order in which they are shown."""

    FIFO = "fifo"
    LRU = "lru"
    CLOCK = "clock"
    LINUX = "linux"
    OPT = "opt"


class Slot(NamedTuple):
    """One frame: the page in it as its policy sees it, and its place in the policy's queue (0 is looked at first)."""

    kept: Kept
    place: int


class Step(NamedTuple):
    """One reference and the frames after it."""

    number: int
    page: int
    hit: bool
    frame: int
    victim: int | None
    """The page that went for it."""
    frames: tuple[Slot | None, ...]


@dataclass(frozen=True, slots=True)
class Run:
    """What one policy made of the references."""

    policy: PolicyName
    frames: int
    misses: int
    references: References = field(repr=False)
    victims: list[int] = field(repr=False)
    """Who was evicted, in order."""

    @property
    def hits(self) -> int:
        """References that found their page in memory."""
        return len(self.references) - self.misses

    @property
    def evictions(self) -> int:
        """Pages that had to go; fewer than the misses by the frames that were free at first."""
        return len(self.victims)

    def steps(self) -> Iterator[Step]:
        """Each reference with the frame table after it. Made as they are asked for: each costs as much as there are frames."""
        return _steps(POLICIES[self.policy].kind(self.references, self.frames), self.references.pages, self.frames)

    def written_back(self, writes: bytes) -> int:
        """How many of the evicted pages were dirty; `writes` has a byte for each reference, not 0 where it is a write."""
        victims = iter(self.victims)
        resident: set[int] = set()
        dirty: set[int] = set()
        written = 0
        for page, write in zip(self.references.pages, writes, strict=True):
            if page not in resident:
                if len(resident) == self.frames:
                    victim = next(victims)
                    resident.remove(victim)
                    written += victim in dirty
                    dirty.discard(victim)
                resident.add(page)
            if write:
                dirty.add(page)
        return written


class _Kind(NamedTuple):
    kind: Callable[[References, int], Policy]
    victims: Callable[[References, int], tuple[int, list[int]]]


def simulate(policy: PolicyName, references: References, frames: int) -> Run:
    """All references under one policy. Raises ValueError for less than one frame."""
    if frames < 1:
        raise ValueError(f"frames is {frames}; it can be 1 or more")
    misses, victims = POLICIES[policy].victims(references, frames)
    return Run(policy, frames, misses, references, victims)


def _two_lists_victims(references: References, frames: int) -> tuple[int, list[int]]:
    policy = TwoLists(references, frames)
    resident: set[int] = set()
    victims: list[int] = []
    misses = 0
    for page in references.pages:
        if page in resident:
            policy.use(page)
            continue
        misses += 1
        if len(resident) == frames:
            victims.append(policy.evict())
            resident.remove(victims[-1])
        policy.load(page)
        resident.add(page)
    return misses, victims


def _steps(policy: Policy, pages: list[int], frames: int) -> Iterator[Step]:
    frame_of: dict[int, int] = {}
    for number, page in enumerate(pages):
        hit = page in frame_of
        victim = None
        if hit:
            policy.use(page)
        else:
            at = len(frame_of)
            if at == frames:
                victim = policy.evict()
                at = frame_of.pop(victim)
            policy.load(page)
            frame_of[page] = at
        table: list[Slot | None] = [None] * frames
        for place, kept in enumerate(policy.queue()):
            table[frame_of[kept.page]] = Slot(kept, place)
        yield Step(number, page, hit, frame_of[page], victim, tuple(table))


POLICIES: Final[Mapping[PolicyName, _Kind]] = MappingProxyType(
    {
        PolicyName.FIFO: _Kind(Fifo, fifo_victims),
        PolicyName.LRU: _Kind(Lru, lru_victims),
        PolicyName.CLOCK: _Kind(Clock, clock_victims),
        PolicyName.LINUX: _Kind(TwoLists, _two_lists_victims),
        PolicyName.OPT: _Kind(Opt, opt_victims),
    }
)
"""Each policy: as it reads, and as it is counted."""
