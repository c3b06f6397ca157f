"""What the page of a branch is made of: a session and the same with one command or one setting changed at a step."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from app.compare import CompareError, Kind, Side, compare, run, with_command, with_sysctl_from
from app.pages.command_words import command_of_words, words_of_command
from app.pages.compare_page import KNOBS, Knob
from app.pages.formats import count, duration
from app.pages.snapshot import Place, place_of, snapshot_inline
from app.words import t
from engine.outcome import CommandError

if TYPE_CHECKING:
    from markupsafe import Markup

    from app.compare import Comparison, Difference, Done
    from engine.commands import Command
    from engine.machine import Machine
    from engine.session import Session

ROWS_SHOWN: Final = 40
"""Commands from the branch on that are shown side by side."""
DIGITS_MAXIMUM: Final = 10


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be changed, as it was typed: command number `step` (from 1) to `words`, or a setting after step `since`."""

    step: str = ""
    words: str = ""
    since: str = ""
    name: str = ""
    value: str = ""
    pid: int = 0

    @property
    def anything(self) -> bool:
        """Whether there is anything to run."""
        return bool(self.words or self.value)


@dataclass(frozen=True, slots=True)
class Branching:
    """Both sides, and where they part: after version `base`. `changed` is what is done there instead, or besides."""

    left: Side
    right: Side
    base: int
    changed: Command
    instead: bool


@dataclass(frozen=True, slots=True)
class BranchRow:
    """One command, and what it gave on each side."""

    step: int
    command: str
    left: str
    right: str
    differs: bool


@dataclass(frozen=True, slots=True)
class RunColumn:
    """One of the two runs."""

    title: str
    picture: Markup | None
    gave: str
    time: str
    share: int


@dataclass(frozen=True, slots=True)
class CounterRow:
    """A counter of /proc/vmstat that differs at the end."""

    name: str
    left: str
    right: str
    change: str


@dataclass(frozen=True, slots=True)
class BranchPage:
    """/m/ID/branch."""

    id: str
    asked: Asked
    total: int
    version: int
    was: str
    """The command of the step that can be changed, in words."""
    error: str = ""
    first: str = ""
    after: str = ""
    left: RunColumn | None = None
    right: RunColumn | None = None
    rows: tuple[BranchRow, ...] = ()
    rows_left_out: int = 0
    counters: tuple[CounterRow, ...] = ()

    @property
    def knobs(self) -> tuple[Knob, ...]:
        """The settings to choose from."""
        return KNOBS

    def refused(self, error: str) -> BranchPage:
        """The page that says why there is nothing to show."""
        return replace(self, error=error)


def blank(session: Session, machine_id: str, asked: Asked) -> BranchPage:
    """The page before anything is run: its forms filled in for the step that is asked for, or where the machine stands."""
    step = int(asked.step) if asked.step.isdecimal() and len(asked.step) <= DIGITS_MAXIMUM else session.version
    step = max(1, min(step, len(session.commands)))
    was = words_of_command(session.commands[step - 1]) if session.commands else ""
    since = asked.since or str(session.version)
    filled = replace(asked, step=str(step) if session.commands else "", since=since, words=asked.words or was)
    return BranchPage(machine_id, filled, len(session.commands), session.version, was)


def branching(session: Session, asked: Asked) -> Branching:
    """Both sides of what is asked. Raises CompareError and CommandError."""
    left = Side(session.config, tuple(session.commands))
    if asked.words:
        index = _number("step", asked.step, 1, len(left.commands)) - 1
        before = left.commands[index]
        command = command_of_words(asked.words, before.pid, _slots(session))
        return Branching(left, with_command(left, index, command), index, command, instead=True)
    since = _number("from", asked.since, 0, len(left.commands))
    value = _number("value", asked.value, 0, 10**DIGITS_MAXIMUM)
    if asked.name not in {knob.name for knob in KNOBS}:
        known = ", ".join(knob.name for knob in KNOBS)
        raise CompareError("name", t("branch.no_setting", name=repr(asked.name[:30]), known=known))
    right = with_sysctl_from(left, since, asked.name, value, asked.pid)
    return Branching(left, right, since, right.between[-1][1], instead=False)


