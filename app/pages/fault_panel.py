"""The faults of the last command told as decisions: what the kernel asked, what it found, which branch it took."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Final

from app.pages import formats, keys
from app.words import t, word
from engine.views.fault_decisions import Answer, Question

if TYPE_CHECKING:
    from app.pages.marks import Chosen, Marks
    from engine.views.fault_decisions import Decision, FaultDecisionsView, FaultTold, Parting

KINDS_SHOWN: Final = 4
"""Faults in a row that were decided alike are one kind."""
OPEN_FAULTS: Final = 2
"""So many kinds of faults are told at once; of more, those about the chosen thing."""
_SPECIAL: Final = frozenset(
    (
        (Question.TABLE, Answer.NO),
        (Question.SHARED, Answer.NO),
        (Question.SHARED, Answer.YES),
        (Question.IN_MEMORY, Answer.NO),
        (Question.WRITE, Answer.NO),
        (Question.OTHERS, Answer.YES),
        (Question.OTHERS, Answer.NO),
        (Question.MEMORY, Answer.NO),
    )
)
"""Answers that say what follows: the catalogue has them by question and answer."""


@dataclass(frozen=True, slots=True)
class DecisionLine:
    """One question and its answer; `function` is Linux's."""

    question: str
    answer: str
    function: str
    stops: bool
    """The answer that ends the access."""


@dataclass(frozen=True, slots=True)
class PartingLine:
    """The moment that copy on write parts two processes' pages."""

    words: str
    old: str
    old_href: str
    new: str
    new_href: str


@dataclass(frozen=True, slots=True)
class FaultBox:
    """One fault."""

    seq: int
    asked: str
    href: str
    came: str
    branch: str
    bad: bool
    took: str
    keys: str
    lines: tuple[DecisionLine, ...]
    parting: PartingLine | None
    open: bool
    more: str
    """Faults after it that were decided alike, in words."""


@dataclass(frozen=True, slots=True)
class FaultPanel:
    """All of them."""

    faults: tuple[FaultBox, ...]
    left_out: str


def fault_panel(view: FaultDecisionsView, chosen: Chosen, marks: Marks) -> FaultPanel:
    """The panel; empty where the last command met no fault."""
    alike = [list(group) for _, group in groupby(view.faults, _decided)]
    few = len(alike) <= OPEN_FAULTS
    boxes = tuple(_box(group, chosen, marks, few=few) for group in alike[:KINDS_SHOWN])
    left_out = view.left_out + sum(map(len, alike[KINDS_SHOWN:]))
    return FaultPanel(boxes, t("fault.left_out", faults=left_out) if left_out else "")


def _decided(told: FaultTold) -> tuple[object, ...]:
    """What makes two faults alike. Those that part a page are each told."""
    parted = told.seq if told.parting is not None else -1
    return told.decisions, told.branch, told.signal, told.region, parted


def _box(group: list[FaultTold], chosen: Chosen, marks: Marks, *, few: bool) -> FaultBox:
    told, last = group[0], group[-1]
    page = keys.page(told.address >> 12)
    lit = (page,) if told.pfn is None else (page, keys.frame(told.pfn))
    lines = tuple(
        DecisionLine(
            word("fault.question", decision.question),
            _answer(decision),
            decision.function,
            stops=bool(told.signal) and number == len(told.decisions) - 1,
        )
        for number, decision in enumerate(told.decisions)
    )
    return FaultBox(
        seq=told.seq,
        asked=t("fault.write_at" if told.write else "fault.read_at", address=formats.address(told.address)),
        href=chosen.href_of(told.address, told.pid),
        came=_came(told),
        branch=told.branch,
        bad=bool(told.signal),
        took=formats.duration(told.ns) if told.ns else "",
        keys=keys.join(*lit),
        lines=lines,
        parting=None if told.parting is None else _parting(told.pid, told.parting, chosen),
        open=few or bool(told.signal) or any(keys.page(one.address >> 12) in marks.selected for one in group),
        more=t("fault.alike", count=len(group) - 1, address=formats.address(last.address)) if len(group) > 1 else "",
    )


def _answer(decision: Decision) -> str:
    if (decision.question, decision.answer) in _SPECIAL:
        return word("fault.answer", f"{decision.question}_{decision.answer}")
    return word("fault.answer", decision.answer)


def _came(told: FaultTold) -> str:
    if told.signal:
        return t("fault.gets", signal=told.signal)
    if told.pfn is None:
        return t("fault.no_memory")
    what = t("fault.zero_page") if told.zero else word("fault.branch", told.branch, told.branch)
    if told.slot is not None:
        return t("fault.came_slot", what=what, slot=told.slot, pfn=formats.pfn(told.pfn))
    return t("fault.came", what=what, pfn=formats.pfn(told.pfn))


def _parting(pid: int, parting: Parting, chosen: Chosen) -> PartingLine:
    if parting.mapcount:
        words = t("fault.keeps", references=parting.refcount, mappings=parting.mapcount, pid=pid)
    else:
        words = t("fault.nobody", pid=pid)
    return PartingLine(
        words=words,
        old=formats.pfn(parting.old),
        old_href=chosen.frame_href(parting.old),
        new=formats.pfn(parting.new),
        new_href=chosen.frame_href(parting.new),
    )
