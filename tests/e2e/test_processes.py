"""Several processes on the page: fork, write, see the frames part; a fault told as decisions; what is here, from every side."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Locator, Page, expect

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal


def type_command(page: Page, words: str) -> None:
    page.keyboard.press("/")
    field = page.get_by_role("combobox", name="Command")
    field.fill(words)
    field.press("Enter")
    expect(page.locator(".asked code")).to_have_text(words)
    page.keyboard.press("Escape")


def cell(page: Page, process: int, number: int) -> Locator:
    """A page of a process in the table of the same pages."""
    row = page.locator(".pages tbody tr").filter(has=page.get_by_text(f"process {process}", exact=True))
    return row.locator("td").nth(number)


def fact(page: Page, name: str) -> Locator:
    return page.locator(".facts div").filter(has=page.get_by_text(name, exact=True)).locator("dd")


@pytest.fixture
def machine(page: Page, base_url: str) -> Page:
    """The page of a fresh machine of 64 MB."""
    page.goto(base_url)
    page.locator('button[value="64mb"]').click()
    page.locator('a[href$="turn=processes"]').click()
    expect(page.get_by_role("heading", name="Processes · side by side")).to_be_visible()
    return page


@pytest.fixture
def forked(machine: Page) -> Page:
    """A process that has two pages, and its child."""
    type_command(machine, "mmap m 16384")
    type_command(machine, "touch m 8192")
    machine.get_by_role("button", name="fork process 0").click()
    expect(machine.locator(".process")).to_have_count(2)
    return machine


def test_a_child_stands_beside_its_parent_and_shares_its_frames(forked: Page) -> None:
    child = forked.locator(".process").nth(1)
    expect(child).to_contain_text("process 1 child of 0, waits")
    expect(child).to_contain_text("@1 … is for it")
    forked.get_by_role("link", name="m 0x", exact=False).first.click()
    for number in (0, 1):
        expect(cell(forked, 0, number)).to_have_class(re.compile("p-shared"))
        frame = cell(forked, 0, number).inner_text()
        assert frame.endswith("r \N{MULTIPLICATION SIGN}2")
        assert cell(forked, 1, number).inner_text() == frame
    expect(cell(forked, 0, 2)).to_have_class(re.compile("p-empty"))
    expect(fact(forked, "mapped")).to_contain_text("shared: 2 mappings, 2 references")


def test_the_first_write_parts_the_frames_and_is_told(forked: Page) -> None:
    type_command(forked, "@1 write m 9")
    old = cell(forked, 0, 0).locator("a").inner_text().split()[0]
    new = cell(forked, 1, 0).locator("a").inner_text().split()[0]
    assert old != new
    expect(cell(forked, 1, 0)).to_have_class(re.compile("p-own.*changed"))
    expect(cell(forked, 0, 0)).not_to_have_class(re.compile("changed"))
    expect(cell(forked, 0, 1)).to_have_class(re.compile("p-shared"))
    parted = forked.locator(".parting")
    expect(parted).to_contain_text(f"Parted: frame 0x{old} keeps 1 reference, 1 mapping")
    expect(parted).to_contain_text(f"process 1 has a frame of its own, 0x{new}")
    answers = forked.locator(".decisions b")
    expect(answers).to_have_text(
        [
            "yes",
            "yes",
            "yes",
            "a frame, write-protected",
            "yes: it must be copied",
            f"a copy of its own: frame 0x{new}",
        ]
    )
    expect(forked.locator(".decisions .branch code")).to_have_text("wp_page_copy")


def test_the_panels_show_the_process_that_is_chosen(forked: Page) -> None:
    forked.locator(".process").nth(1).get_by_role("link", name="process 1").click()
    expect(forked.locator(".process.current")).to_contain_text("process 1")
    type_command(forked, "@1 malloc z 100")
    expect(forked.locator(".pointers b")).to_have_text(["m", "z"])
    forked.get_by_role("button", name="exit process 1").click()
    expect(forked.locator(".process.gone")).to_contain_text("exited with 0")
    forked.locator(".process").first.get_by_role("link", name="process 0").click()
    expect(forked.locator(".pointers b")).to_have_text(["m"])


def test_a_write_to_read_only_memory_is_refused_and_the_question_that_ends_it_is_marked(machine: Page) -> None:
    type_command(machine, "mmap m 4096 r")
    type_command(machine, "write m 1")
    expect(machine.locator(".came")).to_contain_text("SIGSEGV")
    expect(machine.locator(".faults summary")).to_contain_text("the program gets SIGSEGV")
    last = machine.locator(".decisions li").last
    expect(last).to_have_class("stops")
    expect(last).to_contain_text("Does the region allow this access? no access_error")


def test_the_tlb_tells_its_hits_and_what_flushed_it(machine: Page) -> None:
    type_command(machine, "mmap m 8192")
    type_command(machine, "write m 1")
    type_command(machine, "read m")
    machine.locator('a[href$="turn=tlb"]').click()
    rows = machine.get_by_role("table", name="What the TLB did")
    hits = int(rows.get_by_role("row", name="hits").locator("td").first.inner_text())
    type_command(machine, "read m")
    expect(rows.get_by_role("row", name="hits").locator("td").first).to_have_text(str(hits + 1))
    type_command(machine, "munmap m 8192")
    expect(machine.locator(".tlb")).to_contain_text("This step made it forget: ")
    expect(rows.get_by_role("row", name="flush: all")).to_contain_text("many table entries were changed")


def test_what_is_here_leads_from_a_swap_slot_to_the_address_and_from_a_file_to_its_frame(machine: Page) -> None:
    type_command(machine, "mmap m 4096")
    type_command(machine, "write m 7")
    type_command(machine, "madvise m 4096 pageout")
    machine.get_by_role("link", name="m 0x", exact=False).first.click()
    fact(machine, "swap").get_by_role("link", name="slot 1", exact=True).click()
    expect(machine.get_by_role("heading", name="Everything about swap 1")).to_be_visible()
    expect(fact(machine, "swap")).to_contain_text("named by 1 entry; its page is in memory as well")
    expect(fact(machine, "stops")).to_contain_text("The page is in swap")
    machine.get_by_label("What is at").fill("file /bin/student 0")
    machine.get_by_role("button", name="look").click()
    expect(fact(machine, "file")).to_contain_text("/bin/student page 0")
    machine.get_by_label("What is at").fill("swap 999999999")
    machine.get_by_role("button", name="look").click()
    expect(machine.locator("#f-at-error")).to_contain_text("there is no swap slot 999999999")


def test_virtual_size_stands_beside_resident_size(machine: Page) -> None:
    type_command(machine, "mmap m 65536")
    type_command(machine, "touch m 20480")
    machine.locator('a[href$="turn=smaps"]').click()
    row = machine.locator("#smaps tr.selected")
    expect(row.locator("td").nth(3)).to_have_text("64 KB")
    expect(row.locator("td").nth(4)).to_have_text("20 KB")
    expect(row).to_contain_text("rd wr mr mw me ac")


def test_the_table_of_pages_is_reached_by_keyboard(forked: Page) -> None:
    type_command(forked, "@1 write m 9")
    link = cell(forked, 1, 1).locator("a")
    link.focus()
    expect(forked.locator(".lit")).not_to_have_count(0)
    forked.keyboard.press("Enter")
    expect(forked.locator(".process.current")).to_contain_text("process 1")
    expect(cell(forked, 1, 1).locator("a")).to_have_attribute("aria-current", "true")


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_many_processes_are_accessible(
    forked: Page, is_accessible: Callable[[Page], None], colours: Literal["light", "dark"], width: int
) -> None:
    forked.emulate_media(color_scheme=colours)
    forked.set_viewport_size({"width": width, "height": 900})
    type_command(forked, "@1 write m 9")
    for part in ("tlb", "smaps"):
        forked.locator(f'a[href$="turn={part}"]').click()
        expect(forked.locator(f"section#{part}")).to_be_visible()
    is_accessible(forked)
    wider = forked.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wider == 0
