"""`pagewalk bench`: the engine's speed, as ratios within one run.

Every mark compares two things measured in turn, several rounds of each, by CPU time; the median of the rounds' ratios is
told. Absolute times differ from machine to machine and from minute to minute; the ratios hardly do.
"""

from __future__ import annotations

import ctypes
import gc
import pickle
import tracemalloc
from array import array
from collections.abc import Callable
from statistics import median
from time import process_time
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.table import Table

from app.bench_marks import ROUNDS, Mark
from app.bench_pages import marks as server_marks
from app.bench_traces import BASE, program, trace_programs
from engine.commands import Calloc, Free, Malloc, Read32, Realloc, Touch
from engine.config import PRESETS, MachineConfig
from engine.kernel_program import KernelMachine
from engine.machine import Machine
from engine.policies import GENERATORS, Pattern, PolicyName, References, simulate
from engine.session import Session

if TYPE_CHECKING:
    from engine.commands import Command

OPERATIONS: Final = 20_000
PAGE: Final = 4096
TOUCHING_RAM_MB: Final = 32
TURNS: Final = 1_000_000


def seconds(work: Callable[[], object]) -> float:
    """CPU seconds that `work` takes, with the collector quiet."""
    gc.collect()
    gc.disable()
    try:
        before = process_time()
        work()
        return process_time() - before
    finally:
        gc.enable()


def ratio(first: Callable[[], Callable[[], object]], second: Callable[[], Callable[[], object]]) -> float:
    """The median of first ÷ second in time. Each is a maker of the work, called afresh every round."""
    return median(seconds(first()) / seconds(second()) for _ in range(ROUNDS))


def _run_engine(
    commands: list[Command], *, config: MachineConfig = BASE, trace: bool = True, warm: int = 0
) -> Callable[[], object]:
    machine = Machine(config)
    machine.trace.on = trace
    perform = machine.perform
    for command in commands[:warm]:
        perform(command)
    rest = commands[warm:]

    def work() -> None:
        for command in rest:
            perform(command)

    return work


def _run_glibc(commands: list[Command]) -> Callable[[], object]:
    """The same commands by the host's glibc, called through ctypes."""
    libc = ctypes.CDLL(None)
    malloc, calloc, free, realloc = libc.malloc, libc.calloc, libc.free, libc.realloc
    malloc.restype = calloc.restype = realloc.restype = ctypes.c_void_p
    malloc.argtypes, free.argtypes = [ctypes.c_size_t], [ctypes.c_void_p]
    calloc.argtypes, realloc.argtypes = [ctypes.c_size_t, ctypes.c_size_t], [ctypes.c_void_p, ctypes.c_size_t]
    slots: dict[str, int | None] = {}

    def work() -> None:
        for command in commands:
            if type(command) is Malloc:
                slots[command.as_] = malloc(command.size)
            elif type(command) is Free:
                free(slots[command.ptr])  # type: ignore[index]
            elif type(command) is Realloc:
                slots[command.as_] = realloc(slots.get(command.as_), command.size)
            elif type(command) is Calloc:
                slots[command.as_] = calloc(command.count, command.size)

    return work


def against_glibc() -> Mark:
    """The whole engine, events on, against glibc through ctypes, over the recorded programs together."""
    programs = trace_programs()

    def one_round() -> float:
        engine = glibc = 0.0
        for recorded in programs:
            engine += seconds(_run_engine(recorded.commands, config=recorded.config))
            glibc += seconds(_run_glibc(recorded.commands))
        return glibc / engine

    found = median(one_round() for _ in range(ROUNDS))
    return Mark("engine ÷ glibc through ctypes, operations a second", found, 0.10, at_most=False)


def with_many_blocks() -> Mark:
    """50,000 live blocks against 100."""
    few, many = program(100, OPERATIONS), program(50_000, OPERATIONS + 50_000)
    warm = len(many) - OPERATIONS
    found = 1 / ratio(lambda: _run_engine(many, warm=warm), lambda: _run_engine(few, warm=100))
    return Mark("50,000 live blocks ÷ 100, operations a second", found, 0.85, at_most=False)


