"""Logs of real programs' allocator calls, read as commands."""

from __future__ import annotations

import pytest

from app.import_logs import LogError, import_log, looks_like_a_log
from app.language import is_corpus, program_of
from engine.config import PRESETS
from engine.machine import Machine

LTRACE = """\
__libc_start_main(0x8049196, 1, 0xffffd5c4, 0 <unfinished ...>
malloc(100)                                      = 0x804e1a0
[pid 812] calloc(4, 100)                         = 0x804e210
printf("malloc(%d)", 100)                        = 11
12:30:01.123456 realloc(0x804e1a0, 5000)         = 0x804e3b0 <0.000021>
prog->free(0x804e210)                            = <void>
memalign(64, 10)                                 = 0x804f780
malloc(4294967295)                               = 0
free(nil)                                        = <void>
free(0xb7f00000)                                 = <void>
[pid 812] malloc(24 <unfinished ...>
[pid 812] <... malloc resumed> )                 = 0x804e210
+++ exited (status 0) +++
"""


def test_a_log_of_ltrace_becomes_commands() -> None:
    found = import_log(LTRACE)
    assert program_of(found.commands).splitlines() == [
        "p0 = malloc 100",
        "p1 = calloc 4 100",
        "p0 = realloc p0 5000",
        "free p1",
        "p1 = memalign 64 10",
        "p2 = malloc 4294967295",
        "free 0",
        "p2 = malloc 24",
    ]
    assert (found.left_out, found.unknown) == (3, 1)


def test_the_commands_of_a_log_can_be_performed() -> None:
    machine = Machine(PRESETS["64mb"])
    outcomes = [machine.perform(command) for command in import_log(LTRACE).commands]
    assert outcomes[0].ret == 0x0804E1A0
    assert (outcomes[5].ret, outcomes[5].errno) == (0, "ENOMEM")


def test_a_log_of_the_shim_becomes_the_same_commands() -> None:
    shim = """
malloc 100 0x804e1a0
calloc 4 100 0x804e210
realloc 0x804e1a0 5000 0x804e3b0
free 0x804e210
memalign 64 10 0x804f780
malloc 4294967295 (nil)
free (nil)
free 0xb7f00000
malloc 24 0x804e210
"""
    assert import_log(shim).commands == import_log(LTRACE).commands


def test_addresses_of_a_program_for_64_bits_are_only_names() -> None:
    found = import_log("malloc(10) = 0x55d0c8a012a0\nrealloc(0x55d0c8a012a0, 0) = 0\nrealloc(0, 20) = 0x55d0c8a012c0\n")
    assert program_of(found.commands).splitlines() == ["p0 = malloc 10", "p0 = realloc p0 0", "p0 = malloc 20"]


def test_a_realloc_of_what_no_line_gave_counts_as_an_allocation() -> None:
    found = import_log("realloc(0x804e1a0, 20) = 0x804e1a0\nfree(0x804e1a0) = <void>\n")
    assert program_of(found.commands).splitlines() == ["p0 = malloc 20", "free p0"]
    assert found.unknown == 1


def test_a_realloc_that_fails_leaves_its_block() -> None:
    found = import_log("malloc(8) = 0x10\nrealloc(0x10, 4294967295) = 0\nfree(0x10) = <void>\n")
    assert program_of(found.commands).splitlines() == ["p0 = malloc 8", "p0 = realloc p0 4294967295", "free p0"]


@pytest.mark.parametrize("text", ["", "hello\nworld", "printf(1) = 2", "malloc(x) = 0x10"])
def test_a_log_without_a_call_is_refused(text: str) -> None:
    with pytest.raises(LogError, match="no call of the allocator is in this log"):
        import_log(text)


def test_too_long_a_log_is_refused() -> None:
    with pytest.raises(LogError, match="the log has 200001 lines; at most 200000 are read"):
        import_log("malloc(1) = 0x10\n" * 200_001)


@pytest.mark.parametrize(
    ("text", "is_it"),
    [
        (LTRACE, True),
        ("malloc 100 0x804e1a0\n", True),
        ("malloc 0 100\nfree 0", False),
        ("a = malloc 100\nfree a", False),
        ("x = malloc(100)", False),
        ("", False),
    ],
)
def test_a_log_is_told_from_a_program(text: str, is_it: bool) -> None:
    assert looks_like_a_log(text.splitlines()) is is_it


def test_a_program_of_the_corpus_is_no_log() -> None:
    text = "malloc 0 100\nmalloc 1 0x64\n"
    assert is_corpus(text.splitlines())
    assert not looks_like_a_log(["malloc 0 100"])
