"""The terminal: what a shell and a debugger on the machine would print."""

from __future__ import annotations

import pytest

from app.language import read_program
from app.terminal import Answer, ask
from app.terminal_objects import BEHIND, Piece
from app.terminal_tables import figures
from engine.config import PRESETS
from engine.machine import Machine
from engine.views.ledger import Account

PROGRAM = "a = malloc 100\nfill a 20 0x41\nm = mmap 16K rw\ntouch m 8K\nwrite32 a+24 0xfffffffe"


@pytest.fixture(scope="module")
def machine() -> Machine:
    machine = Machine(PRESETS["64mb"])
    for command in read_program(PROGRAM).commands:
        machine.perform(command)
    return machine


def test_looking_changes_nothing(machine: Machine) -> None:
    before = machine.digest()
    for line in ("free", "vmstat -s", "slabtop -o", "pmap -x", "x/64xw a", "pagemap m 4", "cat /proc/smaps", "ps"):
        assert not ask(machine, line).failed, line
    assert machine.digest() == before


def test_a_file_of_proc_is_printed_as_it_is(machine: Machine) -> None:
    for name in ("meminfo", "zoneinfo", "slabinfo", "buddyinfo", "maps", "self/smaps_rollup", "0/status"):
        assert ask(machine, f"cat /proc/{name}").text == machine.proc_file(name.rpartition("/")[2])


def test_a_count_of_free_blocks_leads_to_the_first_of_them(machine: Machine) -> None:
    found = ask(machine, "cat /proc/buddyinfo")
    frames = [piece for piece in found.pieces if piece.kind == "frame"]
    assert all(piece.text.isdigit() and int(piece.text) > 0 for piece in frames)
    assert frames[-1].value % 1024 == 0


def test_memory_is_examined_as_gdb_prints_it(machine: Machine) -> None:
    assert ask(machine, "x/6xw a").text == (
        "0x804e1a0:\t0x41414141\t0x41414141\t0x41414141\t0x41414141\n0x804e1b0:\t0x41414141\t0x00000000\n"
    )
    assert ask(machine, "x/2dw a+20").text == "0x804e1b4:\t0\t-2\n"
    assert ask(machine, "x/2cb a+19").text == "0x804e1b3:\t65 'A'\t0 '\\000'\n"
    assert ask(machine, "x/2uh a+18").text == "0x804e1b2:\t16705\t0\n"
    assert ask(machine, "x a").text == "0x804e1a0:\t0x41414141\n"


def test_memory_that_is_not_there_cannot_be_examined(machine: Machine) -> None:
    assert ask(machine, "x/4xw 0x40000000").text == "Cannot access memory at address 0x40000000\n"
    assert ask(machine, "x/4xw 0xfffffff8").text.endswith("Cannot access memory at address 0xfffffff8\n")


def test_addresses_and_frames_are_pieces_of_their_own(machine: Machine) -> None:
    found = ask(machine, "pagemap m 3")
    assert [(piece.text, piece.kind) for piece in found.pieces if piece.kind] == [
        ("b7d97000", "address"),
        (f"{found.pieces[3].value:#07x}", "frame"),
        ("b7d98000", "address"),
        (f"{found.pieces[7].value:#07x}", "frame"),
        ("b7d99000", "address"),
    ]
    assert Piece("08048000", "address", 0x08048000) in ask(machine, "pmap").pieces
    assert Piece("0x804e1a0", "address", 0x0804E1A0) in ask(machine, "x/4xw a").pieces


def test_free_adds_up(machine: Machine) -> None:
    head, memory, swap = ask(machine, "free").text.splitlines()
    info = figures(machine.proc_file("meminfo"))
    assert head.split() == ["total", "used", "free", "shared", "buff/cache", "available"]
    assert [int(word) for word in memory.split()[1:4]] == [
        info["MemTotal"],
        info["MemTotal"] - info["MemAvailable"],
        info["MemFree"],
    ]
    assert [int(word) for word in swap.split()[1:]] == [262140, 0, 262140]
    assert len(head) == len(memory)