def with_recording() -> Mark:
    """The trace recorded against not recorded."""
    commands = program(1000, OPERATIONS)
    found = 1 / ratio(lambda: _run_engine(commands), lambda: _run_engine(commands, trace=False))
    return Mark("events recorded ÷ not recorded, operations a second", found, 0.85, at_most=False)


def tlb_hit() -> Mark:
    """A load that hits the TLB against a bare array index."""
    machine = Machine(BASE)
    address = machine.perform(Malloc(as_="a", size=4096)).ret
    assert address is not None
    machine.perform(Touch(ptr=address, length=4096))
    words = array("I", bytes(4096))

    def loads() -> Callable[[], object]:
        load32 = machine.cpu.load32
        addresses = list(range(address, address + 4000, 4)) * 100

        def work() -> None:
            for at in addresses:
                load32(at)

        return work

    def indices() -> Callable[[], object]:
        index = words.__getitem__
        addresses = list(range(1000)) * 100

        def work() -> None:
            for at in addresses:
                index(at)

        return work

    return Mark("a load that hits the TLB ÷ a bare array index, time", ratio(loads, indices), 4, at_most=True)


def step_back() -> Mark:
    """Forty steps back from the end of a session of 10,000 commands, against commands performed in it."""
    commands = program(1000, 9_000)
    steps, forward_commands = 40, 2000

    def session_of(count: int) -> Session:
        session = Session(BASE)
        for command in commands[:count]:
            session.perform(command)
        return session

    def back() -> Callable[[], object]:
        session = session_of(len(commands))

        def work() -> None:
            for _ in range(steps):
                session.go_to(session.version - 1)

        return work

    def forward() -> Callable[[], object]:
        session = session_of(len(commands) - forward_commands)

        def work() -> None:
            for command in commands[-forward_commands:]:
                session.perform(command)

        return work

    found = ratio(back, forward) / steps * forward_commands
    return Mark("stepping back one command of 10,000 ÷ a forward command, time", found, 20, at_most=True)


def boot() -> tuple[Mark, Mark]:
    """Booting 4 GB against 16 MB."""

    def booting(ram_mb: int) -> Callable[[], Callable[[], object]]:
        config = MachineConfig(ram_mb=ram_mb)
        return lambda: lambda: [Machine(config) for _ in range(10)]

    large = median(seconds(booting(4096)()) for _ in range(ROUNDS)) / 10 * 1000
    found = ratio(booting(4096), booting(16))
    return (
        Mark("booting 4 GB ÷ booting 16 MB, time", found, 10, at_most=True),
        Mark("booting 4 GB, milliseconds", large, 10, at_most=True, unit="ms"),
    )


def idle_memory() -> Mark:
    """Host memory of a session after 50 commands."""
    Session(PRESETS["64mb"])
    gc.collect()
    tracemalloc.start()
    sessions = [Session(PRESETS["64mb"]) for _ in range(8)]
    for session in sessions:
        for command in program(20, 30)[:50]:
            session.perform(command)
    gc.collect()
    held = tracemalloc.get_traced_memory()[0] / len(sessions) / 1024
    tracemalloc.stop()
    return Mark("host memory of an idle session after 50 commands, KB", held, 150, at_most=True, unit="KB")


def page_allocator() -> tuple[Mark, Mark]:
    """An order-0 pair on 4 GB against 16 MB, and mixed orders against order 0."""

    def pairs(ram_mb: int, orders: tuple[int, ...]) -> Callable[[], Callable[[], object]]:
        def make() -> Callable[[], object]:
            machine = KernelMachine.boot(ram_mb)

            def work() -> None:
                for turn in range(4000):
                    machine.alloc(turn, orders[turn % len(orders)])
                    machine.free(turn)

            return work

        return make

    return (
        Mark("an order-0 pair on 4 GB ÷ on 16 MB, time", ratio(pairs(4096, (0,)), pairs(16, (0,))), 1.5, at_most=True),
        Mark(
            "a pair of mixed orders (0 to 5) ÷ of order 0, time",
            ratio(pairs(256, (0, 1, 2, 3, 4, 5)), pairs(256, (0,))),
            20,
            at_most=True,
        ),
    )


