"""What could stand here: candidates for the word that is being written, for the editor, the command field and the API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, get_args, get_origin

from app.language import grammar
from app.language.line import FLAGS
from app.language.operands import PARAMETERS
from app.language.tokens import tokens_of, without_comment
from app.words import t, word
from engine import commands

if TYPE_CHECKING:
    from collections.abc import Iterable

CANDIDATES_MAXIMUM: Final = 24
_PROTECTIONS: Final = ("r", "rw", "rx", "none")
_SIZE_HINTS: Final = ("4096", "64K", "1M")
_SYSCTLS: Final = (
    "swappiness", "min_free_kbytes", "page-cluster", "overcommit_memory", "overcommit_ratio", "drop_caches",
    "watermark_scale_factor", "watermark_boost_factor", "dirty_ratio", "dirty_background_ratio", "vfs_cache_pressure",
    "max_map_count", "lowmem_reserve_ratio", "percpu_pagelist_high_fraction", "panic_on_oom", "oom_kill_allocating_task",
)  # fmt: skip


class Candidate(NamedTuple):
    """A word that fits, and what it is."""

    text: str
    what: str


class Completion(NamedTuple):
    """The candidates for the word in columns [start, end) of the line."""

    start: int
    end: int
    candidates: tuple[Candidate, ...]


def complete(line: str, column: int, slots: Iterable[str] = (), processes: Iterable[str] = ()) -> Completion:
    """What the word at `column` of `line` could be. `slots` and `processes` are the names known so far."""
    column = max(0, min(column, len(line)))
    before = line[:column]
    if len(without_comment(before)) < len(before):
        return Completion(column, column, ())
    tokens = tokens_of(before)
    open_word = bool(tokens) and tokens[-1].end == column and tokens[-1].text != "="
    word = tokens[-1].text if open_word else ""
    words = [token.text for token in (tokens[:-1] if open_word else tokens)]
    offered = _offered(words, tuple(slots), ("parent", *processes), word)
    fitting = [each for each in offered if each.text.lower().startswith(word.lower()) and each.text != word]
    return Completion(column - len(word), column, tuple(fitting[:CANDIDATES_MAXIMUM]))


def names_before(lines: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The slots and the processes that lines name, whether or not they are right otherwise."""
    slots: dict[str, None] = {}
    children: dict[str, None] = {}
    for line in lines:
        words = [token.text for token in tokens_of(line)]
        if words and words[0].startswith("@"):
            words = words[1:]
        if len(words) > 1 and words[1] == "=":
            slots[words[0]] = None
        elif len(words) > 1 and words[0] == "fork":
            children[words[1]] = None
        elif len(words) > 2 and words[0] in grammar.CLASSES and _takes_slot(words[0]) and words[1][0].isalpha():
            slots[words[1]] = None
    return tuple(slots), tuple(children)


def _takes_slot(op: str) -> bool:
    return grammar.SLOT in grammar.CLASSES[op].__dataclass_fields__


def _offered(words: list[str], slots: tuple[str, ...], processes: tuple[str, ...], word: str) -> list[Candidate]:
    if words and words[0].startswith("@"):
        words = words[1:]
    elif not words and word.startswith("@"):
        return [Candidate(f"@{name}", t("completion.process")) for name in dict.fromkeys((*processes, "child"))]
    assigned = len(words) > 1 and words[1] == "="
    if assigned:
        words = words[2:]
    if not words:
        return _operations(slots, only_slots=assigned)
    if len(words) == 1 and words[0] not in grammar.CLASSES:
        return [Candidate("=", t("completion.takes"))]
    return _operands(words[0], words[1:], slots, processes, assigned=assigned)


def _operations(slots: tuple[str, ...], *, only_slots: bool) -> list[Candidate]:
    """The operations; after `a =` those that give a pointer. Before, such a line as people write: with its slot."""
    found = [
        Candidate(op, t("completion.operation", usage=grammar.usage(op), meaning=word("completion.meaning", op)))
        for op in grammar.operations()
        if _takes_slot(op) or not only_slots
    ]
    if not only_slots:
        found += [Candidate(slot, t("completion.slot")) for slot in slots]
    return found


def _operands(
    op: str, given: list[str], slots: tuple[str, ...], processes: tuple[str, ...], *, assigned: bool
) -> list[Candidate]:
    kind = grammar.CLASSES.get(op)
    if kind is None:
        return []
    typed = grammar.typed(kind)
    slot_is_said = assigned or bool(given and given[0][0].isdigit())
    if typed and typed[0][1].name == grammar.SLOT and slot_is_said and op not in grammar.SLOT_IS_READ:
        typed = typed[1:]
    if op == "mmap" and len(given) >= (2 if assigned else 3):
        left = [flag for flag in FLAGS if flag not in given]
        return [Candidate(flag, t("completion.flag")) for flag in left] + [
            Candidate("file", t("completion.file")), Candidate("at", t("completion.at"))
        ]  # fmt: skip
    if len(given) >= len(typed):
        return []
    name, found = typed[len(given)]
    return _values(op, name, grammar.HINTS[kind][found.name], slots, processes)


def _values(op: str, name: str, hint: Any, slots: tuple[str, ...], processes: tuple[str, ...]) -> list[Candidate]:
    fixed = _FIXED.get(name if (op, name) != ("sysctl", "name") else "sysctl")
    if fixed is not None:
        return [Candidate(text, name) for text in fixed]
    if name == "child":
        taken = processes if op == "wait" else ()
        return [Candidate(text, t("completion.process")) for text in dict.fromkeys((*taken[1:], "child"))]
    if hint == commands.Place or (op in grammar.SLOT_IS_READ and name == "as"):
        return [Candidate(slot, t("completion.slot")) for slot in slots]
    if get_origin(hint) is Literal:
        return [Candidate(text, name) for text in get_args(hint)]
    if hint is bool:
        return [Candidate(text, name) for text in ("on", "off")]
    if name in ("size", "length", "old_length", "new_length"):
        return [Candidate(text, t("completion.bytes", field=name)) for text in _SIZE_HINTS]
    return []


_FIXED: Final = {
    "prot": _PROTECTIONS,
    "parameter": tuple(PARAMETERS),
    "sysctl": _SYSCTLS,
    "may_move": ("maymove", "stay"),
    "path": ("/tmp/", "/mnt/"),  # noqa: S108 - of the simulated machine
}
