"""Two runs side by side from boot, the first difference named: another setting, or another command, on the same session.

Each side is a configuration and commands; both are run afresh, so a session that is looked at is not touched. Commands are
matched by their number.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from time import thread_time
from typing import TYPE_CHECKING, Final, NamedTuple

from anyio import CapacityLimiter

from app.outcome_words import told
from app.words import refusal, t
from app.work import Pace
from engine.commands import Sysctl
from engine.machine import Machine
from engine.outcome import CommandError, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from engine.commands import Command
    from engine.config import MachineConfig

COMMANDS_MAXIMUM: Final = 5_000
SECONDS_MAXIMUM: Final = 10.0
"""Of the processor that works for both sides together, in one thread."""
THREADS: Final = CapacityLimiter(2)
"""Comparisons at the same moment."""
FIGURES: Final = (
    "pgfault",
    "pgmajfault",
    "pswpin",
    "pswpout",
    "pgpgin",
    "pgpgout",
    "pgscan_anon",
    "pgscan_file",
    "pgsteal_anon",
    "pgsteal_file",
    "pgsteal_kswapd",
    "pgsteal_direct",
    "pageoutrun",
    "workingset_refault_anon",
    "workingset_refault_file",
    "oom_kill",
    "nr_free_pages",
    "nr_inactive_anon",
    "nr_active_anon",
    "nr_inactive_file",
    "nr_active_file",
)
"""Lines of /proc/vmstat that are told whether they differ or not."""


class CompareError(ValueError):
    """These runs cannot be compared: `field` names what is wrong."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True)
class Side:
    """One run: what the machine is, and what it is asked."""

    config: MachineConfig
    commands: tuple[Command, ...]
    between: tuple[tuple[int, Sysctl], ...] = ()
    """Settings that are written besides, each before the command of that number (from 0): not counted among the commands."""


class Kind(StrEnum):
    """What differs at a command."""

    COMMAND = "command"
    """The command itself; or there is one on one side alone."""
    OUTCOME = "outcome"
    """What the program saw."""
    TIME = "time"
    """How long it took: the program saw the same."""


class Done(NamedTuple):
    """What one command gave: its outcome, or why it was refused; and its simulated nanoseconds."""

    outcome: Outcome | None
    refused: str
    ns: int

    @property
    def words(self) -> str:
        """The outcome in a few words."""
        if self.outcome is None:
            return t("outcome.refused", refusal=refusal(self.refused))
        words, minor, major = told(self.outcome), self.outcome.minflt, self.outcome.majflt
        if minor and major:
            return t("outcome.with_both", outcome=words, minor=minor, major=major)
        if minor:
            return t("outcome.with_minor", outcome=words, minor=minor)
        return t("outcome.with_major", outcome=words, major=major) if major else words


@dataclass(frozen=True, slots=True)
class Difference:
    """The first command, counted from 0, at which something of `kind` differs. None: that side has no such command."""

    kind: Kind
    index: int
    left: Done | None
    right: Done | None
    left_command: Command | None
    right_command: Command | None


@dataclass(frozen=True, slots=True)
class Figure:
    """One counter at the end of both runs."""

    name: str
    left: int
    right: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """Both runs. `differences` has the first of each kind, the earliest first; times in simulated nanoseconds since boot."""

    left: Side
    right: Side
    differences: tuple[Difference, ...]
    figures: tuple[Figure, ...]
    """FIGURES, then every other line of /proc/vmstat that differs."""
    left_ns: int
    right_ns: int
    longest: tuple[Difference, ...]
    """The commands whose times differ most, the most first."""
    done: tuple[tuple[Done, ...], tuple[Done, ...]] = ((), ())
    """What each command gave, on the left and on the right."""

    @property
    def first(self) -> Difference | None:
        """The earliest difference of all."""
        return self.differences[0] if self.differences else None


class _Run:
    """One side as it is run."""

    def __init__(self, side: Side) -> None:
        self._side = side
        self._between: dict[int, list[Sysctl]] = {}
        for index, command in side.between:
            self._between.setdefault(index, []).append(command)
        self.machine = Machine(side.config)
        self.machine.trace.on = False
        self.done: list[Done] = []

    def step(self, index: int) -> None:
        """Performs command number `index`, if there is one, and what is done before it. Raises CompareError."""
        if index >= len(self._side.commands):
            return
        self._do_between(index)
        before = self.machine.time_ns
        try:
            outcome, refused = self.machine.perform(self._side.commands[index]), ""
        except CommandError as error:
            outcome, refused = None, f"{error.field}: {error}"
        self.done.append(Done(outcome, refused, self.machine.time_ns - before))

    def end(self) -> None:
        """Does what is done after the last command."""
        self._do_between(len(self._side.commands))

    def vmstat(self) -> dict[str, int]:
        """/proc/vmstat as it is now."""
        lines = (line.split() for line in self.machine.proc_file("vmstat").splitlines())
        return {name: int(value) for name, value in lines}

    def _do_between(self, index: int) -> None:
        for command in self._between.get(index, ()):
            try:
                outcome = self.machine.perform(command)
            except CommandError as error:
                raise CompareError(error.field, str(error)) from None
            if outcome.errno is not None:
                raise CompareError("value", f"sysctls: {command.name} = {command.value} gives {outcome.errno}")


LONGEST: Final = 5


