"""The language in which people tell a machine what to do: what lines mean, and what is said of a line that means nothing."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

import pytest

from app.language import (
    LineError,
    ProcessNames,
    complete,
    is_corpus,
    line_of_command,
    names_before,
    parse_line,
    processes_before,
    program_of,
    read_program,
    words_of_command,
)
from app.programs import parse_program
from engine import commands as c
from engine.config import MachineConfig
from engine.machine import Machine
from engine.outcome import CommandError
from tests.oracle_corpus import program_names, recording

if TYPE_CHECKING:
    from engine.commands import Command

SLOTS: Final = frozenset({"a", "m"})


def parsed(text: str) -> Command:
    return parse_line(text, 0, SLOTS, ProcessNames()).command


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("a = malloc 100", c.Malloc(as_="a", size=100)),
        ("a = malloc(100);  # the first", c.Malloc(as_="a", size=100)),
        ("big = malloc 1M", c.Malloc(as_="big", size=1 << 20)),
        ("b = calloc 4 100", c.Calloc(as_="b", count=4, size=100)),
        ("b=calloc(4,100)", c.Calloc(as_="b", count=4, size=100)),
        ("a = realloc a 200", c.Realloc(as_="a", size=200)),
        ("a = realloc 200", c.Realloc(as_="a", size=200)),
        ("a = memalign 64 100", c.Memalign(as_="a", alignment=64, size=100)),
        ("write a+16 7", c.Write(ptr="a+16", value=7)),
        ("write a+4K 'A'", c.Write(ptr="a+4096", value=65)),
        ("write32 a 0x41", c.Write32(ptr="a", value=0x41)),
        ("m = mmap 64K rw private", c.Mmap(as_="m", length=65536)),
        ("m = mmap 64K", c.Mmap(as_="m", length=65536)),
        ("m = mmap 64K r shared populate", c.Mmap(as_="m", length=65536, prot="r", flags=("shared", "populate"))),
        ("m = mmap 64K shared", c.Mmap(as_="m", length=65536, flags=("shared",))),
        ("m = mmap 8K r private file 2 4K", c.Mmap(as_="m", length=8192, prot="r", file=2, offset=4096)),
        ("m = mmap 8K wr private file 2 offset 4K", c.Mmap(as_="m", length=8192, file=2, offset=4096)),
        ("m = mmap 8K r-- private at 0x50000000", c.Mmap(as_="m", length=8192, prot="r", hint="0x50000000")),
        ("m = mmap 8K rw fixed at a+64K", c.Mmap(as_="m", length=8192, flags=("fixed",), hint="a+65536")),
        ("mmap b 4096 rw private anon 0 0x50000000", c.Mmap(as_="b", length=4096, hint="0x50000000")),
        ("munmap m 64K", c.Munmap(ptr="m", length=65536)),
        ("mprotect m 4K r", c.Mprotect(ptr="m", length=4096, prot="r")),
        ("mprotect m 4K none", c.Mprotect(ptr="m", length=4096, prot="none")),
        ("m = mremap m 64K 1M", c.Mremap(as_="m", old_length=65536, new_length=1 << 20)),
        ("m = mremap m 64K 1M stay", c.Mremap(as_="m", old_length=65536, new_length=1 << 20, may_move=False)),
        ("touch m 64K w", c.Touch(ptr="m", length=65536)),
        ("fill a 16 0x41", c.Fill(ptr="a", length=16, value=0x41)),
        ("sbrk -4K", c.Sbrk(delta=-4096)),
        ("fork child", c.Fork(child=1)),
        ("fork", c.Fork(child=1)),
        ("@child touch m 4096", c.Touch(pid=1, ptr="m", length=4096)),
        ("@child3 exit", c.Exit(pid=3)),
        ("@parent free a", c.Free(ptr="a")),
        ("wait child", c.Wait(child=1)),
        ("exit", c.Exit()),
        ("sysctl swappiness 10", c.Sysctl(name="swappiness", value=10)),
        ("sysctl vm.swappiness=10", c.Sysctl(name="swappiness", value=10)),
        ("file 0 /tmp/f 64K", c.OpenFile(file=0, path="/tmp/f", size=65536)),
        ("open 0 /tmp/f", c.OpenFile(file=0, path="/tmp/f", size=-1)),
        ("rlimit stack unlimited", c.Rlimit(resource="stack", limit=0xFFFFFFFF)),
        ("mallopt M_MMAP_THRESHOLD 64", c.Mallopt(parameter=-3, value=64)),
    ],
)
def test_a_line_means_a_command(text: str, command: Command) -> None:
    assert parsed(text) == command


@pytest.mark.parametrize(
    ("text", "column", "said"),
    [
        ("a = mallok 100", 4, "'mallok' is no command; did you mean malloc?"),
        ("a = malloc 10x", 11, "size is '10x'; write a whole number, such as 4096, 64K or 0x1000"),
        ("a = malloc -1", 11, "size is -1; it can be 0 to 4294967295"),
        ("9 = malloc 10", 0, "the slot '9' is no name"),
        ("a = malloc", 10, "malloc is typed so: a = malloc SIZE"),
        ("a = malloc 1 2 3", 13, "malloc is typed so: a = malloc SIZE"),
        ("a =", 1, "what is a to be? Write a = malloc 100"),
        ("x = free a", 0, "free gives no pointer to keep: write free PTR"),
        ("b = realloc a 10", 0, "realloc puts the pointer back where it was: write a = realloc a …"),
        ("write a 300", 8, "value is 300; it can be 0 to 255"),
        ("m = mmap 64K rw privat", 16, "flags is 'privat'; it can be private, shared"),
        ("m = mmap 64K rq", 13, "prot is 'rq'; it can be letters of rwx, such as rw, or none"),
        ("m = mmap 64K r file", 15, "file what?"),
        ("@kid touch a 1", 0, "there is no process 'kid' here; there are parent, or write its number: 1"),
        ("fork 1x", 5, "child is '1x'; write a name, such as child, or a whole number, such as 1"),
        ("fork main", 5, "'main' cannot name a child"),
        ("   madvise a 4K later", 16, "advice is 'later'; it can be normal, random, willneed"),
        ("m = mremap m 4K 8K perhaps", 19, "may_move is 'perhaps'; it can be maymove or stay"),
    ],
)
def test_a_line_that_means_nothing_is_told_at_its_column(text: str, column: int, said: str) -> None:
    with pytest.raises(LineError) as caught:
        parsed(text)
    assert str(caught.value).startswith(said)
    assert caught.value.column == column


def test_a_program_tells_every_line_that_is_wrong() -> None:
    program = read_program("a = malloc 100\nfrea a\n\n# so\nb = malloc ten\n")
    assert [str(mistake) for mistake in program.mistakes] == [
        "line 2, column 1: 'frea' is no command; did you mean free?",
        "line 5, column 12: size is 'ten'; write a whole number, such as 4096, 64K or 0x1000",
    ]


def test_a_program_knows_its_title_its_sentence_and_its_machine() -> None:
    program = read_program(
        "# Copy on write\n# Until one of them writes.\n# machine: 16mb\n# theme: faults\na = malloc 1\n"
    )
    assert (program.title, program.about) == ("Copy on write", "Until one of them writes.")
    assert (program.directive("machine"), program.directive("theme")) == ("16mb", "faults")
    assert [line.index for line in program.lines] == [4]


def test_children_are_numbered_as_they_are_forked() -> None:
    text = "fork anna\nfork child\n@anna fork ben\n@ben exit\nwait anna"
    assert read_program(text).commands == [
        c.Fork(child=1),
        c.Fork(child=2),
        c.Fork(pid=1, child=3),
        c.Exit(pid=3),
        c.Wait(child=1),
    ]


def test_a_program_that_goes_on_from_a_machine_takes_new_numbers() -> None:
    before: list[Command] = [c.Fork(child=1), c.Malloc(as_="a", size=1)]
    taken = processes_before(before)
    assert read_program("fork child\n@child exit", taken=taken).commands == [c.Fork(child=2), c.Exit(pid=2)]


def test_a_slot_without_a_name_takes_the_next_free_letter() -> None:
    assert read_program("malloc 1\nmalloc 2", slots="a").commands == [
        c.Malloc(as_="b", size=1),
        c.Malloc(as_="c", size=2),
    ]


def test_what_the_machine_refuses_is_told_at_the_word_that_is_to_blame() -> None:
    program = read_program("a = malloc 8\n\n  write  b+4  7\n")
    machine = Machine(MachineConfig())
    machine.perform(program.commands[0])
    with pytest.raises(CommandError) as caught:
        machine.perform(program.commands[1])
    mistake = program.mistake_of(1, caught.value)
    assert (mistake.line, mistake.column, mistake.length) == (2, 9, 3)
    assert "'b', which holds nothing; slots: a" in mistake.message


@pytest.mark.parametrize(
    ("text", "is_it"),
    [
        ("malloc 0 100\nfree 0", True),
        ("# words\n\nmallinfo\nrealloc 3 100", True),
        ("file 0 /tmp/f 4096\nmmap 0 4096 rw private 0 0", True),
        ("@1 write s0 65", True),
        ("freeaddr 0x10", True),
        ("a = malloc 100", False),
        ("malloc 100", False),
        ("malloc a 100", False),
        ("mmap 4096 rw private", False),
        ("calloc 4 100", False),
        ("", False),
    ],
)
def test_the_corpus_is_known_by_its_first_slot(text: str, is_it: bool) -> None:
    assert is_corpus(text.splitlines()) is is_it


def test_the_corpus_is_read_as_it_always_was() -> None:
    text = "malloc 0 100\nwrite s0+4 65\nfree 0\n"
    assert read_program(text).commands == [line.command for line in parse_program(text)]
    assert [str(mistake) for mistake in read_program("malloc 0 100\nfree zero").mistakes] == [
        "line 2, column 1: 'zero' is no number; write 4096 or 0x1000"
    ]


def corpus_commands() -> list[Command]:
    """Each kind of command that the recorded programs have, in each of their forms."""
    found: dict[str, Command] = {}
    for group in ("fault", "misuse", "vm"):
        for name in program_names(group):
            for line in parse_program(recording(group, name).program):
                found.setdefault(repr(line.command), line.command)
    return list(found.values())


def test_what_is_written_down_reads_back_as_the_same_command() -> None:
    commands = corpus_commands()
    assert len(commands) > 1000
    for command in commands:
        again = read_program(line_of_command(command), corpus=False, taken=range(64)).commands
        assert again == [_as_text(command)] or isinstance(command, c.Fork | c.Wait)
    assert {command.op for command in commands} > {"malloc", "mmap", "fork", "file", "mremap"}


def _as_text(command: Command) -> Command:
    """A place that is a number reads back as the number's text: the same place to the machine."""
    values: dict[str, Any] = {
        field.name: getattr(command, field.name) for field in fields(command) if field.name != "op"
    }
    for name in ("ptr", "address", "hint"):
        if isinstance(values.get(name), int) and (name != "hint" or values[name]):
            values[name] = f"{values[name]:#010x}"
    return type(command)(**values)


