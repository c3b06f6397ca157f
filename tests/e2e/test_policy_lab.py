"""The policy lab's page, used as a learner would: by mouse, by file, on a phone, and without scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser, Page, expect

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal

BELADY = "1 2 3 4 1 2 5 1 2 3 4 5"


def count(page: Page, policy: str, column: int) -> str:
    row = page.locator("table.counts").first.get_by_role("row").filter(has=page.get_by_role("rowheader", name=policy))
    return row.locator("td").nth(column).inner_text()


def test_beladys_anomaly_is_found_by_adding_a_frame(page: Page, base_url: str) -> None:
    page.goto(f"{base_url}/")
    page.get_by_role("link", name="which page goes?").click()
    page.get_by_label("Numbers, or a trace").fill(BELADY)
    page.get_by_role("textbox", name="frames").fill("3")
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_text("12 references to 5 pages, in 3 frames")).to_be_visible()
    assert count(page, "FIFO", 1) == "9"
    page.get_by_role("textbox", name="frames").fill("4")
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_text("in 4 frames")).to_be_visible()
    assert count(page, "FIFO", 1) == "10"
    assert count(page, "OPT", 1) == "6"
    expect(page.locator(".anomaly")).to_have_text(
        "Belady's anomaly: FIFO misses 10 times with 4 frames, and 9 times with 3."
    )
    table = page.get_by_role("table", name="FIFO: the frames after each reference")
    expect(table.get_by_role("row", name="frame 0").get_by_role("cell")).to_have_text(list("111111555544"))


def test_a_trace_of_valgrinds_is_read_from_a_file(page: Page, base_url: str) -> None:
    page.goto(f"{base_url}/policies")
    lackey = b"==7== Lackey\nI  04016680,3\n S 1ffeffff48,8\nI  04016683,5\n"
    page.get_by_label("or a file").set_input_files({"name": "t.log", "mimeType": "text/plain", "buffer": lackey})
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_text("3 references to 2 pages, in 3 frames")).to_be_visible()
    expect(page.get_by_role("columnheader", name="written back")).to_be_visible()


def test_a_mistake_is_told_beside_the_form_that_keeps_what_was_typed(page: Page, base_url: str) -> None:
    page.goto(f"{base_url}/policies")
    page.get_by_label("Numbers, or a trace").fill("1 2\nthree")
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_role("alert").filter(has_text="line")).to_have_text(
        "line 2: 'three' is no number; write 123 or 0x7b"
    )
    expect(page.get_by_label("Numbers, or a trace")).to_have_value("1 2\nthree")


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_the_lab_is_accessible(
    page: Page, base_url: str, is_accessible: Callable[[Page], None], colours: Literal["light", "dark"]
) -> None:
    page.emulate_media(color_scheme=colours)
    page.goto(f"{base_url}/policies?kind=scan&length=200&pages=6&frames=6")
    is_accessible(page)
    page.goto(f"{base_url}/policies?frames=0")
    is_accessible(page)


def test_the_lab_fits_a_phone_and_needs_no_script(browser: Browser, base_url: str) -> None:
    context = browser.new_context(java_script_enabled=False, viewport={"width": 390, "height": 844})
    page = context.new_page()
    page.goto(f"{base_url}/policies")
    page.get_by_label("pattern").select_option("loop")
    page.get_by_label("length").fill("60")
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_text("references 1 to 40 of 60")).to_be_visible()
    page.get_by_role("button", name="later →").click()
    expect(page.get_by_text("references 41 to 60 of 60")).to_be_visible()
    content = page.locator("main.lab").bounding_box()
    assert content is not None and content["x"] + content["width"] <= 390
    context.close()
