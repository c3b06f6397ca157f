"""/proc/PID/smaps, smaps_rollup and status: what a real machine printed for the same program, beside what ours prints."""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

import pytest

from app.programs import parse_program
from app.replay import config_of
from engine.commands import Fork, Malloc, Mmap, Touch
from engine.config import PRESETS
from engine.machine import Machine
from tests.oracle_corpus import machine_of, recording

PROGRAMS_OWN: Final = range(0xB7C00000, 0xB7D9B000)
"""Where the recorded program's own mappings are: below them is the recorder, above them its libraries."""
HEADER: Final = re.compile(r"([0-9a-f]{8})-[0-9a-f]{8} (....) ([0-9a-f]{8}) \S+ \d+ *(.*)")


class Printed(NamedTuple):
    """A file as the real machine printed it, and as ours did at the same line of the program."""

    real: str
    ours: str


@pytest.fixture(scope="module")
def printed() -> dict[str, list[Printed]]:
    """The recorded program performed; by file and process, what was printed."""
    start, found = recording("smaps", "smaps"), dict[str, list[Printed]]()
    simulated = Machine(config_of(machine_of("smaps"), start.start))
    texts = iter(row["text"] for row in start.expected if "text" in row)
    for line in start.program.splitlines():
        words = line.split()
        if "procfile" in words:
            pid = 1 if words[0] == "@1" else 0
            name = f"{words[-1]} of {pid}"
            found.setdefault(name, []).append(Printed(next(texts), simulated.proc_file(words[-1], pid)))
            continue
        for parsed in parse_program(line):
            simulated.perform(parsed.command)
    return found


def own_regions(text: str) -> list[str]:
    """The blocks of smaps that are about the program's own mappings, without device and inode numbers."""
    found = []
    for block in re.split(r"(?m)^(?=[0-9a-f]{8}-)", text)[1:]:
        first, rest = block.split("\n", 1)
        header = HEADER.fullmatch(first)
        assert header is not None, first
        if int(header[1], 16) in PROGRAMS_OWN:
            found.append(f"{header[1]} {header[2]} {header[3]} {header[4]}\n{rest}")
    return found


@pytest.mark.parametrize("whose", ["smaps of 0", "smaps of 1"])
def test_smaps_tells_of_each_mapping_what_the_real_machine_told(printed: dict[str, list[Printed]], whose: str) -> None:
    for real, ours in printed[whose]:
        assert len(own_regions(real)) > 10
        assert own_regions(ours) == own_regions(real)


@pytest.mark.parametrize("name", ["smaps", "smaps_rollup", "status"])
def test_every_line_stands_where_linux_prints_it(printed: dict[str, list[Printed]], name: str) -> None:
    """Names, columns, units and order; the values that the recorder's own pages decide are left out."""

    def form(text: str) -> list[str]:
        return [re.sub(r" *\d+ kB$", lambda m: "#" * len(m[0]), line).partition("\t")[0] for line in text.splitlines()]

    for real, ours in printed[f"{name} of 0"]:
        own = [line for line in form(ours) if not HEADER.match(line)]
        assert own == [line for line in form(real) if not HEADER.match(line)]


def test_the_sizes_of_status_are_the_real_machines(printed: dict[str, list[Printed]]) -> None:
    def sizes(text: str) -> dict[str, Any]:
        lines = dict(line.split(":\t", 1) for line in text.splitlines())
        names = ("VmPeak", "VmSize", "VmLck", "VmPin", "VmData", "VmStk", "VmExe", "VmLib")
        return {name: lines[name] for name in names}

    for real, ours in printed["status of 0"] + printed["status of 1"]:
        assert sizes(ours) == sizes(real)


def test_the_rollup_adds_up_what_smaps_says_of_each_region() -> None:
    seen = Machine(PRESETS["64mb"])
    for command in (
        Mmap(as_="m", length=65536),
        Touch(ptr="m", length=40960),
        Fork(child=1),
        Touch(ptr="m", length=8192),
    ):
        seen.perform(command)
    rollup, smaps = seen.proc_file("smaps_rollup"), seen.proc_file("smaps")
    for name in ("Rss", "Shared_Dirty", "Private_Dirty", "Anonymous", "Swap"):
        each = re.findall(rf"^{name}: +(\d+) kB$", smaps, re.MULTILINE)
        total = re.findall(rf"^{name}: +(\d+) kB$", rollup, re.MULTILINE)
        assert sum(map(int, each)) == int(total[0])


def test_a_page_that_two_processes_map_counts_half_for_each() -> None:
    seen = Machine(PRESETS["64mb"])
    seen.perform(Mmap(as_="m", length=65536))
    seen.perform(Touch(ptr="m", length=65536))
    seen.perform(Fork(child=1))
    block = next(
        text
        for text in re.split(r"(?m)^(?=[0-9a-f]{8}-)", seen.proc_file("smaps"))
        if "Size:                 64" in text
    )
    figures = dict(re.findall(r"^(\w+): +(\d+) kB$", block, re.MULTILINE))
    assert (figures["Rss"], figures["Pss"], figures["Shared_Dirty"], figures["Private_Dirty"]) == (
        "64",
        "32",
        "64",
        "0",
    )


def test_status_names_the_parent_and_who_runs() -> None:
    seen = Machine(PRESETS["64mb"])
    seen.perform(Fork(child=1))
    seen.perform(Malloc(size=100, as_="a", pid=1))
    parent, child = seen.proc_file("status", 0).splitlines(), seen.proc_file("status", 1).splitlines()
    assert "State:\tS (sleeping)" in parent
    told = [line for line in child if line.startswith(("State:", "Pid:", "PPid:"))]
    assert told == ["State:\tR (running)", "Pid:\t1", "PPid:\t0"]
