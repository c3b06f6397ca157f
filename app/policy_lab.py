"""The policy lab's question and answer, the same for the page and for REST: references, frames and policies in, runs out."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final

from anyio import CapacityLimiter

from engine.policies import (
    GENERATORS,
    PAGE_SHIFT_MAXIMUM,
    PATTERNS,
    REFERENCES_MAXIMUM,
    MissCurve,
    Pattern,
    PolicyName,
    References,
    Run,
    Step,
    Trace,
    TraceError,
    miss_curve,
    read_trace,
    simulate,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

FRAMES_MAXIMUM: Final = 65_536
PAGES_MAXIMUM: Final = 1_000_000
PAGE_MAXIMUM: Final = (1 << 64) - 1
SEED_MAXIMUM: Final = (1 << 63) - 1
TABLE_FRAMES: Final = 16
"""Frames that a frame table can have."""
TABLE_STEPS: Final = 40
"""Steps of a frame table that are shown at once."""
CURVE_WORK: Final = 60_000
"""References times frames that a curve may cost, for each policy."""


THREADS: Final = CapacityLimiter(2)
"""Questions answered at the same moment: the page's and REST's together."""


class LabError(ValueError):
    """What was asked cannot be: `field` names what is wrong."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True)
class LabQuestion:
    """What to compare. `source` is a trace's text, page numbers, or a pattern to generate. Steps from number `first` on."""

    source: str | tuple[int, ...] | Pattern
    frames: int
    policies: tuple[PolicyName, ...] = tuple(PolicyName)
    page_shift: int = 0
    first: int = 0
    steps: int = 0
    curve_to: int = 0


@dataclass(frozen=True, slots=True)
class LabRun:
    """One policy's run, with the steps that were asked for."""

    run: Run
    written_back: int
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class LabAnswer:
    """All runs over the same trace, in the order of PolicyName."""

    trace: Trace
    distinct: int
    runs: tuple[LabRun, ...]
    curves: tuple[MissCurve, ...]


def ask(question: LabQuestion) -> LabAnswer:
    """Runs it all: some tenths of a second at most, so in a thread. Raises LabError."""
    _check(question)
    trace = _trace(question)
    references = References(trace.pages)
    wanted = [policy for policy in PolicyName if policy in question.policies]
    curve_to = min(question.curve_to, CURVE_WORK // len(trace.pages))
    return LabAnswer(
        trace=trace,
        distinct=len(set(trace.pages)),
        runs=tuple(_run(simulate(policy, references, question.frames), trace, question) for policy in wanted),
        curves=miss_curve(wanted, references, curve_to) if curve_to > 1 else (),
    )


def policies_named(names: list[str]) -> tuple[PolicyName, ...]:
    """The policies of these names. Raises LabError."""
    try:
        return tuple(PolicyName(name) for name in names)
    except ValueError as error:
        raise LabError("policies", f"{error}; it can be {', '.join(PolicyName)}") from None


def _run(run: Run, trace: Trace, question: LabQuestion) -> LabRun:
    steps: Sequence[Step] = ()
    if question.steps and run.frames <= TABLE_FRAMES:
        steps = tuple(islice(run.steps(), question.first, question.first + min(question.steps, TABLE_STEPS)))
    return LabRun(run, run.written_back(trace.writes) if any(trace.writes) else 0, tuple(steps))


def _trace(question: LabQuestion) -> Trace:
    source = question.source
    if isinstance(source, str):
        try:
            return read_trace(source, question.page_shift)
        except TraceError as error:
            raise LabError("trace", str(error)) from None
    pages = GENERATORS[source.kind](source) if isinstance(source, Pattern) else _numbers(source, question.page_shift)
    return Trace(pages, bytes(len(pages)))


def _numbers(given: tuple[int, ...], page_shift: int) -> list[int]:
    if not 1 <= len(given) <= REFERENCES_MAXIMUM:
        raise LabError("references", f"these are {len(given):,} references; it can be 1 to {REFERENCES_MAXIMUM:,}")
    for number in (min(given), max(given)):
        _within("references", number, 0, PAGE_MAXIMUM)
    return [number >> page_shift for number in given]


def _check(question: LabQuestion) -> None:
    _within("frames", question.frames, 1, FRAMES_MAXIMUM)
    _within("page_shift", question.page_shift, 0, PAGE_SHIFT_MAXIMUM)
    _within("first", question.first, 0, REFERENCES_MAXIMUM)
    if not question.policies:
        raise LabError("policies", f"choose at least one of {', '.join(PolicyName)}")
    if isinstance(question.source, Pattern):
        pattern = question.source
        if pattern.kind not in GENERATORS:
            raise LabError("kind", f"kind is {pattern.kind!r}; it can be {', '.join(PATTERNS)}")
        _within("length", pattern.length, 1, REFERENCES_MAXIMUM)
        _within("pages", pattern.pages, 1, PAGES_MAXIMUM)
        _within("seed", pattern.seed, 0, SEED_MAXIMUM)


def _within(field: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise LabError(field, f"{field} is {value}; it can be {least} to {most}")
