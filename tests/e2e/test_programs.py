"""Programs, the terminal and sharing, used as a learner would: by mouse, by keyboard, on a phone, and without scripts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal


def story(page: Page, base_url: str, name: str = "first-malloc") -> None:
    page.goto(base_url)
    page.locator(f'.scenarios button[value="{name}"]').click()
    expect(editor(page)).to_be_visible()


def editor(page: Page) -> Locator:
    return page.get_by_role("textbox", name=re.compile("^Program"))


def rows(page: Page, state: str) -> Locator:
    return page.locator(f".listing tr.is-{state}")


@pytest.fixture
def told(page: Page, base_url: str) -> Page:
    """The page of "A first malloc, told": its first line is done."""
    story(page, base_url)
    return page


def test_a_newcomer_finds_a_first_malloc_told(told: Page) -> None:
    expect(rows(told, "done")).to_have_count(1)
    expect(rows(told, "done")).to_contain_text("0x0804e1a0")
    expect(rows(told, "next")).to_contain_text("write a 65")
    expect(told.locator(".why .tree")).to_contain_text("Page fault")


def test_a_program_is_stepped_by_its_key_and_back(told: Page) -> None:
    told.locator("h1").first.click(force=True)
    told.keyboard.press(".")
    expect(rows(told, "done")).to_have_count(2)
    told.keyboard.press(".")
    expect(rows(told, "done")).to_have_count(3)
    expect(rows(told, "done").last).to_contain_text("65")
    told.keyboard.press("[")
    expect(rows(told, "done")).to_have_count(2)
    expect(rows(told, "next")).to_contain_text("read a")
    told.keyboard.press(".")
    expect(told.locator(".clock")).to_contain_text("step 3 of 3")


def test_a_program_of_ones_own_is_run_and_its_mistakes_stand_beside_their_lines(told: Page) -> None:
    editor(told).fill("m = mmap 64K rw private\ntouch m 8K\nfrea m\nunmap m 64K")
    told.get_by_role("button", name="run from the start").click()
    expect(rows(told, "wrong")).to_have_count(2)
    expect(rows(told, "wrong").first).to_contain_text("'frea' is no command; did you mean free?")
    expect(rows(told, "wrong").last).to_contain_text("did you mean munmap?")
    expect(told.locator(".clock")).to_contain_text("step 1 of 1")
    editor(told).fill("m = mmap 64K rw private\ntouch m 8K\nmunmap m 64K\nread m")
    told.get_by_role("button", name="run from the start").click()
    expect(rows(told, "done")).to_have_count(4)
    expect(rows(told, "done").nth(1)).to_contain_text("2 pages, 2 minor faults")
    expect(rows(told, "done").last).to_contain_text("SIGSEGV MAPERR at 0xb7d8b000")
    expect(told.locator(".clock")).to_contain_text("step 4 of 4")


def test_a_scenario_is_loaded_and_run(told: Page) -> None:
    told.get_by_label("Scenario").select_option(label="A double free that glibc catches")
    told.get_by_role("button", name="load", exact=True).click()
    expect(editor(told)).to_have_value(re.compile("^# A double free that glibc catches"))
    told.get_by_role("button", name="run from the start").click()
    expect(rows(told, "done").last).to_contain_text("SIGABRT: free(): double free detected in tcache 2")


def test_words_are_offered_while_one_types(told: Page) -> None:
    field = editor(told)
    field.fill("block = malloc 100\n")
    field.press("End")
    field.press_sequentially("fr")
    offered = told.get_by_role("listbox", name="Words that fit here").get_by_role("option")
    expect(offered.first).to_contain_text("free")
    field.press("Tab")
    expect(field).to_have_value("block = malloc 100\nfree")
    field.press_sequentially(" b")
    expect(offered).to_have_count(1)
    field.press("Tab")
    expect(field).to_have_value("block = malloc 100\nfree block")
    expect(field).to_be_focused()
    field.press("Tab")
    expect(field).not_to_be_focused()


def test_what_is_typed_in_the_editor_survives_another_command(told: Page) -> None:
    editor(told).fill("x = malloc 5000")
    told.get_by_role("combobox", name="Command").fill("malloc y 10")
    told.get_by_role("combobox", name="Command").press("Enter")
    expect(told.locator(".pointers b")).to_contain_text(["a", "y"])
    expect(editor(told)).to_have_value("x = malloc 5000")


def test_the_pictures_button_leads_to_the_machine_it_shows(page: Page, base_url: str) -> None:
    page.goto(base_url)
    address = page.locator(".told .call code").last.inner_text()
    page.locator(".told button").click()
    expect(rows(page, "done")).to_contain_text(address)


def test_the_terminal_brings_back_what_was_typed(told: Page) -> None:
    told.locator('a[href$="turn=terminal"]').click()
    field, output = told.get_by_label("A line for the terminal"), told.locator("#terminal-output")
    for line, said in (("free", "buff/cache"), ("ps", "COMMAND")):
        field.fill(line)
        field.press("Enter")
        expect(output).to_contain_text(said)
    field.press("ArrowUp")
    expect(field).to_have_value("free")
    field.press("ArrowDown")
    expect(field).to_have_value("ps")
    field.press("ArrowUp")
    field.press("Enter")
    expect(output).to_contain_text("buff/cache")


def test_the_terminal_follows_each_step(told: Page) -> None:
    told.locator('a[href$="turn=terminal"]').click()
    field = told.get_by_label("A line for the terminal")
    field.fill("x/4xb a")
    field.press("Enter")
    output = told.get_by_role("region", name="What the terminal printed")
    expect(output).to_have_text(re.compile("0x804e1a0:\\t0x00\\t0x00"))
    told.get_by_role("button", name="next line").click()
    expect(output).to_contain_text("0x41")
    output.get_by_role("link", name="0x804e1a0").click()
    expect(told.locator(".known h2")).to_contain_text("0x0804e1a0")
    expect(output).to_contain_text("0x41")


def test_a_session_is_shared_by_its_link(told: Page, browser: Browser) -> None:
    told.get_by_role("link", name="share it").click()
    link = told.get_by_label(re.compile("^Link to 1 command")).input_value()
    other = browser.new_context().new_page()
    other.goto(link)
    expect(other.get_by_role("region", name="The session's commands")).to_contain_text("a = malloc 100")
    other.get_by_role("button", name="open it on a machine of my own").click()
    expect(other.locator(".clock")).to_contain_text("step 1 of 1")
    other.context.close()


def test_a_shared_session_is_shown_in_a_frame_of_another_page(told: Page) -> None:
    told.get_by_role("link", name="share it").click()
    frame = told.get_by_label("Frame for another page, to look at only").input_value()
    address = re.search(r'src="([^"]+)"', frame)
    assert address is not None
    told.goto(address[1])
    told.get_by_role("link", name=re.compile("^chunk a, ")).click()
    expect(told).to_have_url(re.compile(r"/embed/z[\w-]+\?at=0x0804e1a0"))
    expect(told.locator(".chunk.selected")).to_have_count(1)


def test_programs_work_without_scripts(browser: Browser, base_url: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    story(page, base_url, "copy-on-write")
    page.get_by_role("button", name="next line").click()
    expect(rows(page, "done")).to_have_count(2)
    editor(page).fill("a = malloc 24\nfree a\nfree a")
    page.get_by_role("button", name="run from the start").click()
    expect(rows(page, "done").last).to_contain_text("double free")
    page.locator('a[href$="turn=terminal"]').click()
    page.get_by_label("A line for the terminal").fill("free")
    page.get_by_role("button", name="print").click()
    expect(page.get_by_role("region", name="What the terminal printed")).to_contain_text("buff/cache")
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_the_desk_is_accessible_and_fits_its_window(
    told: Page, scheme: Literal["light", "dark"], width: int, is_accessible: Callable[[Page], None]
) -> None:
    editor(told).fill("a = malloc 100\nfrea a\n# words\nwrite a 7")
    told.get_by_role("button", name="check").click()
    expect(rows(told, "wrong")).to_have_count(1)
    told.locator('a[href$="turn=terminal"]').click()
    told.get_by_label("A line for the terminal").fill("cat /proc/buddyinfo")
    told.get_by_role("button", name="print").click()
    expect(told.get_by_role("region", name="What the terminal printed")).to_contain_text("Normal")
    told.emulate_media(color_scheme=scheme)
    told.set_viewport_size({"width": width, "height": 900})
    is_accessible(told)
    assert told.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("path", ["share", "shared", "embed"])
def test_the_pages_of_sharing_are_accessible(told: Page, path: str, is_accessible: Callable[[Page], None]) -> None:
    told.get_by_role("link", name="share it").click()
    link = told.get_by_label(re.compile("^Link to")).input_value()
    if path != "share":
        told.goto(link if path == "shared" else link.replace("/s/", "/embed/"))
    is_accessible(told)
