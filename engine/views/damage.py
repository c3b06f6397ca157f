"""What went wrong: glibc's sentence or the signal, and the story of why: which bytes were damaged, by which earlier command.

Nothing in the machine knows of mistakes. The story is found in the session's history: the last call is performed once more
on a machine of its own, to see which words libc read before it gave up; then the history is replayed backwards, to see
who changed those words last. A store by the program into what was not its own is the damage. Where the words that libc
read were changed by libc itself, it is asked the same of that earlier call: a damaged link travels from list to list.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from engine import commands as c
from engine.image import LIBC_PATH
from engine.libc.state import GLOBAL_MAX_FAST_OFFSET, MP_OFFSET, PERTURB_BYTE_OFFSET
from engine.outcome import CommandError
from engine.views.damaged_words import DamagedWord, Mistake, PointsInto, damaged_word, mistake_of, points_into
from engine.views.history import BY_LIBC, Change, History, Performed
from engine.views.suspects import suspects

if TYPE_CHECKING:
    from engine.commands import Command
    from engine.machine import Machine
    from engine.outcome import Outcome
    from engine.session import Session

CALLS_LOOKED_INTO: Final = 6
"""How many earlier calls are looked into, where libc itself carried the damage on."""
_SIZEOF_MP: Final = 80


@dataclass(frozen=True, slots=True)
class DamageView:
    """The story of one mistake. Of a process that lives, of a heap that no longer makes sense."""

    pid: int
    at: Performed | None
    """The call in which the process died; None while it lives."""
    signal: str | None
    message: str | None
    """glibc's sentence."""
    fault_address: int | None
    mistake: Mistake
    pointer: int | None
    """What was passed to the call, or the block that was freed twice before."""
    points_into: PointsInto | None
    allocated: Performed | None
    """The command that gave the block at `pointer`."""
    freed: Performed | None
    """The command that freed it the first time."""
    freed_again: Performed | None
    """The one that freed it once more, where glibc did not notice then."""
    words: tuple[DamagedWord, ...]
    """What the program damaged, the latest change first."""
    looked_from: int
    """The version up to which the history was searched."""


class _Verdict(NamedTuple):
    """What was judged; `pointer` where it is not the one that the last call was given."""

    mistake: Mistake
    allocated: Performed | None = None
    freed: Performed | None = None
    freed_again: Performed | None = None
    pointer: int | None = None


def damage(session: Session, pid: int = 0) -> DamageView | None:
    """What went wrong in process `pid`; None where nothing did. Raises KeyError for an unknown pid."""
    ended = session.machine.processes[pid].ended
    if ended is None:
        return damage_at(session, pid, suspects(session.machine, pid))
    for version in range(session.version, 0, -1):
        outcome = session.outcomes[version - 1]
        if outcome.ended == ended:
            fatal = outcome.pid == pid and outcome.signal is not None
            return _dead(session, pid, version, outcome) if fatal else None
    return None


# --- a process that died ---------------------------------------------------------------------------------------------


def _dead(session: Session, pid: int, version: int, outcome: Outcome) -> DamageView:
    assert outcome.signal is not None
    history = History(session, pid)
    machine = history.machine_before(version)
    at = history.performed(version)
    pointer = _passed(machine, at.command)
    verdict = _of_pointer(history, machine, at.command, pointer)
    words = list[DamagedWord]()
    if verdict.mistake is Mistake.UNKNOWN and isinstance(at.command, BY_LIBC):
        words = _search(session, history, version, outcome.signal.address)
        verdict = _of_words(history, words, verdict)
    return DamageView(
        pid=pid,
        at=at,
        signal=outcome.signal.name,
        message=outcome.signal.message,
        fault_address=outcome.signal.address,
        mistake=verdict.mistake,
        pointer=pointer if verdict.pointer is None else verdict.pointer,
        points_into=None if pointer is None else points_into(machine, pid, pointer),
        allocated=verdict.allocated,
        freed=verdict.freed,
        freed_again=verdict.freed_again,
        words=tuple(words),
        looked_from=history.looked_from,
    )


