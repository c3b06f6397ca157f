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


def same_sizes_unsorted(count: int, others: int) -> list[Command]:
    """Leaves `count` chunks of one size in the unsorted bin, mixed with `others` of other sizes, and none in the tcache.

    Then asks for that size ten times.
    """
    made: list[Command] = []
    for number in range(count + 7):
        made += [Malloc(as_=f"same{number}", size=200), Malloc(as_=f"between{number}", size=8)]
        if number < others:
            made += [Malloc(as_=f"other{number}", size=1500 + 64 * number), Malloc(as_=f"wall{number}", size=8)]
    made += [Free(ptr=f"same{number}") for number in range(7)]
    for number in range(count):
        made.append(Free(ptr=f"same{number + 7}"))
        if number < others:
            made.append(Free(ptr=f"other{number}"))
    made += [Malloc(as_=f"again{number}", size=200) for number in range(7)]
    return made


AGAIN = [Malloc(as_=f"exact{number}", size=200) for number in range(10)]


@pytest.mark.parametrize("count", [1, 3, 7, 8, 12])
@pytest.mark.parametrize("others", [0, 2, 12])
def test_chunks_of_just_the_size_go_from_the_unsorted_bin_into_the_tcache(count: int, others: int) -> None:
    commands = [*same_sizes_unsorted(count, others), *AGAIN, Calloc(as_="c", count=1, size=200)]
    short = performed(commands, short_ways=True)
    records = short[1]
    assert isinstance(records, list)
    assert "TcachePut" in repr(records[-60:]) or count == 1
    assert short == performed(commands, short_ways=False)


@pytest.mark.parametrize("offset", ["-8", "-4", "", "+4", "+196"])
@pytest.mark.parametrize("word", [0, 0xD4, 0xD5, 0xD7, 0xD1, 0xFFFF_FFF1])
@pytest.mark.parametrize("which", [7, 9])
def test_a_damaged_chunk_of_just_the_size_ends_the_same_on_either_way(which: int, offset: str, word: int) -> None:
    commands = [*same_sizes_unsorted(5, 2), Write32(ptr=f"same{which}{offset}", value=word), *AGAIN]
    assert performed(commands, short_ways=True) == performed(commands, short_ways=False)
