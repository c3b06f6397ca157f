"""The costs that the tree of causes shows add up to the command's simulated time, to the nanosecond."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from app.pages.marks import Marks
from app.pages.why_panel import costs, why
from app.scenarios import scenarios
from engine import views
from engine.commands import Malloc, Mmap, Sysctl, Touch
from engine.config import PRESETS, MachineConfig
from engine.events.memory import SystemCall
from engine.machine import Machine
from engine.outcome import CommandError
from engine.views.trace_tree import TraceNode, TraceTreeView

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi.testclient import TestClient


def every(nodes: tuple[TraceNode, ...]) -> Iterator[TraceNode]:
    for node in nodes:
        yield node
        yield from every(node.children)


def check(tree: TraceTreeView) -> None:
    """Each node's cost is its own time and its children's; the command's time is its own and the roots'."""
    nodes = list(every(tree.roots))
    assert all(node.own_ns >= 0 for node in nodes)
    assert all(node.cost_ns == node.own_ns + sum(child.cost_ns for child in node.children) for node in nodes)
    assert tree.ns == tree.own_ns + sum(root.cost_ns for root in tree.roots)
    assert tree.ns == tree.own_ns + sum(node.own_ns for node in nodes)


@pytest.mark.parametrize("name", scenarios())
def test_the_costs_of_every_step_of_every_scenario_add_up(name: str) -> None:
    scenario = scenarios()[name]
    machine = Machine(scenario.config)
    for command in scenario.program.commands:
        before = machine.time_ns
        try:
            machine.perform(command)
        except CommandError:
            continue
        tree = views.trace_tree(machine)
        check(tree)
        if not tree.lost:
            assert tree.ns == machine.time_ns - before


def test_a_fault_that_nothing_interrupted_costs_as_long_as_it_took() -> None:
    machine = Machine(PRESETS["64mb"])
    machine.perform(Malloc(as_="a", size=100))
    [fault] = [node for node in every(views.trace_tree(machine).roots) if node.name == "exceptions:page_fault_user"]
    assert fault.cost_ns == fault.end_ns - fault.start_ns >= fault.own_ns > 0


def test_what_kswapd_does_is_on_the_bill_of_the_fault_that_woke_it() -> None:
    machine = Machine(PRESETS["16mb"])
    machine.perform(Sysctl(name="min_free_kbytes", value=1024))
    machine.perform(Mmap(as_="m", length=14 << 20))
    machine.perform(Touch(ptr="m", length=14 << 20))
    for page in range(64):
        machine.perform(Touch(ptr=f"m+{page << 12}", length=4096, access="r"))
        tree = views.trace_tree(machine)
        check(tree)
        woken = [node for node in every(tree.roots) if node.name == "vmscan:mm_vmscan_kswapd_wake"]
        if woken:
            assert woken[0] not in tree.roots
            assert woken[0].cost_ns > 0
            return
    pytest.fail("kswapd was never woken")


def test_a_tree_without_its_beginning_adds_up_to_what_is_left() -> None:
    machine = Machine(MachineConfig(trace_capacity=40))
    machine.perform(Mmap(as_="m", length=1 << 20))
    machine.perform(Touch(ptr="m", length=1 << 20))
    tree = views.trace_tree(machine)
    assert tree.lost
    check(tree)


# --- as the page shows them ------------------------------------------------------------------------------------------


def nanoseconds(words: str) -> int:
    return int(words.removesuffix(" ns").replace(",", ""))


@pytest.mark.parametrize("size", [24, 100, 200_000])
def test_the_page_tells_where_each_nanosecond_of_the_command_went(client: TestClient, size: int) -> None:
    name = client.post("/api/v1/machines", json={"preset": "64mb"}).json()["id"]
    done = client.post(f"/api/v1/machines/{name}/commands", json=[{"op": "malloc", "size": size, "as": "a"}]).json()
    page = client.get(f"/m/{name}").text
    table = page[page.index('id="costs"') :]
    *rows, total = re.findall(r"<td>([\d,]+ ns)", table[: table.index("</table>")])
    assert len(rows) > 1
    assert sum(map(nanoseconds, rows)) == nanoseconds(total) == done["time_ns"]


def test_of_many_functions_the_cheapest_are_one_row_and_the_sum_stays() -> None:
    roots = tuple(
        TraceNode(seq, "sim:test", SystemCall(seq, ()), 0, 0, own_ns=seq, cost_ns=seq, children=()) for seq in (3, 7)
    )
    tree = TraceTreeView(None, 0, 15, 5, roots, 2, lost=False)
    assert [(row.place, row.times, row.ns) for row in costs(tree)] == [
        ("int $0x80", "2", 10),
        ("the program and its C library", "", 5),
    ]


def test_what_is_said_once_of_many_records_costs_what_they_cost_together() -> None:
    machine = Machine(PRESETS["64mb"])
    machine.perform(Mmap(as_="m", length=1 << 20))
    outcome = machine.perform(Touch(ptr="m", length=1 << 20))
    tree = views.trace_tree(machine)
    told = why(tree, Touch(ptr="m", length=1 << 20), outcome, Marks(frozenset(), frozenset()))
    assert sum(reason.times for reason in told.reasons) <= len(tree.roots)
    left = tree.ns - tree.own_ns - sum(reason.cost_ns for reason in told.reasons)
    assert (left > 0) == bool(told.left_out)
    for reason in told.reasons:
        assert reason.cost_ns >= sum(child.cost_ns for child in reason.children)
