"""Time: stepping, jumping, playing, the events of a command, branches, and the keys, as a learner would use them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Browser, Page, expect

if TYPE_CHECKING:
    from collections.abc import Callable

MALLOCS: list[dict[str, Any]] = [
    {"op": "malloc", "size": 100, "as": "a"},
    {"op": "malloc", "size": 200, "as": "b"},
    {"op": "free", "ptr": "a"},
]


def made(page: Page, base_url: str, commands: list[dict[str, Any]], preset: str = "64mb") -> str:
    """The path of a machine that did these commands; the page shows it."""
    machine = page.request.post(f"{base_url}/api/v1/machines", data={"preset": preset}).json()["id"]
    if commands:
        assert page.request.post(f"{base_url}/api/v1/machines/{machine}/commands", data=commands).ok
    page.goto(f"{base_url}/m/{machine}")
    page.wait_for_load_state()
    return f"{base_url}/m/{machine}"


def clock(page: Page, words: str) -> None:
    expect(page.locator(".clock")).to_contain_text(words)


def test_a_number_leads_to_its_step(page: Page, base_url: str) -> None:
    made(page, base_url, MALLOCS)
    page.keyboard.press("g")
    expect(page.locator("#go-to")).to_be_focused()
    page.keyboard.type("1")
    page.keyboard.press("Enter")
    clock(page, "step 1 of 3")
    expect(page.locator(".pointers b")).to_have_text(["a"])
    page.locator("#go-to").fill("9")
    page.locator("#go-to").press("Enter")
    expect(page.locator("#go-error")).to_have_text("version is 9; it can be 0 to 3")
    clock(page, "step 1 of 3")


def test_playing_steps_to_the_end_and_stops_there(page: Page, base_url: str) -> None:
    made(page, base_url, MALLOCS)
    page.locator('.buttons button[value="0"]').click()
    clock(page, "step 0 of 3")
    page.locator("#pace").select_option("250")
    page.locator("#play").click()
    expect(page.locator("#play")).to_have_attribute("aria-pressed", "true")
    clock(page, "step 3 of 3")
    expect(page.locator("#play")).to_have_attribute("aria-pressed", "false")


def test_playing_can_be_paused_by_the_key_that_began_it(page: Page, base_url: str) -> None:
    made(page, base_url, MALLOCS * 40)
    page.locator('.buttons button[value="0"]').click()
    clock(page, "step 0 of 120")
    page.locator("#pace").select_option("250")
    page.locator(".brand").focus()
    page.keyboard.press("p")
    expect(page.locator(".clock")).to_contain_text(re.compile(r"step ([2-9]|\d\d+) of 120"))
    page.keyboard.press("p")
    expect(page.locator("#play")).to_have_attribute("aria-pressed", "false")
    page.wait_for_timeout(500)  # a step may be under way
    stood = page.locator(".clock").inner_text()
    page.wait_for_timeout(700)
    assert page.locator(".clock").inner_text() == stood


def test_the_events_of_a_command_are_stepped_through_and_light_up_what_they_touched(page: Page, base_url: str) -> None:
    made(page, base_url, MALLOCS[:1])
    current = page.locator("#events [data-event][aria-current]")
    expect(current).to_have_count(0)
    page.keyboard.press("}")
    expect(current).to_have_count(1)
    expect(page.locator("#events [data-said]")).to_contain_text(re.compile(r"^1 / \d+ · "))
    first = current.inner_text()
    total = page.locator("#events [data-event]").count()
    lit = set()
    for _ in range(total - 1):
        page.keyboard.press("}")
        lit |= set(page.locator("#bands .lit").evaluate_all("all => all.map(e => e.dataset.key || '')"))
        assert current.evaluate("e => e.checkVisibility()")
    expect(page.locator("#event-next")).to_be_disabled()
    assert any(key.startswith("chunk:") for key in lit)
    assert any(key.startswith(("frame:", "cell:")) for key in lit)
    for _ in range(total - 1):
        page.keyboard.press("{")
    assert current.inner_text() == first
    page.keyboard.press("{")
    expect(current).to_have_count(0)
    expect(page.locator(".lit")).to_have_count(0)


def test_the_slider_of_events_moves_by_arrow_keys_and_says_the_event(page: Page, base_url: str) -> None:
    made(page, base_url, MALLOCS[:1])
    slider = page.get_by_role("slider", name="Event of this command")
    slider.focus()
    page.keyboard.press("ArrowRight")
    expect(slider).to_have_attribute("aria-valuetext", re.compile(r"^1 / \d+: \w"))
    page.keyboard.press("End")
    expect(page.locator("#event-next")).to_be_disabled()


def test_playing_events_goes_on_into_the_next_command(page: Page, base_url: str) -> None:
    made(page, base_url, MALLOCS)
    page.locator('.buttons button[value="0"]').click()
    clock(page, "step 0 of 3")
    page.set_viewport_size({"width": 1600, "height": 900})
    page.locator("#play-what").select_option("events")
    page.locator("#pace").select_option("250")
    page.locator("#play").click()
    clock(page, "step 1 of 3")
    expect(page.locator("#events [data-said]")).to_contain_text(re.compile(r"^[1-9]\d* / 18 "))
    clock(page, "step 2 of 3")
    page.keyboard.press("Escape")
    expect(page.locator("#play")).to_have_attribute("aria-pressed", "false")


def test_a_branch_is_shown_beside_the_old_run_and_can_be_gone_on_in_and_left_again(
    page: Page, base_url: str, is_accessible: Callable[[Page], None]
) -> None:
    made(page, base_url, [*MALLOCS, {"op": "malloc", "size": 100, "as": "c"}])
    page.keyboard.press("[")
    clock(page, "step 3 of 4")
    page.keyboard.press("b")
    expect(page.get_by_label("Another command instead of step 3")).to_be_visible()
    expect(page.locator(".branches .pop")).to_contain_text("the 1 later command is kept")
    page.get_by_label("Another command instead of step 3").fill("free b")
    is_accessible(page)
    page.get_by_label("Another command instead of step 3").press("Enter")
    expect(page.locator(".verdict.first")).to_contain_text("The first difference is what command 4, malloc c 100, gave")
    expect(page.locator("svg.sheet")).to_have_count(2)
    is_accessible(page)
    page.get_by_role("button", name="go on in this run").click()
    clock(page, "step 3 of 4")
    expect(page.locator(".ticks .now")).to_have_text("free b")
    page.locator("#branches summary").click()
    expect(page.locator(".branches .pop li")).to_contain_text("after step 2: free a, 2 commands")
    page.get_by_role("button", name="return").click()
    clock(page, "step 2 of 4")
    expect(page.locator(".ticks .later")).to_have_text(["free a", "malloc c 100"])


def test_a_new_command_after_a_step_back_keeps_the_later_ones(page: Page, base_url: str) -> None:
    made(page, base_url, MALLOCS)
    page.keyboard.press("[")
    clock(page, "step 2 of 3")
    page.keyboard.press("/")
    page.keyboard.type("malloc z 24")
    page.keyboard.press("Enter")
    clock(page, "step 3 of 3")
    expect(page.locator(".branches .count")).to_have_text("1")


def test_the_list_of_keys_opens_by_key_and_by_button_and_each_key_has_its_target(
    page: Page, base_url: str, is_accessible: Callable[[Page], None]
) -> None:
    made(page, base_url, MALLOCS)
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keys")
    expect(dialog).to_be_visible()
    is_accessible(page)
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    page.locator("#keys-open").click()
    expect(dialog).to_be_visible()
    page.get_by_role("button", name="close").click()
    targets = page.locator("#keys [data-press]").evaluate_all("all => all.map(e => e.dataset.target)")
    missing = [target for target in targets if target != "program-next" and page.locator(f"#{target}").count() != 1]
    assert missing == []


def test_single_keys_can_be_switched_off_and_stay_so(page: Page, base_url: str) -> None:
    made(page, base_url, MALLOCS)
    page.keyboard.press("?")
    page.get_by_label("Single keys act").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("[")
    page.reload()
    page.wait_for_load_state()
    page.keyboard.press("[")
    page.wait_for_timeout(300)
    clock(page, "step 3 of 3")
    page.keyboard.press("?")
    page.get_by_label("Single keys act").check()
    page.keyboard.press("Escape")
    page.keyboard.press("[")
    clock(page, "step 2 of 3")


def test_a_whole_session_by_keyboard_alone(page: Page, base_url: str) -> None:
    made(page, base_url, [])
    for words in ("malloc a 100", "malloc b 200"):
        page.keyboard.press("/")
        page.keyboard.type(words)
        page.keyboard.press("Enter")
        expect(page.locator(".asked code")).to_have_text(words)
        page.keyboard.press("Escape")
    page.keyboard.press("[")
    clock(page, "step 1 of 2")
    page.keyboard.press("}")
    page.keyboard.press("}")
    expect(page.locator("#events [data-said]")).to_contain_text(re.compile(r"^2 / "))
    page.keyboard.press("b")
    expect(page.locator("#b-words")).to_be_focused()
    page.keyboard.press("Control+A")
    page.keyboard.type("malloc a 5000")
    page.keyboard.press("Enter")
    expect(page.locator(".verdict.first")).to_contain_text("command 2, malloc b 200")
    for _ in range(40):
        if page.evaluate("document.activeElement.innerText") == "go on in this run":
            break
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    clock(page, "step 1 of 2")
    expect(page.locator(".ticks .now")).to_have_text("malloc a 5000")


def test_without_scripts_one_steps_jumps_branches_and_reads_the_keys(browser: Browser, base_url: str) -> None:
    context = browser.new_context(java_script_enabled=False, viewport={"width": 1440, "height": 900})
    page = context.new_page()
    made(page, base_url, MALLOCS)
    expect(page.locator("#play")).to_be_hidden()
    expect(page.locator("#event-next")).to_be_hidden()
    page.locator("#step-back").click()
    clock(page, "step 2 of 3")
    page.locator("#go-to").fill("1")
    page.locator(".jump button").click()
    clock(page, "step 1 of 3")
    page.locator("#branches summary").click()
    page.locator("#b-words").fill("malloc a 5000")
    page.locator("#b-words").press("Enter")
    page.get_by_role("button", name="go on in this run").click()
    clock(page, "step 1 of 3")
    page.locator("#branches summary").click()
    page.get_by_role("button", name="return").click()
    clock(page, "step 0 of 3")
    page.locator("#keys-open").click()
    expect(page.get_by_role("heading", name="Keys")).to_be_visible()
    expect(page.locator(".keylist")).to_have_count(6)
    context.close()


def test_the_snapshot_is_a_picture_of_its_own(page: Page, base_url: str) -> None:
    address = made(page, base_url, MALLOCS)
    page.goto(f"{address}/snapshot.svg")
    page.emulate_media(color_scheme="dark")
    ground = page.locator("svg > rect").first
    dark = ground.evaluate("e => getComputedStyle(e).fill")
    page.emulate_media(color_scheme="light")
    assert ground.evaluate("e => getComputedStyle(e).fill") == "rgb(255, 255, 255)" != dark


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (1024, 768), (390, 844)])
def test_the_foot_of_the_page_fits_the_window(page: Page, base_url: str, width: int, height: int) -> None:
    page.set_viewport_size({"width": width, "height": height})
    made(page, base_url, MALLOCS * 20)
    for part in page.locator("#part-time > :visible").all():
        box = part.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
        assert box["y"] + box["height"] <= height


@pytest.mark.parametrize("width", [1440, 1024])
def test_the_present_step_of_a_long_history_is_in_sight(page: Page, base_url: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    long = [
        {"op": "mmap", "length": 4096 * step, "prot": "rw", "flags": ["private"], "as": f"m{step}"}
        for step in range(1, 31)
    ]
    made(page, base_url, long)
    present = page.locator(".ticks .now")
    expect(present).to_be_in_viewport(ratio=1)
    page.locator("#step-back").click()
    clock(page, "step 29 of 30")
    expect(present).to_be_in_viewport(ratio=1)
