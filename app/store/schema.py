"""The journal's tables: machines, the commands that each was given, programs that people write, sessions that they share."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Column, ForeignKey, Integer, MetaData, String, Table, Text

SCHEMA_VERSION: Final = 2
"""Kept in the file's user_version; a file of another version is refused, never guessed at."""
EXTENDED: Final = (1,)
"""Older versions, whose tables are ours: they only lack some, which are made when the file is opened."""

metadata: Final = MetaData()

machines: Final = Table(
    "machines",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("config", Text, nullable=False),
    Column("engine_version", String(16), nullable=False),
    Column("created", String(32), nullable=False),
    Column("version", Integer, nullable=False),
    Column("chain", String(64), nullable=False),
    sqlite_with_rowid=False,
)
"""`version` is where the machine stands: commands after it were stepped back over. `chain` is the digest there."""

commands: Final = Table(
    "commands",
    metadata,
    Column("machine_id", String(32), ForeignKey("machines.id", ondelete="CASCADE"), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("command", Text, nullable=False),
    Column("chain", String(64), nullable=False),
    sqlite_with_rowid=False,
)
"""`version` counts from 1. The key refuses a second writer of the same version; `chain` digests all outcomes so far."""

branches: Final = Table(
    "branches",
    metadata,
    Column("machine_id", String(32), ForeignKey("machines.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("parent", Integer, nullable=False),
    Column("base", Integer, nullable=False),
    sqlite_with_rowid=False,
)
"""Histories that were left for others: each goes on after version `base` of branch `parent`, 0 for the machine's own."""

branch_commands: Final = Table(
    "branch_commands",
    metadata,
    Column("machine_id", String(32), ForeignKey("machines.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("command", Text, nullable=False),
    Column("chain", String(64), nullable=False),
    sqlite_with_rowid=False,
)
"""The branches' own commands, as in `commands`: from version `base` + 1 on."""

programs: Final = Table(
    "programs",
    metadata,
    Column("machine_id", String(32), ForeignKey("machines.id", ondelete="CASCADE"), primary_key=True),
    Column("text", Text, nullable=False),
    Column("base", Integer, nullable=False),
    sqlite_with_rowid=False,
)
"""The program in a machine's editor. Its first line is (or would be) the command after version `base`."""

shares: Final = Table(
    "shares",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("session", Text, nullable=False),
    Column("created", String(32), nullable=False),
    sqlite_with_rowid=False,
)
"""Sessions too long for a link, as text: their machine and their commands. Never changed."""
