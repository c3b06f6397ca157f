"""The comparing itself: what counts as equal to the recording, and what must not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.oracle_rows import comparable_rows, first_difference

if TYPE_CHECKING:
    from tests.oracle_rows import Row

PROGRAM = "pfn s0 3\nfork 1\npfn s0 3\n@1 pfn s0 3\nrss\nstatus"


def frames(line: int, *pfns: int) -> Row:
    return {"op": "pfn", "i": line, "p": 0, "pfn": list(pfns)}


def difference(expected: list[Row], answered: list[Row]) -> str:
    return first_difference(comparable_rows(expected, PROGRAM), comparable_rows(answered, PROGRAM), PROGRAM)


def test_frames_may_have_other_numbers_as_long_as_the_same_pages_share_one() -> None:
    assert difference([frames(0, 10, 11, 10)], [frames(0, 77, 12, 77)]) == ""
    assert "expected" in difference([frames(0, 10, 11, 10)], [frames(0, 77, 12, 13)])
    assert "expected" in difference([frames(0, 10, 11, 12)], [frames(0, 77, 12, 77)])


def test_frames_are_told_apart_across_neighbouring_rows() -> None:
    assert difference([frames(2, 10, 11), frames(3, 10, 12)], [frames(2, 5, 6), frames(3, 5, 7)]) == ""
    assert "expected" in difference([frames(2, 10, 11), frames(3, 10, 12)], [frames(2, 5, 6), frames(3, 5, 6)])


def test_a_page_is_present_on_both_sides_or_on_neither() -> None:
    assert "expected" in difference([frames(0, 10, 0)], [frames(0, 10, 11)])


def test_a_frame_that_was_replaced_since_the_place_was_shown_counts() -> None:
    between: Row = {"op": "fork", "i": 1, "p": 0}
    real = [frames(0, 10, 11), between, frames(0, 10, 12)]
    assert difference(real, [frames(0, 5, 6), between, frames(0, 5, 7)]) == ""
    assert "expected" in difference(real, [frames(0, 5, 6), between, frames(0, 5, 6)])


def test_of_the_rss_only_changes_count() -> None:
    def rss(kilobytes: int) -> Row:
        return {"op": "rss", "i": 4, "p": 0, "kb": {"Rss": kilobytes, "Anonymous": 4}}

    assert difference([rss(1000), rss(1008)], [rss(600), rss(608)]) == ""
    assert "expected" in difference([rss(1000), rss(1008)], [rss(600), rss(604)])


def test_of_the_status_sizes_count_as_they_are_and_page_tables_by_their_change() -> None:
    def status(size: int, tables: int) -> Row:
        return {"op": "status", "i": 5, "p": 0, "status": {"VmSize": size, "VmPTE": tables, "VmRSS": 1}}

    assert difference([status(3000, 20), status(3004, 24)], [status(3000, 8), status(3004, 12)]) == ""
    assert "expected" in difference([status(3000, 20)], [status(3004, 20)])
    assert "expected" in difference([status(3000, 20), status(3000, 24)], [status(3000, 20), status(3000, 20)])


def test_a_signal_besides_an_errno_missing_and_rows_missing_are_differences() -> None:
    row: Row = {"op": "fork", "i": 1, "p": 0}
    assert "signal" in difference([row], [row | {"signal": "SIGSEGV"}])
    assert "ENOMEM" in difference([row | {"errno": "ENOMEM"}], [row])
    assert difference([row, row], [row]) == "2 rows expected, 1 answered"
