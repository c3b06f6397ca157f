"""Memory programs, replayed: every address, figure, errno, signal and message that the real machine gave."""

from __future__ import annotations

from typing import Final

import pytest

from app.replay import replay_user
from tests.oracle_corpus import machine_of, program_names, recording
from tests.oracle_rows import comparable_rows, first_difference

GROUPS: Final = ("fault", "heap", "misuse", "mixed", "traces", "vm")


@pytest.mark.parametrize(("group", "name"), [(group, name) for group in GROUPS for name in program_names(group)])
def test_a_program_sees_what_it_saw_on_the_real_machine(group: str, name: str) -> None:
    recorded = recording(group, name)
    answers = replay_user(machine_of(group), recorded.start, recorded.program)
    expected = comparable_rows(recorded.expected, recorded.program)
    assert first_difference(expected, comparable_rows(answers, recorded.program), recorded.program) == ""
