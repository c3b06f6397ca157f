"""The pages in another language: the switch, with and without scripts, and what a Chinese reader gets."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Page, expect

from app.words import catalogues

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.browser
CHINESE = catalogues()["zh-Hans"]


def said(key: str) -> str:
    """What the Chinese catalogue says."""
    return CHINESE[key].text


def switch(page: Page, name: str) -> None:
    page.get_by_role("link", name=name, exact=True).click()


@pytest.fixture(params=["dark", "light"])
def chinese_reader(request: pytest.FixtureRequest, browser: Any, base_url: str) -> Any:
    """A page of somebody whose browser asks for Chinese."""
    context = browser.new_context(
        base_url=base_url, locale="zh-CN", color_scheme=request.param, reduced_motion="reduce"
    )
    yield context.new_page()
    context.close()


def test_the_switch_leads_to_the_same_page_and_is_remembered(page: Page, base_url: str) -> None:
    page.goto("/")
    page.locator('button[value="64mb"]').click()
    page.locator("#f-words").fill("a = malloc 100")
    page.keyboard.press("Enter")
    chosen = page.get_by_role("link", name=re.compile("^chunk a,"))
    chosen.click()
    expect(page).to_have_url(re.compile(r"at="))
    switch(page, "中文")
    expect(page.locator("html")).to_have_attribute("lang", "zh-Hans")
    expect(page.get_by_role("heading", name=said("heap.title"))).to_be_visible()
    assert "at=" in page.url, "what was chosen still is"
    page.goto("/policies")
    expect(page.get_by_role("heading", level=1)).to_have_text(said("lab.title"))
    switch(page, "EN")
    expect(page.get_by_role("heading", level=1)).to_have_text("Which page goes?")


def test_a_command_is_answered_in_the_language_of_the_page(page: Page) -> None:
    page.goto("/?lang=zh")
    page.locator('button[value="64mb"]').click()
    page.locator("#f-words").fill("malloc a -1")
    page.keyboard.press("Enter")
    expect(page.locator("#f-words-error")).to_have_text("size 是 -1；可以是 0 到 4294967295")
    page.locator("#f-words").fill("malloc a 100")
    page.keyboard.press("Enter")
    expect(page.locator(".came")).to_have_text(re.compile("^a = 0x0804e1a0。$"))


def test_the_switch_needs_no_script(browser: Any, base_url: str) -> None:
    context = browser.new_context(base_url=base_url, java_script_enabled=False, locale="en-GB")
    page = context.new_page()
    page.goto("/")
    switch(page, "中文")
    expect(page.get_by_role("heading", level=2).first).to_be_visible()
    expect(page.locator("html")).to_have_attribute("lang", "zh-Hans")
    page.goto("/policies")
    expect(page.get_by_role("heading", level=1)).to_have_text(said("lab.title"))
    context.close()


def test_a_chinese_page_is_accessible(chinese_reader: Page, is_accessible: Callable[[Page], None]) -> None:
    page = chinese_reader
    page.goto("/")
    expect(page.locator("html")).to_have_attribute("lang", "zh-Hans")
    is_accessible(page)
    page.locator("button.first").click()
    expect(page.get_by_role("heading", name=said("heap.title"))).to_be_visible()
    page.goto(page.url.partition("?")[0] + "?open=program,terminal,chunk,arena,chunks,smaps,processes,tlb&term=help")
    is_accessible(page)
    page.goto("/policies")
    is_accessible(page)


@pytest.mark.parametrize("width", [390, 1440])
def test_the_switch_is_in_sight_and_nothing_is_cut_off(chinese_reader: Page, width: int) -> None:
    page = chinese_reader
    page.set_viewport_size({"width": width, "height": 844})
    page.goto("/")
    page.locator("button.first").click()
    expect(page.get_by_role("heading", name=said("heap.title"))).to_be_visible()
    expect(page.get_by_role("link", name="EN", exact=True)).to_be_in_viewport()
    assert page.evaluate("document.documentElement.scrollWidth") == width
