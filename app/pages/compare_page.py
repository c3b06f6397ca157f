"""What the comparing page is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from app.compare import CompareError, Kind, compare, with_sysctls
from app.pages.command_words import words_of_command
from app.pages.formats import count, duration
from app.words import t

if TYPE_CHECKING:
    from app.compare import Comparison, Difference, Side


class Knob(NamedTuple):
    """A setting that can be changed, and what it can be. The catalogue says what it does."""

    name: str
    least: int
    most: int


KNOBS: Final = (
    Knob("swappiness", 0, 200),
    Knob("min_free_kbytes", 128, 16384),
    Knob("page-cluster", 0, 8),
    Knob("watermark_scale_factor", 1, 3000),
    Knob("vfs_cache_pressure", 0, 1000),
    Knob("dirty_ratio", 0, 100),
)


@dataclass(frozen=True, slots=True)
class FigureRow:
    """One counter, in both runs."""

    name: str
    left: str
    right: str
    change: str
    differs: bool


@dataclass(frozen=True, slots=True)
class DifferenceRow:
    """One command that went otherwise."""

    step: int
    command: str
    left: str
    right: str


@dataclass(frozen=True, slots=True)
class ComparePage:
    """/m/ID/compare."""

    id: str
    name: str
    value: str
    error: str = ""
    commands: str = ""
    left_title: str = ""
    right_title: str = ""
    first: str = ""
    outcome: DifferenceRow | None = None
    longest: tuple[DifferenceRow, ...] = ()
    figures: tuple[FigureRow, ...] = ()
    left_ns: str = ""
    right_ns: str = ""
    left_share: int = 0
    right_share: int = 0

    @property
    def knobs(self) -> tuple[Knob, ...]:
        """The settings to choose from."""
        return KNOBS

    @property
    def swappiness(self) -> str:
        """Where the slider stands."""
        return self.value if self.name == "swappiness" and self.value.isdigit() else "60"


def compare_page(machine_id: str, side: Side, name: str, value: str) -> ComparePage:
    """The page; both runs are run when there is a value. Raises CompareError, ConfigError."""
    if not value:
        return ComparePage(machine_id, name, value, commands=_commands(side))
    if not (value.isascii() and value.isdigit() and len(value) <= 10):
        raise CompareError("value", f"value is {value[:20]!r}; write a whole number")
    if name not in {knob.name for knob in KNOBS}:
        raise CompareError("name", f"name is {name[:30]!r}; it can be {', '.join(knob.name for knob in KNOBS)}")
    found = compare(side, with_sysctls(side, {name: int(value)}))
    longest = max(found.left_ns, found.right_ns, 1)
    had = dict(side.config.sysctls).get(name)
    return ComparePage(
        id=machine_id,
        name=name,
        value=value,
        commands=_commands(side),
        left_title=t("compare.as_it_was") if had is None else f"{name} = {had}",
        right_title=f"{name} = {value}",
        first=_first(found),
        outcome=next((_row(each) for each in found.differences if each.kind is Kind.OUTCOME), None),
        longest=tuple(_time_row(each) for each in found.longest),
        figures=tuple(
            FigureRow(
                each.name,
                count(each.left),
                count(each.right),
                f"{each.right - each.left:+,}" if each.left != each.right else "",
                each.left != each.right,
            )
            for each in found.figures
        ),
        left_ns=duration(found.left_ns),
        right_ns=duration(found.right_ns),
        left_share=round(100 * found.left_ns / longest),
        right_share=round(100 * found.right_ns / longest),
    )


def _commands(side: Side) -> str:
    return t("compare.commands", commands=len(side.commands))


def _first(found: Comparison) -> str:
    """The first difference as a sentence."""
    first = found.first
    if first is None:
        return t("compare.same")
    number = first.index + 1
    if first.kind is Kind.COMMAND:
        return t("compare.first_command", number=number)
    assert first.left is not None and first.right is not None and first.left_command is not None
    command = words_of_command(first.left_command)
    if first.kind is Kind.OUTCOME:
        left, right = first.left.words, first.right.words
        return t("compare.first_outcome", number=number, command=command, left=left, right=right)
    left, right = duration(first.left.ns), duration(first.right.ns)
    return t("compare.first_time", number=number, command=command, left=left, right=right)


def _row(each: Difference) -> DifferenceRow:
    assert each.left is not None and each.right is not None and each.left_command is not None
    return DifferenceRow(each.index + 1, words_of_command(each.left_command), each.left.words, each.right.words)


def _time_row(each: Difference) -> DifferenceRow:
    row = _row(each)
    assert each.left is not None and each.right is not None
    return DifferenceRow(row.step, row.command, duration(each.left.ns), duration(each.right.ns))
