"""The session's picture as a file of its own: it stands alone, and shows what the machine has."""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree as ET

import pytest

from app.pages.snapshot import CHUNKS_DRAWN, place_of, snapshot_svg
from app.pages.svg_snapshot import COLOURS, INNER, Box, Sheet
from app.words import catalogues, speaking
from engine import views
from engine.commands import Free, Malloc, Mmap, Touch
from engine.config import PRESETS
from engine.machine import Machine
from engine.outcome import CommandError
from engine.views.ledger import Account

if TYPE_CHECKING:
    from fastapi.testclient import TestClient

SVG: Final = "{http://www.w3.org/2000/svg}"
STORY: Final = (
    Malloc(as_="a", size=100),
    Malloc(as_="b", size=1000),
    Free(ptr="b"),
    Mmap(as_="m", length=65536),
    Touch(ptr="m", length=65536),
)


def told(preset: str = "64mb") -> Machine:
    machine = Machine(PRESETS[preset])
    for command in STORY:
        machine.perform(command)
    return machine


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in ET.fromstring(svg).iter(f"{SVG}text")]


def test_the_sheet_shows_every_layer_from_the_heap_to_the_ledger() -> None:
    machine = told()
    said = texts(snapshot_svg(machine, place_of(machine, "a", 0), 5))
    assert [word for word in ("HEAP", "ADDRESS SPACE", "TRANSLATION", "LEDGER") if word in said] == [
        "HEAP",
        "ADDRESS SPACE",
        "TRANSLATION",
        "LEDGER",
    ]
    assert {"a", "b", "top", "0x70", "0x3f0", "stack"} <= set(said)
    frame = views.page_walk(machine, machine.processes[0].slots["a"]).pfn
    assert f"frame {frame:#07x}" in said
    free = sum(each.frames for each in views.ledger(machine).accounts if each.account is Account.FREE)
    assert f"free {free * 4 / 1024:.1f} MB" in said


def test_a_file_stands_alone_and_says_what_it_shows() -> None:
    machine = told()
    root = ET.fromstring(snapshot_svg(machine, place_of(machine, "a", 0), 5))
    named = [element.get("id") for element in root if element.tag in (f"{SVG}title", f"{SVG}desc")]
    assert root.get("aria-labelledby") == " ".join(name or "" for name in named) == "title description"
    outside = [
        value for element in root.iter() for value in element.attrib.values() if "url(" in value or "://" in value
    ]
    assert outside == []
    assert not [element for element in root.iter() if element.tag in (f"{SVG}script", f"{SVG}image", f"{SVG}use")]


def test_each_shape_has_its_colour_in_itself_and_a_dark_one_in_the_style() -> None:
    machine = told()
    root = ET.fromstring(snapshot_svg(machine, place_of(machine, "a", 0), 5))
    style = next(root.iter(f"{SVG}style")).text or ""
    for element in root.iter():
        if element.tag in (f"{SVG}rect", f"{SVG}path", f"{SVG}text"):
            assert element.get("fill") is not None
            for name in (element.get("class") or "").split():
                assert f".{name} {{" in style
    assert COLOURS["blue"][1] in style


def test_what_is_written_in_names_cannot_break_out() -> None:
    sheet = Sheet()
    sheet.boxes([Box(("<script>", '"&'), "blue", 1)])
    assert texts(sheet.svg("<t>", "d")) == ["<script>", '"&']


def test_boxes_stay_inside_the_sheet() -> None:
    machine = told()
    for number in range(80):
        machine.perform(Malloc(as_=f"s{number}", size=24 * number))
    root = ET.fromstring(snapshot_svg(machine, place_of(machine, "s40", 0), 85))
    boxes = [element for element in root.iter(f"{SVG}rect") if element.get("rx") == "4"]
    assert len(boxes) > CHUNKS_DRAWN
    assert all(float(box.get("x", "")) + float(box.get("width", "")) <= INNER + 17 for box in boxes)
    said = texts(snapshot_svg(machine, place_of(machine, "s40", 0), 85))
    left_out = [int(match[1]) for text in said if (match := re.fullmatch(r"(\d+) more", text))]
    assert sum(left_out) == len(views.heap(machine).chunks) - CHUNKS_DRAWN


@pytest.mark.parametrize("preset", ["16mb", "1gb"])
def test_a_machine_of_any_size_is_drawn_in_less_than_200_kb(preset: str) -> None:
    machine = told(preset)
    assert len(snapshot_svg(machine, place_of(machine, "", 0), 5)) < 200_000


def test_before_the_first_malloc_there_is_no_heap_to_draw() -> None:
    machine = Machine(PRESETS["64mb"])
    assert "There is no heap yet." in texts(snapshot_svg(machine, place_of(machine, "", 0), 0))


def test_an_address_without_a_frame_ends_where_the_walk_ends() -> None:
    machine = told()
    assert "no frame" in texts(snapshot_svg(machine, place_of(machine, "0x40000000", 0), 5))


def test_the_words_are_those_of_the_language() -> None:
    machine = told()
    with speaking(catalogues()["zh-Hans"]):
        assert "地址空间" in texts(snapshot_svg(machine, place_of(machine, "a", 0), 5))


def test_a_place_that_is_not_there_is_refused() -> None:
    machine = told()
    with pytest.raises(CommandError, match="there is no process 3"):
        place_of(machine, "", 3)
    with pytest.raises(CommandError, match="zebra"):
        place_of(machine, "zebra", 0)


# --- over HTTP -------------------------------------------------------------------------------------------------------


@pytest.fixture
def machine(client: TestClient) -> str:
    name: str = client.post("/api/v1/machines", json={"preset": "64mb"}).json()["id"]
    client.post(f"/api/v1/machines/{name}/commands", json=[{"op": "malloc", "size": 100, "as": "a"}])
    return name


def test_the_svg_may_have_its_style_and_nothing_from_outside(client: TestClient, machine: str) -> None:
    answer = client.get(f"/m/{machine}/snapshot.svg?at=a")
    assert answer.headers["content-type"] == "image/svg+xml"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'; style-src 'unsafe-inline'")
    assert "step 1 of 1" in " ".join(texts(answer.text))


def test_the_png_is_twice_as_large_as_the_drawing(client: TestClient, machine: str) -> None:
    root = ET.fromstring(client.get(f"/m/{machine}/snapshot.svg").text)
    answer = client.get(f"/m/{machine}/snapshot.png")
    assert answer.headers["content-type"] == "image/png"
    assert answer.content.startswith(b"\x89PNG\r\n")
    width, height = struct.unpack(">II", answer.content[16:24])
    assert width == 2 * int(root.get("width", ""))
    assert abs(height - 2 * float(root.get("height", ""))) <= 2


@pytest.mark.parametrize("kind", ["svg", "png"])
def test_what_cannot_be_drawn_is_refused_in_words(client: TestClient, machine: str, kind: str) -> None:
    assert client.get(f"/m/nobody/snapshot.{kind}").status_code == 404
    answer = client.get(f"/m/{machine}/snapshot.{kind}?at=zebra")
    assert answer.status_code == 422
    assert "zebra" in answer.text
    assert client.get(f"/m/{machine}/snapshot.{kind}?pid=9").status_code == 422


def test_the_share_panel_leads_to_both(client: TestClient, machine: str) -> None:
    page = client.get(f"/m/{machine}/share").text
    assert f'href="/m/{machine}/snapshot.svg"' in page
    assert f'href="/m/{machine}/snapshot.png"' in page
