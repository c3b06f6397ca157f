"""Replays kernel-side programs (.k) of the corpus: one row an operation, as the recorder printed them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, cast

from engine.kernel_program import GFP_OF_KIND, AllocKind, KernelMachine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from engine.kernel_program import Recorded, Start

END: Final = {"end": 0}


class ProgramError(ValueError):
    """A line that is no operation: `line` counts from 0."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(f"line {line}: {message}")
        self.line = line


def replay_folder(folder: Path, out: Path) -> int:
    """Replays every .k of `folder` into `out`/NAME.jsonl, and says how many there were. Opens no expectation."""
    machine: Recorded = json.loads((folder / "_machine.json").read_text())
    programs = sorted(folder.glob("*.k"))
    out.mkdir(parents=True, exist_ok=True)
    for program in programs:
        start: Start = json.loads(program.with_suffix(".start.json").read_text())
        kernel = KernelMachine.from_start(machine, start)
        rows = [*replay(kernel, program.read_text()), END]
        (out / f"{program.stem}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return len(programs)


def replay(kernel: KernelMachine, program: str) -> Iterator[dict[str, object]]:
    """Performs the program, a row an operation. Raises ProgramError for a line that is none."""
    for index, line in enumerate(line for line in program.split("\n") if line):
        yield {"i": index, **perform(kernel, index, line.split())}


def perform(kernel: KernelMachine, index: int, words: list[str]) -> dict[str, object]:
    """One operation and its result."""
    match words:
        case ["alloc", ident, order]:
            return {"op": "alloc", "pfn": kernel.alloc(_number(index, ident), _number(index, order))}
        case ["alloc", ident, order, kind]:
            pfn = kernel.alloc(_number(index, ident), _number(index, order), _kind(index, kind))
            return {"op": "alloc", "pfn": pfn}
        case ["free", ident]:
            kernel.free(_number(index, ident))
            return {"op": "free"}
        case ["counts"]:
            return {"op": "counts", "nr_free": kernel.counts()}
        case ["lists"]:
            return {"op": "lists", "zones": kernel.lists()}
    raise ProgramError(index, f"no operation of the page allocator: {' '.join(words)!r}")


def _number(index: int, word: str) -> int:
    try:
        number = int(word, 0)
    except ValueError:
        raise ProgramError(index, f"{word!r} is no number") from None
    if number < 0:
        raise ProgramError(index, f"{word} is less than 0")
    return number


def _kind(index: int, word: str) -> AllocKind:
    if word not in GFP_OF_KIND:
        raise ProgramError(index, f"{word!r} is none of {', '.join(GFP_OF_KIND)}")
    return cast("AllocKind", word)
