"""glibc's books on the page: a chunk word by word, a dry run of free, leaks, and the story of a mistake."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, expect

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def machine(page: Page, base_url: str) -> Page:
    """The page of a fresh machine of 64 MB."""
    page.goto(base_url)
    page.locator('button[value="64mb"]').click()
    expect(page.get_by_role("heading", name="Heap · what malloc manages")).to_be_visible()
    return page


def do(page: Page, *lines: str) -> None:
    for words in lines:
        page.get_by_role("combobox", name="Command").fill(words)
        page.keyboard.press("Enter")
        expect(page.locator(".asked code")).to_have_text(words)


def turn(page: Page, panel: str) -> None:
    """Opens a panel, or closes it."""
    page.locator(f'a[href$="turn={panel}"]').click()


def test_a_mistake_is_told_and_its_steps_can_be_gone_back_to(
    machine: Page, is_accessible: Callable[[Page], None]
) -> None:
    do(machine, "malloc a 24", "malloc b 24", "write32 a+28 9")
    expect(machine.get_by_role("heading", name="What went wrong · A store ran over the end of a block")).to_be_visible()
    do(machine, "free b")
    story = machine.get_by_role("region", name="What went wrong")
    expect(story.locator(".said")).to_contain_text("glibc said “free(): invalid size” in step 4")
    expect(story.locator(".story")).to_contain_text("stored 4 bytes behind the end of block a")
    is_accessible(machine)
    story.get_by_role("button", name="show step 2").click()
    expect(machine.locator(".clock")).to_contain_text("step 2 of 4")
    expect(machine.get_by_role("region", name="What went wrong")).to_have_count(0)


def test_a_chunk_is_shown_word_by_word_with_what_free_would_do(
    machine: Page, is_accessible: Callable[[Page], None]
) -> None:
    do(machine, "malloc a 100", "malloc a 24", "free a")
    turn(machine, "chunk")
    panel = machine.get_by_role("region", name="Chunk a · word by word")
    expect(panel.get_by_role("row", name="next")).to_contain_text("gives NULL: the list ends here")
    expect(panel).to_contain_text("double free detected in tcache 2")
    turn(machine, "arena")
    books = machine.get_by_role("region", name="Arena · what glibc keeps account of")
    expect(books).to_contain_text("1 block is lost, 100 bytes")
    books.get_by_text("Links as they lie in memory").click()
    expect(books.get_by_role("row", name="tcache 0x20")).to_contain_text("NULL")
    is_accessible(machine)
    do(machine, "malloc c 10")
    expect(
        machine.get_by_role("region", name="Chunk c · word by word").get_by_text("10 bytes asked for")
    ).to_be_visible()
