"""The timeline: light however long the history is, and it says what becomes of later commands."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

import pytest

from app.pages.timeline import STEPS_AFTER, STEPS_BEFORE, timeline
from app.store.branches import Branch
from engine.commands import Free, Malloc
from engine.config import PRESETS
from engine.session import Session

if TYPE_CHECKING:
    from fastapi.testclient import TestClient


def long_session(commands: int, version: int) -> Session:
    session = Session(PRESETS["16mb"])
    session.perform_all(Free(ptr=0) for _ in range(commands))
    session.go_to(version)
    return session


@pytest.mark.parametrize(("version", "before", "after"), [(0, 0, 288), (150, 134, 138), (300, 284, 0)])
def test_of_a_long_history_the_steps_around_the_present_one_have_ticks_and_the_others_are_counted(
    version: int, before: int, after: int
) -> None:
    line = timeline(long_session(300, version), "m", 0)
    assert (line.steps_before, line.steps_after) == (before, after)
    assert len(line.steps) + before + after == 300
    assert len(line.steps) <= STEPS_BEFORE + STEPS_AFTER
    assert [step.version for step in line.steps if step.state == "now"] == ([version] if version else [])


def test_each_history_that_was_left_says_where_it_goes_off_and_how_it_begins() -> None:
    session = Session(PRESETS["16mb"])
    session.perform(Malloc(as_="a", size=24))
    branches = (
        Branch(1, 0, 0, 2, '{"op":"malloc","size":8,"as":"b"}'),
        Branch(2, 0, 1, 5, '{"op":"free","ptr":"a"}'),
    )
    line = timeline(session, "m", 0, branches)
    assert [(each.number, each.base, each.length, each.words) for each in line.left] == [
        (2, 1, 5, "free a"),
        (1, 0, 2, "malloc b 8"),
    ]


def footer(page: str) -> str:
    return html.unescape(re.sub(r"<[^>]+>", "", page[page.index("<footer") :]))


def test_the_page_says_beforehand_that_later_commands_are_kept(client: TestClient) -> None:
    name = client.post("/api/v1/machines", json={"preset": "16mb"}).json()["id"]
    mallocs = [{"op": "malloc", "size": size, "as": "a"} for size in (10, 20, 30)]
    client.post(f"/api/v1/machines/{name}/commands", json=mallocs)
    assert "begins another history" not in footer(client.get(f"/m/{name}").text)
    client.post(f"/m/{name}/go", data={"version": "1"})
    said = footer(client.get(f"/m/{name}").text)
    assert "Another command here begins another history; the 2 later commands are kept." in said
    client.post(f"/m/{name}/do", data={"words": "malloc z 40"})
    assert "after step 1: malloc a 20, 2 commands" in footer(client.get(f"/m/{name}").text)


def test_a_step_that_is_not_there_is_refused_beside_its_field(client: TestClient) -> None:
    name = client.post("/api/v1/machines", json={"preset": "16mb"}).json()["id"]
    answer = client.post(f"/m/{name}/go", data={"version": "7"})
    assert answer.status_code == 422
    assert 'id="go-error" role="alert">version is 7; it can be 0 to 0' in answer.text


def test_the_timeline_of_two_thousand_commands_is_as_light_as_that_of_a_hundred() -> None:
    short, long = (timeline(long_session(number, number), "m", 0) for number in (100, 2000))
    assert len(short.steps) == len(long.steps)
