"""CS:APP malloc-lab traces (.rep): performed as malloc, realloc and free, and judged as the lab judges an allocator.

    20000           the suggested heap size, which nobody uses
    2               how many ids there are
    4               how many operations follow
    1               the trace's weight
    a 0 512         id 0 = malloc(512)
    a 1 128
    r 0 640         id 0 = realloc(id 0, 640)
    f 1             free(id 1)

Space utilisation is what the lab calls so: the peak of the bytes that are asked for and not freed, divided by the peak size
of the heap; here that is what the arena got from the kernel, mappings of single chunks included.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NamedTuple

from app.programs import LINES_MAXIMUM, ProgramError, ProgramLine
from app.rows import rows_of, status_of
from app.run import Step, ended, perform_line
from engine.commands import Free, Malloc, Realloc
from engine.events.memory import SystemCall
from engine.machine import Machine
from engine.outcome import CommandError
from engine.views.arena import footprint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.config import MachineConfig
    from engine.outcome import Outcome

SUFFIX: Final = ".rep"
HEADER: Final = ("the suggested heap size", "the number of ids", "the number of operations", "the weight")
_FORMS: Final = {"a": "a ID SIZE", "r": "r ID SIZE", "f": "f ID"}
_NULL: Final = -1
"""`f -1` is free(NULL)."""


class RepLine(NamedTuple):
    """One operation: what is performed, and for the account its id (None: NULL) and size (0 for free)."""

    line: ProgramLine
    block: int | None
    size: int


@dataclass(frozen=True, slots=True)
class RepTrace:
    """A trace as its file tells it."""

    ids: int
    weight: int
    operations: tuple[RepLine, ...]


@dataclass(slots=True)
class Account:
    """What the lab's driver counts. Sizes in bytes."""

    weight: int
    mallocs: int = 0
    reallocs: int = 0
    frees: int = 0
    failed: int = 0
    peak_asked: int = 0
    peak_heap: int = 0
    time_ns: int = 0

    @property
    def utilisation(self) -> float:
        """Peak asked ÷ peak heap; 0 where nothing was asked for."""
        return round(self.peak_asked / self.peak_heap, 4) if self.peak_heap else 0.0

    def summary(self) -> dict[str, int | float]:
        """For machines."""
        operations = self.mallocs + self.reallocs + self.frees
        return {
            "operations": operations,
            "mallocs": self.mallocs,
            "reallocs": self.reallocs,
            "frees": self.frees,
            "failed": self.failed,
            "peak_asked": self.peak_asked,
            "peak_heap": self.peak_heap,
            "utilisation": self.utilisation,
            "weight": self.weight,
            "time_ns": self.time_ns,
        }

    def told(self) -> str:
        """For people."""
        failed = f", {self.failed} failed" if self.failed else ""
        return (
            f"{self.mallocs} malloc, {self.reallocs} realloc, {self.frees} free{failed}\n"
            f"utilisation {100 * self.utilisation:.2f} %: at most {self.peak_asked:,} bytes asked for at once, "
            f"at most {self.peak_heap:,} got from the kernel"
        )


def parse_rep(text: str) -> RepTrace:
    """The trace. Raises ProgramError for the first line that is wrong, or for a header that does not agree with the rest."""
    count = text.count("\n")
    if count > LINES_MAXIMUM:
        raise ProgramError(LINES_MAXIMUM, f"the trace has {count} lines; at most {LINES_MAXIMUM} are performed")
    lines = [(index, line.split()) for index, line in enumerate(text.splitlines()) if line.strip()]
    _, ids, operations, weight = _header(lines)
    parser = _Parser(ids)
    found = tuple(parser.operation(index, words) for index, words in lines[len(HEADER) :])
    if len(found) != operations:
        raise ProgramError(lines[2][0], f"the header says {operations} operations; {len(found)} follow")
    return RepTrace(ids, weight, found)


def _header(lines: list[tuple[int, list[str]]]) -> list[int]:
    if len(lines) < len(HEADER):
        last = lines[-1][0] if lines else 0
        raise ProgramError(last, f"a trace begins with {len(HEADER)} numbers, one a line: {', '.join(HEADER)}")
    numbers = []
    for (index, words), what in zip(lines, HEADER, strict=False):
        if len(words) != 1:
            raise ProgramError(index, f"{' '.join(words)!r} should be {what}, one number")
        numbers.append(_number(index, words[0], what))
    return numbers