def _passed(machine: Machine, command: Command) -> int | None:
    """The pointer that the call was given."""
    place = getattr(command, "ptr", None)
    if isinstance(command, c.Realloc):
        place = command.as_
    if place is None:
        return None
    try:
        return machine.processes[command.pid].resolve(place, "ptr")
    except CommandError:
        return None


def _search(session: Session, history: History, version: int, fault: int | None) -> list[DamagedWord]:
    """The words that the program damaged, of those that libc read in the call that made `version`, or before it."""
    calls, seen = [version], set[int]()
    for _ in range(CALLS_LOOKED_INTO):
        if not calls:
            break
        call = max(calls)
        calls.remove(call)
        seen.add(call)
        words = [word for word in history.looked_at(call) if not _is_setting(session, word)]
        if call == version and fault is not None:
            words.insert(0, fault & ~3)
        changes = history.last_changes(words, call)
        damaged = [change for change in changes if change.is_damage]
        if damaged:
            return [damaged_word(change) for change in damaged]
        calls += [before for before in _earlier(history, changes, call) if before not in seen and before not in calls]
    return []


def _earlier(history: History, changes: list[Change], call: int) -> list[int]:
    """Earlier calls of libc that may have carried damage to these words."""
    carried = [change.by.version for change in changes if change.by_libc]
    pointer = _passed(history.machine_before(call), history.performed(call).command)
    own = [change for change in changes if not change.by_libc and change.owner not in (None, pointer)]
    # What libc read there was the program's own, in another block than the one that was passed: they may overlap.
    return carried + [change.through.given for change in own if change.through is not None]


def _is_setting(session: Session, word: int) -> bool:
    """Whether `word` is one of mp_'s or its like: read in every call, and hardly ever changed."""
    base = session.config.image.base_of(LIBC_PATH)
    return word in (base + GLOBAL_MAX_FAST_OFFSET, base + PERTURB_BYTE_OFFSET) or (
        base + MP_OFFSET <= word < base + MP_OFFSET + _SIZEOF_MP
    )


def _of_pointer(history: History, machine: Machine, command: Command, pointer: int | None) -> _Verdict:
    """What the pointer alone tells: that its block was free already, or that there never was one."""
    if not pointer:
        return _Verdict(Mistake.UNKNOWN)
    block = machine.processes[command.pid].allocations.at(pointer)
    if block is None:
        return _Verdict(Mistake.INVALID_POINTER)
    given = history.performed(block.given)
    if block.freed is None:
        return _Verdict(Mistake.UNKNOWN, given)
    mistake = Mistake.DOUBLE_FREE if isinstance(command, c.Free) else Mistake.USE_AFTER_FREE
    return _Verdict(mistake, given, history.performed(block.freed))


def _of_words(history: History, words: list[DamagedWord], so_far: _Verdict) -> _Verdict:
    if words:
        return so_far._replace(mistake=mistake_of(words[0]))
    return _unnoticed(history) or so_far


def _unnoticed(history: History) -> _Verdict | None:
    """The latest block that was freed twice, which glibc did not notice then."""
    if not history.double_frees:
        return None
    found = max(history.double_frees, key=lambda each: each.again.version)
    return _Verdict(Mistake.DOUBLE_FREE, found.given, found.freed, found.again, found.pointer)


# --- a process that lives --------------------------------------------------------------------------------------------


def damage_at(session: Session, pid: int, words: list[int]) -> DamageView | None:
    """What went wrong in a living process, whose `words` contradict each other (see suspects.py); None where none do."""
    if not words:
        return None
    history = History(session, pid)
    changes = history.last_changes(words, session.version + 1)
    damaged = [damaged_word(change) for change in changes if change.is_damage]
    verdict = _unnoticed(history) or _Verdict(Mistake.UNKNOWN)
    if damaged:
        verdict = _Verdict(mistake_of(damaged[0]))
    return DamageView(
        pid=pid,
        at=None,
        signal=None,
        message=None,
        fault_address=None,
        mistake=verdict.mistake,
        pointer=verdict.pointer,
        points_into=None,
        allocated=verdict.allocated,
        freed=verdict.freed,
        freed_again=verdict.freed_again,
        words=tuple(damaged),
        looked_from=history.looked_from,
    )
