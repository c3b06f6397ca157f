"""Who may import whom: the rules of the house, read from the import statements themselves."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).parents[1]
PUBLIC: Final = frozenset(
    "machine config commands events image outcome policies trace views session kernel_program".split()
)
"""What `app` may use of `engine`: what a machine is made from, what it is told, and what it tells."""
CLOCKS_CHANCE_AND_FILES: Final = frozenset(
    "asyncio builtins calendar ctypes datetime fileinput glob io logging mmap multiprocessing os pathlib random secrets"
    " shutil signal socket sqlite3 subprocess tempfile threading time urllib uuid".split()
)
NEVER: Final = (
    ("engine.libc", "engine.kernel", "they meet at cpu.int80"),
    ("engine.kernel", "engine.libc", "they meet at cpu.int80"),
    ("engine.hardware", "engine.kernel", "hardware knows nothing of Linux"),
    ("engine.hardware", "engine.libc", "hardware knows nothing of glibc"),
    ("app.lessons", "app.store", "lessons are pure"),
    ("app", "starlette.middleware.base", "it costs 142 microseconds a request; write plain ASGI"),
    ("app", "tests", "the app runs without its tests"),
)


def imports(source: str) -> Iterator[str]:
    """Every name that `source` imports, in full: `from a.b import c` gives `a.b.c`; a relative one begins with a dot."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ("." * node.level + f"{node.module or ''}.{alias.name}" for alias in node.names)


def within(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


def why_not(module: str, name: str) -> str:
    """Why `module` may not import `name`, or nothing where it may."""
    top, _, rest = name.partition(".")
    second = rest.partition(".")[0]
    if not top:
        return "imports are absolute"
    if within(module, "engine") and top != "engine" and top not in sys.stdlib_module_names:
        return "the engine uses the standard library alone"
    if within(module, "engine") and top in CLOCKS_CHANCE_AND_FILES:
        return "the engine has no clock, no chance and no files"
    if within(module, "app") and top == "engine" and second not in PUBLIC:
        return "the app uses the engine's public modules"
    return next((why for who, whom, why in NEVER if within(module, who) and within(name, whom)), "")


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted([*ROOT.glob("engine/**/*.py"), *ROOT.glob("app/**/*.py")]):
        yield path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".").removesuffix(".__init__"), path


def subsystems(kernel: ast.AST) -> set[str]:
    """The classes that the kernel makes with itself as first argument: `Vmscan` in `self.vmscan = Vmscan(self)`."""
    calls = [node for node in ast.walk(kernel) if isinstance(node, ast.Call) and node.args]
    return {
        call.func.id
        for call in calls
        if isinstance(call.func, ast.Name) and isinstance(call.args[0], ast.Name) and call.args[0].id == "self"
    }


def imported_as_the_program_runs(tree: ast.Module) -> set[str]:
    return {alias.name for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names}


def test_each_module_imports_only_what_its_room_may() -> None:
    breaches = [
        f"{module} imports {name}: {why}"
        for module, path in modules()
        for name in imports(path.read_text())
        if (why := why_not(module, name))
    ]
    assert breaches == []


def test_a_subsystem_of_the_kernel_reaches_its_siblings_only_through_the_kernel() -> None:
    known = subsystems(ast.parse((ROOT / "engine/kernel/kernel.py").read_text()))
    assert {"Vmscan", "Rmap", "Mmap"} <= known
    breaches = [
        f"{module} imports {', '.join(sorted(siblings))}"
        for module, path in modules()
        if within(module, "engine.kernel") and module != "engine.kernel.kernel"
        if (siblings := imported_as_the_program_runs(ast.parse(path.read_text())) & known)
    ]
    assert breaches == []


def test_the_engine_neither_opens_nor_prints() -> None:
    breaches = [
        f"{module} line {node.lineno}: {node.func.id}"
        for module, path in modules()
        if within(module, "engine")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"open", "print", "input"}
    ]
    assert breaches == []


@pytest.mark.parametrize(
    ("module", "statement"),
    [
        ("engine.machine", "import time"),
        ("engine.machine", "import pydantic"),
        ("engine.machine", "from app import cli"),
        ("engine.machine", "from . import clock"),
        ("engine.libc.malloc", "from engine.kernel.fs import File"),
        ("engine.kernel.fs", "from engine.libc import chunk"),
        ("engine.hardware.cpu", "import engine.kernel"),
        ("app.pages.playground", "from engine.kernel.vmstat import Vmstat"),
        ("app.pages.playground", "import engine"),
        ("app.lessons.grading", "def late() -> None:\n    from app.store import journal"),
    ],
)
def test_a_forbidden_import_is_noticed(module: str, statement: str) -> None:
    assert all(why_not(module, name) for name in imports(statement))


def test_an_allowed_import_is_let_through() -> None:
    allowed = imports(
        "from engine.events.memory import PageFaultUser\nfrom engine.machine import Machine\nimport fastapi"
    )
    assert [why_not("app.api.machines", name) for name in allowed] == ["", "", ""]