@pytest.mark.parametrize(
    ("command", "line"),
    [
        (c.Malloc(as_="a", size=100), "a = malloc 100"),
        (c.Realloc(as_="a", size=65536), "a = realloc a 64K"),
        (c.Mmap(as_="m", length=65536), "m = mmap 64K rw private"),
        (c.Mmap(as_="m", length=4096, file=0, offset=8192, hint="a"), "m = mmap 4K rw private file 0 8K at a"),
        (c.Touch(pid=1, ptr="m", length=4096, access="r"), "@child touch m 4K r"),
        (c.Fork(child=2), "fork child2"),
        (c.OpenFile(file=0, path="/tmp/f", size=-1), "file 0 /tmp/f"),
        (c.Mallopt(parameter=-3, value=4096), "mallopt M_MMAP_THRESHOLD 4096"),
        (c.Mremap(as_="m", old_length=4096, new_length=8192, may_move=False), "m = mremap m 4K 8K stay"),
    ],
)
def test_a_command_is_written_as_a_student_would(command: Command, line: str) -> None:
    assert line_of_command(command) == line
    assert program_of([command, command]) == f"{line}\n{line}\n"
    assert parse_line(words_of_command(command), 0, SLOTS, ProcessNames()).command == command


@pytest.mark.parametrize(
    ("line", "column", "offered"),
    [
        ("a = mal", 7, ["malloc"]),
        ("ma", 2, ["malloc", "mallopt", "mallinfo", "madvise", "maps"]),
        ("zz", 2, []),
        ("a = re", 6, ["realloc"]),
        ("free ", 5, ["a", "m"]),
        ("a = realloc ", 12, ["a", "m"]),
        ("m = mmap 64K ", 13, ["r", "rw", "rx", "none"]),
        ("m = mmap 64K rw p", 17, ["private", "populate"]),
        ("m = mmap 64K rw private ", 24, ["shared", "fixed", "fixed_noreplace", "populate"]),
        ("touch m 4096 ", 13, ["r", "w"]),
        ("madvise m 4K d", 14, ["dontneed", "dontfork"]),
        ("sysctl sw", 9, ["swappiness"]),
        ("@", 1, ["@parent", "@kid", "@child"]),
        ("@kid fr", 7, ["free"]),
        ("wait ", 5, ["kid", "child"]),
        ("b ", 2, ["="]),
        ("mallopt M_T", 11, ["M_TRIM_THRESHOLD", "M_TOP_PAD"]),
        ("free a # fr", 11, []),
    ],
)
def test_candidates_fit_the_place(line: str, column: int, offered: list[str]) -> None:
    found = complete(line, column, ("a", "m"), ("kid",))
    texts = [candidate.text for candidate in found.candidates]
    assert texts[: len(offered)] == offered if offered else texts == []


def test_a_candidate_replaces_the_word_that_is_being_written() -> None:
    found = complete("a = mal 100", 6, (), ())
    assert (found.start, found.end) == (4, 6)


def test_names_are_known_from_the_lines_before() -> None:
    assert names_before(["a = malloc 1", "malloc b 2", "fork kid", "@kid c = malloc", "nonsense"]) == (
        ("a", "b", "c"),
        ("kid",),
    )


def test_a_program_of_too_many_lines_is_refused() -> None:
    program = read_program("mallinfo\n" * 200_001)
    assert program.lines == ()
    assert "at most 200000 are performed" in program.mistakes[0].message
