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
