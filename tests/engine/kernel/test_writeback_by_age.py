"""The flusher writes what has been dirty too long: it wakes at its interval, in simulated time."""

from __future__ import annotations

import pytest

from engine.commands import Close, Command, Mmap, Msync, OpenFile, Sleep, Sync, Sysctl, Touch, Vmstat
from engine.config import MachineConfig
from engine.events.vmscan import WritebackSinglePage, WritebackStart
from engine.machine import Machine
from engine.outcome import CommandError
from engine.session import Session

PAGE = 4096
SECOND = 1_000_000_000
MB = 1 << 20


@pytest.fixture
def machine() -> Machine:
    return Machine(MachineConfig(ram_mb=64))


def dirty_kb(machine: Machine) -> int:
    line = next(line for line in machine.proc_file("meminfo").splitlines() if line.startswith("Dirty:"))
    return int(line.split()[1])


def sleep(machine: Machine, seconds: float) -> None:
    machine.perform(Sleep(milliseconds=round(seconds * 1000)))
    machine.check()


def test_a_file_is_written_when_it_has_been_dirty_for_thirty_seconds(machine: Machine) -> None:
    """dirty_expire_centisecs is 3000, dirty_writeback_centisecs 500: looked at every five seconds from the first page on."""
    machine.perform(OpenFile(file=0, path="/mnt/a", size=8 * PAGE))
    assert dirty_kb(machine) == 32
    sleep(machine, 29)
    assert dirty_kb(machine) == 32
    first = machine.trace.total
    sleep(machine, 2)
    assert dirty_kb(machine) == 0
    told = [record.event for record in machine.trace.records(first)]
    assert [event for event in told if isinstance(event, WritebackStart)] == [WritebackStart("periodic", 8)]
    assert [event.pgoff for event in told if isinstance(event, WritebackSinglePage)] == list(range(8))


def test_what_was_made_dirty_later_is_written_later(machine: Machine) -> None:
    machine.perform(OpenFile(file=0, path="/mnt/old", size=PAGE))
    sleep(machine, 12)
    machine.perform(OpenFile(file=1, path="/mnt/young", size=2 * PAGE))
    sleep(machine, 20)
    assert dirty_kb(machine) == 8, "the old one went at 30 s"
    sleep(machine, 14)
    assert dirty_kb(machine) == 0


def test_all_of_an_old_file_goes_its_youngest_pages_too(machine: Machine) -> None:
    machine.perform(OpenFile(file=0, path="/mnt/a", size=4 * PAGE))
    machine.perform(Mmap(as_="f", length=4 * PAGE, prot="rw", flags=("shared",), file=0))
    machine.perform(Sync())
    machine.perform(Touch(ptr="f", length=PAGE))
    sleep(machine, 29)
    machine.perform(Touch(ptr="f+4096", length=PAGE))
    assert dirty_kb(machine) == 8
    sleep(machine, 6)
    assert dirty_kb(machine) == 0


def test_a_page_written_to_again_is_dirty_anew(machine: Machine) -> None:
    machine.perform(OpenFile(file=0, path="/mnt/a", size=PAGE))
    machine.perform(Mmap(as_="f", length=PAGE, prot="rw", flags=("shared",), file=0))
    machine.perform(Touch(ptr="f", length=PAGE))
    sleep(machine, 35)
    assert dirty_kb(machine) == 0
    machine.perform(Touch(ptr="f", length=PAGE))
    assert dirty_kb(machine) == 4, "writing it took the right to write away, so the write was noticed"


def test_the_flusher_sleeps_while_nothing_is_dirty(machine: Machine) -> None:
    flusher = machine.kernel.fs_writeback
    never = flusher.wake_at
    machine.perform(OpenFile(file=0, path="/mnt/a", size=PAGE))
    assert flusher.wake_at - machine.time_ns <= 5 * SECOND
    machine.perform(Sync())
    sleep(machine, 6)
    assert flusher.wake_at == never


def test_with_an_interval_of_0_nothing_is_written_for_its_age(machine: Machine) -> None:
    machine.perform(Sysctl(name="dirty_writeback_centisecs", value=0))
    machine.perform(OpenFile(file=0, path="/mnt/a", size=PAGE))
    sleep(machine, 600)
    assert dirty_kb(machine) == 4


def test_another_interval_wakes_the_flusher_which_writes_all(machine: Machine) -> None:
    """dirty_writeback_centisecs_handler() calls wakeup_flusher_threads(), whatever the pages' age."""
    machine.perform(OpenFile(file=0, path="/mnt/a", size=PAGE))
    machine.perform(Sysctl(name="dirty_writeback_centisecs", value=500))
    assert dirty_kb(machine) == 4, "it was 500 before"
    machine.perform(Sysctl(name="dirty_writeback_centisecs", value=100))
    assert dirty_kb(machine) == 0