def _number(index: int, word: str, what: str) -> int:
    if not (word.isascii() and word.isdigit()):
        raise ProgramError(index, f"{word!r} should be {what}, a whole number from 0")
    return int(word)


class _Parser:
    """Reads operations in order, since what an id may do depends on what was done with it."""

    def __init__(self, ids: int) -> None:
        self._ids = ids
        self._live: set[int] = set()
        self._freed: dict[int, int] = {}
        """The line, from 1, on which an id was freed."""

    def operation(self, index: int, words: list[str]) -> RepLine:
        form = _FORMS.get(words[0])
        if form is None:
            raise ProgramError(index, f"{words[0]!r} is no operation; a line is {', '.join(_FORMS.values())}")
        if len(words) != len(form.split()):
            raise ProgramError(index, f"{' '.join(words)!r} has {len(words) - 1} operands; it is written {form}")
        text = " ".join(words)
        if words[0] == "f" and words[1] == str(_NULL):
            return RepLine(ProgramLine(index, "free", text, Free(ptr=0)), None, 0)
        block = self._id(index, words[1])
        size = _number(index, words[2], "a size in bytes") if len(words) > 2 else 0
        try:
            return RepLine(self._line(index, words[0], block, size, text), block, size)
        except CommandError as error:
            raise ProgramError(index, str(error)) from None

    def _id(self, index: int, word: str) -> int:
        block = _number(index, word, "an id")
        if block >= self._ids:
            raise ProgramError(
                index, f"the id is {block}; the header says {self._ids} ids, so it can be 0 to {self._ids - 1}"
            )
        return block

    def _line(self, index: int, letter: str, block: int, size: int, text: str) -> ProgramLine:
        slot = f"s{block}"
        if letter == "a":
            if block in self._live:
                raise ProgramError(index, f"id {block} has a block already; free it first")
            self._live.add(block)
            return ProgramLine(index, "malloc", text, Malloc(as_=slot, size=size))
        if block not in self._live and (letter == "f" or block in self._freed):
            when = f"was freed on line {self._freed[block]}" if block in self._freed else "was never allocated"
            raise ProgramError(index, f"id {block} {when}")
        if letter == "r" and size:
            self._live.add(block)
            return ProgramLine(index, "realloc", text, Realloc(as_=slot, size=size))
        self._live.discard(block)
        self._freed[block] = index + 1
        if letter == "r":
            return ProgramLine(index, "realloc", text, Realloc(as_=slot, size=0))
        return ProgramLine(index, "free", text, Free(ptr=slot))


def perform_rep(config: MachineConfig, text: str) -> Iterator[Step]:
    """Performs the trace on a fresh machine; the last step has the summary. Raises ProgramError before anything is performed."""
    trace = parse_rep(text)
    machine = Machine(replace(config, null_slots=True))
    account = Account(trace.weight)
    asked: dict[int, int] = {}
    total = 0
    for operation in trace.operations:
        first = machine.trace.total
        outcome = perform_line(machine, operation.line)
        records = list(machine.trace.records(first))
        yield Step(operation.line, rows_of(operation.line, outcome), records, machine.time_ns)
        if outcome.ended is not None:
            yield ended(machine, status_of(outcome))
            break
        total += _count(account, asked, operation, outcome)
        account.peak_asked = max(account.peak_asked, total)
        if any(isinstance(record.event, SystemCall) for record in records):
            account.peak_heap = max(account.peak_heap, footprint(machine))
    account.time_ns = machine.time_ns
    yield Step(None, [{"summary": account.summary()}], [], machine.time_ns, account.told())


def _count(account: Account, asked: dict[int, int], operation: RepLine, outcome: Outcome) -> int:
    """Counts one operation; how many bytes more are asked for after it."""
    word, block = operation.line.word, operation.block
    account.mallocs += word == "malloc"
    account.reallocs += word == "realloc"
    account.frees += word == "free"
    if outcome.errno is not None:
        account.failed += 1
        return 0
    if block is None:
        return 0
    before = asked.pop(block, 0)
    if word != "free":
        asked[block] = operation.size
    return operation.size - before
