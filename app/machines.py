"""The machines that the server holds: a few live, all of them in the journal.

A live machine is a cache of its journal. What a command gave is told only after the journal has it on the disk; whatever
goes wrong between performing and journalling drops the live machine, and the next request replays it.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from datetime import UTC, datetime
from secrets import token_urlsafe
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar
from weakref import WeakValueDictionary

import anyio.to_thread
from pydantic import ValidationError

from app.command_json import command_from_json, command_to_json, config_from_json, config_to_json
from app.short_work import is_short
from app.store.branches import path
from app.store.entries import Entry, Standing
from app.store.writer import settled
from app.work import OverBudget, Work, run_at_once
from engine.machine import ENGINE_VERSION
from engine.outcome import CommandError
from engine.session import Session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from app.store.branches import Branch
    from app.store.journal import Journal, Recorded
    from app.work import Steps
    from engine.commands import Command
    from engine.config import MachineConfig
    from engine.outcome import Outcome

    T = TypeVar("T")

ID_BYTES: Final = 16
"""128 random bits: knowing the id is the permission."""


class UnknownMachine(LookupError):
    """There is no machine of this id."""

    def __init__(self, machine_id: str) -> None:
        super().__init__(f"there is no machine {machine_id!r}")
        self.machine_id = machine_id


class UnknownBranch(LookupError):
    """The machine has no branch of this number."""

    def __init__(self, number: int) -> None:
        super().__init__(f"there is no branch {number}; it may have been forgotten, or be the history that is shown")


class VersionConflict(Exception):
    """The machine is at `version`, not at the `expected` one."""

    def __init__(self, expected: int, version: int) -> None:
        super().__init__(f"the machine is at version {version}, not {expected}; read it again")
        self.expected = expected
        self.version = version


class HistoryFull(Exception):
    """These commands would make the machine's history longer than the server keeps."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"a machine's history can have {limit} commands; step back, or make another machine")
        self.limit = limit


class ReplayDiffers(Exception):
    """The journal's commands give other results than when they were recorded: another engine recorded them."""

    def __init__(self, version: int, recorded_by: str) -> None:
        super().__init__(
            f"command {version} gives another result than engine {recorded_by} recorded;"
            f" this server has engine {ENGINE_VERSION}"
        )
        self.version = version


class Performed(NamedTuple):
    """What commands gave, and where the machine stood after them."""

    version: int
    chain: str
    time_ns: int
    outcomes: tuple[Outcome, ...]


class Held:
    """A live machine. Read or move `session` only while holding `lock`; `gone` says that it left the cache."""

    __slots__ = ("branches", "created", "gone", "id", "lock", "recorded_by", "session")

    def __init__(self, machine_id: str, session: Session, created: str, recorded_by: str = ENGINE_VERSION) -> None:
        self.id = machine_id
        self.session = session
        self.created = created
        self.recorded_by = recorded_by
        self.lock = asyncio.Lock()
        self.gone = False
        self.branches: tuple[Branch, ...] | None = None
        """What the journal has of them, once somebody asked."""


