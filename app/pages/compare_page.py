"""What the comparing page is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from app.compare import CompareError, Kind, compare, with_sysctls
from app.pages.command_words import words_of_command
from app.pages.formats import count, duration

if TYPE_CHECKING:
    from app.compare import Comparison, Difference, Side


class Knob(NamedTuple):
    """A setting that can be changed: what it can be, and what it does in a few words."""

    name: str
    least: int
    most: int
    words: str


KNOBS: Final = (
    Knob("swappiness", 0, 200, "how gladly anonymous pages are swapped, beside dropping file pages"),
    Knob("min_free_kbytes", 128, 16384, "the reserve below which allocations wait: the min watermark"),
    Knob("page-cluster", 0, 8, "2 to the power of it pages are read from swap at once"),
    Knob("watermark_scale_factor", 1, 3000, "how far low and high lie above min, in ten-thousandths of memory"),
    Knob("vfs_cache_pressure", 0, 1000, "how gladly the kernel's own caches shrink"),
    Knob("dirty_ratio", 0, 100, "per cent of memory that may be dirty before writers wait"),
)
_FIGURE_WORDS: Final = {
    "pgfault": "page faults",
    "pgmajfault": "of these major: waited for the disk",
    "pswpin": "pages read from swap",
    "pswpout": "pages written to swap",
    "pgpgin": "KB read from disks",
    "pgpgout": "KB written to disks",
    "pgscan_anon": "anonymous pages looked at by reclaim",
    "pgscan_file": "file pages looked at by reclaim",
    "pgsteal_anon": "anonymous pages reclaimed",
    "pgsteal_file": "file pages reclaimed",
    "pgsteal_kswapd": "pages reclaimed by kswapd",
    "pgsteal_direct": "pages reclaimed by who allocated",
    "pageoutrun": "times kswapd balanced the node",
    "workingset_refault_anon": "anonymous pages that came back",
    "workingset_refault_file": "file pages that came back",
    "oom_kill": "processes killed",
    "nr_free_pages": "free pages at the end",
    "nr_inactive_anon": "inactive anonymous pages at the end",
    "nr_active_anon": "active anonymous pages at the end",
    "nr_inactive_file": "inactive file pages at the end",
    "nr_active_file": "active file pages at the end",
}


@dataclass(frozen=True, slots=True)
class FigureRow:
    """One counter, in both runs."""

    name: str
    words: str
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
        left_title="as it was" if had is None else f"{name} = {had}",
        right_title=f"{name} = {value}",
        first=_first(found),
        outcome=next((_row(each) for each in found.differences if each.kind is Kind.OUTCOME), None),
        longest=tuple(_time_row(each) for each in found.longest),
        figures=tuple(
            FigureRow(
                each.name,
                _FIGURE_WORDS.get(each.name, ""),
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
    number = len(side.commands)
    return f"{count(number)} command" + ("" if number == 1 else "s")


def _first(found: Comparison) -> str:
    """The first difference as a sentence."""
    first = found.first
    if first is None:
        return "Nothing differs: every command gave the same, in the same time."
    command = "" if first.left_command is None else f", {words_of_command(first.left_command)},"
    if first.kind is Kind.COMMAND:
        return f"The first difference is command {first.index + 1} itself."
    assert first.left is not None and first.right is not None
    if first.kind is Kind.OUTCOME:
        return (
            f"The first difference is what command {first.index + 1}{command} gave:"
            f" {first.left.words}; and {first.right.words}."
        )
    return (
        f"The first difference is the time of command {first.index + 1}{command} which gave the same:"
        f" {duration(first.left.ns)}, and {duration(first.right.ns)}."
    )


def _row(each: Difference) -> DifferenceRow:
    assert each.left is not None and each.right is not None and each.left_command is not None
    return DifferenceRow(each.index + 1, words_of_command(each.left_command), each.left.words, each.right.words)


def _time_row(each: Difference) -> DifferenceRow:
    row = _row(each)
    assert each.left is not None and each.right is not None
    return DifferenceRow(row.step, row.command, duration(each.left.ns), duration(each.right.ns))