def with_sysctls(side: Side, sysctls: Mapping[str, int]) -> Side:
    """The same run on a machine that booted with these settings. A command that sets one itself still does."""
    return replace(side, config=replace(side.config, sysctls=_merged(side.config.sysctls, sysctls)))


def with_command(side: Side, index: int, command: Command) -> Side:
    """The same run with another command number `index`, or with one more at the end. Raises CompareError."""
    if not 0 <= index <= len(side.commands):
        raise CompareError("index", f"index is {index}; it can be 0 to {len(side.commands)}")
    return replace(side, commands=(*side.commands[:index], command, *side.commands[index + 1 :]))


def with_sysctl_from(side: Side, index: int, name: str, value: int, pid: int = 0) -> Side:
    """The same run with a setting written before command number `index`, or after the last. Raises CompareError."""
    if not 0 <= index <= len(side.commands):
        raise CompareError("from", f"from is {index}; it can be 0 to {len(side.commands)}")
    return replace(side, between=(*side.between, (index, Sysctl(name=name, value=value, pid=pid))))


def compare(left: Side, right: Side, at_first: Callable[[Machine, Machine], None] | None = None) -> Comparison:
    """Runs both, command by command: seconds at most, so in a thread. `at_first` sees both machines after the first command
    at which anything differs. Raises CompareError; ConfigError for a setting that cannot be.
    """
    longest = max(len(left.commands), len(right.commands))
    if longest > COMMANDS_MAXIMUM:
        raise CompareError("commands", f"{longest:,} commands; {COMMANDS_MAXIMUM:,} can be run side by side")
    deadline, pace = thread_time() + SECONDS_MAXIMUM, Pace()
    first, second = _Run(left), _Run(right)
    for index in range(longest):
        first.step(index)
        second.step(index)
        if at_first is not None and _differs(index, left, right, first, second):
            at_first(first.machine, second.machine)
            at_first = None
        _in_time(deadline)
        pace.give_way()
    first.end()
    second.end()
    found = _differences(left, right, first, second)
    return Comparison(
        left=left,
        right=right,
        differences=tuple(sorted(found.values(), key=lambda each: (each.index, [*Kind].index(each.kind)))),
        figures=_figures(first.vmstat(), second.vmstat()),
        left_ns=first.machine.time_ns,
        right_ns=second.machine.time_ns,
        longest=_longest(left, right, first, second),
        done=(tuple(first.done), tuple(second.done)),
    )


def run(side: Side) -> tuple[Done, ...]:
    """What each command of one side gives. Raises CompareError."""
    deadline, pace = thread_time() + SECONDS_MAXIMUM, Pace()
    alone = _Run(side)
    for index in range(len(side.commands)):
        alone.step(index)
        _in_time(deadline)
        pace.give_way()
    alone.end()
    return tuple(alone.done)


def _in_time(deadline: float) -> None:
    if thread_time() > deadline:
        raise CompareError("commands", f"these take longer than {SECONDS_MAXIMUM:g} seconds; compare a shorter session")


def _merged(had: Sequence[tuple[str, int]], given: Mapping[str, int]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted((dict(had) | dict(given)).items()))


def _differs(index: int, left: Side, right: Side, first: _Run, second: _Run) -> bool:
    both = _at(index, left, right, first, second, Kind.COMMAND)
    return both.left_command != both.right_command or both.left != both.right


def _differences(left: Side, right: Side, first: _Run, second: _Run) -> dict[Kind, Difference]:
    """The first of each kind. After commands that differ, their outcomes and times are still matched by number."""
    found: dict[Kind, Difference] = {}
    for index in range(max(len(left.commands), len(right.commands))):
        both = _at(index, left, right, first, second, Kind.COMMAND)
        if both.left_command != both.right_command:
            found.setdefault(Kind.COMMAND, both)
        if both.left is None or both.right is None:
            continue
        if (both.left.outcome, both.left.refused) != (both.right.outcome, both.right.refused):
            found.setdefault(Kind.OUTCOME, replace(both, kind=Kind.OUTCOME))
        if both.left.ns != both.right.ns:
            found.setdefault(Kind.TIME, replace(both, kind=Kind.TIME))
    return found


def _at(index: int, left: Side, right: Side, first: _Run, second: _Run, kind: Kind) -> Difference:
    on_left, on_right = index < len(left.commands), index < len(right.commands)
    return Difference(
        kind,
        index,
        first.done[index] if on_left else None,
        second.done[index] if on_right else None,
        left.commands[index] if on_left else None,
        right.commands[index] if on_right else None,
    )


def _longest(left: Side, right: Side, first: _Run, second: _Run) -> tuple[Difference, ...]:
    apart = [
        (abs(one.ns - other.ns), -index)
        for index, (one, other) in enumerate(zip(first.done, second.done, strict=False))
        if one.ns != other.ns
    ]
    most = sorted(apart, reverse=True)[:LONGEST]
    return tuple(_at(-index, left, right, first, second, Kind.TIME) for _, index in most)


def _figures(left: Mapping[str, int], right: Mapping[str, int]) -> tuple[Figure, ...]:
    known = [name for name in FIGURES if name in left]
    others = [name for name in left if name not in FIGURES and left[name] != right.get(name, 0)]
    return tuple(Figure(name, left[name], right.get(name, 0)) for name in known + others)
