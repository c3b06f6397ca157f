"""The same commands give the same machine: performed twice, taken back and done again, recorded or not."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given, settings, strategies as st

from engine.commands import (
    Brk,
    Calloc,
    Command,
    Exit,
    Fill,
    Fork,
    Free,
    Madvise,
    Malloc,
    Mallopt,
    Mmap,
    Munmap,
    OpenFile,
    Read,
    Read32,
    Realloc,
    Sbrk,
    Stack,
    Touch,
    Trim,
    Write,
)
from engine.config import PRESETS
from engine.machine import Machine
from engine.outcome import CommandError
from engine.session import Session

if TYPE_CHECKING:
    from engine.config import MachineConfig

CONFIG: Final = PRESETS["64mb"]
SLOTS: Final = st.sampled_from("abcdef")
PIDS: Final = st.sampled_from([0, 0, 0, 1])
SIZES: Final = st.one_of(st.integers(0, 600), st.integers(0, 200_000))
COMMANDS: Final[st.SearchStrategy[Command]] = st.one_of(
    st.builds(Malloc, size=SIZES, as_=SLOTS, pid=PIDS),
    st.builds(Calloc, count=st.integers(1, 3), size=SIZES, as_=SLOTS, pid=PIDS),
    st.builds(Realloc, size=SIZES, as_=SLOTS, pid=PIDS),
    st.builds(Free, ptr=SLOTS, pid=PIDS),
    st.builds(Fill, ptr=SLOTS, length=st.integers(0, 9000), value=st.integers(0, 255), pid=PIDS),
    st.builds(Read32, ptr=SLOTS, pid=PIDS),
    st.builds(Trim, pad=st.just(0), pid=PIDS),
    st.builds(Mmap, as_=SLOTS, length=st.integers(1, 60_000), pid=PIDS),
    st.builds(Mmap, as_=SLOTS, length=st.integers(1, 60_000), file=st.just(0), pid=PIDS),
    st.builds(Munmap, ptr=SLOTS, length=st.integers(1, 60_000), pid=PIDS),
    st.builds(Touch, ptr=SLOTS, length=st.integers(1, 60_000), pid=PIDS),
    st.builds(Stack, depth=st.integers(1, 100_000), pid=PIDS),
    st.builds(Fork, child=st.just(1)),
    st.builds(Exit, pid=st.just(1)),
    st.builds(OpenFile, file=st.just(0), path=st.sampled_from(["/tmp/t", "/mnt/d"]), size=st.integers(0, 60_000)),
)
"""What a program does; many of them break it, and some are refused, which must be repeatable too."""


def performed(commands: list[Command], config: MachineConfig = CONFIG) -> Machine:
    machine = Machine(config)
    for command in commands:
        perform(machine, command)
    return machine


def perform(machine: Machine, command: Command) -> object:
    try:
        return machine.perform(command)
    except CommandError as error:
        return error.field, str(error)


@settings(max_examples=30)
@given(st.lists(COMMANDS, max_size=30))
def test_the_same_commands_give_the_same_machine_and_the_same_outcomes(commands: list[Command]) -> None:
    first, second = Machine(CONFIG), Machine(CONFIG)
    for command in commands:
        assert perform(first, command) == perform(second, command)
    assert first.digest() == second.digest()
    assert list(first.trace.records()) == list(second.trace.records())
    first.check()


@settings(max_examples=30)
@given(st.lists(COMMANDS, max_size=30))
def test_whether_anybody_records_changes_nothing_else(commands: list[Command]) -> None:
    recorded, silent = Machine(CONFIG), Machine(CONFIG)
    silent.trace.on = False
    assert [perform(recorded, command) for command in commands] == [perform(silent, command) for command in commands]
    assert recorded.digest() == silent.digest()
    assert recorded.time_ns == silent.time_ns
    assert silent.trace.total == 0


@settings(max_examples=20)
@given(st.lists(COMMANDS, max_size=30))
def test_a_ring_of_few_records_changes_nothing_but_the_trace(commands: list[Command]) -> None:
    small = performed(commands, replace(CONFIG, trace_capacity=3))
    large = performed(commands)
    assert small.proc_file("meminfo") == large.proc_file("meminfo")
    assert small.proc_file("vmstat") == large.proc_file("vmstat")
    kept, all_records = list(small.trace.records()), list(large.trace.records())
    assert len(kept) <= 3
    assert kept == all_records[len(all_records) - len(kept) :]


@settings(max_examples=25)
@given(st.lists(COMMANDS, min_size=1, max_size=25), st.lists(st.integers(0, 24), max_size=6))
def test_a_session_is_the_same_machine_after_going_back_and_forth(commands: list[Command], visits: list[int]) -> None:
    session = Session(CONFIG)
    digests = [session.machine.digest()]
    for command in commands:
        try:
            session.perform(command)
        except CommandError:
            continue
        digests.append(session.machine.digest())
    for version in (*visits, session.version):
        version = min(version, len(digests) - 1)
        session.go_to(version)
        assert session.version == version
        assert session.machine.digest() == digests[version]
        session.machine.check()


def long_program(count: int) -> list[Command]:
    """A program that allocates, writes, frees, and now and then maps, forks and moves the break: no randomness in it."""
    commands: list[Command] = [Mallopt(parameter=-3, value=60_000)]
    for number in range(count - 1):
        slot, older = f"s{number % 37}", f"s{number * 7 % 37}"
        if number < 37 or number % 3 == 0:
            commands.append(Malloc(size=number * 977 % 5000, as_=slot))
        elif number % 101 == 0:
            commands.append(Malloc(size=80_000, as_=slot))
        elif number % 53 == 0:
            commands.append(Sbrk(delta=4096))
        elif number % 47 == 0:
            commands.append(Mmap(as_="m", length=30_000))
        elif number % 47 == 1:
            commands.append(Madvise(ptr="m", length=30_000, advice="dontneed") if number > 100 else Brk(address=0))
        elif number % 5 == 0:
            commands.append(Read(ptr=older))
        elif number % 5 == 1:
            commands.append(Realloc(as_=older, size=number * 31 % 3000 + 1))
        else:
            commands.append(Write(ptr=older, value=number % 256))
    return commands


@pytest.mark.parametrize("config", [CONFIG, PRESETS["16mb"]], ids=["64mb", "16mb"])
def test_a_long_session_is_the_same_machine_wherever_one_goes_in_it(config: MachineConfig) -> None:
    session = Session(config)
    digests = [session.machine.digest()]
    for command in long_program(1400):
        session.perform(command)
        digests.append(session.machine.digest() if session.version % 7 == 0 or session.version > 1390 else "")
    records = list(session.machine.trace.records())
    for version in (1399, 1398, 1397, 1393, 1386, 1379, 1386, 1372, 1001, 1008, 994, 700, 7, 0, 350, 1400, 1365, 1400):
        session.go_to(version)
        if digests[version]:
            assert session.machine.digest() == digests[version]
        session.machine.check()
    assert list(session.machine.trace.records()) == records


def test_what_comes_after_a_step_back_takes_the_place_of_what_was() -> None:
    session = Session(CONFIG)
    for command in long_program(300):
        session.perform(command)
    session.go_to(290)
    before = session.machine.digest()
    session.perform(Malloc(size=12345, as_="other"))
    other = session.machine.digest()
    assert len(session.commands) == 291
    session.go_to(290)
    assert session.machine.digest() == before
    session.go_to(291)
    assert session.machine.digest() == other
    assert performed(session.commands).digest() == other


def test_going_on_after_any_number_of_steps_back_is_as_if_nothing_had_been_taken_back() -> None:
    session = Session(CONFIG)
    for command in long_program(300):
        session.perform(command)
    for steps in range(1, 22):
        for _ in range(steps):
            session.go_to(session.version - 1)
        for value in range(steps % 5 + 2):
            session.perform(Write(ptr=f"s{value}", value=steps))
        session.go_to(session.version - 2)
        session.perform(Malloc(size=steps * 16, as_="s1"))
        afresh = performed(session.commands)
        assert session.machine.digest() == afresh.digest()
        assert list(session.machine.trace.records()) == list(afresh.trace.records())
        while session.version < 300:
            session.perform(Read(ptr="s2"))


@pytest.mark.parametrize("capacity", [0, 1, 100, 600, 4096])
def test_what_can_be_seen_of_the_trace_is_the_end_of_all_that_happened(capacity: int) -> None:
    commands = long_program(1000)
    seen = performed(commands, replace(CONFIG, trace_capacity=capacity)).trace
    everything = performed(commands, replace(CONFIG, trace_capacity=1 << 18)).trace
    assert seen.total == everything.total
    assert list(seen.records()) == list(everything.records(seen.total - capacity))