def test_pmap_adds_up_to_the_size_of_the_process(machine: Machine) -> None:
    lines = ask(machine, "pmap").text.splitlines()
    total = sum(int(line.split()[1].removesuffix("K")) for line in lines[1:-1])
    assert lines[0] == "0:   student"
    assert lines[-1].split() == ["total", f"{total}K"]
    assert "VmSize:\t" + f"{total:8} kB" in machine.proc_file("status")
    assert "0804e000    136K rw---   [ anon ]" in lines


def test_slabtop_counts_what_slabinfo_counts(machine: Machine) -> None:
    text = ask(machine, "slabtop -o").text
    rows = [line.split() for line in machine.proc_file("slabinfo").splitlines()[2:]]
    assert f": {sum(int(row[1]) for row in rows)} / {sum(int(row[2]) for row in rows)} (" in text.splitlines()[0]
    assert len(text.splitlines()) == 7 + len(rows)


def test_vmstat_has_a_column_for_each_head(machine: Machine) -> None:
    _, head, row = ask(machine, "vmstat").text.splitlines()
    assert len(head.split()) == len(row.split()) == 8
    assert "262140 K total swap" in ask(machine, "vmstat -s").text


def test_a_setting_is_read(machine: Machine) -> None:
    assert ask(machine, "sysctl vm.swappiness").text == "vm.swappiness = 60\n"
    assert ask(machine, "cat /proc/sys/vm/swappiness").text == "60\n"


def test_help_names_every_command(machine: Machine) -> None:
    text = ask(machine, "help").text
    assert [
        word for word in ("cat", "free", "vmstat", "slabtop -o", "pmap", "x/16xw", "dmesg") if word not in text
    ] == []


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("frob", "frob: there is no such command here; help lists those that there are"),
        ("cat", "cat: which file? cat /proc/buddyinfo"),
        ("cat /proc/nope", "cat: /proc/nope: No such file or directory"),
        ("cat /etc/passwd", "cat: /etc/passwd: No such file or directory (there are files under /proc)"),
        ("cat /proc/9/maps", "cat: there is no process 9; there are 0"),
        ("pmap 9", "pmap: there is no process 9; there are 0"),
        ("x/4xw", "x: write the format and the place: x/16xw a, x/4xb 0x0804e1a0"),
        ("x/4xw b", "place names the slot 'b', which holds nothing; slots: a, m"),
        ("x/4q a", "x/4q: write a count, a format (x d u c) and a size (b h w), such as x/16xw"),
        ("x/9999xw a", "x/9999xw: at most 1024 units are shown"),
        ("sysctl swappiness=3", "sysctl: this terminal only looks; type sysctl swappiness 10 as a command"),
        ("sysctl odd", "sysctl: there is no vm.odd; there are "),
        ("pagemap", "pagemap: write the place and how many pages: pagemap m 4"),
        ("pagemap m x", "pagemap: 'x' is no count of pages"),
    ],
)
def test_what_cannot_be_done_is_said(machine: Machine, line: str, said: str) -> None:
    answer = ask(machine, line)
    assert answer.failed
    assert answer.text.startswith(said)


def test_an_empty_line_prints_nothing(machine: Machine) -> None:
    assert ask(machine, "  ") == Answer(())


def test_nothing_is_left_of_a_process_that_has_ended() -> None:
    machine = Machine(PRESETS["16mb"])
    for command in read_program("a = malloc 8\nfork child\n@child exit").commands:
        machine.perform(command)
    for line in ("pmap 1", "cat /proc/1/maps"):
        assert ask(machine, line).text.endswith(": process 1 has ended\n")
    assert ask(machine, "x/4xw a", pid=1).failed
    assert " Z " in ask(machine, "ps").text


# --- what is behind a number -----------------------------------------------------------------------------------------


def leads(machine: Machine, line: str) -> dict[str, str]:
    """The lines that the numbers of a line's output lead to, by what is printed in front of each."""
    found, before = {}, ""
    for piece in ask(machine, line).pieces:
        if piece.kind == "line":
            found[before.rsplit("\n", maxsplit=1)[-1].strip(" :")] = piece.line
        before += piece.text
    return found


