"""Commands as people type them."""

from __future__ import annotations

import pytest

from app.pages.command_words import command_of_fields, command_of_words, next_slot, operations, usage, words_of_command
from engine import commands as c
from engine.outcome import CommandError

SLOTS = frozenset({"a", "b"})


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("malloc x 100", c.Malloc(as_="x", size=100)),
        ("x = malloc 100", c.Malloc(as_="x", size=100)),
        ("x = malloc(100);", c.Malloc(as_="x", size=100)),
        ("malloc 0x64", c.Malloc(as_="c", size=100)),
        ("  MALLOC   x  100 ", c.Malloc(as_="x", size=100)),
        ("calloc(4, 256)", c.Calloc(as_="c", count=4, size=256)),
        ("realloc a 10", c.Realloc(as_="a", size=10)),
        ("free(a)", c.Free(ptr="a")),
        ("free 0x0804e1a0", c.Free(ptr="0x0804e1a0")),
        ("write a+4 7", c.Write(ptr="a+4", value=7)),
        ("@1 read a", c.Read(pid=1, ptr="a")),
        ("sbrk -4096", c.Sbrk(delta=-4096)),
        ("mmap m 65536", c.Mmap(as_="m", length=65536)),
        ("mmap m 4096 rw shared,populate 0", c.Mmap(as_="m", length=4096, flags=("shared", "populate"), file=0)),
        ("touch a 8192 r", c.Touch(ptr="a", length=8192, access="r")),
        ("paging off", c.SetPaging(on=False)),
        ("faildisk swap read", c.FailDisk(disk="swap", fails="read")),
        ("mallinfo", c.Mallinfo()),
        ("sysctl swappiness 100", c.Sysctl(name="swappiness", value=100)),
    ],
)
def test_words_mean_a_command(text: str, command: c.Command) -> None:
    assert command_of_words(text, 0, SLOTS) == command


@pytest.mark.parametrize(
    ("text", "field", "said"),
    [
        ("", "words", "type a command, such as: a = malloc 100"),
        ("mallok a 1", "words", "'mallok' is no command; did you mean malloc?"),
        ("explode", "words", "'explode' is no command; there are malloc, calloc"),
        ("free", "words", "free is typed so: free PTR"),
        ("free a b", "words", "free is typed so: free PTR"),
        ("malloc x many", "size", "size is 'many'; write a whole number"),
        ("malloc 1x 10", "as", "the slot '1x' is no name"),
        ("touch a 1 q", "access", "access is 'q'; it can be r, w"),
        ("mmap m 4096 rw private,odd", "flags", "flags is 'odd'; it can be private, shared"),
        ("paging maybe", "on", "on is 'maybe'; it can be on or off"),
        ("@x free a", "pid", "there is no process 'x' here; there are parent, or write its number: 1"),
    ],
)
def test_words_that_mean_nothing_name_the_field(text: str, field: str, said: str) -> None:
    with pytest.raises(CommandError) as caught:
        command_of_words(text, 0, SLOTS)
    assert caught.value.field == field
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize(
    "text",
    ["malloc a 100", "mmap m 4096 r shared 0 8192", "@2 write a 7", "mremap m 4096 8192 off", "mallinfo", "paging on"],
)
def test_a_command_is_written_as_it_would_be_typed(text: str) -> None:
    assert words_of_command(command_of_words(text, 0, SLOTS)) == text


def test_an_empty_field_without_a_default_is_named() -> None:
    with pytest.raises(CommandError, match="ptr is empty; write a slot, a slot with an offset, or an address"):
        command_of_fields("free", 0, {"ptr": " "})


def test_an_operation_that_is_none_is_refused() -> None:
    with pytest.raises(CommandError, match="'explode' is no command"):
        command_of_fields("explode", 0, {})


def test_the_next_slot_is_the_first_letter_that_is_not_taken() -> None:
    assert next_slot(frozenset()) == "a"
    assert next_slot(frozenset("ab")) == "c"
    assert next_slot(frozenset("abcdefghijklmnopqrstuvwxyz")) == "a1"


def test_every_command_can_be_typed() -> None:
    assert len(operations()) == 55
    assert usage("mmap") == "m = mmap LENGTH [PROT] [FLAG…] [file N [OFFSET]] [at HINT]"
