"""Traces that the policy lab reads, and strings that it makes itself."""

from __future__ import annotations

import re

import pytest

from engine.policies import GENERATORS, PATTERNS, Pattern, TraceError, read_trace
from engine.policies.traces import REFERENCES_MAXIMUM

LACKEY = """==4242== Lackey, an example Valgrind tool
==4242== Command: ls
I  04016680,3
 S 1ffeffff48,8
I  04016683,5
 L 04030ffc,8
 M 0421a010,4
==4242== Counted 0 calls
"""

ZIPF = [1, 6, 1, 1, 0, 1, 6, 0, 6, 0, 0, 0]
SCAN = [1, 3, 2, 3, 1, 0, 1, 4, 1, 0, 2, 1, 2, 0, 2, 5, 0]
SHIFT = [1, 3, 4, 5, 5, 4, 7, 7, 8, 10, 11, 12, 12, 14, 14, 1]


def test_page_numbers_are_read_in_decimal_and_hexadecimal_one_or_many_a_line() -> None:
    trace = read_trace("7 0 1\n0x10, 2 # the rest is a remark\n\n// nothing\n3;4\n")
    assert trace.pages == [7, 0, 1, 16, 2, 3, 4]
    assert trace.writes == bytes(7)


def test_a_letter_after_a_number_says_whether_it_is_written() -> None:
    trace = read_trace("0x08049f20 w\n134520000 r\n0x0804a000", page_shift=12)
    assert trace.pages == [0x8049, 134520000 >> 12, 0x804A]
    assert trace.writes == bytes([1, 0, 0])


def test_lackeys_lines_are_references_to_pages_of_4_kb() -> None:
    trace = read_trace(LACKEY)
    assert trace.pages == [0x4016, 0x1FFEFFF, 0x4016, 0x4030, 0x4031, 0x421A]
    assert trace.writes == bytes([0, 1, 0, 0, 0, 1])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "there is no reference in it"),
        ("# only a remark\n", "there is no reference in it"),
        ("1 2\nthree", "line 2: 'three' is no number; write 123 or 0x7b"),
        ("-1", "line 1: '-1' is no number; write 123 or 0x7b"),
        ("w 3", "line 1: 'w' stands after the number that it is of"),
        ("3 w w", "line 1: 'w' stands after the number that it is of"),
        ("x" * 60, f"line 1: '{'x' * 40}…' is no number; write 123 or 0x7b"),
        ("\n" + "1 " * (REFERENCES_MAXIMUM + 1), "line 2: these are more than 100,000 references"),
        (" L 10,999999\n", ""),
    ],
)
def test_what_is_no_trace_is_refused_with_its_line(text: str, words: str) -> None:
    if not words:
        assert len(read_trace(text).pages) == 245
        return
    with pytest.raises(TraceError, match="^" + re.escape(words) + "$"):
        read_trace(text)


def test_generated_strings_are_the_same_everywhere() -> None:
    assert GENERATORS["loop"](Pattern("loop", 7, 3)) == [0, 1, 2, 0, 1, 2, 0]
    assert GENERATORS["zipf"](Pattern("zipf", 12, 8, 1)) == ZIPF
    assert GENERATORS["scan"](Pattern("scan", 17, 4, 1)) == SCAN
    assert GENERATORS["shift"](Pattern("shift", 16, 16, 1)) == SHIFT


def test_each_pattern_keeps_to_its_pages_and_its_length() -> None:
    for kind in PATTERNS:
        for pages in (1, 2, 9):
            found = GENERATORS[kind](Pattern(kind, 100, pages, 3))
            assert len(found) == 100
            inside = [page for page in found if page < pages]
            assert min(found) >= 0
            assert len(inside) == (88 if kind == "scan" else 100)


def test_the_first_page_of_zipf_is_used_twice_as_often_as_the_second() -> None:
    found = GENERATORS["zipf"](Pattern("zipf", 60_000, 100, 5))
    counts = [found.count(page) for page in range(4)]
    weights = sum(1 / rank for rank in range(1, 101))
    for page, count in enumerate(counts):
        assert abs(count - 60_000 / weights / (page + 1)) < 400
