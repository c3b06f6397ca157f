"""Commands, outcomes and configurations as JSON: the engine's own classes are the schema.

Addresses are numbers, as everywhere in the engine: they are 32 bits wide, which JSON's readers all hold exactly.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import Field, TypeAdapter

from engine.commands import Command
from engine.config import MachineConfig
from engine.outcome import Outcome

COMMAND: Final[TypeAdapter[Command]] = TypeAdapter(Annotated[Command, Field(discriminator="op")])
COMMANDS: Final[TypeAdapter[list[Command]]] = TypeAdapter(list[Annotated[Command, Field(discriminator="op")]])
CONFIG: Final[TypeAdapter[MachineConfig]] = TypeAdapter(MachineConfig)


def command_from_json(text: str | bytes) -> Command:
    """The command that `text` writes. Raises pydantic's ValidationError, whose cause may be a CommandError."""
    return COMMAND.validate_json(text, strict=True)


def command_to_json(command: Command) -> str:
    """The command as one line; command_from_json gives an equal one."""
    return COMMAND.dump_json(command, by_alias=True, exclude_none=True).decode()


def config_from_json(text: str | bytes) -> MachineConfig:
    """The configuration that config_to_json wrote."""
    return CONFIG.validate_json(text, strict=True)


def config_to_json(config: MachineConfig) -> str:
    """The whole configuration, its program image too: what it means does not depend on today's defaults."""
    return CONFIG.dump_json(config).decode()


def outcome_json(outcome: Outcome) -> dict[str, Any]:
    """The outcome as JSON takes it, without what its operation does not have."""
    return _record(outcome)


def _record(record: Any) -> dict[str, Any]:
    return {name: _plain(value) for name, value in zip(record._fields, record, strict=True) if value is not None}


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return _record(value) if hasattr(value, "_fields") else [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return dict(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    return value


def command_document(command: Command) -> dict[str, Any]:
    """The command as JSON takes it: the document that command_to_json writes."""
    document: dict[str, Any] = COMMAND.dump_python(command, mode="json", by_alias=True, exclude_none=True)
    return document
