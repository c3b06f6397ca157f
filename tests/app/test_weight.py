"""What is sent after each command: only the parts of the page that changed, and never much."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from app.language import program_of
from app.scenarios import scenarios
from tests.app.shown_page import ShownPage, digests_of

if TYPE_CHECKING:
    from fastapi.testclient import TestClient

MOST: Final = 60_000
"""Bytes of an answer, uncompressed."""
FEW: Final = ("chunk", "processes")
"""Panels that somebody might have open at once."""


def begun(client: TestClient, scenario: str, *opened: str) -> ShownPage:
    """The page of a scenario's machine, its first line done."""
    answer = client.post("/m", data={"scenario": scenario}, follow_redirects=False)
    path = answer.headers["location"].partition("?")[0]
    return ShownPage(client, f"{path}?open={','.join(opened)}" if opened else path)


def rest_is_performed(page: ShownPage, scenario: str) -> None:
    for command in scenarios()[scenario].program.commands[1:]:
        page.post("do", {"words": program_of([command]).strip()}, pid=command.pid)


@pytest.mark.parametrize("scenario", list(scenarios()))
def test_no_command_of_a_scenario_is_answered_with_more_than_60_kb(client: TestClient, scenario: str) -> None:
    page = begun(client, scenario)
    rest_is_performed(page, scenario)
    assert max(page.weights, default=0) < MOST


@pytest.mark.parametrize("scenario", list(scenarios()))
def test_a_page_that_took_the_parts_that_came_is_the_page_that_would_be_sent_whole(
    client: TestClient, scenario: str
) -> None:
    page = begun(client, scenario, *FEW)
    rest_is_performed(page, scenario)
    page.post("go", {"version": "1"})
    assert page.parts == digests_of(client.get(page.path).text)


THOUSANDS: Final = (
    *({"op": "malloc", "size": 8 + 37 * number % 600, "as": f"p{number}"} for number in range(3000)),
    *({"op": "free", "ptr": f"p{number}"} for number in range(0, 3000, 3)),
)
WIDE: Final = (
    {"op": "mmap", "length": 400 << 20, "as": "m"},
    *({"op": "fork", "child": child} for child in range(1, 9)),
)


@pytest.mark.parametrize(
    ("preset", "before", "words", "opened"),
    [
        ("64mb", THOUSANDS, ("malloc q 100", "free p1", "malloc r 9000"), ()),
        ("64mb", THOUSANDS, ("malloc q 100", "free p1"), ("chunk", "chunks", "tlb")),
        ("1gb", WIDE, ("touch m 200M", "write m 7", "munmap m 4096"), ()),
        ("1gb", WIDE, ("touch m 4M", "@3 write m 7"), ("processes",)),
    ],
    ids=["thousands of chunks", "with their table", "a machine of 1 GB", "nine processes side by side"],
)
def test_large_sessions_are_answered_lightly_too(
    client: TestClient,
    preset: str,
    before: tuple[dict[str, object], ...],
    words: tuple[str, ...],
    opened: tuple[str, ...],
) -> None:
    machine = client.post("/api/v1/machines", json={"preset": preset}).json()["id"]
    for first in range(0, len(before), 100):
        assert client.post(f"/api/v1/machines/{machine}/commands", json=before[first : first + 100]).is_success
    page = ShownPage(client, f"/m/{machine}?open={','.join(opened)}")
    for line in words:
        page.post("do", {"words": line}, pid=int(line[1]) if line.startswith("@") else 0)
    page.get("?at=0x0804e1a0")
    assert max(page.weights) < MOST
