"""Reclaim on the machine's page, and two runs side by side, as a learner would use them."""

from __future__ import annotations

import json
import re
import urllib.request
from typing import TYPE_CHECKING, Any, Final

import pytest
from playwright.sync_api import Page, expect

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal

MB: Final = 1 << 20
TIGHT: Final[list[dict[str, Any]]] = [
    {"op": "mmap", "as": "m", "length": 14 * MB},
    {"op": "touch", "ptr": "m", "length": 14 * MB},
    {"op": "touch", "ptr": "m", "length": MB, "access": "r"},
]


def post(url: str, body: object) -> Any:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


@pytest.fixture
def machine(base_url: str) -> str:
    """The address of a machine of 16 MB that has swapped."""
    name = post(f"{base_url}/api/v1/machines", {"preset": "16mb"})["id"]
    post(f"{base_url}/api/v1/machines/{name}/commands", TIGHT)
    return f"{base_url}/m/{name}"


def test_the_step_tells_who_was_woken_and_what_it_cost(page: Page, machine: str) -> None:
    page.goto(machine)
    band = page.locator("#reclaim")
    expect(band.locator(".stories li").first).to_contain_text("kswapd was woken")
    expect(band.get_by_role("img", name="zone DMA")).to_be_visible()
    page.locator('a[href$="turn=step"]').click()
    band = page.get_by_role("region", name="Reclaim in this step")
    row = band.get_by_role("row", name="major faults")
    assert int(row.locator("td").first.inner_text()) > 0
    expect(band.get_by_text("of this step went by in major faults")).to_be_visible()
    oldest = band.get_by_role("list", name="oldest of inactive anonymous")
    expect(oldest.get_by_role("listitem")).to_have_count(16)
    expect(oldest.get_by_role("link").first).to_have_attribute(
        "aria-label", re.compile("^frame 0x[0-9a-f]{5}, .*in swap slot [0-9]+")
    )


def test_the_oom_killer_s_report_and_points_are_shown(page: Page, machine: str) -> None:
    page.goto(machine)
    page.locator('a[href$="turn=oom"]').click()
    expect(page.get_by_role("row", name="0 student would be killed")).to_be_visible()


def test_swappiness_is_a_slider_whose_effect_is_run_side_by_side(page: Page, machine: str) -> None:
    page.goto(machine)
    page.get_by_role("link", name="another swappiness?").click()
    slider = page.get_by_role("slider", name="swappiness")
    expect(slider).to_have_value("60")
    page.wait_for_load_state()
    slider.fill("0")
    expect(page.get_by_role("heading", name="What differs")).to_be_visible()
    expect(page.get_by_role("columnheader", name="swappiness = 0").first).to_be_visible()
    expect(page.get_by_role("row", name="pswpout")).to_be_visible()
    page.get_by_label("setting").select_option("page-cluster")
    page.get_by_label("value").fill("0")
    page.get_by_role("button", name="Compare").last.click()
    expect(page.locator(".verdict.first")).to_contain_text(
        "The first difference is what command 3, touch m 1048576 r, gave"
    )


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_both_pages_are_accessible(
    page: Page, machine: str, is_accessible: Callable[[Page], None], colours: Literal["light", "dark"]
) -> None:
    page.emulate_media(color_scheme=colours)
    page.goto(machine)
    page.locator('a[href$="turn=oom"]').click()
    is_accessible(page)
    page.goto(f"{machine}/compare?name=page-cluster&value=0")
    is_accessible(page)


def test_both_pages_fit_a_phone(page: Page, machine: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    for address in (machine, f"{machine}/compare?name=page-cluster&value=0"):
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth") == 390
