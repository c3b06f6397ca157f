"""A machine that resembles one in use: what its start-up's /proc/vmstat makes it hold."""

from __future__ import annotations

from typing import Final

from engine.config import MachineConfig
from engine.kernel.swap import LruList
from engine.machine import Machine

RECORDED: Final = {
    "nr_free_pages": 1634,
    "nr_inactive_anon": 4026,
    "nr_active_anon": 130,
    "nr_inactive_file": 3066,
    "nr_active_file": 5,
    "nr_anon_pages": 6550,
    "nr_mapped": 651,
    "nr_file_pages": 678,
    "nr_page_table_pages": 13,
    "nr_swapcached": 10,
}
"""A real machine of 64 MB right after MADV_FREE of 12 MB: 3,066 pages on the inactive file list, of 678 pages of files in all."""


def pages_on_file_lists(vmstat: dict[str, int]) -> int:
    machine = Machine(MachineConfig(ram_mb=64, swap_mb=256, root_fs="tmpfs", resembles=tuple(vmstat.items())))
    machine.check()
    lists = machine.kernel.swap.lists
    return len(lists[LruList.INACTIVE_FILE]) + len(lists[LruList.ACTIVE_FILE])


def test_cached_files_are_as_many_pages_as_the_file_lists_had() -> None:
    cached = {"nr_inactive_file": 500, "nr_active_file": 40, "nr_file_pages": 500 + 40 + 660, "nr_swapcached": 0}
    assert pages_on_file_lists({**RECORDED, **cached}) == 540


def test_pages_that_madv_free_gave_up_are_taken_for_nobodys_file() -> None:
    assert pages_on_file_lists(RECORDED) <= RECORDED["nr_file_pages"] < RECORDED["nr_inactive_file"]
