"""Frames that machines have in common cost the host one array, and stay each machine's own to write."""

from __future__ import annotations

import pickle

from engine.commands import Fork, Malloc, Touch
from engine.config import MachineConfig
from engine.hardware.ram import FRAME_SIZE, Ram
from engine.machine import Machine

CONFIG = MachineConfig(ram_mb=64)


def sharing(content: int) -> Ram:
    """RAM whose frame 5 begins with `content` and is shared."""
    ram = Ram(16)
    ram.write32(5 * FRAME_SIZE, content)
    ram.share(5)
    return ram


def test_equal_frames_are_one_array_and_different_ones_are_not() -> None:
    one, other, different = sharing(7), sharing(7), sharing(8)
    assert one.frames[5] is other.frames[5]
    assert different.frames[5] is not one.frames[5]


def test_what_one_machine_writes_to_a_shared_frame_no_other_sees() -> None:
    one, other = sharing(7), sharing(7)
    one.write32(5 * FRAME_SIZE, 9)
    assert one.read32(5 * FRAME_SIZE) == 9
    assert other.read32(5 * FRAME_SIZE) == 7
    assert sharing(7).read32(5 * FRAME_SIZE) == 7


def test_clearing_and_copying_onto_a_shared_frame_leaves_the_others() -> None:
    one, other = sharing(7), sharing(7)
    one.zero(5)
    other.copy(5, 6)
    assert one.content(5) == other.content(5) == bytes(FRAME_SIZE)
    assert sharing(7).read32(5 * FRAME_SIZE) == 7


def test_what_is_to_be_taken_back_is_kept_of_a_shared_frame_too() -> None:
    ram = sharing(7)
    ram.undo = {}
    ram.write32(5 * FRAME_SIZE, 9)
    assert ram.undo[5][0] == 7


def test_machines_that_booted_alike_have_their_page_tables_in_common_until_they_change_them() -> None:
    one, other = Machine(CONFIG), Machine(CONFIG)
    directory = one.kernel.swapper_pg_dir
    assert one.kernel.ram.frames[directory] is other.kernel.ram.frames[directory]
    untouched = other.digest()
    one.perform(Malloc(as_="a", size=8 << 20))
    one.perform(Touch(ptr="a", length=8 << 20, access="w"))
    one.perform(Fork(child=1))
    one.check()
    assert other.digest() == untouched == Machine(CONFIG).digest()


def test_a_machine_that_was_put_away_goes_on_by_itself() -> None:
    machine, put_away = Machine(CONFIG), pickle.loads(pickle.dumps(Machine(CONFIG)))
    for each in (machine, put_away):
        each.perform(Malloc(as_="a", size=1000))
    assert put_away.digest() == machine.digest() != Machine(CONFIG).digest()
