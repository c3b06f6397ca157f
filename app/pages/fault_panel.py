"""The faults of the last command told as decisions: what the kernel asked, what it found, which branch it took."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Final

from app.pages import formats, keys
from engine.views.fault_decisions import Answer, Question

if TYPE_CHECKING:
    from app.pages.marks import Chosen, Marks
    from engine.views.fault_decisions import FaultDecisionsView, FaultTold, Parting

OPEN_FAULTS: Final = 2
"""So many kinds of faults are told at once; of more, those about the chosen thing."""
QUESTION_WORDS: Final = {
    Question.USER_ADDRESS: "Is it the program's own address, below 3 GB?",
    Question.REGION: "Does a region hold it?",
    Question.STACK: "Is the region above a stack that may grow to it?",
    Question.ACCESS: "Does the region allow this access?",
    Question.TABLE: "Is there a page table for these 4 MB?",
    Question.ENTRY: "What does the table entry hold?",
    Question.BACKING: "What belongs there?",
    Question.WRITE: "Is it a write?",
    Question.SHARED: "Do writes reach the file, or another process?",
    Question.IN_MEMORY: "Is the page in memory already?",
    Question.OTHERS: "Has anybody else this page?",
    Question.MEMORY: "Is there a frame for it?",
}
_ANSWER_WORDS: Final = {
    Answer.YES: "yes",
    Answer.NO: "no",
    Answer.NO_REGION_ABOVE: "no, nor is there one above",
    Answer.EMPTY: "nothing: it is empty",
    Answer.SWAPPED: "a slot of the swap area",
    Answer.WRITE_PROTECTED: "a frame, write-protected",
    Answer.ANONYMOUS: "anonymous memory",
    Answer.FILE: "a page of a file",
    Answer.ZERO_PAGE: "everybody: it is the zero page",
    Answer.BEYOND_END: "there is none: beyond the file's end",
}
_SPECIAL: Final = {
    (Question.TABLE, Answer.NO): "no: one is made",
    (Question.SHARED, Answer.NO): "no: the mapping is private",
    (Question.SHARED, Answer.YES): "yes: the mapping is shared",
    (Question.IN_MEMORY, Answer.NO): "no: the disk is read, a major fault",
    (Question.WRITE, Answer.NO): "no, a read",
    (Question.OTHERS, Answer.YES): "yes: it must be copied",
    (Question.OTHERS, Answer.NO): "no: it may be written in place",
    (Question.MEMORY, Answer.NO): "no: somebody must be killed",
}
BRANCH_WORDS: Final = {
    "do_anonymous_page": "a frame of zeros",
    "wp_page_copy": "a copy of its own",
    "wp_page_reuse": "the same frame, writable now",
    "filemap_map_pages": "the page cache's frame, and its neighbours",
    "do_read_fault": "the page cache's frame",
    "do_cow_fault": "a private copy of the file's page",
    "do_shared_fault": "the page cache's frame, dirty now",
    "do_swap_page": "back from swap",
}


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
    boxes = tuple(_box(group, chosen, marks, few=few) for group in alike)
    return FaultPanel(boxes, formats.times(view.left_out, "fault") + " more in between" if view.left_out else "")


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
            QUESTION_WORDS[decision.question],
            _SPECIAL.get((decision.question, decision.answer), _ANSWER_WORDS[decision.answer]),
            decision.function,
            stops=bool(told.signal) and number == len(told.decisions) - 1,
        )
        for number, decision in enumerate(told.decisions)
    )
    return FaultBox(
        seq=told.seq,
        asked=f"{'write' if told.write else 'read'} at {formats.address(told.address)}",
        href=chosen.href_of(told.address, told.pid),
        came=_came(told),
        branch=told.branch,
        bad=bool(told.signal),
        took=formats.duration(told.ns) if told.ns else "",
        keys=keys.join(*lit),
        lines=lines,
        parting=None if told.parting is None else _parting(told.pid, told.parting, chosen),
        open=few or bool(told.signal) or any(keys.page(one.address >> 12) in marks.selected for one in group),
        more=f"{len(group) - 1} more alike, the last at {formats.address(last.address)}" if len(group) > 1 else "",
    )


def _came(told: FaultTold) -> str:
    if told.signal:
        return f"the program gets {told.signal}"
    if told.pfn is None:
        return "no memory for it"
    what = "the zero page" if told.zero else BRANCH_WORDS.get(told.branch, told.branch)
    slot = f", slot {told.slot}" if told.slot is not None else ""
    return f"{what}{slot}: frame {formats.pfn(told.pfn)}"


def _parting(pid: int, parting: Parting, chosen: Chosen) -> PartingLine:
    if parting.mapcount:
        left = f"keeps {formats.times(parting.refcount, 'reference')}, {formats.times(parting.mapcount, 'mapping')}"
    else:
        left = "is mapped by nobody now"
    return PartingLine(
        words=f"{left}; process {pid} has a frame of its own,",
        old=formats.pfn(parting.old),
        old_href=chosen.frame_href(parting.old),
        new=formats.pfn(parting.new),
        new_href=chosen.frame_href(parting.new),
    )
