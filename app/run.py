"""`pagewalk run`: performs a program and tells what happened, for people and for machines."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from app.language import read_program
from app.programs import ProgramError, ProgramLine, parse_program
from app.rows import Row, rows_of, status_of
from engine.events import event_name
from engine.machine import Machine
from engine.outcome import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from engine.config import MachineConfig
    from engine.outcome import Outcome
    from engine.trace import Record


class Step(NamedTuple):
    """One operation performed: its rows, what it caused, and the simulated time when it was over."""

    line: ProgramLine | None
    rows: list[Row]
    records: list[Record]
    time_ns: int
    told: str = ""
    """For people, where there is no line."""


def perform_program(config: MachineConfig, text: str, *, corpus: bool = True) -> Iterator[Step]:
    """Performs the program on a fresh machine: of the corpus's language, whose unset slots are NULL, or of ours.

    Raises ProgramError for the first line that cannot be.
    """
    lines = parse_program(text) if corpus else _lines(text)
    machine = Machine(replace(config, null_slots=True) if corpus else config)
    for line in lines:
        first = machine.trace.total
        outcome = perform_line(machine, line)
        yield Step(line, rows_of(line, outcome), list(machine.trace.records(first)), machine.time_ns)
        if outcome.ended is not None and not outcome.pid and line.word != "wait":
            yield ended(machine, status_of(outcome))
            return
    yield ended(machine, 0)


def _lines(text: str) -> list[ProgramLine]:
    """The operations of a program in our own language."""
    program = read_program(text, corpus=False)
    for mistake in program.mistakes:
        raise ProgramError(mistake.line, f"column {mistake.column + 1}: {mistake.message}")
    return [ProgramLine(line.index, line.command.op, line.text, line.command) for line in program.lines]


def ended(machine: Machine, status: int) -> Step:
    """The last step of a program: its exit status, as a shell sees it."""
    return Step(None, [{"end": status}], [], machine.time_ns, f"exit status {status}")


def perform_line(machine: Machine, line: ProgramLine) -> Outcome:
    """Performs one operation. Raises ProgramError naming its line where it cannot be."""
    try:
        return machine.perform(line.command)
    except CommandError as error:
        raise ProgramError(line.index, str(error)) from None


def print_steps(console: Console, steps: Iterator[Step], *, trace: bool) -> None:
    """Each operation on a line: what was asked, what came of it; and, if asked for, the tree of what it caused."""
    before = 0
    for step in steps:
        for row in step.rows:
            if step.line is None:
                console.print(f"[dim]{step.told}[/dim]")
            else:
                took = step.time_ns - before
                console.print(f"{step.line.text:<32} {_told(row)}  [dim]{took} ns[/dim]", markup=True)
        if trace:
            for depth, text in _tree(step.records):
                console.print(f"  {'  ' * depth}{text}", style="dim", markup=False)
        before = step.time_ns


def _told(row: Row) -> str:
    """A row's result in a few words."""
    if "message" in row:
        return f"[bold red]{row['signal']}[/bold red]: {row['message']}"
    shown = {key: value for key, value in row.items() if (key not in ("i", "p", "op") and value != 0) or key == "ret"}
    if set(shown) == {"maps"}:
        return "".join(f"\n    {a}-{b} {perm} {offset:08x} {name}" for a, b, perm, offset, name in row["maps"])
    parts = []
    for key, value in shown.items():
        if isinstance(value, dict):
            parts.append(", ".join(f"{name} {figure}" for name, figure in value.items()))
        else:
            parts.append(str(value) if key in ("ret", "val") else f"{key} {value}")
    return ", ".join(parts) or "done"


def _tree(records: list[Record]) -> Iterator[tuple[int, str]]:
    """(depth, words) of each record below its command."""
    depths: dict[int, int] = {}
    for record in records:
        depth = depths.get(record.cause, -1) + 1
        depths[record.seq] = depth
        if depth:
            name = event_name(record.event)
            told = record.event._asdict()  # type: ignore[attr-defined]  # every event is a NamedTuple
            fields = " ".join(f"{key}={_value(value)}" for key, value in told.items())
            yield depth, f"{name} {fields}"


def _value(value: object) -> str:
    return f"{value:#x}" if isinstance(value, int) and value > 0xFFFF else str(value)
