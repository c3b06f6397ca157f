"""A session's share of the host's memory: a command that needs more is refused, and nothing is lost."""

from __future__ import annotations

import pytest

from engine.commands import CheckTouch, Malloc, Mmap, Touch
from engine.config import MachineConfig
from engine.outcome import OutOfHostMemory
from engine.session import Session

MB = 1 << 20


def test_a_command_that_needs_too_much_of_the_host_is_refused_and_what_was_there_is_intact() -> None:
    session = Session(MachineConfig(ram_mb=64, host_memory_mb=8))
    session.perform(Mmap(as_="a", length=32 * MB))
    session.perform(Touch(ptr="a", length=4 * MB, value=7))
    digest = session.machine.digest()
    with pytest.raises(OutOfHostMemory, match="may take 8 MB of the host's memory") as refused:
        session.perform(Touch(ptr="a", length=32 * MB))
    assert refused.value.field == "host_memory_mb"
    assert session.version == len(session.commands) == 2
    assert session.machine.digest() == digest
    session.machine.check()
    assert session.perform(CheckTouch(ptr="a", length=4 * MB, value=7)).bad == 0
    assert session.perform(Malloc(as_="b", size=100)).errno is None


def test_in_a_list_of_commands_the_one_that_is_too_much_undoes_them_all() -> None:
    session = Session(MachineConfig(ram_mb=64, host_memory_mb=8))
    digest = session.machine.digest()
    with pytest.raises(OutOfHostMemory) as refused:
        session.perform_all([Mmap(as_="a", length=32 * MB), Touch(ptr="a", length=32 * MB)])
    assert (refused.value.index, session.version, session.machine.digest()) == (1, 0, digest)
