"""What people write and share, kept beside the journal: the program in each machine's editor, and shared sessions."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING, Final, NamedTuple

import anyio.to_thread
from sqlalchemy import select
from sqlalchemy.dialects.sqlite import insert

from app.store import schema
from app.store.writer import settled

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from app.store.journal import Journal

DRAFTS_AT_HAND: Final = 64
"""Machines whose programs need not be read again for each of their pages."""


class Draft(NamedTuple):
    """The program in a machine's editor; its first line comes (or came) after version `base`."""

    text: str = ""
    base: int = 0


class Texts:
    """Writes are durable when they return, like the journal's own."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._drafts: OrderedDict[str, Draft | None] = OrderedDict()
        """What the machines that were asked for last have, as the file has it: nobody else writes there."""
        self._drafts_written = 0

    async def keep_draft(self, machine_id: str, draft: Draft) -> None:
        """The machine's program from now on. The machine must be there."""
        values = {"machine_id": machine_id, **draft._asdict()}
        statement = insert(schema.programs).values(values)
        statement = statement.on_conflict_do_update(index_elements=["machine_id"], set_=draft._asdict())

        def job(connection: Connection) -> None:
            connection.execute(statement)

        self._forget_draft(machine_id)
        loop, writing = asyncio.get_running_loop(), self._journal.writer.submit(job)
        # Whoever read meanwhile may have read what was there before; it may be written even where nobody waits for it.
        writing.add_done_callback(lambda _: loop.call_soon_threadsafe(self._forget_draft, machine_id))
        await settled(writing)

    def _forget_draft(self, machine_id: str) -> None:
        self._drafts_written += 1
        self._drafts.pop(machine_id, None)

    async def draft(self, machine_id: str) -> Draft | None:
        """The machine's program, if it has one."""
        drafts, written = self._drafts, self._drafts_written
        if machine_id in drafts:
            drafts.move_to_end(machine_id)
            return drafts[machine_id]
        table = schema.programs
        statement = select(table.c.text, table.c.base).where(table.c.machine_id == machine_id)

        def question(connection: Connection) -> Draft | None:
            row = connection.execute(statement).one_or_none()
            return None if row is None else Draft(*row)

        found = await anyio.to_thread.run_sync(self._journal.look, question)
        if written == self._drafts_written:
            drafts[machine_id] = found
            if len(drafts) > DRAFTS_AT_HAND:
                drafts.popitem(last=False)
        return found

    async def keep_share(self, share_id: str, session: str, created: str) -> None:
        """A shared session, for good. One that is there already stays as it is."""
        values = {"id": share_id, "session": session, "created": created}
        statement = insert(schema.shares).values(values).on_conflict_do_nothing()

        def job(connection: Connection) -> None:
            connection.execute(statement)

        await settled(self._journal.writer.submit(job))

    async def share(self, share_id: str) -> str | None:
        """A shared session's text, if it is there."""
        statement = select(schema.shares.c.session).where(schema.shares.c.id == share_id)

        def question(connection: Connection) -> str | None:
            found: str | None = connection.execute(statement).scalar_one_or_none()
            return found

        return await anyio.to_thread.run_sync(self._journal.look, question)
