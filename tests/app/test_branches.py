"""Going back and changing one thing: both runs side by side, the first difference named, and going on in either."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Any

import pytest

from app.compare import CompareError, Kind, Side, compare, run, with_sysctl_from
from engine.commands import Command, Free, Malloc, Mmap, Touch
from engine.config import PRESETS

if TYPE_CHECKING:
    from fastapi.testclient import TestClient

    from engine.machine import Machine


def side(*commands: Command) -> Side:
    return Side(PRESETS["16mb"], commands)


TIGHT = side(
    Mmap(as_="m", length=14 << 20),
    Touch(ptr="m", length=14 << 20),
    Touch(ptr="m", length=14 << 20, access="r"),
)


def test_a_setting_from_a_step_on_changes_nothing_before_it() -> None:
    found = compare(TIGHT, with_sysctl_from(TIGHT, 2, "page-cluster", 0))
    assert found.first is not None
    assert (found.first.kind, found.first.index) == (Kind.OUTCOME, 2)
    assert found.done[0][:2] == found.done[1][:2]
    assert [len(done) for done in found.done] == [3, 3]


def test_a_setting_after_the_last_command_changes_no_command() -> None:
    assert compare(TIGHT, with_sysctl_from(TIGHT, 3, "page-cluster", 0)).first is None


def test_a_setting_that_linux_refuses_is_refused() -> None:
    with pytest.raises(CompareError, match="swappiness = 500 gives EINVAL"):
        compare(TIGHT, with_sysctl_from(TIGHT, 1, "swappiness", 500))
    with pytest.raises(CompareError, match="from is 4; it can be 0 to 3"):
        with_sysctl_from(TIGHT, 4, "swappiness", 10)


def test_both_machines_are_seen_once_right_after_the_first_difference() -> None:
    seen: list[tuple[int, int]] = []

    def look(left: Machine, right: Machine) -> None:
        seen.append((left.version, right.processes[0].slots["b"]))

    left = side(Malloc(as_="a", size=24), Malloc(as_="b", size=24), Free(ptr="a"), Free(ptr="b"))
    right = side(Malloc(as_="a", size=24), Malloc(as_="b", size=200_000), Free(ptr="a"), Free(ptr="b"))
    compare(left, right, look)
    [(version, address)] = seen
    assert version == 2
    assert address > 0xB0000000


def test_one_side_alone_tells_what_each_command_gives() -> None:
    done = run(side(Malloc(as_="a", size=24), Free(ptr="zebra")))
    assert next(each.words for each in done) == "0x0804e1a0"
    assert done[1].refused.startswith("ptr: ")


# --- the page --------------------------------------------------------------------------------------------------------

PROGRAMME: list[dict[str, Any]] = [
    {"op": "malloc", "size": 24, "as": "a"},
    {"op": "malloc", "size": 24, "as": "b"},
    {"op": "free", "ptr": "a"},
    {"op": "malloc", "size": 24, "as": "c"},
]


@pytest.fixture
def machine(client: TestClient) -> str:
    """The id of a machine that took and gave, four commands long."""
    name: str = client.post("/api/v1/machines", json={"preset": "64mb"}).json()["id"]
    assert client.post(f"/api/v1/machines/{name}/commands", json=PROGRAMME).status_code == 200
    return name


def state(client: TestClient, name: str) -> dict[str, Any]:
    found: dict[str, Any] = client.get(f"/api/v1/machines/{name}").json()
    return found


def ops(client: TestClient, name: str) -> list[str]:
    history = client.get(f"/api/v1/machines/{name}/commands").json()
    return [f"{each['op']} {each.get('size', '')}".strip() for each in history["commands"]]


def words(page: str) -> str:
    return html.unescape(re.sub(r"<[^>]+>", "", page))


def test_the_forms_are_filled_in_for_the_step_where_the_machine_stands(client: TestClient, machine: str) -> None:
    client.post(f"/api/v1/machines/{machine}/version", json={"version": 2})
    page = client.get(f"/m/{machine}/branch").text
    assert '<input name="step" value="2"' in page
    assert '<input name="words" value="malloc b 24"' in page
    assert '<input name="from" value="2"' in page


def test_another_command_is_run_beside_the_old_one_and_the_first_difference_is_named(
    client: TestClient, machine: str
) -> None:
    before = state(client, machine)
    page = client.get(f"/m/{machine}/branch", params={"step": "3", "words": "free b"}).text
    said = words(page)
    assert (
        "The first difference is what command 4, malloc c 24, gave: 0x0804e1a0; and with the change: 0x0804e1c0."
        in said
    )
    assert "Both after step 3" in said
    assert page.count('<svg class="sheet"') == 2
    assert "free b, instead of free a" in said
    assert state(client, machine) == before


def test_a_setting_from_here_on_is_run_beside_the_old_one(client: TestClient, machine: str) -> None:
    page = client.get(f"/m/{machine}/branch", params={"from": "2", "name": "swappiness", "value": "10"}).text
    assert "Nothing differs: every command gave the same, in the same time." in words(page)


def test_going_on_in_the_other_run_keeps_the_old_history_as_a_branch(client: TestClient, machine: str) -> None:
    last = state(client, machine)
    answer = client.post(f"/m/{machine}/branch", data={"step": "2", "words": "malloc b 5000"}, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/m/{machine}")
    assert ops(client, machine) == ["malloc 24", "malloc 5000", "free", "malloc 24"]
    assert state(client, machine)["version"] == 2
    [branch] = client.get(f"/api/v1/machines/{machine}/branches").json()["branches"]
    assert (branch["base"], branch["length"]) == (1, 3)
    assert client.post(f"/m/{machine}/branches/{branch['number']}", follow_redirects=False).status_code == 303
    client.post(f"/api/v1/machines/{machine}/version", json={"version": 4})
    assert state(client, machine) == last


def test_what_the_machine_refuses_in_the_other_run_is_left_out(client: TestClient, machine: str) -> None:
    client.post(f"/m/{machine}/branch", data={"step": "1", "words": "malloc z 24"})
    # Without a slot `a` nothing can free it.
    assert ops(client, machine) == ["malloc 24", "malloc 24", "malloc 24"]


def test_going_on_with_another_setting_writes_it_at_that_step(client: TestClient, machine: str) -> None:
    client.post(f"/m/{machine}/branch", data={"from": "2", "name": "swappiness", "value": "10"})
    assert ops(client, machine) == ["malloc 24", "malloc 24", "sysctl", "free", "malloc 24"]
    assert state(client, machine)["version"] == 3


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"step": "9", "words": "free a"}, "step is '9'; write a whole number from 1 to 4"),
        ({"step": "1", "words": "mallocate"}, "mallocate"),
        ({"from": "x", "name": "swappiness", "value": "1"}, "from is 'x'; write a whole number from 0 to 4"),
        ({"from": "1", "name": "happiness", "value": "1"}, "name is 'happiness'; it can be swappiness"),
        ({"from": "1", "name": "swappiness", "value": "500"}, "swappiness = 500 gives EINVAL"),
    ],
)
def test_what_cannot_be_changed_is_refused_and_changes_nothing(
    client: TestClient, machine: str, asked: dict[str, str], said: str
) -> None:
    before = state(client, machine)
    for answer in (client.get(f"/m/{machine}/branch", params=asked), client.post(f"/m/{machine}/branch", data=asked)):
        assert answer.status_code == 422
        assert said in words(answer.text)
    assert state(client, machine) == before


def test_a_machine_without_commands_offers_settings_alone(client: TestClient) -> None:
    name = client.post("/api/v1/machines", json={"preset": "64mb"}).json()["id"]
    page = client.get(f"/m/{name}/branch")
    assert page.status_code == 200
    assert "Nothing has been asked of the machine yet" in page.text


def test_who_is_not_there_has_no_branches(client: TestClient, machine: str) -> None:
    assert client.get("/m/nobody/branch").status_code == 404
    assert client.post("/m/nobody/branch", data={"step": "1", "words": "free a"}).status_code == 404
    assert client.post(f"/m/{machine}/branches/7").status_code == 404
