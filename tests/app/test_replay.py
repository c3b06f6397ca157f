"""Replays of recorded programs: who dies when memory is short, and that no program costs another its answer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import pytest
from typer.testing import CliRunner

from app.cli import app
from app.replay import replay_user
from tests.oracle_corpus import group_files, machine_of, program_names, recording

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

SCORE_SLACK: Final = 12
"""How far an oom_score may be from the recorded one: other programs of the boot have left more or less in memory."""
EVENTS: Final = ("exit", "termsig", "signal", "fatal", "code", "errno", "bad", "pages", "end")


def told(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Who did what, who died of it, and whether memory held what it should: the figures left out."""
    return [{key: row[key] for key in ("i", "p", "op", *EVENTS) if key in row} for row in rows]


@pytest.mark.parametrize("name", program_names("oom"))
def test_the_processes_die_that_died_on_the_real_machine_and_the_others_keep_their_memory(name: str) -> None:
    recorded = recording("oom", name)
    answers = list(replay_user(machine_of("oom"), recorded.start, recorded.program))
    assert told(answers) == told(recorded.expected)
    for answer, expected in zip(answers, recorded.expected, strict=True):
        if expected.get("op") == "oomscore":
            assert abs(answer["ret"] - expected["ret"]) <= SCORE_SLACK


def replay_of(program: str) -> list[dict[str, Any]]:
    """A program on the machine of the `oom` recordings: 64 MB of RAM and as much swap."""
    return told(replay_user(machine_of("oom"), recording("oom", "locked-pages").start, program))


def test_a_line_for_a_child_that_was_killed_meanwhile_tells_how_it_ended_and_further_lines_tell_nothing() -> None:
    rows = replay_of("fork 1\nfork 2\noomadj -1000\n@1 oomadj 1000\n@2 mmap 0 115343360 rw private anon 0\n"
                     "@2 touch s0 115343360 w 2\n@1 oomscore\n@1 oomscore\nvmstat\n")  # fmt: skip
    assert {"i": 6, "p": 1, "exit": -1, "termsig": 9} in rows
    assert [row for row in rows if row.get("i") == 7] == []
    assert rows[-2:] == [{"i": 8, "p": 0, "op": "vmstat"}, {"end": 0}]


def test_when_the_first_process_is_killed_the_program_ends_there() -> None:
    rows = replay_of("fork 1\n@1 oomadj -1000\noomadj 1000\n@1 mmap 0 115343360 rw private anon 0\n"
                     "@1 touch s0 115343360 w 2\nvmstat\n")  # fmt: skip
    assert rows[-1] == {"end": 137}
    assert max(row["i"] for row in rows[:-1]) == 3


def test_a_program_that_cannot_be_replayed_is_named_and_the_others_have_their_answers(tmp_path: Path) -> None:
    group, out = tmp_path / "oom", tmp_path / "out"
    group.mkdir()
    for file in ("_machine.json", "locked-pages.start.json", "locked-pages.t"):
        (group / file).write_text(group_files("oom")[file])
    (group / "broken.start.json").write_text(group_files("oom")["locked-pages.start.json"])
    (group / "broken.t").write_text("malloc 0 100\nfrobnicate 0\n")
    (group / "lost.t").write_text("malloc 0 100\n")
    result = CliRunner().invoke(app, ["replay", str(group), "--out", str(out)])
    assert result.exit_code == 2
    assert "oom/broken.t" in result.output and "frobnicate" in result.output
    assert "oom/lost.t" in result.output and "lost.start.json" in result.output
    assert json.loads((out / "oom" / "locked-pages.jsonl").read_text().splitlines()[-1]) == {"end": 0}
