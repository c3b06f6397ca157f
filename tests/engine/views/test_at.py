"""What is here, from every side: an address, a frame, a swap slot, a page of a file lead to one another."""

from __future__ import annotations

from typing import Any

import pytest

from app.pages.command_words import command_of_words
from engine import views
from engine.config import PRESETS
from engine.machine import Machine
from engine.outcome import CommandError
from engine.views.at import AtView, ElsewhereView


def machine(*program: str) -> Machine:
    made = Machine(PRESETS["64mb"])
    for line in program:
        made.perform(command_of_words(line, 0, frozenset(made.processes[0].slots)))
    return made


FILE = ("file 1 /tmp/data 40960", "mmap m 40960 rw shared 1", "write m+8192 5")


def test_an_address_leads_to_its_page_of_a_file_and_back() -> None:
    seen = machine(*FILE)
    here = views.at_address(seen, seen.processes[0].slots["m"] + 8192)
    assert here.file_page is not None
    assert here.frame is not None
    assert (here.file_page.file.path, here.file_page.file.index, here.file_page.file.pages) == ("/tmp/data", 2, 10)
    assert here.frame.file == here.file_page.file
    assert here.file_page.pfn == here.frame.pfn
    assert views.at(seen, file="/tmp/data", page=2) == here


def test_a_frame_leads_to_the_address_that_it_is_mapped_at() -> None:
    seen = machine("malloc a 100", "write a 1")
    page = seen.processes[0].slots["a"] & -4096
    pfn = views.page_walk(seen, page).pfn
    assert pfn is not None
    found = views.at(seen, pfn=pfn)
    assert isinstance(found, AtView)
    assert (found.address, found.frame) == (page, views.frame(seen, pfn))


def test_a_frame_of_two_processes_is_shown_in_the_one_that_was_asked_for() -> None:
    seen = machine("mmap m 4096", "write m 1", "fork 1")
    pfn = views.page_walk(seen, seen.processes[0].slots["m"]).pfn
    assert pfn is not None
    first, second = views.at(seen, pfn=pfn, pid=0), views.at(seen, pfn=pfn, pid=1)
    assert isinstance(first, AtView)
    assert isinstance(second, AtView)
    assert (first.pid, second.pid, first.frame) == (0, 1, second.frame)
    assert first.frame is not None
    assert (first.frame.mapcount, first.frame.refcount) == (2, 2)


def test_a_swap_slot_leads_to_the_entry_that_names_it() -> None:
    seen = machine("mmap m 8192", "touch m 8192", "madvise m 8192 pageout")
    place = seen.processes[0].slots["m"] + 4096
    slot = views.page_walk(seen, place).swap_slot
    assert slot is not None
    here = views.at(seen, slot=slot)
    assert isinstance(here, AtView)
    assert (here.address, here.walk.swap_slot, here.frame) == (place, slot, None)
    assert here.swap_slot is not None
    assert here.swap_slot.count == 1
    cached = views.at(seen, pfn=here.swap_slot.pfn)
    assert isinstance(cached, ElsewhereView)
    assert cached.swap_slot == here.swap_slot


def test_a_page_that_was_read_back_is_in_its_slot_too_until_it_changes() -> None:
    seen = machine("mmap m 4096", "write m 7", "madvise m 4096 pageout", "read m")
    here = views.at_address(seen, seen.processes[0].slots["m"])
    assert here.frame is not None
    assert here.swap_slot is not None
    assert here.frame.slot == here.swap_slot.slot
    assert here.swap_slot.pfn == here.frame.pfn
    assert views.at(seen, slot=here.swap_slot.slot) == here


def test_what_nobody_maps_is_told_as_it_is() -> None:
    seen = machine("file 1 /tmp/data 8192")
    found = views.at(seen, file="/tmp/data", page=1)
    assert isinstance(found, ElsewhereView)
    assert found.file_page is not None
    assert found.frame is not None
    assert found.file_page.pfn == found.frame.pfn
    assert views.at(seen, pfn=found.frame.pfn) == found
    free = views.at(seen, slot=1)
    assert isinstance(free, ElsewhereView)
    assert free.swap_slot is not None
    assert (free.swap_slot.count, free.swap_slot.pfn) == (0, None)


def test_a_frame_may_be_a_page_table_and_says_whose() -> None:
    seen = machine("malloc a 100")
    walk = views.page_walk(seen, seen.processes[0].slots["a"])
    assert walk.table is not None
    assert walk.directory is not None
    table, directory = views.frame(seen, walk.table.frame), views.frame(seen, walk.directory.frame)
    assert table is not None
    assert table.table_of is not None
    assert (table.table_of.pid, table.table_of.address) == (0, 0x08000000)
    assert directory is not None
    assert directory.table_of is not None
    assert directory.table_of.address is None


def test_a_private_copy_is_no_page_of_the_file_any_more() -> None:
    seen = machine("file 1 /tmp/data 8192", "mmap m 8192 rw private 1", "write m 1")
    here = views.at_address(seen, seen.processes[0].slots["m"])
    assert here.frame is not None
    assert here.file_page is not None
    assert here.frame.file is None
    assert here.file_page.pfn != here.frame.pfn


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({}, "one of address, pfn, slot and file"),
        ({"pfn": 1 << 20}, "no frame 0x100000"),
        ({"slot": 1 << 20}, "no swap slot"),
        ({"file": "/no/such"}, "no file"),
        ({"file": "/bin/student", "page": 999}, "no page 999"),
    ],
)
def test_what_does_not_exist_is_refused_by_name(asked: dict[str, Any], words: str) -> None:
    with pytest.raises(CommandError, match=words):
        views.at(machine(), **asked)
