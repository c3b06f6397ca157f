"""The playground, used as a learner would: by mouse, by keyboard, on a phone, and without scripts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal

FIRST: Final = "0x0804e1a0"
"""What the first malloc of 100 bytes gives."""


def start(page: Page, base_url: str, preset: str = "64mb") -> None:
    page.goto(base_url)
    page.locator(f'button[value="{preset}"]').click()
    expect(page.get_by_role("heading", name="Heap · what malloc manages")).to_be_visible()
    page.wait_for_load_state()  # the keys are the script's, which may still be on its way


def type_command(page: Page, words: str) -> None:
    page.keyboard.press("/")
    field = page.get_by_role("combobox", name="Command")
    expect(field).to_be_focused()
    field.fill(words)
    field.press("Enter")
    expect(page.locator(".asked code")).to_have_text(words)
    page.keyboard.press("Escape")


def chunk(page: Page, name: str) -> Locator:
    return page.get_by_role("link", name=re.compile(f"^chunk {name}, "))


def fact(page: Page, name: str) -> Locator:
    return page.locator(".facts div").filter(has=page.get_by_text(name, exact=True)).locator("dd")


@pytest.fixture
def machine(page: Page, base_url: str) -> Page:
    """The page of a fresh machine of 64 MB."""
    start(page, base_url)
    return page


def test_one_malloc_can_be_followed_from_the_chunk_to_the_frame(machine: Page) -> None:
    form = machine.locator("form.command").filter(has=machine.get_by_role("button", name="malloc", exact=True))
    form.get_by_label("size").fill("100")
    form.get_by_role("button").click()
    expect(chunk(machine, "a")).to_have_attribute("aria-label", re.compile(r"112 bytes at 0x0804e198, in use.* chosen"))
    expect(machine.locator(".came")).to_have_text(f"a = {FIRST}.")
    expect(machine.locator(".k-linear b")).to_have_text(FIRST)
    frame = machine.locator(".k-frame span").first.inner_text().removeprefix("frame ")
    expect(fact(machine, "frame")).to_contain_text(f"{frame} anonymous, zone Normal")
    fault = machine.locator(".tree details[open] > .reason")
    expect(fault).to_contain_text("Page fault: a write at 0x0804e00c")
    expect(machine.locator(".reasons .tree")).to_contain_text(
        f"Page 0x0804e000 is now frame {frame}: new anonymous memory."
    )
    around = machine.get_by_role("list", name="Frames around the chosen one")
    expect(around.locator(f'[data-key="frame:{int(frame, 16):x}"]')).to_have_attribute("aria-current", "true")
    expect(machine.locator(".chosen-ring")).to_have_count(1)


def test_the_keys_for_back_and_forward_step_through_the_history(machine: Page) -> None:
    type_command(machine, "malloc a 100")
    type_command(machine, "free a")
    expect(chunk(machine, "a")).to_have_attribute("aria-label", re.compile("freed, in the tcache"))
    machine.keyboard.press("[")
    expect(chunk(machine, "a")).to_have_attribute("aria-label", re.compile("in use"))
    machine.keyboard.press("[")
    expect(machine.get_by_text("There is no heap yet.")).to_be_visible()
    expect(machine.locator(".clock")).to_contain_text("step 0 of 2")
    machine.keyboard.press("]")
    machine.locator(".ticks button").last.click()
    expect(machine.locator(".clock")).to_contain_text("step 2 of 2")
    expect(chunk(machine, "a")).to_have_attribute("aria-label", re.compile("freed, in the tcache"))


def test_a_command_after_stepping_back_begins_another_branch(machine: Page) -> None:
    for words in ("malloc a 100", "malloc b 200"):
        type_command(machine, words)
    machine.keyboard.press("[")
    expect(machine.locator(".ticks .later")).to_have_count(1)
    type_command(machine, "malloc c 300")
    expect(machine.locator(".clock")).to_contain_text("step 2 of 2")
    expect(machine.locator(".pointers b")).to_have_text(["a", "c"])


def test_a_reload_shows_the_same_machine(machine: Page) -> None:
    type_command(machine, "malloc a 100")
    type_command(machine, "malloc b 3000")
    chunk(machine, "a").click()
    expect(machine).to_have_url(re.compile("at=0x0804e1a0"))
    before = machine.locator("#bands").inner_text(), machine.locator(".facts").inner_text()
    machine.reload()
    assert (machine.locator("#bands").inner_text(), machine.locator(".facts").inner_text()) == before


@pytest.mark.parametrize(
    ("op", "label", "typed", "said"),
    [
        ("malloc", "size", "many", "size is 'many'; write a whole number, such as 4096, 64K or 0x1000"),
        ("malloc", "as", "1a", "the slot '1a' is no name"),
        ("malloc", "size", "4294967296", "size is 4294967296; it can be 0 to 4294967295"),
        ("free", "ptr", "zebra", "ptr names the slot 'zebra', which holds nothing"),
        ("write", "value", "300", "value is 300; it can be 0 to 255"),
        ("write", "ptr", "", "ptr is empty; write a slot"),
    ],
)
def test_bad_input_is_refused_beside_its_field(machine: Page, op: str, label: str, typed: str, said: str) -> None:
    type_command(machine, "malloc a 100")
    form = machine.locator("form.command").filter(has=machine.get_by_role("button", name=op, exact=True))
    form.get_by_label(label).fill(typed)
    form.get_by_role("button").click()
    field = form.get_by_label(label)
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_be_focused()
    expect(field).to_have_value(typed)
    expect(form.locator(".error")).to_contain_text(said)
    assert field.get_attribute("aria-describedby") == form.locator(".error").get_attribute("id")
    expect(machine.locator(".clock")).to_contain_text("step 1 of 1")


def test_words_that_are_no_command_are_refused_and_kept(machine: Page) -> None:
    machine.keyboard.press("/")
    field = machine.get_by_role("combobox", name="Command")
    field.fill("mallok a 100")
    field.press("Enter")
    expect(machine.locator("#f-words-error")).to_contain_text("'mallok' is no command")
    expect(field).to_have_value("mallok a 100")


def test_what_is_typed_while_a_command_is_under_way_is_not_lost(machine: Page) -> None:
    machine.keyboard.press("/")
    for number in range(5):
        machine.keyboard.type(f"malloc p{number} 24")
        machine.keyboard.press("Enter")
    expect(machine.locator(".clock")).to_contain_text("step 5 of 5")
    expect(machine.locator(".pointers b")).to_have_text(["p0", "p1", "p2", "p3", "p4"])


def test_a_slot_that_was_typed_is_not_suggested_again(machine: Page) -> None:
    form = machine.locator("form.command").filter(has=machine.get_by_role("button", name="malloc", exact=True))
    form.get_by_label("as").fill("x")
    form.get_by_role("button").click()
    expect(machine.locator(".came")).to_have_text(f"x = {FIRST}.")
    expect(form.get_by_label("as")).to_have_value("a")


def test_a_segmentation_fault_is_told_with_its_address(machine: Page) -> None:
    type_command(machine, "read 0x40000000")
    expect(machine.locator(".came.bad")).to_have_text("SIGSEGV at 0x40000000. The program's handler caught it.")
    expect(machine.locator(".verdict")).to_contain_text("there is no page table for these 4 MB")


def test_pointing_at_a_chunk_lights_up_its_pointer_and_its_frame(machine: Page) -> None:
    type_command(machine, "malloc a 100")
    type_command(machine, "malloc b 3000")
    chunk(machine, "a").hover()
    expect(machine.locator(".pointers .lit")).to_have_count(1)
    expect(machine.locator(".pointers .lit")).to_contain_text("a")
    expect(machine.locator(".cells .lit-cell")).to_have_count(1)
    machine.mouse.move(700, 5)
    expect(machine.locator(".lit")).to_have_count(0)


def test_a_row_of_chunks_is_one_stop_and_arrows_move_in_it(machine: Page) -> None:
    for name in "abc":
        type_command(machine, f"malloc {name} 100")
    expect(machine.locator(".strip:not(.space) a[tabindex='0']")).to_have_count(1)
    chunk(machine, "c").focus()
    machine.keyboard.press("ArrowLeft")
    expect(chunk(machine, "b")).to_be_focused()
    machine.keyboard.press("Home")
    machine.keyboard.press("Enter")
    expect(fact(machine, "chunk")).to_contain_text("the tcache itself")


def test_a_frame_can_be_chosen_by_its_number_or_its_cell(machine: Page) -> None:
    machine.get_by_label("Frame", exact=True).fill("0x1000")
    machine.get_by_label("Frame", exact=True).press("Enter")
    expect(fact(machine, "frame")).to_contain_text("kernel code, zone Normal")
    machine.locator("svg.cells").first.click(position={"x": 4, "y": 4})
    expect(fact(machine, "frame")).to_contain_text("0x00001")


def test_an_unknown_place_is_refused_beside_its_field(machine: Page) -> None:
    machine.get_by_label("Address", exact=True).fill("nowhere")
    machine.get_by_label("Address", exact=True).press("Enter")
    expect(machine.locator("#f-at-error")).to_contain_text("at names the slot 'nowhere', which holds nothing")


def test_a_frame_that_is_not_there_is_refused_beside_its_field(machine: Page) -> None:
    machine.get_by_label("Frame", exact=True).fill("0x99999")
    machine.get_by_label("Frame", exact=True).press("Enter")
    expect(machine.locator("#f-frame-error")).to_have_text("there is no frame '0x99999'; write a number up to 0x03fff")
    expect(machine.get_by_label("Frame", exact=True)).to_have_value("0x99999")


def test_without_paging_there_is_no_directory_on_the_way(machine: Page) -> None:
    expect(machine.locator(".k-entry")).not_to_have_count(0)
    type_command(machine, "paging off")
    expect(machine.locator(".k-entry")).to_have_count(0)
    expect(machine.get_by_text("CR0.PG 0")).to_be_visible()


def test_a_child_has_its_own_page_and_shares_the_frame(machine: Page) -> None:
    type_command(machine, "malloc a 100")
    type_command(machine, "fork 1")
    chip = machine.get_by_role("navigation", name="Processes").get_by_role("link", name="process 1", exact=True)
    chip.click()
    expect(chip).to_have_attribute("aria-current", "page")
    expect(fact(machine, "mapped")).to_contain_text(
        "shared: 2 mappings, 2 references: process 0 at 0x0804e000, process 1"
    )


def test_a_machine_that_is_not_there_is_said_to_be_missing(page: Page, base_url: str, complaints: list[str]) -> None:
    page.goto(f"{base_url}/m/nobody")
    expect(page.get_by_role("heading", name="This machine is not here.")).to_be_visible()
    complaints.clear()


def test_what_is_shown_stays_when_the_server_fails(machine: Page, complaints: list[str]) -> None:
    type_command(machine, "malloc a 100")
    machine.route("**/do*", lambda route: route.fulfill(status=503, body="no"))
    machine.get_by_role("combobox", name="Command").fill("malloc b 100")
    machine.get_by_role("combobox", name="Command").press("Enter")
    expect(machine.get_by_role("alert")).to_contain_text("The server answered 503.")
    expect(chunk(machine, "a")).to_be_visible()
    assert [text for text in complaints if "503" not in text] == []
    complaints.clear()


def test_the_page_works_without_scripts(browser: Browser, base_url: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    start(page, base_url)
    page.get_by_role("combobox", name="Command").fill("malloc a 100")
    page.get_by_role("button", name="do", exact=True).click()
    expect(chunk(page, "a")).to_be_visible()
    page.get_by_role("button", name="back").click()
    expect(page.get_by_text("There is no heap yet.")).to_be_visible()
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 1024, 390])
def test_the_page_is_accessible_and_fits_its_window(
    machine: Page, scheme: Literal["light", "dark"], width: int, is_accessible: Callable[[Page], None]
) -> None:
    for words in ("malloc a 100", "malloc b 3000", "free a", "mmap m 65536", "touch m 65536"):
        type_command(machine, words)
    machine.emulate_media(color_scheme=scheme)
    machine.set_viewport_size({"width": width, "height": 900})
    is_accessible(machine)
    assert machine.evaluate("document.documentElement.scrollWidth") <= width


def test_the_first_page_is_accessible(page: Page, base_url: str, is_accessible: Callable[[Page], None]) -> None:
    page.goto(base_url)
    is_accessible(page)


def test_on_a_phone_the_forms_begin_folded_and_open_at_a_touch(page: Page, base_url: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    machine = page.request.post(f"{base_url}/api/v1/machines", data={"preset": "64mb"}).json()["id"]
    page.goto(f"{base_url}/m/{machine}")
    malloc = page.locator('form:has(input[value="malloc"]) button, button[value="malloc"]').first
    expect(malloc).to_be_hidden()
    expect(page.locator("#f-words")).to_be_visible()
    page.locator("details.group summary").first.click()
    expect(malloc).to_be_visible()
    malloc.click()
    expect(page.locator(".pointers b").first).to_be_visible()
    expect(malloc).to_be_visible()