def branch_page(page: BranchPage, of: Branching) -> BranchPage:
    """Runs both, and fills the page. Raises CompareError, ConfigError."""
    pictures: list[Markup] = []

    def draw(left: Machine, right: Machine) -> None:
        for machine, title in ((left, t("branch.left")), (right, t("branch.right"))):
            label = t("branch.picture", run=title, step=machine.version)
            pictures.append(snapshot_inline(machine, _place(machine, of), label))

    found = compare(of.left, of.right, draw)
    longest = max(found.left_ns, found.right_ns, 1)
    first = found.first

    def column(title: str, side: int, done: Done | None, ns: int) -> RunColumn:
        picture = pictures[side] if pictures else None
        return RunColumn(title, picture, _gave(done), duration(ns), round(100 * ns / longest))

    rows = [_row(index, found) for index in range(of.base, len(of.left.commands))]
    return replace(
        page,
        first=_first(found),
        after="" if first is None else t("branch.after", step=first.index + 1),
        left=column(t("branch.left"), 0, None if first is None else first.left, found.left_ns),
        right=column(t("branch.right"), 1, None if first is None else first.right, found.right_ns),
        rows=tuple(rows[:ROWS_SHOWN]),
        rows_left_out=max(0, len(rows) - ROWS_SHOWN),
        counters=tuple(
            CounterRow(each.name, count(each.left), count(each.right), f"{each.right - each.left:+,}")
            for each in found.figures
            if each.left != each.right
        ),
    )


def accepted(of: Branching) -> tuple[list[Command], int]:
    """The other history's commands after its base that the machine accepts, and how many it refuses. Raises CompareError."""
    done = run(of.right)[of.base :]
    later = of.right.commands[of.base :]
    kept = [command for command, gave in zip(later, done, strict=True) if gave.outcome is not None]
    return ([] if of.instead else [of.changed]) + kept, len(later) - len(kept)


def _number(field: str, word: str, least: int, most: int) -> int:
    if not (word.isascii() and word.isdigit() and len(word) <= DIGITS_MAXIMUM and least <= int(word) <= most):
        raise CompareError(field, t("branch.no_number", field=field, word=repr(word[:20]), least=least, most=most))
    return int(word)


def _slots(session: Session) -> frozenset[str]:
    own = {name for process in session.machine.processes.values() for name in process.slots}
    return frozenset(own) | frozenset(session.machine.kernel_slots)


def _place(machine: Machine, of: Branching) -> Place:
    pid = of.changed.pid if of.changed.pid in machine.processes else 0
    for name in ("as_", "ptr"):
        words = getattr(of.changed, name, None)
        if isinstance(words, str):
            try:
                return place_of(machine, words, pid)
            except CommandError:
                continue
    return place_of(machine, "", pid)


def _gave(done: Done | None) -> str:
    return t("branch.nothing") if done is None else done.words


def _row(index: int, found: Comparison) -> BranchRow:
    left, right = (side[index] for side in found.done)
    commands = found.left.commands[index], found.right.commands[index]
    same = commands[0] == commands[1]
    words = words_of_command(commands[0])
    if not same:
        words = t("branch.instead", was=words, now=words_of_command(commands[1]))
    differs = not same or left != right
    told = [each.words + (f", {duration(each.ns)}" if left.ns != right.ns else "") for each in (left, right)]
    return BranchRow(index + 1, words, told[0], told[1], differs)


def _first(found: Comparison) -> str:
    """The first difference as a sentence; and, where that is the changed command itself, the first one that follows from it."""
    changed = next((each for each in found.differences if each.kind is Kind.COMMAND), None)
    outcome = next((each for each in found.differences if each.kind is Kind.OUTCOME), None)
    time = next((each for each in found.differences if each.kind is Kind.TIME), None)
    if outcome is not None and (changed is None or outcome.index >= changed.index):
        return _outcome(outcome)
    if time is not None:
        return t(
            "branch.first_time",
            step=time.index + 1,
            command=_command(time),
            left=_time(time.left),
            right=_time(time.right),
        )
    return t("branch.nothing_differs")


def _outcome(each: Difference) -> str:
    return t(
        "branch.first_outcome",
        step=each.index + 1,
        command=_command(each),
        left=_gave(each.left),
        right=_gave(each.right),
    )


def _command(each: Difference) -> str:
    command = each.left_command or each.right_command
    return "" if command is None else words_of_command(command)


def _time(done: Done | None) -> str:
    return duration(0 if done is None else done.ns)