@pytest.mark.parametrize(
    "line",
    [
        "cat /proc/meminfo", "cat /proc/vmstat", "cat /proc/zoneinfo", "cat /proc/slabinfo", "cat /proc/pagetypeinfo",
        "free", "vmstat", "slabtop -o", "pmap", "pmap -x", "ps", "frames",
    ],
)  # fmt: skip
def test_every_number_that_leads_somewhere_leads_to_what_can_be_printed(machine: Machine, line: str) -> None:
    targets = {piece.line for piece in ask(machine, line).pieces if piece.kind == "line"}
    frames = [piece for piece in ask(machine, line).pieces if piece.kind == "frame"]
    assert targets or frames
    for target in targets:
        assert not ask(machine, target).failed, target


def test_the_names_that_lead_somewhere_are_names_that_linux_prints(machine: Machine) -> None:
    printed = "".join(machine.proc_file(name) for name in ("meminfo", "vmstat", "zoneinfo"))
    names = {
        " ".join(line.split()[:2]) if "pages free" in line else line.split()[0].rstrip(":")
        for line in printed.splitlines()
    }
    assert set(BEHIND) - names == set()


def test_free_memory_leads_to_the_blocks_and_anonymous_memory_to_its_frames(machine: Machine) -> None:
    found = leads(machine, "cat /proc/meminfo")
    assert (found["MemFree"], found["AnonPages"]) == ("cat /proc/buddyinfo", "frames anonymous")
    pages = figures(machine.proc_file("vmstat"))["nr_anon_pages"]
    frames = [piece for piece in ask(machine, found["AnonPages"]).pieces if piece.kind == "frame"]
    assert len(frames) == pages


def test_the_frames_of_the_accounts_are_the_frames_of_the_machine(machine: Machine) -> None:
    lines = [piece.line for piece in ask(machine, "frames").pieces if piece.kind == "line"]
    listed = {line: int(ask(machine, line).text.split()[0]) for line in lines}
    accounts = [target for target in listed if target.removeprefix("frames ") in set(Account)]
    assert sum(listed[target] for target in accounts) == machine.kernel.ram.size


def test_a_cache_is_told_object_by_object(machine: Machine) -> None:
    found = ask(machine, "slab vm_area_struct")
    free = found.text.count("  .\n")
    objects = [piece for piece in found.pieces if piece.kind == "address"]
    cache = machine.kernel.slub.caches["vm_area_struct"]
    assert (len(objects) - free, len(objects)) == (machine.kernel.slub.objects_in_use(cache), cache.total_objects)


def test_a_page_in_swap_is_found_from_the_number_of_used_slots() -> None:
    machine = Machine(PRESETS["16mb"])
    for command in read_program("m = mmap 64K rw\ntouch m 64K\nmadvise m 64K pageout").commands:
        machine.perform(command)
    assert leads(machine, "cat /proc/meminfo")["SwapFree"] == "slots"
    found = [piece.value for piece in ask(machine, "slots").pieces if piece.kind == "swap"]
    assert len(found) == 16


def test_the_lists_of_reclaim_are_told_page_by_page(machine: Machine) -> None:
    found = ask(machine, "lru inactive_anon")
    pages = figures(machine.proc_file("vmstat"))["nr_inactive_anon"]
    assert found.text.startswith(f"{pages} pages on inactive_anon")
    assert len([piece for piece in found.pieces if piece.kind == "frame"]) == pages


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("frames nobody", "there are free, cpu lists"),
        ("slab nothing", "there is no cache"),
        ("lru", "which list"),
        ("slab", "which cache"),
    ],
)
def test_an_object_that_is_not_there_names_what_is(machine: Machine, line: str, said: str) -> None:
    found = ask(machine, line)
    assert found.failed
    assert said in found.text


def test_a_mistyped_command_is_told_what_was_meant(machine: Machine) -> None:
    assert ask(machine, "slabtpo").text == "slabtpo: there is no such command here; did you mean slabtop?\n"