def test_a_shorter_age_is_seen_when_the_flusher_wakes_next(machine: Machine) -> None:
    machine.perform(OpenFile(file=0, path="/mnt/a", size=PAGE))
    machine.perform(Sysctl(name="dirty_expire_centisecs", value=100))
    sleep(machine, 4)
    assert dirty_kb(machine) == 4
    sleep(machine, 2)
    assert dirty_kb(machine) == 0


def test_the_flusher_wakes_after_a_command_if_its_time_has_come(machine: Machine) -> None:
    machine.perform(Sysctl(name="dirty_writeback_centisecs", value=1))
    machine.perform(Sysctl(name="dirty_expire_centisecs", value=1))
    machine.perform(OpenFile(file=0, path="/mnt/a", size=PAGE))
    machine.perform(Mmap(as_="a", length=8 * MB, prot="rw"))
    for _ in range(4):
        machine.perform(Touch(ptr="a", length=8 * MB))
        machine.perform(Touch(ptr="a", length=8 * MB, access="r"))
        machine.clock.ns += SECOND // 100
    machine.perform(Vmstat())
    assert dirty_kb(machine) == 0
    machine.check()


@pytest.mark.parametrize(
    ("name", "value", "other"),
    [
        ("dirty_bytes", 1 * MB, "dirty_ratio"),
        ("dirty_background_bytes", 40_960, "dirty_background_ratio"),
    ],
)
def test_limits_in_bytes_take_the_place_of_those_in_percent(
    machine: Machine, name: str, value: int, other: str
) -> None:
    before = machine.kernel.page_writeback.dirty_limits()
    assert machine.perform(Sysctl(name=name, value=value)).errno is None
    assert machine.kernel.sysctl[other] == 0
    background, limit = machine.kernel.page_writeback.dirty_limits()
    assert (limit if name == "dirty_bytes" else background) == value // PAGE
    machine.perform(Sysctl(name=other, value=20 if other == "dirty_ratio" else 10))
    assert machine.kernel.sysctl[name] == 0
    assert machine.kernel.page_writeback.dirty_limits() == before
    assert machine.perform(Sysctl(name=name, value=0)).errno == "EINVAL"


def test_beyond_the_background_limit_the_flusher_writes_young_pages_too(machine: Machine) -> None:
    machine.perform(OpenFile(file=0, path="/mnt/a", size=2 * MB))
    machine.perform(Sysctl(name="dirty_background_bytes", value=PAGE))
    assert dirty_kb(machine) == 2048
    sleep(machine, 5)
    assert dirty_kb(machine) <= 4


def test_a_file_that_the_disk_refuses_stays_told_and_known(machine: Machine) -> None:
    machine.perform(OpenFile(file=0, path="/mnt/a", size=PAGE))
    machine.perform(Mmap(as_="f", length=PAGE, prot="rw", flags=("shared",), file=0))
    machine.kernel.page_writeback.disk.fails_writing = True
    sleep(machine, 31)
    assert "lost async page write" in machine.proc_file("kmsg")
    assert machine.perform(Msync(ptr="f", length=PAGE)).errno == "EIO"


def test_sleep_takes_its_time_and_no_more(machine: Machine) -> None:
    before = machine.time_ns
    machine.perform(Sleep(milliseconds=250))
    assert machine.time_ns == before + SECOND // 4
    with pytest.raises(CommandError, match="milliseconds is 600001; it can be 0 to 600000"):
        machine.perform(Sleep(milliseconds=600_001))


def test_close_gives_the_file_back_unless_a_mapping_shows_it(machine: Machine) -> None:
    machine.perform(OpenFile(file=0, path="/mnt/a", size=PAGE))
    machine.perform(Mmap(as_="f", length=PAGE, prot="r", flags=("shared",), file=0))
    slub = machine.kernel.slub
    files = slub.objects_in_use(slub.caches["filp"])
    assert machine.perform(Close(file=0)).ret == 0
    assert slub.objects_in_use(slub.caches["filp"]) == files
    assert machine.perform(Close(file=0)).errno == "EBADF"
    assert machine.perform(Mmap(as_="g", length=PAGE, prot="r", flags=("shared",), file=0)).errno == "EBADF"
    machine.perform(OpenFile(file=0, path="/mnt/b", size=PAGE))
    machine.perform(Close(file=0))
    assert slub.objects_in_use(slub.caches["filp"]) == files
    machine.check()


def test_a_sleep_can_be_taken_back() -> None:
    commands: list[Command] = [
        OpenFile(file=0, path="/mnt/a", size=PAGE),
        *(Touch(ptr=0xBFFFF000, length=1) for _ in range(300)),
        Sleep(milliseconds=40_000),
        Touch(ptr=0xBFFFF000, length=1),
    ]
    session = Session(MachineConfig(ram_mb=64))
    digests = []
    for command in commands:
        session.perform(command)
        digests.append(session.machine.digest())
    assert dirty_kb(session.machine) == 0
    session.go_to(301)
    assert dirty_kb(session.machine) == 4
    assert session.machine.digest() == digests[300]
    session.go_to(303)
    assert session.machine.digest() == digests[302]
