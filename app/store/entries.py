"""What the journal is made of: commands with the digest of what they gave, and places in a history."""

from __future__ import annotations

from typing import NamedTuple


class Standing(NamedTuple):
    """Where a machine stands: after `version` commands, with the digest `chain` over what they gave."""

    version: int
    chain: str


class Entry(NamedTuple):
    """One command as kept: JSON, and the digest over all outcomes up to its own."""

    version: int
    command: str
    chain: str
