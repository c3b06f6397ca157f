"""Bodies of answers, and how they are read off a session. A session is asked in a worker thread: see Machines.look."""

from __future__ import annotations

from collections.abc import Mapping as MappingOf
from dataclasses import fields
from typing import Annotated, Any, Final, get_type_hints

from pydantic import BaseModel, Field, WithJsonSchema, create_model
from pydantic_core import to_jsonable_python

import engine.outcome
from app.command_json import command_document, command_from_json, outcome_json
from app.store.branches import Branch
from engine.config import MachineConfig
from engine.events import event_name
from engine.events.machine import CommandPerformed
from engine.outcome import Ended, Outcome, Signal
from engine.session import Session
from engine.trace import Record

OUTCOME_REFERENCE: Final = {"$ref": "#/components/schemas/Outcome"}


def _schema_of(record: type[Any], **deeper: type[BaseModel]) -> type[BaseModel]:
    """A named tuple's fields as a model, so that the description cannot differ from the engine."""
    hints = get_type_hints(record, vars(engine.outcome) | {"MappingOf": MappingOf})
    definitions: dict[str, Any] = {}
    for name, hint in hints.items():
        default = record._field_defaults.get(name, ...)
        definitions[name] = (deeper[name] | None if name in deeper else hint, default)
    return create_model(record.__name__, __doc__=record.__doc__, **definitions)


OUTCOME_MODEL: Final = _schema_of(Outcome, signal=_schema_of(Signal), ended=_schema_of(Ended))


class EndedAnswer(BaseModel):
    """How a process ended: by exit `code`, or by signal number `termsig` (then `code` is -1)."""

    code: int
    termsig: int


class ProcessAnswer(BaseModel):
    """One process, living or ended."""

    pid: int
    slots: dict[str, int] = Field(description="The program's pointer variables, as addresses.")
    ended: EndedAnswer | None = None


class MachineAnswer(BaseModel):
    """A machine as it stands."""

    id: str
    version: int = Field(description="After how many commands it stands.")
    commands: int = Field(description="How many commands its history has; more than `version` after a step back.")
    time_ns: int = Field(description="Simulated nanoseconds since boot.")
    digest: str = Field(description="32 hexadecimal digits over the whole state.")
    chain: str = Field(description="32 hexadecimal digits over everything that was seen so far.")
    created: str
    config: dict[str, Any]
    processes: list[ProcessAnswer]


class PerformedAnswer(BaseModel):
    """What the commands gave, one outcome each, and where the machine stood after them."""

    version: int
    time_ns: int
    chain: str
    outcomes: Annotated[
        list[dict[str, Any]], WithJsonSchema({"type": "array", "items": OUTCOME_REFERENCE}, mode="serialization")
    ]


class StandingAnswer(BaseModel):
    """Where the machine stands now."""

    version: int
    commands: int
    time_ns: int
    chain: str


class BranchAnswer(BaseModel):
    """A history that was left for another: `length` commands after version `base` of branch `parent`, 0 for the machine's own."""

    number: int
    parent: int
    base: int
    length: int
    first: dict[str, Any] = Field(description="The command that it begins with.")


class BranchesAnswer(BaseModel):
    """The histories that can be returned to."""

    branches: list[BranchAnswer]


class HistoryAnswer(BaseModel):
    """Some of the machine's history, from version `first` on; `next` is where to go on, if there is more."""

    first: int
    commands: list[dict[str, Any]]
    outcomes: list[dict[str, Any]]
    next: int | None


class RecordAnswer(BaseModel):
    """One event, its cause (the seq of another record, or -1), and when it began and ended."""

    seq: int
    cause: int
    time_ns: int
    end_ns: int
    event: str
    fields: dict[str, Any]


class TraceAnswer(BaseModel):
    """Records from seq `first` on that the trace still holds; `next` is where to go on, if there is more."""

    records: list[RecordAnswer]
    next: int | None


def machine_answer(machine_id: str, created: str, session: Session) -> MachineAnswer:
    """The whole of it; the digest walks the machine's whole state."""
    machine = session.machine
    return MachineAnswer(
        id=machine_id,
        version=session.version,
        commands=len(session.commands),
        time_ns=machine.time_ns,
        digest=machine.digest(),
        chain=session.chain,
        created=created,
        config=config_document(session.config),
        processes=[
            ProcessAnswer(pid=pid, slots=process.slots, ended=_ended_answer(process.ended))
            for pid, process in machine.processes.items()
        ],
    )


def standing_answer(session: Session) -> StandingAnswer:
    """Where the session stands."""
    return StandingAnswer(
        version=session.version,
        commands=len(session.commands),
        time_ns=session.machine.time_ns,
        chain=session.chain,
    )


def branches_answer(found: tuple[Branch, ...]) -> BranchesAnswer:
    """The branches as the journal has them."""
    told = [branch._asdict() | {"first": command_document(command_from_json(branch.first))} for branch in found]
    return BranchesAnswer(branches=[BranchAnswer(**each) for each in told])


def history_answer(session: Session, first: int, limit: int) -> HistoryAnswer:
    """Commands and outcomes number `first` (from 0) and on, `limit` at most."""
    end = min(first + limit, len(session.commands))
    return HistoryAnswer(
        first=first,
        commands=[command_document(command) for command in session.commands[first:end]],
        outcomes=[outcome_json(outcome) for outcome in session.outcomes[first:end]],
        next=end if first < end < len(session.commands) else None,
    )


def trace_answer(session: Session, first: int, limit: int) -> TraceAnswer:
    """Records from seq `first` on, `limit` at most."""
    records: list[RecordAnswer] = []
    for record in session.machine.trace.records(first):
        if len(records) == limit:
            return TraceAnswer(records=records, next=record.seq)
        records.append(_record_answer(record))
    return TraceAnswer(records=records, next=None)


def config_document(config: MachineConfig) -> dict[str, Any]:
    """The configuration but for the program's image, sysctls by name."""
    document = {field.name: getattr(config, field.name) for field in fields(config) if field.name != "image"}
    return document | {"sysctls": dict(config.sysctls)}


def _ended_answer(ended: Ended | None) -> EndedAnswer | None:
    return None if ended is None else EndedAnswer(code=ended.code, termsig=ended.termsig)


def _record_answer(record: Record) -> RecordAnswer:
    event = record.event
    if isinstance(event, CommandPerformed):
        told: dict[str, Any] = {"command": command_document(event.command)}
    else:
        told = to_jsonable_python(event._asdict())  # type: ignore[attr-defined]
    return RecordAnswer(
        seq=record.seq,
        cause=record.cause,
        time_ns=record.start_ns,
        end_ns=record.end_ns,
        event=event_name(event),
        fields=told,
    )
