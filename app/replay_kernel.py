"""Replays kernel-side programs (.k) of the corpus: one row an operation, as the recorder printed them.

`replay_program` replays a program, `replay_machines` computes what a kernel makes of the sizes of its zones.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, cast

from engine.kernel_program import GFP_OF_KIND, AllocKind, KernelMachine, figures_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from engine.kernel_program import Recorded, Start, ZoneSizes

END: Final[dict[str, object]] = {"end": 0}
_NO_FRAME: Final = -1
_SIZES: Final = ("name", "start_pfn", "spanned", "present", "managed")
"""All that is read of a machine's zones; the rest of what machines.json says is what is to be computed."""


class ProgramError(ValueError):
    """A line that is no operation: `line` counts from 0."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(f"line {line}: {message}")
        self.line = line


def replay_program(machine: Recorded, start: Start, program: str) -> Iterator[dict[str, object]]:
    """Performs a kernel-side program on a machine like the recorded one, a row an operation; ends as the recorder did."""
    kernel = KernelMachine.from_start(machine, start)
    yield from replay(kernel, program)
    for line in kernel.slabinfo():
        yield {"slabinfo": line}
    yield END


def replay_machines(corpus: Path, out: Path) -> int:
    """Computes `out`/machines.json from the zones' sizes in `corpus`/machines.json, and says how many machines there were."""
    machines = json.loads((corpus / "machines.json").read_text())
    answers = []
    for machine in machines:
        sizes = cast("Sequence[ZoneSizes]", [{key: zone[key] for key in _SIZES} for zone in machine["zones"]])
        answers.append({"ram_mb": machine["ram_mb"], **figures_of(sizes)})
    out.mkdir(parents=True, exist_ok=True)
    (out / "machines.json").write_text(json.dumps(answers, indent=1) + "\n")
    return len(answers)


def replay(kernel: KernelMachine, program: str) -> Iterator[dict[str, object]]:
    """Performs the program, a row an operation. Raises ProgramError for a line that is none."""
    for index, line in enumerate(line for line in program.split("\n") if line):
        yield {"i": index, **perform(kernel, index, line.split())}


def perform(kernel: KernelMachine, index: int, words: list[str]) -> dict[str, object]:
    """One operation and its result. Raises ProgramError for what is none."""
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
        case ["cache", ident, size, align]:
            return _create_cache(kernel, *(_number(index, word) for word in (ident, size, align)))
        case ["oalloc", cache, ident]:
            return _alloc_object(kernel, index, _number(index, cache), _number(index, ident))
        case ["ofree", ident]:
            return _free_object(kernel, index, _number(index, ident))
        case ["ksize", size]:
            asked = _number(index, size)
            return {"op": "ksize", "size": asked, "ksize": kernel.ksize(asked)}
    raise ProgramError(index, f"no operation of the kernel's allocators: {' '.join(words)!r}")


def _create_cache(kernel: KernelMachine, ident: int, size: int, align: int) -> dict[str, object]:
    name = f"oracle-{ident}-{size}-{align}"
    kernel.create_cache(ident, name, size, align)
    return {"op": "cache", "name": name, "size": size}


def _alloc_object(kernel: KernelMachine, index: int, cache: int, ident: int) -> dict[str, object]:
    if cache not in kernel.caches:
        raise ProgramError(index, f"there is no cache {cache}")
    place = kernel.alloc_object(cache, ident)
    return {"op": "oalloc", **place} if place is not None else {"op": "oalloc", "pfn": _NO_FRAME}


def _free_object(kernel: KernelMachine, index: int, ident: int) -> dict[str, object]:
    if ident not in kernel.objects:
        raise ProgramError(index, f"there is no object {ident}")
    kernel.free_object(ident)
    return {"op": "ofree"}


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
