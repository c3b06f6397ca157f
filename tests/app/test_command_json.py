"""Commands, outcomes and configurations keep their meaning as JSON."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any, Final, get_args

import pytest
from pydantic import ValidationError

from app.command_json import (
    command_document,
    command_from_json,
    command_to_json,
    config_from_json,
    config_to_json,
    outcome_json,
)
from engine.commands import Command, Free, Malloc, Mmap, OpenFile
from engine.config import PRESETS, MachineConfig
from engine.outcome import CommandError, Ended, Mapping, Outcome, Signal, returned

VALUES: Final[dict[str, Any]] = {
    "rest": (64, 0),
    "pid": 3,
    "as_": "slot",
    "prot": "rwx",
    "flags": ("shared", "populate"),
    "advice": "pageout",
    "access": "r",
    "resource": "stack",
    "name": "swappiness",
    "path": "/mnt/é\n",
    "on": False,
    "may_move": False,
    "ptr": "a-0x10",
    "address": 0xBFFFF000,
    "hint": 0x40000000,
    "value": 200,
    "child": 5,
    "order": 3,
    "kind": "dma",
    "cache": "things",
    "align": 64,
    "disk": "swap",
    "fails": "read",
}
"""A value for each field that is no plain number, unlike its default."""


def every_command() -> list[Command]:
    kinds = get_args(Command)
    return [
        kind(**{field.name: VALUES.get(field.name, 17) for field in fields(kind) if field.name != "op"})
        for kind in kinds
    ]


def test_there_are_55_commands() -> None:
    assert len({command.op for command in every_command()}) == 55


@pytest.mark.parametrize("command", every_command(), ids=lambda command: command.op)
def test_a_command_comes_back_from_json_as_it_was(command: Command) -> None:
    text = command_to_json(command)
    assert command_from_json(text) == command
    assert json.loads(text) == command_document(command)


def test_a_slot_is_written_as_in_the_language() -> None:
    assert command_to_json(Malloc(size=100, as_="a")) == '{"pid":0,"op":"malloc","size":100,"as":"a"}'


def test_fields_with_a_default_may_be_left_out() -> None:
    assert command_from_json('{"op":"mmap","as":"m","length":8192}') == Mmap(as_="m", length=8192)


def test_an_address_may_be_a_number_or_a_word() -> None:
    assert command_from_json('{"op":"free","ptr":134537632}') == Free(ptr=134537632)
    assert command_from_json('{"op":"free","ptr":"0x804e1a0"}') == Free(ptr="0x804e1a0")


def test_opening_what_is_there_has_size_minus_1() -> None:
    opened = OpenFile(file=1, path="/mnt/a", size=-1)
    assert command_from_json(command_to_json(opened)) == opened


@pytest.mark.parametrize("text", ['{"op":"malloc","size":"100","as":"a"}', '{"op":"malloc","size":true,"as":"a"}'])
def test_what_is_no_number_is_not_made_one(text: str) -> None:
    with pytest.raises(ValidationError, match="valid integer"):
        command_from_json(text)


def test_what_cannot_be_names_its_field() -> None:
    with pytest.raises(ValidationError) as caught:
        command_from_json('{"op":"malloc","size":-1,"as":"a"}')
    cause = caught.value.errors()[0]["ctx"]["error"]
    assert isinstance(cause, CommandError)
    assert cause.field == "size"


def test_an_outcome_has_only_the_fields_that_its_operation_has() -> None:
    assert outcome_json(returned("malloc", 0, 0x804E1A0)) == {"op": "malloc", "pid": 0, "ret": 134537632}
    assert outcome_json(returned("free", 0, None)) == {"op": "free", "pid": 0}


def test_an_outcome_is_json_to_its_depth() -> None:
    line = Mapping(0x8048000, 0x8049000, "r--p", 0, "/bin/student")
    outcome = Outcome(
        "maps",
        1,
        signal=Signal("SIGSEGV", 1, 0, fatal=False),
        frames=(5, 0),
        maps=(line,),
        figures={"nr_free_pages": 7},
        ended=Ended(1, -1, 11),
    )
    document = outcome_json(outcome)
    assert json.loads(json.dumps(document)) == {
        "op": "maps",
        "pid": 1,
        "signal": {"name": "SIGSEGV", "code": 1, "address": 0, "fatal": False},
        "frames": [5, 0],
        "maps": [{"start": 134512640, "end": 134516736, "permissions": "r--p", "offset": 0, "name": "/bin/student"}],
        "figures": {"nr_free_pages": 7},
        "ended": {"pid": 1, "code": -1, "termsig": 11},
    }


@pytest.mark.parametrize("config", [*PRESETS.values(), MachineConfig(seed=2**63 - 1, sysctls=(("swappiness", 0),))])
def test_a_configuration_comes_back_whole(config: MachineConfig) -> None:
    again = config_from_json(config_to_json(config))
    assert again == config
    assert repr(again) == repr(config)