class Machines:
    """The service behind every page and every API call. What is not soon done works in threads, not on the event loop."""

    def __init__(
        self,
        journal: Journal,
        *,
        live: int = 64,
        history: int = 100_000,
        host_memory_mb: int = 256,
        work: Work | None = None,
    ) -> None:
        self._journal = journal
        self._live_maximum = live
        self._history_maximum = history
        self.work = Work() if work is None else work
        self._host_memory_mb = host_memory_mb
        self._live: OrderedDict[str, Held] = OrderedDict()
        self._loading: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self.commands_performed = 0
        """Since the server started."""

    @property
    def live(self) -> int:
        """How many machines are in memory."""
        return len(self._live)

    async def create(self, config: MachineConfig) -> Held:
        """Boots a machine and keeps it. Raises ConfigError when it cannot be."""
        config = replace(config, host_memory_mb=min(config.host_memory_mb, self._host_memory_mb))
        session = await self.work.in_thread(lambda: Session(config))
        created = datetime.now(UTC).isoformat(timespec="seconds")
        held = Held(token_urlsafe(ID_BYTES), session, created)
        await settled(self._journal.create(held.id, config_to_json(config), ENGINE_VERSION, created, session.chain))
        self._keep(held)
        return held

    async def get(self, machine_id: str) -> Held:
        """The machine, live. Raises UnknownMachine; ReplayDiffers when another engine recorded it."""
        held = self._live.get(machine_id)
        if held is None:
            # One replay for all who ask at once: the lock lives as long as somebody waits for it.
            lock = self._loading.setdefault(machine_id, asyncio.Lock())
            async with lock:
                held = self._live.get(machine_id) or await self._load(machine_id)
        if not held.gone:
            self._live.move_to_end(machine_id)
        return held

    async def perform(
        self, machine_id: str, commands: Sequence[Command], expected_version: int | None = None
    ) -> tuple[Outcome, ...]:
        """Performs all of `commands` or none; they are durable before this returns.

        Raises CommandError (with index and field), OverBudget, VersionConflict, HistoryFull, UnknownMachine,
        JournalConflict. Cancelled, it performs none.
        """
        return (await self.advance(machine_id, commands, expected_version)).outcomes

    async def advance(
        self, machine_id: str, commands: Sequence[Command], expected_version: int | None = None
    ) -> Performed:
        """Does what `perform` does, and tells where the machine stood right after it."""
        async with self._holding(machine_id) as held:
            session = held.session
            before = _standing(session)
            if expected_version is not None and expected_version != before.version:
                raise VersionConflict(expected_version, before.version)
            if before.version + len(commands) > self._history_maximum:
                raise HistoryFull(self._history_maximum)
            if not commands:
                return Performed(*before, session.machine.time_ns, ())
            async with self._or_forget(held):
                same = _performed_already(session, commands)
                parts = before.version + same < len(session.commands)
                if same == len(commands):
                    performed = await self.work.in_thread(lambda: _step_over(session, same))
                    after = Standing(performed.version, performed.chain)
                    await settled(self._journal.stand(machine_id, before, after))
                elif is_short(session, commands):
                    with self.work.going_first():
                        performed, entries = _perform_at_once(session, commands)
                        await self._keep_performed(held, before, entries, same, parts=parts)
                else:
                    performed, entries = await self.work.in_slices(_perform(session, commands))
                    await self._keep_performed(held, before, entries, same, parts=parts)
        self.commands_performed += len(commands)
        return performed

    async def go_to(self, machine_id: str, version: int) -> Held:
        """Steps the machine back or forward in its history. Raises CommandError for a version that is not in it."""
        async with self._holding(machine_id) as held:
            before = _standing(held.session)
            async with self._or_forget(held):
                await self.work.in_thread(lambda: held.session.go_to(version))
                after = _standing(held.session)
                if after != before:
                    await settled(self._journal.stand(machine_id, before, after))
            return held

    async def branches(self, machine_id: str) -> tuple[Branch, ...]:
        """The histories that the machine left, each of which can be returned to. Raises UnknownMachine."""
        async with self._holding(machine_id) as held:
            if held.branches is None:
                held.branches = await anyio.to_thread.run_sync(self._journal.branches, machine_id)
            return held.branches

    async def take_branch(self, machine_id: str, number: int) -> Held:
        """Returns to a history that was left, at the version where it begins; the machine's own is kept as a branch.

        Raises UnknownBranch; ReplayDiffers when another engine recorded it.
        """
        async with self._holding(machine_id) as held:
            before = _standing(held.session)
            known = await anyio.to_thread.run_sync(self._journal.branches, machine_id)
            try:
                way = path(known, number)
            except KeyError:
                raise UnknownBranch(number) from None
            parts = [
                (branch.base, await anyio.to_thread.run_sync(self._journal.branch, machine_id, branch.number))
                for branch in way
            ]
            async with self._or_forget(held):
                await self.work.in_slices(_follow(held.session, parts, held.recorded_by), bounded=False)
                after, numbers = _standing(held.session), [branch.number for branch in way]
                await settled(self._journal.take(machine_id, before, after, numbers))
                held.branches = None
            return held

    async def look(self, machine_id: str, question: Callable[[Session], T]) -> T:
        """What `question` finds in the machine's session, asked in a thread while nobody moves it. It may only read."""
        async with self._holding(machine_id) as held:
            with self.work.going_first():
                return await self.work.in_thread(lambda: question(held.session))

    async def glance(self, machine_id: str, question: Callable[[Session], T]) -> T:
        """The same for a question that is answered in microseconds, such as a name: it is not worth a thread."""
        async with self._holding(machine_id) as held:
            return question(held.session)

    async def imagine(self, config: MachineConfig, commands: Sequence[Command], question: Callable[[Session], T]) -> T:
        """What `question` finds on a machine that nobody keeps, after `commands`. Raises CommandError, OverBudget."""

        def steps() -> Steps[T]:
            session = Session(config)
            for _ in session.performing(commands):
                yield
            return question(session)

        return await self.work.in_slices(steps())

    async def delete(self, machine_id: str) -> None:
        """Forgets the machine for good. Raises UnknownMachine."""
        async with self._holding(machine_id) as held:
            try:
                await settled(self._journal.delete(machine_id))
            finally:
                self._forget(held)

    # --- the cache ---------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _holding(self, machine_id: str) -> AsyncIterator[Held]:
        """The machine, locked: one that left the cache while we waited for it is fetched again."""
        while True:
            held = await self.get(machine_id)
            async with held.lock:
                if not held.gone:
                    yield held
                    return

    @asynccontextmanager
    async def _or_forget(self, held: Held) -> AsyncIterator[None]:
        """Whatever goes wrong inside may have left the machine ahead of its journal: then it is replayed next time.

        A CommandError and a spent budget have not: the session has put itself back.
        """
        try:
            yield
        except (CommandError, OverBudget):
            raise
        except BaseException:
            self._forget(held)
            raise

    async def _keep_performed(
        self, held: Held, before: Standing, entries: Sequence[Entry], same: int, *, parts: bool
    ) -> None:
        """Appends what was performed from `before` on, whose first `same` commands the history had; then it may part."""
        version = before.version + same
        fork = Standing(version, held.session.chain_at(version)) if parts else None
        await settled(self._journal.append(held.id, before, entries[same:], fork))
        if parts:
            held.branches = None

    async def _load(self, machine_id: str) -> Held:
        recorded = await anyio.to_thread.run_sync(self._journal.read, machine_id)
        if recorded is None:
            raise UnknownMachine(machine_id)
        session = await self.work.in_slices(_replay(recorded), bounded=False)
        held = Held(machine_id, session, recorded.created, recorded.engine_version)
        self._keep(held)
        return held

    def _keep(self, held: Held) -> None:
        """Puts a machine into the cache, and the idle ones that were used longest ago out of it."""
        self._live[held.id] = held
        spare = len(self._live) - self._live_maximum
        if spare > 0:
            idle = [old for old in self._live.values() if old is not held and not old.lock.locked()]
            for old in idle[:spare]:
                self._forget(old)

    def _forget(self, held: Held) -> None:
        held.gone = True
        if self._live.get(held.id) is held:
            del self._live[held.id]


