"""The ledger of RAM: every frame once, and the sum is what is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from engine.commands import (
    AllocPages,
    Fill,
    Fork,
    Kmalloc,
    Malloc,
    Mmap,
    OpenFile,
    Touch,
    Vmalloc,
)
from engine.config import PRESETS, MachineConfig
from engine.invariants_reclaim import InvariantError
from engine.kernel.ledger import Account, frames_by_account, ledger
from engine.machine import Machine
from engine.views import ledger as ledger_view

if TYPE_CHECKING:
    from engine.commands import Command

PAGE = 4096


def frames(machine: Machine) -> dict[Account, int]:
    return frames_by_account(ledger(machine.kernel))


def change(machine: Machine, command: Command) -> dict[Account, int]:
    before = frames(machine)
    machine.perform(command)
    after = frames(machine)
    return {account: after[account] - before[account] for account in Account if after[account] != before[account]}


@pytest.mark.parametrize("preset", PRESETS)
def test_all_frames_of_every_machine_are_in_the_ledger(preset: str) -> None:
    machine = Machine(PRESETS[preset])
    view = ledger_view(machine)
    assert view.total == view.installed == PRESETS[preset].ram_mb * 256
    assert sum(account.frames for account in view.accounts) == view.total
    for account in view.accounts:
        assert sum(detail.frames for detail in account.details) in (0, account.frames)


def test_a_page_of_malloc_is_anonymous_memory_and_perhaps_a_page_table() -> None:
    machine = Machine(MachineConfig(ram_mb=64))
    assert change(machine, Malloc(size=100, as_="a")) == {Account.FREE: -1, Account.ANONYMOUS: 1}
    changed = change(machine, Mmap(as_="m", length=PAGE, hint=0x40000000))
    assert changed == {}
    changed = change(machine, Touch(ptr="m", length=PAGE))
    assert (changed[Account.ANONYMOUS], changed[Account.PAGE_TABLES]) == (1, 1)
    assert sum(changed.values()) == 0, "what one account gains the others lose"


def test_a_tmpfs_file_is_shmem_and_a_file_on_the_disk_is_page_cache() -> None:
    machine = Machine(MachineConfig(ram_mb=64))
    assert change(machine, OpenFile(file=0, path="/tmp/a", size=10 * PAGE))[Account.SHMEM] == 10
    assert change(machine, OpenFile(file=1, path="/mnt/a", size=10 * PAGE))[Account.PAGE_CACHE] == 10


def test_what_the_kernels_commands_take_has_accounts_of_its_own() -> None:
    machine = Machine(MachineConfig(ram_mb=64))
    assert change(machine, AllocPages(as_="p", order=4))[Account.MODULE] == 16
    assert change(machine, Kmalloc(as_="k", size=3 * PAGE))[Account.MODULE] == 4
    changed = change(machine, Vmalloc(as_="v", size=3 * PAGE))
    assert changed[Account.VMALLOC] == 3
    assert changed[Account.PAGE_TABLES] == 1


def test_a_child_costs_a_stack_a_directory_and_tables() -> None:
    machine = Machine(MachineConfig(ram_mb=64))
    machine.perform(Malloc(size=100, as_="a"))
    tables = machine.kernel.vmstat.nr_page_table_pages
    changed = change(machine, Fork(child=1))
    assert changed[Account.KERNEL_STACKS] == 2
    assert changed[Account.PAGE_TABLES] == 1 + machine.kernel.vmstat.nr_page_table_pages - tables


def test_memory_under_pressure_is_partly_in_the_swap_cache_and_still_adds_up() -> None:
    machine = Machine(MachineConfig(ram_mb=32, swap_mb=64))
    machine.perform(Mmap(as_="m", length=40 << 20))
    machine.perform(Fill(ptr="m", length=40 << 20, value=7))
    machine.check()
    machine.perform(Touch(ptr="m", length=40 << 20, access="r"))
    machine.check()
    assert frames(machine)[Account.SWAP_CACHE] == machine.kernel.vmstat.nr_swapcached > 0


def test_a_miscounted_page_is_noticed() -> None:
    machine = Machine(MachineConfig(ram_mb=64))
    machine.kernel.vmstat.nr_shmem += 1
    with pytest.raises(InvariantError, match="nr_shmem is"):
        machine.check()
