"""The first page: a picture of a malloc that was really performed, and what to begin with."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from app.pages.first_picture import first_picture
from app.scenarios import FIRST, scenarios
from engine import views
from engine.machine import Machine

if TYPE_CHECKING:
    from fastapi.testclient import TestClient


def test_the_picture_shows_what_the_machine_really_did() -> None:
    scenario = scenarios()[FIRST]
    machine = Machine(scenario.config)
    address = machine.perform(scenario.program.commands[0]).ret
    assert address is not None
    picture, walk = first_picture(), views.page_walk(machine, address)
    assert walk.pfn is not None
    assert (int(picture.address, 16), int(picture.frame, 16)) == (address, walk.pfn)
    assert (picture.directory, picture.table, int(picture.offset, 16)) == (
        address >> 22,
        address >> 12 & 1023,
        address & 4095,
    )
    chosen = [next(box.name for box in row if box.chosen) for row in (picture.heap, picture.space, picture.frames)]
    assert chosen == ["a", "heap", picture.frame]


@pytest.mark.parametrize(
    ("language", "heading"), [("en", "A first malloc, done and told"), ("zh-Hans", "第一次 malloc")]
)
def test_a_newcomer_sees_it_without_asking_for_anything(client: TestClient, language: str, heading: str) -> None:
    page = client.get(f"/?lang={language}").text
    assert heading in page
    for number in (first_picture().address, first_picture().frame, "136 KB"):
        assert number in page


def test_the_buttons_beside_the_picture_make_the_machine_it_shows(client: TestClient) -> None:
    button = re.search(r'class="main" name="(\w+)" value="([\w-]+)"', client.get("/").text)
    assert button is not None
    assert first_picture().address in client.post("/m", data={button[1]: button[2]}).text
