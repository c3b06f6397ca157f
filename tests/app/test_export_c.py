"""Sessions as C programs: compiled for 32 bits and run, they print on a real Linux what the simulated one gave."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Final

import pytest

from app.export_c import export_c, results_text
from app.language import read_program
from app.scenarios import scenarios
from engine.config import PRESETS
from engine.machine import Machine

if TYPE_CHECKING:
    from pathlib import Path

    from engine.commands import Command
    from engine.outcome import Outcome

LABEL: Final = 33
LINE_OF_MAPS: Final = re.compile(r" +[0-9a-f]{8}-[0-9a-f]{8} ")
ADDRESS: Final = re.compile(r"\b0x[0-9a-f]{8}\b")
MAPPINGS: Final = range(0xA0000000, 0xF8000000)
HEAP: Final = 0x2000_0000
PROGRAMS: Final = {
    "the first malloc, free and what the tcache gives again": """
        a = malloc 100
        b = malloc 24
        free a
        c = malloc 100
        usable c
        mallinfo""",
    "sizes that grow and shrink": """
        a = calloc 4 100
        b = memalign 64 100
        a = realloc a 5000
        a = realloc a 10
        c = malloc 200000
        free c
        d = malloc 200000
        trim
        e = malloc 4294967295""",
    "coalescing": """
        a = malloc 2000
        b = malloc 2000
        c = malloc 2000
        free a
        free b
        d = malloc 4000
        mallopt M_MXFAST 0""",
    "a double free that is caught": """
        a = malloc 100
        free a
        free a""",
    "a double free that is not caught": """
        a = malloc 24
        b = malloc 24
        free a
        write32 a+4 0
        free a
        c = malloc 24
        d = malloc 24""",
    "an overflow into a size": """
        a = malloc 24
        b = malloc 24
        write32 a+28 0x41
        usable b
        read32 a+28
        free b
        c = malloc 50""",
    "mappings": """
        m = mmap 64K rw private
        n = mmap 64K r shared populate
        touch m 64K w 7
        read m+8K
        checktouch m 64K 7
        mprotect m 4K r
        write m 1
        touch m 64K w
        munmap m+8K 4K
        read m+8K
        m = mmap 1 rw private fixed at 4097
        madvise n 4K dontneed
        n = mremap n 64K 256K
        msync n 4K
        read 0x00000010
        munmap n 1""",
    "a child that writes to what it shares": """
        a = malloc 100
        fill a 100 0x41
        fork child
        @child write a 66
        read a
        @child read a
        fork child2
        @child2 free a+8
        @child exit 3
        wait child
        wait child2
        read a""",
    "files": """
        file 0 /tmp/pagewalk-test 10000
        f = mmap 16K r private file 0
        read f+4096
        read f+9999
        read f+10000
        read f+12288
        g = mmap 4K rw shared file 0 4K
        write g 90
        read f+4096""",
    "the break": """
        sbrk 0
        sbrk 8192
        sbrk -4096
        a = malloc 100
        b = malloc 140000
        stack 20000
        rlimit data 1M
        exit 7""",
}


def performed(text: str) -> tuple[list[Command], list[Outcome]]:
    program = read_program(text)
    assert program.mistakes == ()
    machine = Machine(PRESETS["256mb"])
    return program.commands, [machine.perform(command) for command in program.commands]


def comparable(text: str) -> list[str]:
    """The lines, each address counted from where the heap begins or, of a mapping, from the first one that is told."""
    head, *lines = text.splitlines()
    heap = int(head.removeprefix("# the heap begins at "), 16)
    mapping: int | None = None

    def counted(found: re.Match[str]) -> str:
        nonlocal mapping
        address = int(found[0], 16)
        if 0 <= address - heap < HEAP:
            return f"heap+{address - heap:#x}"
        if address not in MAPPINGS:
            return found[0]
        mapping = address if mapping is None else mapping
        return f"mapping{address - mapping:+#x}"

    return [line[:LABEL] + ADDRESS.sub(counted, line[LABEL:]) for line in lines]


def compiled(source: str, folder: Path) -> Path:
    """The program, compiled without a warning. Skips the test where there is no compiler for 32 bits."""
    (folder / "program.c").write_text(source)
    command = ["gcc", "-m32", "-O0", "-no-pie", "-Wall", "-Wextra", "-Werror", "-o", "program", "program.c"]
    made = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    return folder / "program"


@pytest.fixture(scope="module")
def _compiler(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("compiler")
    (folder / "nothing.c").write_text("#include <stdlib.h>\nint main(void) { return 0; }\n")
    if shutil.which("gcc") is None or shutil.which("setarch") is None:
        pytest.skip("there is no gcc or no setarch here")
    made = subprocess.run(["gcc", "-m32", "-o", "nothing", "nothing.c"], cwd=folder, capture_output=True, check=False)
    if made.returncode:
        pytest.skip("gcc cannot compile for 32 bits here")
    if subprocess.run(["setarch", "-R", "./nothing"], cwd=folder, capture_output=True, check=False).returncode:
        pytest.skip("a program for 32 bits cannot be run here without randomisation")


@pytest.mark.usefixtures("_compiler")
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_real_linux_prints_what_the_simulated_one_gave(name: str, tmp_path: Path) -> None:
    commands, outcomes = performed(PROGRAMS[name])
    program = compiled(export_c(commands, name), tmp_path)
    run = subprocess.run(
        ["setarch", "-R", program], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
    )
    expected = results_text(PRESETS["256mb"], commands, outcomes)
    assert comparable(run.stdout) == comparable(expected)


def test_what_only_a_simulated_machine_can_do_is_said_to_be_so() -> None:
    source = export_c([*performed("paging on")[0], *performed("x = alloc_pages 2")[0]])
    assert source.count('say("only the simulated machine can do this\\n");') == 2
    assert "p_x" not in source


def test_a_setting_of_the_whole_system_is_left_alone_unless_asked_for() -> None:
    source = export_c(performed("sysctl swappiness 10")[0])
    assert 'set_sysctl("swappiness", "10");' in source
    assert 'if (!getenv("PAGEWALK_SYSCTL"))' in source


def test_a_title_cannot_end_the_comment() -> None:
    assert "*/ int" not in export_c([], "so */ int main")


def test_a_program_takes_only_the_helpers_that_it_needs() -> None:
    source = export_c(performed("a = malloc 1")[0])
    assert "p_a = malloc(1);" in source
    assert "tell_maps" not in source
    assert "mine(" not in source


# --- the library -----------------------------------------------------------------------------------------------------

OF_THE_MACHINE: Final = frozenset(
    ("maps", "status", "rss", "pfn", "pagemap", "vmstat", "meminfo", "oomscore", "sysctl", "alloc_pages", "free_pages")
)
"""What these print depends on the machine's memory and kernel, of which the host has others."""
HOST_DIFFERS: Final = {
    ("double-free-caught", "read32 a+4"): "the key that marks a chunk of the tcache is random",
    ("use-after-free", "read32 a"): "the link is mangled with its own address, and the heap begins elsewhere",
    ("segv-kinds", "read 0xc0000000"): "the kernel begins at 3 GB there, at 4 GB here",
    ("stack-growth", "stack 9000000"): "the stack ends at 3 GB there, at 4 GB here",
    ("file-mapping", "p = mmap 4K rw private file 0"): "gaps between the host's libraries are of other sizes",
    ("file-mapping", "g = mmap 4K rw shared file 0"): "gaps between the host's libraries are of other sizes",
    ("given-up", "read a+16384"): "the host has more memory, and the page is still there",
    ("oom", "@child2 touch m 64M"): "the host has more memory, and kills nobody",
    ("oom", "wait child2"): "the host has more memory, and kills nobody",
}


@pytest.mark.usefixtures("_compiler")
@pytest.mark.parametrize("name", scenarios())
def test_a_scenario_does_on_a_real_linux_what_it_does_here(name: str, tmp_path: Path) -> None:
    scenario = scenarios()[name]
    commands = scenario.program.commands
    machine = Machine(scenario.config)
    expected = results_text(scenario.config, commands, [machine.perform(command) for command in commands])
    program = compiled(export_c(commands, scenario.title), tmp_path)
    run = subprocess.run(
        ["setarch", "-R", program], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
    )
    found, wanted = told(name, run.stdout), told(name, expected)
    assert found == wanted
    of_the_program = [command for command in commands if command.op not in OF_THE_MACHINE]
    assert len(wanted) >= min(3, len(of_the_program))


def told(scenario: str, text: str) -> list[str]:
    """The lines that do not depend on the host."""
    lines = []
    for line in comparable(text):
        label = line[:LABEL].rstrip()
        words = [word for word in label.split() if not word.startswith("@")]
        operation = words[words.index("=") + 1] if "=" in words else words[0]
        if operation not in OF_THE_MACHINE and (scenario, label) not in HOST_DIFFERS and not LINE_OF_MAPS.match(line):
            lines.append(line)
    return lines
