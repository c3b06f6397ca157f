"""Linked views: pointing at a thing lights up what belongs to it in the other views, both ways; near and far; panels."""

from __future__ import annotations

import json
import re
import urllib.request
from typing import TYPE_CHECKING, Any, Final

import pytest
from playwright.sync_api import Browser, Page, expect

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MB: Final = 1 << 20
SWAPPED: Final = (
    {"op": "mmap", "as": "m", "length": 14 * MB},
    {"op": "touch", "ptr": "m", "length": 14 * MB},
    {"op": "touch", "ptr": "m", "length": MB, "access": "r"},
)
KERNEL: Final = (
    {"op": "kmem_cache_create", "name": "thing", "size": 700},
    {"op": "kmem_cache_alloc", "cache": "thing", "as": "o"},
    {"op": "malloc", "size": 100, "as": "a"},
)


def post(url: str, body: object) -> Any:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def told(base_url: str, preset: str, commands: Sequence[object]) -> str:
    """The address of a machine on which these commands were performed."""
    name = post(f"{base_url}/api/v1/machines", {"preset": preset})["id"]
    post(f"{base_url}/api/v1/machines/{name}/commands", commands)
    return f"{base_url}/m/{name}"


def points(page: Page, at: str, lights: str) -> None:
    """Pointing at the first lights up the second, and pointing at that lights up the first."""
    for pointed, lit in ((at, lights), (lights, at)):
        page.mouse.move(700, 5)
        page.locator(pointed).first.hover()
        expect(page.locator(f"{lit}.lit").first).to_be_visible()


def test_a_swap_slot_belongs_to_its_page_on_the_list_and_to_its_entry(page: Page, base_url: str) -> None:
    page.goto(told(base_url, "16mb", SWAPPED) + "?at=m&open=processes")
    slot = page.locator(".facts dt", has_text="swap").locator("xpath=..").get_by_role("link").first.inner_text()
    number = int(slot.removeprefix("slot "))
    points(page, f'.l-swap [data-key="swap:{number:x}"]', f'.facts a[href$="at=swap+{number}"]')
    page.locator(f'.l-swap [data-key="swap:{number:x}"]').click()
    expect(page.get_by_role("heading", name=f"Everything about swap {number}")).to_be_visible()
    expect(page.locator(".l-swap .selected")).to_have_count(1)


def test_a_slab_object_belongs_to_its_pointer_and_to_its_frame(page: Page, base_url: str) -> None:
    page.goto(told(base_url, "64mb", KERNEL) + "?open=slabs&at=0xc0000000")
    page.get_by_role("link", name="thing", exact=True).click()
    expect(page.locator(".caches tr.selected")).to_contain_text("thing")
    pointer = page.locator(".kernel-pointers a").first
    key = pointer.get_attribute("data-key")
    points(page, f'.kernel-pointers [data-key="{key}"]', f'.objects [data-key="{key}"]')
    page.locator(f'.objects [data-key="{key}"]').click()
    expect(page.locator(".known h2")).to_contain_text(key.removeprefix("object:") if key else "")
    expect(page.locator(".objects .t-chosen")).to_have_count(1)


def test_a_buddy_block_belongs_to_its_order_and_to_its_frames(page: Page, base_url: str) -> None:
    page.goto(told(base_url, "64mb", KERNEL) + "?open=blocks,tree")
    page.locator("#blocks tbody tr").last.get_by_role("link").first.click()
    expect(page.locator(".buddy td.selected")).to_have_count(1)
    chosen = page.locator(".frames .selected a").first.get_attribute("data-key")
    points(page, f'.around [data-key="{chosen}"]', ".buddy td.selected")
    page.locator("svg.tree .t-chosen").first.hover(position={"x": 5, "y": 5})
    expect(page.locator(".cells .lit-cell").first).to_be_visible()


def test_a_chunk_belongs_to_its_region_its_entry_and_its_frame(page: Page, base_url: str) -> None:
    page.goto(told(base_url, "64mb", KERNEL) + "?at=a")
    points(page, ".chunk.selected a", ".walk .k-frame div")
    points(page, ".region.selected a", ".walk .k-frame div")
    page.locator(".chunk.selected a").focus()
    expect(page.locator(".pointers .lit")).to_have_count(1)


