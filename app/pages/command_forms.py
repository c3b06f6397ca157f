"""The forms of the page: which commands have one, with which fields, and what was wrong with what was typed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from app.pages.command_words import next_slot
from app.words import refusal, word

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.outcome import CommandError


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """One field: the command's own name for it, which is its label and in every message, and what it holds at first."""

    name: str
    value: str
    kind: str = "number"
    """number, place (suggests the slots), slot (suggests a new one) or choice."""
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FormSpec:
    """One command's form."""

    op: str
    fields: tuple[FieldSpec, ...]


_SIZE: Final = FieldSpec("size", "100")
_INTO: Final = FieldSpec("as", "", "slot")
_PTR: Final = FieldSpec("ptr", "", "place")

GROUPS: Final = (
    (
        "allocate",
        (
            FormSpec("malloc", (_SIZE, _INTO)),
            FormSpec("free", (FieldSpec("ptr", "", "place"),)),
            FormSpec("calloc", (FieldSpec("count", "4"), _SIZE, _INTO)),
            FormSpec("realloc", (FieldSpec("as", "", "place"), _SIZE)),
        ),
    ),
    (
        "access",
        (
            FormSpec("write", (_PTR, FieldSpec("value", "65"))),
            FormSpec("read", (_PTR,)),
            FormSpec(
                "touch",
                (
                    _PTR,
                    FieldSpec("length", "4096"),
                    FieldSpec("access", "w", "choice", ("w", "r")),
                ),
            ),
        ),
    ),
    (
        "kernel",
        (
            FormSpec(
                "mmap",
                (
                    FieldSpec("length", "65536"),
                    FieldSpec("prot", "rw", "choice", ("rw", "r", "rx", "none")),
                    _INTO,
                ),
            ),
            FormSpec("munmap", (_PTR, FieldSpec("length", "65536"))),
            FormSpec("sbrk", (FieldSpec("delta", "4096"),)),
            FormSpec("fork", (FieldSpec("child", "1"),)),
            FormSpec("paging", (FieldSpec("on", "off", "choice", ("off", "on")),)),
        ),
    ),
)
WORDS: Final = "words"
"""The `op` of the form that takes a command in words."""


@dataclass(frozen=True, slots=True)
class FieldBox:
    """A field as it is shown."""

    spec: FieldSpec
    id: str
    value: str
    error: str


@dataclass(frozen=True, slots=True)
class FormBox:
    """A form as it is shown. `error` is about the whole command where no field of it is to blame."""

    op: str
    hint: str
    fields: tuple[FieldBox, ...]
    error: str


@dataclass(frozen=True, slots=True)
class FormGroup:
    """Forms under one heading."""

    title: str
    forms: tuple[FormBox, ...]
    open: bool


@dataclass(frozen=True, slots=True)
class Refused:
    """What somebody sent that could not be done, and why."""

    op: str
    values: Mapping[str, str]
    error: CommandError


def form_groups(
    slots: tuple[str, ...], process_numbers: frozenset[int], refused: Refused | None, *, paging: bool
) -> tuple[FormGroup, ...]:
    """All forms, with what was typed wrongly still in its field."""
    first = {
        "slot": next_slot(frozenset(slots)),
        "place": slots[-1] if slots else "",
        "child": str(next(number for number in range(1, 64) if number not in process_numbers)),
        "on": "off" if paging else "on",
    }
    return tuple(
        FormGroup(
            word("forms.groups", group),
            tuple(_form(spec, first, refused) for spec in specs),
            open=group != GROUPS[-1][0] or (refused is not None and any(spec.op == refused.op for spec in specs)),
        )
        for group, specs in GROUPS
    )


def words_box(refused: Refused | None) -> FieldBox:
    """The field that takes a command in words."""
    mine = refused is not None and refused.op == WORDS
    return FieldBox(
        FieldSpec(WORDS, "", "words"),
        "f-words",
        refused.values.get(WORDS, "") if mine and refused is not None else "",
        refusal(refused.error) if mine and refused is not None else "",
    )


def _form(spec: FormSpec, first: Mapping[str, str], refused: Refused | None) -> FormBox:
    mine = refused if refused is not None and refused.op == spec.op else None
    boxes = tuple(_field(spec.op, field, first, mine) for field in spec.fields)
    error = "" if mine is None or any(box.error for box in boxes) else f"{mine.error.field}: {refusal(mine.error)}"
    return FormBox(spec.op, word("forms.hints", spec.op), boxes, error)


def _field(op: str, spec: FieldSpec, first: Mapping[str, str], refused: Refused | None) -> FieldBox:
    value = first.get(spec.kind, first.get(spec.name, spec.value))
    error = ""
    if refused is not None:
        value = refused.values.get(spec.name, value)
        error = refusal(refused.error) if refused.error.field == spec.name else ""
    return FieldBox(spec, f"f-{op}-{spec.name}", value, error)