def loads_through_commands() -> Mark:
    """A read32 command against an empty loop turn: what a grader's check costs."""
    machine = Machine(BASE)
    machine.perform(Malloc(as_="a", size=4096))
    command = Read32(ptr="a")

    def reads() -> Callable[[], object]:
        def work() -> None:
            for _ in range(20_000):
                machine.perform(command)

        return work

    def empty() -> Callable[[], object]:
        def work() -> None:
            for _ in range(20_000):
                pass

        return work

    return Mark("a read32 command ÷ a turn of an empty loop, time", ratio(reads, empty), 400, at_most=True)


def touches() -> Mark:
    """A touch of a page that is not there, on twice as many pages as there are frames, against a turn of an empty loop.

    Every touch faults, reclaims a page, writes it to swap, and reads its own back.
    """
    length = 2 * TOUCHING_RAM_MB << 20
    config = MachineConfig(ram_mb=TOUCHING_RAM_MB, swap_mb=4 * TOUCHING_RAM_MB)

    def touching() -> Callable[[], object]:
        machine = Machine(config)
        machine.trace.on = False
        machine.perform(Malloc(as_="a", size=length))
        machine.perform(Touch(ptr="a", length=length, access="w", value=1))
        return lambda: machine.perform(Touch(ptr="a", length=length, access="w", value=2))

    def empty() -> Callable[[], object]:
        def work() -> None:
            for _ in range(TURNS):
                pass

        return work

    found = ratio(touching, empty) * TURNS / (length // PAGE)
    return Mark("a touch with fault, reclaim and swap ÷ a turn of an empty loop, time", found, 67, at_most=True)


def checkpoint_size() -> Mark:
    """A checkpoint of a machine that did 1,000 operations."""
    machine = Machine(PRESETS["64mb"])
    for command in program(100, 900):
        machine.perform(command)
    size = len(pickle.dumps(machine, pickle.HIGHEST_PROTOCOL)) / 1024
    return Mark("a checkpoint after 1,000 commands, KB", size, 1024, at_most=True, unit="KB")


def policies() -> tuple[Mark, ...]:
    """LRU, CLOCK and OPT over 100,000 references to 8,192 pages (zipf) in 4,096 frames, against an empty loop over them."""
    references = References(GENERATORS["zipf"](Pattern("zipf", 100_000, 8192, seed=1)))

    def counting(policy: PolicyName) -> Callable[[], Callable[[], object]]:
        return lambda: lambda: simulate(policy, references, 4096)

    def empty() -> Callable[[], object]:
        def work() -> None:
            for _ in references.pages:
                pass

        return work

    return tuple(
        Mark(f"policy lab: {policy.upper()} ÷ an empty loop, time", ratio(counting(policy), empty), 25, at_most=True)
        for policy in (PolicyName.LRU, PolicyName.CLOCK, PolicyName.OPT)
    )


def main() -> None:
    """Measures everything and prints the table."""
    table = Table(title="Ratios of CPU time, median of five rounds")
    for heading in ("what", "measured", "mark", ""):
        table.add_column(heading, justify="right" if heading in ("measured", "mark") else "left")
    marks = [
        against_glibc(),
        with_many_blocks(),
        with_recording(),
        tlb_hit(),
        step_back(),
        *boot(),
        idle_memory(),
        *page_allocator(),
        touches(),
        loads_through_commands(),
        checkpoint_size(),
        *policies(),
        *server_marks(),
    ]
    for mark in marks:
        sign = "≤" if mark.at_most else "≥"
        table.add_row(
            mark.what,
            f"{mark.ratio:.2f}" if mark.ratio >= 1 else f"{mark.ratio:.3f}",
            f"{sign} {mark.mark:g}",
            "holds" if mark.holds else "misses",
        )
    Console().print(table)
