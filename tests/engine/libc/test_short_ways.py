"""The short ways through malloc and free (lanes*.py) do what the general way does: in memory, for the program, in the trace."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from engine.commands import Calloc, Free, Malloc, Realloc, Write32
from engine.config import MachineConfig
from engine.machine import Machine
from engine.views.recording_cpu import RecordingCpu

if TYPE_CHECKING:
    from engine.commands import Command

CONFIG = MachineConfig(ram_mb=64, trace_capacity=1 << 16, null_slots=True)


def commands_of(seed: int, largest: int) -> list[Command]:
    """1,500 calls on 60 variables: blocks come and go, and some are resized."""
    state = seed
    made: list[Command] = []
    for _ in range(1500):
        state = state * 6364136223846793005 + 1442695040888963407 & (1 << 64) - 1
        name, kind = f"s{(state >> 33) % 60}", state >> 57 & 7
        size = (state >> 20) % (largest if state >> 50 & 3 else 200)
        if kind < 4:
            made.append(Malloc(as_=name, size=size) if kind else Calloc(as_=name, count=1, size=size))
        elif kind < 7:
            made.extend([Free(ptr=name), Malloc(as_=name, size=8)])
        else:
            made.append(Realloc(as_=name, size=size + 1))
    return made


def performed(commands: list[Command], *, short_ways: bool) -> tuple[object, ...]:
    """All that the commands left behind."""
    machine = Machine(CONFIG)
    heap = machine.processes[0].libc.heap
    if not short_ways:
        heap.rebind(RecordingCpu(machine.cpu, 1), machine.trace)
    outcomes = [machine.perform(command) for command in commands if machine.processes[0].ended is None]
    machine.check()
    frames = {pfn: frame.tobytes() for pfn, frame in machine.kernel.ram.frames.items() if any(frame)}
    return outcomes, list(machine.trace.records()), frames, machine.time_ns, machine.cpu.tlb.misses


@pytest.mark.parametrize("largest", [120, 900, 3000, 20_000])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_short_ways_leave_what_the_general_way_leaves(seed: int, largest: int) -> None:
    commands = commands_of(seed, largest)
    assert performed(commands, short_ways=True) == performed(commands, short_ways=False)


@pytest.mark.parametrize("offset", ["", "+4", "+8", "+12", "-4", "-8", "+100", "+1000"])
@pytest.mark.parametrize("word", [0, 0x15, 0x1_0000, 0xFFFF_FFF1])
def test_a_damaged_heap_ends_the_same_on_either_way(offset: str, word: int) -> None:
    commands = commands_of(4, 1500)
    damaged = [*commands[:700], Write32(ptr=f"s1{offset}", value=word), *commands[700:]]
    assert performed(damaged, short_ways=True) == performed(damaged, short_ways=False)
