"""What the benchmark runs: the allocator calls of real programs (tests/oracle/traces.tar.xz), or else made-up ones."""

from __future__ import annotations

import json
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from app.programs import parse_program
from app.replay import config_of
from engine.commands import Calloc, Free, Malloc, Realloc
from engine.config import PRESETS, MachineConfig

if TYPE_CHECKING:
    from engine.commands import Command

ARCHIVE: Final = Path(__file__).parent.parent / "tests" / "oracle" / "traces.tar.xz"
RECORDS: Final = 4096
BASE: Final = replace(PRESETS["256mb"], null_slots=True)
"""A machine for made-up programs."""
_CALLS: Final = (Malloc, Calloc, Realloc, Free)
_MULTIPLIER: Final = 6364136223846793005
_INCREMENT: Final = 1442695040888963407


class TraceProgram(NamedTuple):
    """One program's calls, and the machine that it began on."""

    name: str
    config: MachineConfig
    commands: list[Command]


def trace_programs() -> list[TraceProgram]:
    """The eight recorded programs in alphabetical order; one made-up program where the archive is not there."""
    if not ARCHIVE.is_file():
        return [TraceProgram("made up", BASE, program(1000, 20_000))]
    with tarfile.open(ARCHIVE) as archive:
        readers = {Path(member.name).name: archive.extractfile(member) for member in archive if member.isfile()}
        files = {name: reader.read().decode() for name, reader in readers.items() if reader is not None}
    machine = json.loads(files["_machine.json"])
    found = []
    for name in sorted(name.removesuffix(".t") for name in files if name.endswith(".t")):
        config = replace(config_of(machine, json.loads(files[f"{name}.start.json"])), trace_capacity=RECORDS)
        lines = parse_program(files[f"{name}.t"])
        commands: list[Command] = [line.command for line in lines if isinstance(line.command, _CALLS)]
        found.append(TraceProgram(name, config, commands))
    return found


def program(live: int, operations: int) -> list[Command]:
    """Random malloc, free and realloc with some `live` blocks, the same on every machine: sizes as real programs have them."""
    state, blocks = 1, 0
    commands: list[Command] = []
    sizes: dict[int, int] = {}
    while len(commands) < operations + live:
        state = state * _MULTIPLIER + _INCREMENT & (1 << 64) - 1
        slot, kind, size = state >> 33 & 0xFFFFFF, state >> 57 & 15, state >> 20 & 0xFF
        slot %= live
        name = f"s{slot}"
        if slot not in sizes:
            size = size if kind else size * 16
            sizes[slot] = size
            blocks += 1
            commands.append(Malloc(as_=name, size=size))
        elif kind < 2:
            commands.append(Realloc(as_=name, size=size + 8))
        else:
            del sizes[slot]
            commands.append(Free(ptr=name))
    return commands
