"""What a process knows of its blocks: asked, given, freed; the same whether commands were performed, replayed or taken back."""

from __future__ import annotations

from app.pages.command_words import command_of_words
from engine import session as sessions
from engine.allocations import Allocation
from engine.config import PRESETS
from engine.machine import Machine
from engine.session import Session

CONFIG = PRESETS["16mb"]


def told(*program: str) -> Session:
    session = Session(CONFIG)
    for line in program:
        slots = frozenset(session.machine.processes[0].slots)
        session.perform(command_of_words(line, 0, slots))
    return session


def block(session: Session, slot: str, pid: int = 0) -> Allocation | None:
    process = session.machine.processes[pid]
    return process.allocations.at(process.slots[slot])


def test_a_block_keeps_what_was_asked_and_the_version_that_gave_it() -> None:
    session = told("malloc a 0", "malloc b 100", "calloc c 3 20", "memalign d 64 50")
    assert [block(session, slot) for slot in "abcd"] == [
        Allocation(0, 1, None),
        Allocation(100, 2, None),
        Allocation(60, 3, None),
        Allocation(50, 4, None),
    ]


def test_free_ends_a_block_and_a_new_one_at_the_same_pointer_begins() -> None:
    session = told("malloc a 100", "free a")
    assert block(session, "a") == Allocation(100, 1, 2)
    session.perform(command_of_words("malloc b 97", 0, frozenset()))
    assert session.machine.processes[0].slots["b"] == session.machine.processes[0].slots["a"]
    assert block(session, "a") == Allocation(97, 3, None)


def test_realloc_ends_the_old_block_where_it_moves() -> None:
    session = told("malloc a 100", "malloc b 100", "realloc a 5000")
    old = session.outcomes[0].ret
    assert old is not None
    assert block(session, "a") == Allocation(5000, 3, None)
    assert session.machine.processes[0].allocations.at(old) == Allocation(100, 1, 3)


def test_realloc_in_place_only_changes_what_was_asked() -> None:
    session = told("malloc a 100", "realloc a 104")
    assert block(session, "a") == Allocation(104, 2, None)


def test_realloc_to_nothing_frees_and_a_failed_one_leaves_the_block() -> None:
    session = told("malloc a 100", "realloc a 4294967295")
    assert block(session, "a") == Allocation(100, 1, None)
    session = told("malloc a 100", "realloc a 0")
    pointer = session.outcomes[0].ret
    assert pointer is not None
    assert session.machine.processes[0].allocations.at(pointer) == Allocation(100, 1, 2)


def test_a_child_has_its_parents_blocks_and_then_its_own() -> None:
    session = told("malloc a 100", "fork 1", "@1 free a", "malloc b 200")
    assert block(session, "a") == Allocation(100, 1, None)
    assert block(session, "a", 1) == Allocation(100, 1, 3)
    parent = session.machine.processes[0].slots["b"]
    assert session.machine.processes[1].allocations.at(parent) is None


def test_stepping_back_takes_back_what_was_known() -> None:
    lines = [f"malloc a{n} {n % 40 * 8}" for n in range(60)] + [f"free a{n}" for n in range(0, 60, 2)]
    lines += [f"malloc b{n} {n}" for n in range(30)] + [f"realloc a{n} {n * 9}" for n in range(1, 60, 6)]
    lines += ["write a1 7"] * sessions.UNDO_FROM
    session = told(*lines, *[f"free b{n}" for n in range(30)], *[f"malloc c{n} {n}" for n in range(40)])
    last = len(session.commands)
    for version in (last - 1, last - 9, last - 33, last - 50, last):
        session.go_to(version)
        machine = Machine(CONFIG)
        for command in session.commands[:version]:
            machine.perform(command)
        here, there = session.machine.processes[0].allocations, machine.processes[0].allocations
        assert [list(each.items()) for each in here.all()] == [list(each.items()) for each in there.all()]
        assert session.machine.digest() == machine.digest()
