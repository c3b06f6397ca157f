"""The kernel's memory on the page: the ledger, the buddy tree with its steps, fragmentation, slabs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, expect

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def machine(page: Page, base_url: str) -> Page:
    """The page of a fresh machine of 16 MB, the panels on the kernel's memory open."""
    page.goto(base_url)
    page.locator('button[value="16mb"]').click()
    expect(page.get_by_role("heading", name=re.compile("^Ledger"))).to_be_visible()
    page.goto(f"{page.url}?open=tree,pieces,slabs,accounts")
    return page


def type_command(page: Page, words: str) -> None:
    field = page.get_by_role("combobox", name="Command")
    field.fill(words)
    field.press("Enter")
    expect(page.locator(".asked code")).to_have_text(words)


def frames(page: Page, account: str) -> int:
    row = page.locator(".accounts tr").filter(has=page.get_by_role("rowheader", name=account, exact=True))
    return int(row.locator("td").nth(1).inner_text().replace(",", "")) if row.count() else 0


def test_the_ledger_adds_up_before_and_after_the_kernel_takes_pages(machine: Page) -> None:
    def total() -> int:
        return sum(
            int(text.replace(",", "")) for text in machine.locator(".accounts td:nth-child(3)").all_inner_texts()
        )

    assert total() == 4096
    free = frames(machine, "free")
    type_command(machine, "alloc_pages p 4")
    assert total() == 4096
    assert (frames(machine, "module"), frames(machine, "free")) == (16, free - 16)
    expect(machine.locator(".kernel-pointers b")).to_have_text(["p"])


def test_a_split_and_a_merge_are_told_step_by_step(machine: Page) -> None:
    type_command(machine, "alloc_pages p 9")
    expect(machine.locator(".steps .step-alloc")).to_contain_text("A request gets the block of 512 frames")
    expect(machine.locator("#bands")).to_contain_text("is in a block of 512 frames, allocated")
    type_command(machine, "free_pages p")
    expect(machine.locator(".steps li").first).to_contain_text("is given back")
    expect(machine.locator(".steps .step-put")).to_contain_text("goes on its free list")


def test_a_request_that_memory_in_pieces_cannot_serve_is_said_to_fail(machine: Page) -> None:
    table = machine.get_by_role("region", name="Fragmentation by order")
    expect(table.locator("tbody tr").first).to_contain_text("succeeds")
    while not table.locator("tr").last.locator(".fails").count():
        type_command(machine, "alloc_pages p 10")
    expect(table.locator("tr").last.locator(".fails")).to_contain_text(re.compile(r"fails: 0\.\d{3}"))


def test_a_slabs_objects_and_free_list_are_drawn(machine: Page) -> None:
    type_command(machine, "kmem_cache_create thing 700")
    for name in ("o", "q"):
        type_command(machine, f"kmem_cache_alloc {name} thing")
    type_command(machine, "kmem_cache_free o")
    expect(machine.get_by_role("heading", name=re.compile("^Slabs"))).to_be_visible()
    caches = machine.get_by_role("region", name="Slab caches")
    expect(caches.locator("tr.selected")).to_contain_text("thing")
    expect(machine.locator(".objects .object-used")).to_have_count(1)
    expect(machine.locator(".objects text").first).to_have_text("0")
    caches.get_by_role("link", name="mm_struct").click()
    expect(caches.locator("tr.selected")).to_contain_text("mm_struct")


@pytest.mark.parametrize("width", [1440, 390])
def test_the_kernels_bands_are_accessible_and_fit(
    machine: Page, width: int, is_accessible: Callable[[Page], None]
) -> None:
    for words in ("kmalloc k 100", "vmalloc v 20000", "alloc_pages p 5", "free_pages p"):
        type_command(machine, words)
    machine.set_viewport_size({"width": width, "height": 900})
    is_accessible(machine)
    assert machine.evaluate("document.documentElement.scrollWidth") <= width
