"""Brings the rows of a replay and of a recording into a form in which they are equal where they should be.

Most figures must be equal as they are. What the recorder itself occupied is in every RSS, so only changes of those count;
frames have other numbers on every run, so only who shares one with whom counts, and where one was replaced.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Row: TypeAlias = dict[str, Any]

STATUS: Final = ("VmPeak", "VmSize", "VmLck", "VmData", "VmStk", "VmExe", "VmLib")
STATUS_CHANGES: Final = ("VmPTE",)
RSS_CHANGES: Final = ("Rss", "Anonymous", "Swap", "Locked", "LazyFree")
MEMINFO: Final = ("SwapTotal", "CommitLimit")
NOT_COMPARED: Final = frozenset(("fd", "vmstat", "vmstat_change", "rss_change"))


def comparable_rows(rows: Iterable[Row], program: str) -> list[Row]:
    """The rows as they are compared; `program` is their source, since a row says only which line it answers."""
    reader = _Reader(program.splitlines())
    return [reader.comparable(row) for row in rows]


def first_difference(expected: Sequence[Row], answered: Sequence[Row], program: str) -> str:
    """The first row that differs, with its line of the program; "" where all rows are equal."""
    lines = program.splitlines()
    for number, (want, got) in enumerate(zip(expected, answered, strict=False)):
        if want != got:
            line = lines[want["i"]] if "i" in want else "the end"
            return f"row {number}, {line}: {_differing(want, got)} expected, {_differing(got, want)} answered"
    return "" if len(expected) == len(answered) else f"{len(expected)} rows expected, {len(answered)} answered"


def _differing(row: Row, other: Row) -> Row:
    return {key: value for key, value in row.items() if key not in other or other[key] != value}


class _Reader:
    """What must be remembered from row to row: each process's last figures, and the frames that were seen."""

    def __init__(self, lines: Sequence[str]) -> None:
        self._lines = lines
        self._figures: dict[tuple[int, str], Row] = {}
        self._frames: dict[tuple[int, str], list[int]] = {}
        self._names: dict[int, int] = {0: 0}

    def comparable(self, row: Row) -> Row:
        found = {key: value for key, value in row.items() if key not in NOT_COMPARED}
        process = row.get("p", 0)
        if row.get("op") != "pfn":
            self._names = {0: 0}
        if "status" in row:
            changes = self._changes(process, "status", row["status"], STATUS_CHANGES)
            found["status"] = {key: row["status"].get(key) for key in STATUS}, changes
        if "kb" in row:
            found["kb"] = self._changes(process, "rss", row["kb"], RSS_CHANGES)
        if "meminfo" in row:
            found["meminfo"] = {key: row["meminfo"].get(key) for key in MEMINFO}
        if "pfn" in row:
            found["pfn"] = self._sharing(process, self._lines[row["i"]].lstrip("@0123456789 "), row["pfn"])
        return found

    def _changes(self, process: int, kind: str, figures: Row, names: Iterable[str]) -> Row | None:
        """By how much each of the process's figures changed since they were last asked for; None the first time."""
        before = self._figures.get((process, kind))
        self._figures[process, kind] = figures
        return None if before is None else {name: figures.get(name, 0) - before.get(name, 0) for name in names}

    def _sharing(self, process: int, place: str, frames: list[int]) -> tuple[list[int], list[bool] | None]:
        """Frames by the order in which they appear in neighbouring rows; and which of this place's were replaced."""
        before = self._frames.get((process, place))
        self._frames[process, place] = frames
        named = [self._names.setdefault(frame, len(self._names)) for frame in frames]
        if before is None or len(before) != len(frames):
            return named, None
        return named, [old != new for old, new in zip(before, frames, strict=True)]