def _standing(session: Session) -> Standing:
    return Standing(session.version, session.chain)


def _perform(session: Session, commands: Sequence[Command]) -> Steps[tuple[Performed, list[Entry]]]:
    """Performs all or none, one at each step; gives what to answer, and what the journal must keep."""
    outcomes, entries = [], []
    with closing(session.performing(commands)) as performing:
        for command, outcome in zip(commands, performing, strict=True):
            outcomes.append(outcome)
            entries.append(Entry(session.version, command_to_json(command), session.chain))
            yield
    return Performed(session.version, session.chain, session.machine.time_ns, tuple(outcomes)), entries


def _perform_at_once(session: Session, commands: Sequence[Command]) -> tuple[Performed, list[Entry]]:
    """What _perform returns at its end. A single command, which most requests have, needs no steps."""
    if len(commands) > 1:
        return run_at_once(_perform(session, commands))
    command = commands[0]
    try:
        outcome = session.perform(command)
    except CommandError as error:
        error.index = 0
        raise
    version, chain = session.version, session.chain
    entry = Entry(version, command_to_json(command), chain)
    return Performed(version, chain, session.machine.time_ns, (outcome,)), [entry]


def _step_over(session: Session, count: int) -> Performed:
    """What the next `count` commands of the history gave, the session standing after them: what is later stays."""
    first = session.version
    session.go_to(first + count)
    outcomes = tuple(session.outcomes[first : session.version])
    return Performed(session.version, session.chain, session.machine.time_ns, outcomes)


def _performed_already(session: Session, commands: Sequence[Command]) -> int:
    """How many of the commands are those that the history has next."""
    later = session.commands[session.version : session.version + len(commands)]
    same = 0
    while same < len(later) and later[same] == commands[same]:
        same += 1
    return same


def _follow(session: Session, parts: Sequence[tuple[int, Sequence[Entry]]], recorded_by: str) -> Steps[None]:
    """Performs branch after branch, each from its base; the session ends where the last one begins. Raises ReplayDiffers."""
    for base, entries in parts:
        session.go_to(base)
        for entry in entries:
            try:
                session.perform(command_from_json(entry.command))
            except (CommandError, ValidationError):
                raise ReplayDiffers(entry.version, recorded_by) from None
            if session.chain != entry.chain:
                raise ReplayDiffers(entry.version, recorded_by)
            yield
    session.go_to(parts[-1][0])


def _replay(recorded: Recorded) -> Steps[Session]:
    """The session that the journal tells. Raises ReplayDiffers at the first result that is not the recorded one."""
    try:
        session = Session(config_from_json(recorded.config))
    except ValidationError:
        raise ReplayDiffers(0, recorded.engine_version) from None
    for entry in recorded.entries:
        try:
            session.perform(command_from_json(entry.command))
        except (CommandError, ValidationError):
            raise ReplayDiffers(entry.version, recorded.engine_version) from None
        if session.chain != entry.chain:
            raise ReplayDiffers(entry.version, recorded.engine_version)
        yield
    session.go_to(recorded.standing.version)
    if session.chain != recorded.standing.chain:
        raise ReplayDiffers(recorded.standing.version, recorded.engine_version)
    return session