def test_physical_memory_is_seen_nearer_by_keys_until_a_cell_is_one_frame(page: Page, base_url: str) -> None:
    page.goto(told(base_url, "64mb", KERNEL) + "?at=a")
    page.wait_for_load_state()
    page.locator("#phys h2").hover()
    page.keyboard.press("+")
    expect(page.locator("#phys")).to_contain_text("1 cell = 2 frames")
    page.keyboard.press("+")
    expect(page.locator("#phys")).to_contain_text("1 cell = 1 frame")
    expect(page.locator(".chosen-ring")).to_have_count(1)
    page.reload()
    expect(page.locator("#phys")).to_contain_text("1 cell = 1 frame")
    page.locator("#phys h2").hover()
    page.keyboard.press("0")
    expect(page.locator("#phys")).to_contain_text("all frames")
    expect(page).not_to_have_url(re.compile("frames="))


def test_the_address_space_is_seen_nearer_until_a_cell_is_one_page(page: Page, base_url: str) -> None:
    page.goto(told(base_url, "16mb", SWAPPED) + "?at=m")
    space = page.locator("#space")
    space.get_by_role("link", name="nearer").click()
    expect(space).to_contain_text("1 cell = 16 pages")
    space.get_by_role("link", name="nearer").click()
    expect(space).to_contain_text("1 cell = 2 pages")
    space.get_by_role("link", name="nearer").click()
    expect(space).to_contain_text("1 cell = 1 page")
    expect(space.locator(".chosen-ring")).to_have_count(1)
    space.locator("svg.cells").hover(position={"x": 300, "y": 20})
    expect(page.locator("#phys .lit-cell, #space .lit-cell").first).to_be_visible()
    space.locator("svg.cells").click(position={"x": 300, "y": 20})
    expect(page.locator(".known h2")).to_contain_text("0x")
    space.get_by_role("link", name="all", exact=True).click()
    expect(space.locator("svg.cells")).to_have_count(0)


def test_panels_open_in_their_band_stay_open_and_are_in_the_address(page: Page, base_url: str) -> None:
    page.goto(told(base_url, "64mb", KERNEL))
    page.locator('a[href="?turn=tlb"]').click()
    expect(page.get_by_role("region", name="TLB", exact=True)).to_be_visible()
    expect(page).to_have_url(re.compile(r"\?open=tlb$"))
    page.get_by_role("combobox", name="Command").fill("malloc z 3000")
    page.keyboard.press("Enter")
    expect(page.locator(".asked code")).to_have_text("malloc z 3000")
    expect(page.get_by_role("region", name="TLB", exact=True)).to_be_visible()
    page.go_back()
    expect(page.get_by_role("region", name="TLB", exact=True)).to_have_count(0)
    page.go_forward()
    expect(page.get_by_role("region", name="TLB", exact=True)).to_be_visible()


def test_panels_and_near_pictures_need_no_script(browser: Browser, base_url: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(told(base_url, "64mb", KERNEL) + "?at=a")
    page.get_by_role("link", name=re.compile("^TLB")).click()
    page.get_by_role("link", name=re.compile("^Arena")).click()
    page.locator("#phys").get_by_role("link", name="nearer").click()
    expect(page).to_have_url(re.compile(r"\?at=a&open=arena,tlb&frames=0x[0-9a-f]+/2$"))
    page.get_by_role("combobox", name="Command").fill("free a")
    page.get_by_role("button", name="do", exact=True).click()
    expect(page.get_by_role("region", name=re.compile("^Arena"))).to_be_visible()
    expect(page.locator("#phys")).to_contain_text("1 cell = 2 frames")
    page.get_by_role("combobox", name="Command").fill("fre a")
    page.get_by_role("button", name="do", exact=True).click()
    expect(page.locator("#f-words-error")).to_be_visible()
    page.get_by_role("link", name=re.compile("^chunk a, ")).click()
    expect(page.locator(".chunk.selected")).to_have_count(1)
    expect(page.get_by_role("region", name=re.compile("^Arena"))).to_be_visible()
    context.close()


@pytest.mark.parametrize(
    "query", ["open=chunk,arena,chunks,smaps,tlb&at=a", "open=blocks,tree,pieces,slabs,step,oom,accounts"]
)
def test_every_panel_is_accessible(
    page: Page, base_url: str, query: str, is_accessible: Callable[[Page], None]
) -> None:
    page.goto(f"{told(base_url, '64mb', KERNEL)}?{query}")
    is_accessible(page)
    page.emulate_media(color_scheme="dark")
    is_accessible(page)
