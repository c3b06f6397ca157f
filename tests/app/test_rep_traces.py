"""CS:APP malloc-lab traces: read with clear errors, performed, and judged as the lab does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from app.cli import app
from app.programs import ProgramError
from app.rep_traces import parse_rep, perform_rep
from engine.commands import Free, Malloc, Realloc
from engine.config import PRESETS

if TYPE_CHECKING:
    from pathlib import Path

SHORT = "20000\n3\n6\n1\na 0 512\na 1 128\nr 0 640\na 2 100\nf 1\nf 0\n"


def summary(text: str, preset: str = "64mb") -> dict[str, Any]:
    *_, last = perform_rep(PRESETS[preset], text)
    found: dict[str, Any] = last.rows[0]["summary"]
    return found


def rep(ids: int, *lines: str) -> str:
    return "\n".join(["1000", str(ids), str(len(lines)), "1", *lines])


def test_a_trace_becomes_malloc_realloc_and_free() -> None:
    trace = parse_rep(SHORT)
    assert (trace.ids, trace.weight, len(trace.operations)) == (3, 1, 6)
    assert [operation.line.command for operation in trace.operations] == [
        Malloc(as_="s0", size=512),
        Malloc(as_="s1", size=128),
        Realloc(as_="s0", size=640),
        Malloc(as_="s2", size=100),
        Free(ptr="s1"),
        Free(ptr="s0"),
    ]


def test_the_account_is_the_labs() -> None:
    told = summary(SHORT)
    assert (told["mallocs"], told["reallocs"], told["frees"], told["operations"], told["failed"]) == (3, 1, 2, 6, 0)
    assert told["peak_asked"] == 640 + 128 + 100
    assert told["peak_heap"] == 0x22000  # the first growth: 132 KB of top_pad and the request, in pages, and one more
    assert told["utilisation"] == round(868 / 0x22000, 4)


def test_the_peak_heap_counts_mappings_and_remembers_what_was_given_back() -> None:
    told = summary(rep(2, "a 0 300000", "f 0", "a 1 10"))
    assert told["peak_asked"] == 300000
    assert told["peak_heap"] == 0x22000 + 0x4A000


def test_utilisation_is_near_one_where_the_heap_is_full() -> None:
    told = summary(rep(1000, *(f"a {number} 1012" for number in range(1000))))
    assert told["utilisation"] > 0.85
    assert told["peak_asked"] == 1_012_000


def test_a_block_of_size_zero_and_free_of_null_are_operations_too() -> None:
    told = summary(rep(2, "a 0 0", "f -1", "r 0 0", "r 1 100", "f 1"))
    assert (told["operations"], told["frees"], told["peak_asked"]) == (5, 2, 100)


def test_a_request_that_cannot_be_met_is_counted_and_the_trace_goes_on() -> None:
    told = summary(rep(2, "a 0 4000000000", "a 1 10", "r 1 4000000000", "f 1"))
    assert (told["failed"], told["operations"], told["peak_asked"]) == (2, 4, 10)


@pytest.mark.parametrize("text", ["20000\r\n1\r\n1\r\n1\r\na 0 5\r\n", "20000\n1\n\n1\n1\n\n  a   0  5 \n\n"])
def test_line_ends_and_blank_lines_do_not_matter(text: str) -> None:
    assert parse_rep(text).operations[0].line.command == Malloc(as_="s0", size=5)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("", 0, "begins with 4 numbers"),
        ("20000\n1\n", 1, "begins with 4 numbers"),
        ("20000\n1\n1 1\n1\na 0 5", 2, "should be the number of operations, one number"),
        ("20000\nmany\n1\n1\na 0 5", 1, "'many' should be the number of ids"),
        ("20000\n-1\n1\n1\na 0 5", 1, "'-1' should be the number of ids"),
        (rep(1, "b 0 5"), 4, "'b' is no operation; a line is a ID SIZE, r ID SIZE, f ID"),
        (rep(1, "a 0"), 4, "'a 0' has 1 operands; it is written a ID SIZE"),
        (rep(1, "a 0 5", "f 0 5"), 5, "it is written f ID"),
        (rep(1, "a 1 5"), 4, "the id is 1; the header says 1 ids"),
        (rep(1, "a 0 -5"), 4, "'-5' should be a size in bytes"),
        (rep(1, "a 0 5000000000"), 4, "size is 5000000000"),
        (rep(1, "a 0 0x10"), 4, "'0x10' should be a size in bytes"),
        (rep(1, "a 0 5", "a 0 6"), 5, "id 0 has a block already"),
        (rep(1, "f 0"), 4, "id 0 was never allocated"),
        (rep(1, "a 0 5", "f 0", "f 0"), 6, "id 0 was freed on line 6"),
        (rep(1, "a 0 5", "r 0 0", "r 0 9"), 6, "id 0 was freed on line 6"),
        ("20000\n1\n2\n1\na 0 5", 2, "the header says 2 operations; 1 follow"),
    ],
)
def test_a_wrong_trace_names_the_line(text: str, line: int, words: str) -> None:
    with pytest.raises(ProgramError) as error:
        parse_rep(text)
    assert error.value.line == line
    assert words in str(error.value)


def test_a_trace_of_a_million_lines_is_refused() -> None:
    with pytest.raises(ProgramError, match="at most 200000 are performed"):
        parse_rep("1\n1\n1000000\n1\n" + "f -1\n" * 1_000_000)


# --- the command -----------------------------------------------------------------------------------------------------


def run(folder: Path, text: str, *options: str, name: str = "short.rep") -> tuple[int, str]:
    file = folder / name
    file.write_text(text)
    result = CliRunner().invoke(app, ["run", str(file), *options])
    return result.exit_code, result.output


def test_run_tells_each_operation_and_the_utilisation(tmp_path: Path) -> None:
    status, output = run(tmp_path, SHORT)
    lines = output.splitlines()
    assert status == 0
    assert lines[0].startswith("a 0 512") and "0x0804e1a0" in lines[0]
    assert lines[-2] == "3 malloc, 1 realloc, 2 free"
    assert lines[-1].startswith("utilisation 0.62 %: at most 868 bytes asked for at once, at most 139,264 got")


def test_run_with_json_ends_with_a_summary(tmp_path: Path) -> None:
    status, output = run(tmp_path, SHORT, "--json")
    rows = [json.loads(line) for line in output.splitlines()]
    assert status == 0
    assert rows[0] == {"i": 4, "p": 0, "op": "malloc", "ret": "0x0804e1a0"}
    assert list(rows[-1]) == ["summary"]
    assert rows[-1]["summary"]["operations"] == len(rows) - 1 == 6


def test_run_says_what_is_wrong_with_a_trace(tmp_path: Path) -> None:
    status, output = run(tmp_path, rep(1, "f 0"))
    assert status == 2
    assert "short.rep: line 5: id 0 was never allocated" in output.replace("\n", " ")


def test_a_program_of_another_suffix_is_still_the_corpuss_language(tmp_path: Path) -> None:
    status, output = run(tmp_path, "malloc 0 100\n", name="short.t")
    assert (status, output.splitlines()[-1]) == (0, "exit status 0")
