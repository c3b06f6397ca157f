"""The list of keys: the page's script acts by it, so what it says is so."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from app.pages.key_list import KEYS, Act, acting

if TYPE_CHECKING:
    from fastapi.testclient import TestClient

ROOT: Final = Path(__file__).parents[2]
NAMES: Final = {
    "Esc": "Escape",
    "←": "ArrowLeft",
    "→": "ArrowRight",
    "↑": "ArrowUp",
    "↓": "ArrowDown",
    "Ctrl+Space": " ",
}
"""What the browser calls what stands on a key."""


def test_no_key_does_two_things() -> None:
    pressed = [key.press for key in acting()]
    assert sorted(set(pressed)) == sorted(pressed)
    assert all(len(key) == 1 for key in pressed)


def test_each_key_acts_on_something_that_a_template_has() -> None:
    templates = "".join(path.read_text("utf-8") for path in (ROOT / "templates").glob("*.html"))
    assert [key for key in acting() if f'id="{key.target}"' not in templates] == []


def test_no_script_knows_a_key_that_is_not_in_the_list() -> None:
    listed = {NAMES.get(cap, cap) for group in KEYS for key in group.keys for cap in key.caps}
    for path in (ROOT / "static").glob("*.js"):
        script = path.read_text("utf-8")
        known = set(re.findall(r'\.key [!=]== "([^"]+)"', script))
        known |= set(re.findall(r"\b(Arrow\w+|Home|End)\b", script))
        known |= {key for key, _ in re.findall(r'"?([^\s"])"?: "(nearer|farther|all|before|after)"', script)}
        assert known - listed == set(), path.name


def test_the_machine_page_has_the_list_that_the_script_reads(client: TestClient) -> None:
    name = client.post("/api/v1/machines", json={"preset": "16mb"}).json()["id"]
    page = client.get(f"/m/{name}").text
    rows = re.findall(r'data-press="([^"]+)" data-act="(\w+)" data-target="([^"]+)"', page)
    assert [(press, Act(act), target) for press, act, target in rows] == [
        (key.press, key.act, key.target) for key in acting()
    ]
    for key in acting():
        assert page.count(f'id="{key.target}"') <= 1


def test_the_list_is_a_page_too(client: TestClient) -> None:
    page = client.get("/keys").text
    assert page.count("<kbd>") == sum(len(key.caps) for group in KEYS for key in group.keys)
    assert "按键" in client.get("/keys?lang=zh").text
