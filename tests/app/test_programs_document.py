"""docs/programs.md and docs/shim.c: what they say is what happens."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from app.import_logs import import_log
from app.language import grammar, program_of, read_program
from app.scenarios import scenarios
from app.session_text import machine_of_words
from app.terminal import ask
from engine.config import PRESETS
from engine.machine import Machine

if TYPE_CHECKING:
    from fastapi.testclient import TestClient

DOCS: Final = Path(__file__).parents[2] / "docs"
TEXT: Final = (DOCS / "programs.md").read_text()
PROGRAM: Final = """\
#include <stdlib.h>
int main(void)
{
	char *a = malloc(100);
	char *b = calloc(4, 100);
	a = realloc(a, 5000);
	free(b);
	free(a);
	return 0;
}
"""


def block(language: str, number: int = 0) -> str:
    found: list[str] = re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
    return found[number]


def test_the_example_is_a_program_that_runs() -> None:
    program = read_program(block("pw"))
    assert program.mistakes == ()
    assert program.title == "Copy on write"
    machine = Machine(machine_of_words(program.directive("machine")))
    results = [machine.perform(command) for command in program.commands]
    assert next(outcome for outcome in results if outcome.op == "read").val == 65


def test_every_command_is_listed_as_it_is_written() -> None:
    assert block("text").splitlines() == [grammar.usage(op) for op in grammar.operations()]


def test_the_presets_that_are_named_are_those_that_there_are() -> None:
    assert re.findall(r"`(\d+[mg]b)`", TEXT) == list(PRESETS)


def test_every_line_of_the_terminal_is_understood() -> None:
    machine = Machine(PRESETS["64mb"])
    machine.perform(read_program("a = malloc 100").commands[0])
    words = {
        "PLACE": "a",
        "ACCOUNT": "free",
        "CACHE": "vm_area_struct",
        "LIST": "inactive_anon",
        "PID": "0",
        "NAME": "swappiness",
    }
    for line in block("text", 1).splitlines():
        for form in re.split(r" {2,}", line):
            if form.split()[0] in (
                "cat",
                "free",
                "vmstat",
                "slabtop",
                "pmap",
                "ps",
                "dmesg",
                "sysctl",
                "x/16xw",
                "pagemap",
                "frames",
                "slab",
                "lru",
                "slots",
            ):
                typed = (
                    re.sub(r"\[.*?\]", "", form).replace("/proc/FILE", "/proc/meminfo").replace("PID/FILE", "0/maps")
                )
                for name, value in words.items():
                    typed = typed.replace(name, value)
                assert not ask(machine, typed).failed, typed


def test_the_addresses_of_sharing_are_there(client: TestClient) -> None:
    page = client.post("/m", data={"scenario": next(iter(scenarios()))}).url.path
    code = re.search(r"/s/([\w-]+)", client.get(f"{page}/share").text)
    assert code is not None
    for address in re.findall(r"^\| `([^`]+)`", TEXT, re.MULTILINE):
        if "png" not in address:
            path = address.replace("/m/ID", page).replace("CODE", code[1])
            assert client.get(path).status_code == 200, address
    for suffix in (".json", ".txt", ".pw", ".c"):
        assert client.get(page + suffix).status_code == 200


def test_the_shims_log_of_a_real_program_becomes_commands(tmp_path: Path) -> None:
    if shutil.which("gcc") is None:
        pytest.skip("there is no gcc here")
    shutil.copy(DOCS / "shim.c", tmp_path)
    (tmp_path / "program.c").write_text(PROGRAM)
    flags = ["-Wall", "-Wextra", "-Werror", "-O1"]
    for command in (["-shared", "-fPIC", "-o", "shim.so", "shim.c"], ["-fno-builtin", "-o", "program", "program.c"]):
        made = subprocess.run(["gcc", *flags, *command], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert made.returncode == 0, made.stderr
    run = subprocess.run(
        ["./program"], cwd=tmp_path, env={"LD_PRELOAD": "./shim.so"}, capture_output=True, text=True, check=True
    )
    found = import_log(run.stderr)
    assert program_of(found.commands).splitlines() == [
        "p0 = malloc 100",
        "p1 = calloc 4 100",
        "p0 = realloc p0 5000",
        "free p1",
        "free p0",
    ]
    assert (found.left_out, found.unknown) == (0, 0)
