"""A session as text: what its machine is made of, and its commands as a program. Reading it back gives the same session."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from pydantic import ValidationError

from app.command_json import CONFIG, config_from_json
from app.language import program_of
from engine.config import PRESETS, ConfigError, MachineConfig

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.commands import Command

DEFAULT_PRESET: Final = "64mb"


def machine_words(config: MachineConfig) -> str:
    """What `# machine:` says: a preset's name, or what differs from the defaults, as JSON."""
    for name, preset in PRESETS.items():
        if preset == config:
            return name
    mine, usual = CONFIG.dump_python(config, mode="json"), CONFIG.dump_python(MachineConfig(), mode="json")
    return json.dumps({name: value for name, value in mine.items() if value != usual[name]}, separators=(",", ":"))


def machine_of_words(words: str) -> MachineConfig:
    """The configuration that `# machine:` names. Raises ConfigError."""
    if not words:
        return PRESETS[DEFAULT_PRESET]
    if not words.startswith("{"):
        if words not in PRESETS:
            raise ConfigError("machine", f"machine is {words!r}; it can be {', '.join(PRESETS)}, or JSON")
        return PRESETS[words]
    usual = CONFIG.dump_python(MachineConfig(), mode="json")
    try:
        given = json.loads(words)
        unknown = next((name for name in given if name not in usual), None)
        if unknown is not None:
            raise ConfigError("machine", f"machine has no {unknown!r}; it has {', '.join(usual)}")
        return config_from_json(json.dumps({**usual, **given}))
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError("machine", f"machine: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    except json.JSONDecodeError as error:
        raise ConfigError("machine", f"machine is {words!r}, which is not JSON: {error}") from None


def session_text(config: MachineConfig, commands: Sequence[Command], title: str = "", about: str = "") -> str:
    """The whole session: a head of comments, then a line a command."""
    head = [f"# {line}" for line in (title, about) if line]
    return "\n".join([*head, f"# machine: {machine_words(config)}", program_of(commands)])
