"""Outcomes as the corpus writes them: one JSON object an operation, with the fields that the real recorder printed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from engine.commands import CheckTouch

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.programs import ProgramLine
    from engine.outcome import Ended, Outcome, Signal

Row = dict[str, Any]
ABORTED: Final = 128 + 6
FAULTED: Final = 128 + 11
KILLED: Final = 128 + 9
_SIGKILL: Final = 9
_CHAR_MAX: Final = 127
_PAGE: Final = 4096


def rows_of(line: ProgramLine, outcome: Outcome) -> list[Row]:
    """The rows that tell `outcome`: that of the operation, and one more where a child has ended by it."""
    head: Row = {"i": line.index, "p": outcome.pid}
    ended = outcome.ended
    told: list[Row] = []
    if ended is None or line.word == "wait":
        return [{**head, "op": line.word, **_FIELDS.get(line.word, _kernel)(outcome), **_as_signed_char(line)}]
    if ended.termsig != _SIGKILL:
        told.append({**head, "op": line.word, **_last_words(outcome.signal)})
    if outcome.pid:
        told.append({**head, **_exit_status(outcome)})
    return told


def _as_signed_char(line: ProgramLine) -> Row:
    """The recorder compares each byte as a signed char: one of 128 and more is never what it expects."""
    command = line.command
    if isinstance(command, CheckTouch) and command.value > _CHAR_MAX:
        return {"bad": -(-command.length // _PAGE)}
    return {}


def status_of(outcome: Outcome) -> int:
    """The exit status of the whole program that the shell sees, once its first process has ended by `outcome`."""
    assert outcome.ended is not None
    if outcome.ended.termsig == _SIGKILL:
        return KILLED
    return _handler_status(outcome.signal) if outcome.signal else outcome.ended.code


def _handler_status(signal: Signal) -> int:
    """The recorder catches what would kill it, tells it, and exits with what a shell would have said."""
    return ABORTED if signal.name == "SIGABRT" else FAULTED


def exit_row(index: int, ended: Ended) -> Row:
    """How the recorder tells, at line `index` for it, that a child was killed while another process ran."""
    return {"i": index, "p": ended.pid, "exit": ended.code, "termsig": ended.termsig}


def _exit_status(outcome: Outcome) -> Row:
    assert outcome.ended is not None
    if outcome.ended.termsig == _SIGKILL:
        return {"exit": -1, "termsig": _SIGKILL}
    return {"exit": _handler_status(outcome.signal) if outcome.signal else outcome.ended.code, "termsig": 0}


def _last_words(signal: Signal | None) -> Row:
    if signal is None:
        return {}
    if signal.message is not None:
        return {"signal": signal.name, "message": signal.message}
    return {"signal": signal.name, "fatal": True, "addr": _hex(signal.address or 0)}


def _hex(value: int) -> str:
    return f"0x{value & 0xFFFFFFFF:08x}"


def _errno(outcome: Outcome) -> Row:
    return {} if outcome.errno is None else {"errno": outcome.errno}


def _faults(outcome: Outcome) -> Row:
    return {"minflt": outcome.minflt, "majflt": outcome.majflt}


def _caught(outcome: Outcome) -> Row:
    signal = outcome.signal
    if signal is None:
        return {}
    return {"signal": signal.name, "code": signal.code, "addr": _hex(signal.address or 0)}


def _nothing(outcome: Outcome) -> Row:
    return {}


def _errno_only(outcome: Outcome) -> Row:
    return _errno(outcome)


def _number(outcome: Outcome) -> Row:
    return {"ret": outcome.ret}


def _address(outcome: Outcome) -> Row:
    return {"ret": _hex(outcome.ret or 0)}


def _address_or_errno(outcome: Outcome) -> Row:
    return {**_address(outcome), **_errno(outcome)}


def _number_or_errno(outcome: Outcome) -> Row:
    return {"ret": outcome.ret, **_errno(outcome)}


def _mallinfo(outcome: Outcome) -> Row:
    assert outcome.figures is not None
    return {name: value for name, value in outcome.figures.items() if name != "usmblks"}


def _figures(label: str) -> Callable[[Outcome], Row]:
    def told(outcome: Outcome) -> Row:
        assert outcome.figures is not None
        return {label: dict(outcome.figures)}

    return told


def _read(outcome: Outcome) -> Row:
    value = {} if outcome.signal else {"val": outcome.val}
    return {**_caught(outcome), **value, **_faults(outcome)}


def _read32(outcome: Outcome) -> Row:
    return _caught(outcome) if outcome.signal else {"val": _hex(outcome.val or 0)}


def _access(outcome: Outcome) -> Row:
    return {**_caught(outcome), **_faults(outcome)}


def _maps(outcome: Outcome) -> Row:
    assert outcome.maps is not None
    return {"maps": [[f"{m.start:08x}", f"{m.end:08x}", m.permissions, m.offset, m.name] for m in outcome.maps]}


def _kernel(outcome: Outcome) -> Row:
    """The kernel's own commands, which the recorder has not."""
    return {} if outcome.ret is None and outcome.errno is None else _address_or_errno(outcome)


def _wait(outcome: Outcome) -> Row:
    return _exit_status(outcome)


_FIELDS: Final[dict[str, Callable[[Outcome], Row]]] = {
    "malloc": _address_or_errno,
    "calloc": _address_or_errno,
    "realloc": _address_or_errno,
    "memalign": _address,
    "free": _nothing,
    "freeaddr": _nothing,
    "usable": _number,
    "trim": _number,
    "mallopt": _number,
    "mallinfo": _mallinfo,
    "sbrk": _address_or_errno,
    "brk": _address,
    "mmap": lambda outcome: {**_address_or_errno(outcome), **_faults(outcome)},
    "munmap": _number_or_errno,
    "mprotect": _number_or_errno,
    "mremap": _address_or_errno,
    "madvise": _number_or_errno,
    "msync": _number_or_errno,
    "mlock": lambda outcome: {**_number_or_errno(outcome), **_faults(outcome)},
    "read": _read,
    "write": _access,
    "read32": _read32,
    "write32": _caught,
    "touch": lambda outcome: {**_caught(outcome), "pages": outcome.pages, **_faults(outcome)},
    "fill": _access,
    "checktouch": lambda outcome: {"bad": outcome.bad, **_faults(outcome)},
    "stack": _access,
    "pagemap": lambda outcome: {"pages": outcome.pages},
    "pfn": lambda outcome: {"pfn": list(outcome.frames or ())},
    "maps": _maps,
    "status": _figures("status"),
    "rss": _figures("kb"),
    "vmstat": _figures("vmstat"),
    "meminfo": _figures("meminfo"),
    "oomscore": _number,
    "oomadj": _errno_only,
    "rlimit": _number,
    "sysctl": _errno_only,
    "file": _nothing,
    "sync": _nothing,
    "fork": lambda outcome: {"child": outcome.ret},
    "exit": _nothing,
    "wait": _wait,
    "paging": _number,
}
