"""Reads tests/oracle: memory programs beside what a real machine did with them, one .tar.xz a group.

A group holds NAME.t or NAME.k (the program), NAME.start.json (the state in which it began), NAME.expect.jsonl (a row an
operation) and _machine.json (what the machine's /proc said).
"""

from __future__ import annotations

import json
import tarfile
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

ORACLE: Final = Path(__file__).parent / "oracle"


class Recording(NamedTuple):
    """One program, where it began, and what the real machine answered."""

    program: str
    start: Any
    expected: list[dict[str, Any]]


@cache
def group_files(group: str) -> dict[str, str]:
    """A group's files as text, by name."""
    with tarfile.open(ORACLE / f"{group}.tar.xz") as archive:
        members = [member for member in archive.getmembers() if member.isfile()]
        readers = {Path(member.name).name: archive.extractfile(member) for member in members}
        return {name: reader.read().decode() for name, reader in readers.items() if reader is not None}


def program_names(group: str) -> list[str]:
    """The group's programs, in alphabetical order, without their suffix."""
    return sorted(name.removesuffix(".expect.jsonl") for name in group_files(group) if name.endswith(".expect.jsonl"))


def machine_of(group: str) -> Any:
    """What machine the group was recorded on."""
    return json.loads(group_files(group)["_machine.json"])


def recording(group: str, name: str) -> Recording:
    """One program of a group. Raises KeyError where there is none of that name."""
    files = group_files(group)
    program = files[f"{name}.k"] if f"{name}.k" in files else files[f"{name}.t"]
    expected = [json.loads(line) for line in files[f"{name}.expect.jsonl"].splitlines() if line]
    return Recording(program, json.loads(files[f"{name}.start.json"]), expected)
