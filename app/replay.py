"""Replays the corpus: each program from the state in which the real machine began, a row an operation.

A replay reads the program, `_machine.json` and `NAME.start.json`, and nothing else.
"""

from __future__ import annotations

import json
import re
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from app.programs import ProgramLine, parse_program
from app.replay_kernel import replay_machines, replay_program
from app.rows import KILLED, Row, exit_row, rows_of, status_of
from engine.commands import Read, Touch, Write
from engine.config import MachineConfig
from engine.image import STACK_TOP, Mapping, ProgramImage
from engine.machine import Machine

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

WARM_STACK: Final = 32 * 1024
"""Bytes of the stack, from its top, that the recorder had touched before its first operation."""
PAGE: Final = 4096
PAGES_PER_MB: Final = 256
_SPANNED: Final = re.compile(r"^ +spanned +([1-9]\d*)$", re.MULTILINE)
_START_PFN: Final = re.compile(r"^ +start_pfn: +([1-9]\d*)$", re.MULTILINE)
MACHINES: Final = "machines.json"


class Job(NamedTuple):
    """One program to replay, and where its answer goes."""

    program: Path
    answer: Path


class Replayed(NamedTuple):
    """What became of a replay: how many programs there were, and what stopped some of them before their end."""

    programs: int
    failures: tuple[str, ...]


def replay(groups: Iterable[Path], out: Path, processes: int) -> Replayed:
    """Replays each folder of the corpus (or machines.json) into `out`.

    A program that cannot be replayed to its end keeps the rows it has got, and costs no other program its answer.
    """
    jobs: list[Job] = []
    count = 0
    for group in groups:
        if group.name == MACHINES:
            replay_machines(group.parent, out)
            count += 1
            continue
        programs = sorted([*group.glob("*.t"), *group.glob("*.k")], key=lambda path: -path.stat().st_size)
        jobs += [Job(program, out / group.name / f"{program.stem}.jsonl") for program in programs]
    if processes == 1:
        told = list(map(perform, jobs))
    else:
        with ProcessPoolExecutor(processes) as pool:
            told = list(pool.map(perform, jobs))
    return Replayed(count + len(jobs), tuple(failure for failure in told if failure))


def perform(job: Job) -> str:
    """Replays one program and writes its answer, a row at a time. What stopped it, in words; empty where nothing did."""
    job.answer.parent.mkdir(parents=True, exist_ok=True)
    with job.answer.open("w") as answer:
        try:
            for row in _rows(job.program):
                answer.write(json.dumps(row) + "\n")
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told, and the other programs are replayed
            return f"{job.program.parent.name}/{job.program.name}: {type(error).__name__}: {error}"
    return ""


def _rows(path: Path) -> Iterator[Row]:
    """What a program gives, from what it may know: itself, its machine and its start."""
    machine = json.loads((path.parent / "_machine.json").read_text())
    start = json.loads(path.with_suffix(".start.json").read_text())
    replayed = replay_program if path.suffix == ".k" else replay_user
    return replayed(machine, start, path.read_text())


def replay_user(machine: dict[str, Any], start: dict[str, Any], program: str) -> Iterator[Row]:
    """Performs a user-side program on a machine like the recorded one; ends with the program's exit status."""
    simulated = Machine(config_of(machine, start))
    simulated.trace.on = False
    warm = tuple(_warming(simulated.config.image))
    _touch(simulated, 0, warm)
    told_dead: set[int] = set()
    for line in parse_program(program):
        process = simulated.processes.get(line.command.pid)
        if process is not None and process.ended is not None:
            # It was killed while another process ran. The recorder notices when it has a line for it.
            if process.pid not in told_dead:
                told_dead.add(process.pid)
                yield exit_row(line.index, process.ended)
            continue
        outcome = simulated.perform(line.command)
        if outcome.pid and simulated.processes[0].ended is not None:
            # A child's line had the first process killed: nobody is left who would tell.
            yield {"end": KILLED}
            return
        yield from rows_of(line, outcome)
        if outcome.ended is not None and line.word != "wait":
            if not outcome.pid:
                yield {"end": status_of(outcome)}
                return
            told_dead.add(outcome.pid)
        if line.word == "fork" and outcome.errno is None:
            _warm_both(simulated, line, warm)
    yield {"end": 0}


def _warm_both(machine: Machine, line: ProgramLine, warm: tuple[Touch, ...]) -> None:
    child = machine.processes[line.command.child]  # type: ignore[union-attr]
    _touch(machine, child.pid, warm)
    _touch(machine, line.command.pid, warm)


def _touch(machine: Machine, pid: int, touches: Iterable[Touch]) -> None:
    for touch in touches:
        machine.perform(Touch(ptr=touch.ptr, length=touch.length, access="r", pid=pid))
        if touch.access == "w":
            _write_back(machine, pid, touch)


def _write_back(machine: Machine, pid: int, touch: Touch) -> None:
    """Writes each page's first byte as it is."""
    assert isinstance(touch.ptr, int)
    for at in range(touch.ptr, touch.ptr + touch.length, PAGE):
        byte = machine.perform(Read(ptr=at, pid=pid)).val
        assert byte is not None
        machine.perform(Write(ptr=at, value=byte, pid=pid))


def _warming(image: ProgramImage) -> Iterator[Touch]:
    """What the recorder touches of itself, so that its own faults never count as the program's."""
    for mapping in image.mappings:
        if mapping.name in ("[vvar]", "[stack]") or not mapping.permissions.startswith("r"):
            continue
        length = mapping.end - mapping.start
        yield Touch(ptr=mapping.start, length=length, access="w" if mapping.permissions[1] == "w" else "r")
    yield Touch(ptr=STACK_TOP - WARM_STACK, length=WARM_STACK, access="w")


def config_of(machine: dict[str, Any], start: dict[str, Any]) -> MachineConfig:
    """The machine that _machine.json and a program's start describe."""
    mappings = tuple(
        Mapping(int(first, 16), int(end, 16), permissions, offset, name)
        for first, end, permissions, offset, name in start["maps"]
    )
    return MachineConfig(
        ram_mb=int(machine["mem_mb"]),
        swap_mb=int(machine["swap_mb"]),
        sysctls=tuple(_sysctl(setting) for setting in machine["sysctl"]),
        image=ProgramImage(mappings=mappings, brk=int(start["brk"], 16)),
        root_fs="tmpfs",
        resembles=tuple(start.get("vmstat", {}).items()),
        firmware_pages=_firmware_pages(machine),
        null_slots=True,
        trace_capacity=0,
    )


def _firmware_pages(machine: dict[str, Any]) -> int:
    """RAM above the last zone's end."""
    zoneinfo = machine["proc"]["zoneinfo"]
    spans = zip(_SPANNED.findall(zoneinfo), _START_PFN.findall(zoneinfo), strict=True)
    return int(machine["mem_mb"]) * PAGES_PER_MB - max(int(start) + int(spanned) for spanned, start in spans)


def _sysctl(setting: str) -> tuple[str, int]:
    name, value = setting.split("=")
    return name.removeprefix("vm."), int(value)
