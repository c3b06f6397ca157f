"""Two runs of one session side by side: as a library, over REST, and as a page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from app.api.compare import EXAMPLES
from app.compare import COMMANDS_MAXIMUM, CompareError, Kind, Side, compare, with_command, with_sysctls
from engine.commands import Command, Free, Malloc, Mmap, Sysctl, Touch, Write
from engine.config import PRESETS, ConfigError

if TYPE_CHECKING:
    from fastapi.testclient import TestClient

TIGHT: Final = (
    Mmap(as_="m", length=14 << 20),
    Touch(ptr="m", length=14 << 20),
    Touch(ptr="m", length=14 << 20, access="r"),
)
"""More than a machine of 16 MB holds."""


def side(*commands: Command) -> Side:
    return Side(PRESETS["16mb"], commands)


def test_a_run_does_not_differ_from_itself() -> None:
    both = side(Malloc(as_="a", size=100), Free(ptr="a"))
    found = compare(both, both)
    assert found.first is None
    assert found.left_ns == found.right_ns
    assert found.longest == ()
    assert all(figure.left == figure.right for figure in found.figures)


def test_another_command_is_the_first_difference_and_what_follows_is_matched_by_number() -> None:
    left = side(Malloc(as_="a", size=100), Malloc(as_="b", size=100), Free(ptr="a"))
    found = compare(left, with_command(left, 1, Malloc(as_="b", size=5000)))
    assert found.first is not None
    assert (found.first.kind, found.first.index) == (Kind.COMMAND, 1)
    assert found.first.left_command == Malloc(as_="b", size=100)
    # The second block has the same address, whatever its size.
    assert [each.kind for each in found.differences] == [Kind.COMMAND, Kind.TIME]


def test_the_first_outcome_that_differs_is_named() -> None:
    left = side(Malloc(as_="a", size=24), Malloc(as_="b", size=24))
    found = compare(left, with_command(left, 0, Malloc(as_="a", size=100)))
    outcome = next(each for each in found.differences if each.kind is Kind.OUTCOME)
    assert outcome.index == 1
    assert outcome.left is not None and outcome.right is not None
    assert (outcome.left.words, outcome.right.words) == ("0x0804e1c0", "0x0804e210")


def test_a_command_that_makes_no_sense_on_one_side_is_refused_there_alone() -> None:
    left = side(Malloc(as_="a", size=24), Write(ptr="a", value=1))
    found = compare(left, with_command(left, 0, Malloc(as_="b", size=24)))
    outcome = next(each for each in found.differences if each.kind is Kind.OUTCOME)
    assert outcome.index == 1
    assert outcome.right is not None
    assert outcome.right.outcome is None
    assert outcome.right.words.startswith("refused: ptr: ")


def test_a_run_that_is_longer_differs_where_the_other_ends() -> None:
    left = side(Malloc(as_="a", size=24))
    found = compare(left, with_command(left, 1, Free(ptr="a")))
    assert found.first is not None
    assert (found.first.kind, found.first.index) == (Kind.COMMAND, 1)
    assert (found.first.left, found.first.left_command) == (None, None)


def test_the_reserve_changes_when_reclaim_begins() -> None:
    left = side(*TIGHT)
    found = compare(left, with_sysctls(left, {"min_free_kbytes": 2048}))
    assert found.first is not None
    assert (found.first.kind, found.first.index) == (Kind.TIME, 1)
    figures = {figure.name: figure for figure in found.figures}
    assert figures["pswpout"].right > figures["pswpout"].left > 0
    assert found.left_ns != found.right_ns
    assert found.longest[0].index in (1, 2)


def test_pages_read_at_once_change_the_number_of_major_faults() -> None:
    left = side(*TIGHT)
    found = compare(left, with_sysctls(left, {"page-cluster": 0}))
    figures = {figure.name: figure for figure in found.figures}
    assert figures["pgmajfault"].right > 2 * figures["pgmajfault"].left
    outcome = next(each for each in found.differences if each.kind is Kind.OUTCOME)
    assert outcome.index == 2
    assert outcome.left is not None and "major faults" in outcome.left.words


def test_a_setting_that_a_command_writes_is_written_in_both_runs() -> None:
    left = side(Sysctl(name="swappiness", value=10), Malloc(as_="a", size=24))
    found = compare(left, with_sysctls(left, {"swappiness": 200}))
    assert found.first is None


def test_what_cannot_be_run_twice_is_refused() -> None:
    long = Side(PRESETS["16mb"], (Free(ptr=0),) * (COMMANDS_MAXIMUM + 1))
    with pytest.raises(CompareError, match="5,001 commands; 5,000 can be run side by side"):
        compare(long, long)
    with pytest.raises(CompareError, match="index is 2; it can be 0 to 1"):
        with_command(side(Free(ptr=0)), 2, Free(ptr=0))
    with pytest.raises(ConfigError, match="swappiness = 201 gives EINVAL"):
        compare(side(), with_sysctls(side(), {"swappiness": 201}))


def test_runs_that_take_too_long_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.compare.SECONDS_MAXIMUM", -1.0)
    with pytest.raises(CompareError, match="take longer than -1 seconds"):
        compare(side(Malloc(as_="a", size=1)), side())


# --- REST and page ---------------------------------------------------------------------------------------------------

PROGRAMME: Final[list[dict[str, Any]]] = [
    {"op": "malloc", "size": 100, "as": "a"},
    {"op": "mmap", "as": "m", "length": 14 << 20},
    {"op": "touch", "ptr": "m", "length": 14 << 20},
    {"op": "touch", "ptr": "m", "length": 14 << 20, "access": "r"},
]


@pytest.fixture
def machine(client: TestClient) -> str:
    """The id of a machine of 16 MB that had to swap."""
    name: str = client.post("/api/v1/machines", json={"preset": "16mb"}).json()["id"]
    assert client.post(f"/api/v1/machines/{name}/commands", json=PROGRAMME).status_code == 200
    return name


def test_rest_names_the_first_difference_and_leaves_the_machine(client: TestClient, machine: str) -> None:
    before = client.get(f"/api/v1/machines/{machine}").json()
    answer = client.post(f"/api/v1/machines/{machine}/compare", json={"sysctls": {"page-cluster": 0}})
    assert answer.status_code == 200
    body = answer.json()
    assert (body["first"]["kind"], body["first"]["index"]) == ("outcome", 3)
    assert body["first"]["left"]["command"]["op"] == "touch"
    assert body["first"]["left"]["outcome"]["majflt"] < body["first"]["right"]["outcome"]["majflt"]
    assert body["left_ns"] == before["time_ns"]
    assert client.get(f"/api/v1/machines/{machine}").json() == before


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_of_the_description_works(client: TestClient, machine: str, name: str) -> None:
    assert client.post(f"/api/v1/machines/{machine}/compare", json=EXAMPLES[name]["value"]).status_code == 200


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"index": 0}, "command"),
        ({"command": {"op": "free", "ptr": "a"}}, "index"),
        ({"index": 9, "command": {"op": "free", "ptr": "a"}}, "index"),
        ({"index": 0, "command": {"op": "malloc", "size": -1, "as": "a"}}, "command"),
        ({"sysctls": {"swappiness": 500}}, "sysctls"),
        ({"sysctls": {"happiness": 1}}, "sysctls"),
        ({"depth": 1}, "depth"),
    ],
)
def test_what_rest_cannot_compare_is_refused_by_field(
    client: TestClient, machine: str, asked: dict[str, Any], field: str
) -> None:
    answer = client.post(f"/api/v1/machines/{machine}/compare", json=asked)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]


def test_the_page_tells_the_first_difference_in_a_sentence(client: TestClient, machine: str) -> None:
    page = client.get(f"/m/{machine}/compare?name=page-cluster&value=0").text
    assert "The first difference is what command 4, touch m 14680064 r, gave:" in page
    assert "page-cluster = 0" in page
    assert "of these major: waited for the disk" in page


def test_the_page_asks_what_to_change_at_first(client: TestClient, machine: str) -> None:
    page = client.get(f"/m/{machine}/compare").text
    assert "4 commands to run again. Choose a setting." in page
    assert 'type="range"' in page


def test_the_page_says_where_nothing_differs(client: TestClient) -> None:
    name = client.post("/api/v1/machines", json={"preset": "64mb"}).json()["id"]
    page = client.get(f"/m/{name}/compare?name=swappiness&value=0").text
    assert "Nothing differs: every command gave the same, in the same time." in page


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("name=swappiness&value=500", "swappiness = 500 gives EINVAL"),
        ("name=swappiness&value=x", "value is &#39;x&#39;; write a whole number"),
        ("name=happiness&value=1", "name is &#39;happiness&#39;; it can be swappiness"),
    ],
)
def test_a_mistake_is_told_in_the_form(client: TestClient, machine: str, query: str, words: str) -> None:
    answer = client.get(f"/m/{machine}/compare?{query}")
    assert answer.status_code == 422
    assert words in answer.text


def test_an_unknown_machine_has_no_runs(client: TestClient) -> None:
    assert client.get("/m/nobody/compare").status_code == 404
    assert client.post("/api/v1/machines/nobody/compare", json={}).status_code == 404
