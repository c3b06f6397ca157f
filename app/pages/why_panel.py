"""Why the last step happened, as a tree of sentences."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from app.pages import formats, keys
from app.pages.command_words import words_of_command
from app.pages.names import listed
from app.pages.sentences import sentence
from app.words import t, word

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.pages.marks import Marks
    from engine.commands import Command
    from engine.outcome import Outcome, Signal
    from engine.views.trace_tree import TraceNode, TraceTreeView

RECORDS_WHOLE: Final = 48
"""A command that caused no more records is told to the last of them."""
RECORDS_SHOWN: Final = 24
"""Of a command that caused more records, the first are told, and of the others how many they are."""
SHARES: Final = 8
SHARE_LEAST: Final = 4
"""What caused a record gets an eighth of the room that is left for it and those below it, and at least this."""
RECORDS_OPEN: Final = 14
"""A tree of so many records is shown whole; of a larger one what is about the chosen thing."""
COSTS_SHOWN: Final = 8


@dataclass(frozen=True, slots=True)
class Reason:
    """One node of the tree. `below` counts the records that follow from it; `open` shows them at once.

    `cost_ns` is its time and that of all below; `when` says how long after the command's beginning, and what it took itself.
    """

    seq: int
    words: str
    place: str
    event: str
    cost_ns: int
    when: str
    keys: str
    children: tuple[Reason, ...]
    left_out: str
    below: int
    open: bool
    times: int = 1
    """How often it happened in a row, where that is all there is to say."""

    @property
    def took(self) -> str:
        """The cost in its own unit; empty for what took no time."""
        return formats.duration(self.cost_ns) if self.cost_ns else ""


@dataclass(frozen=True, slots=True)
class CostRow:
    """What one function took by itself, in simulated nanoseconds to the last one, and how often it is in the tree."""

    place: str
    times: str
    ns: int

    @property
    def exactly(self) -> str:
        """The nanoseconds."""
        return f"{formats.count(self.ns)} ns"


@dataclass(frozen=True, slots=True)
class Why:
    """The panel: what was asked, what came of it, the tree, and where the time went: `costs` add up to `total`."""

    asked: str
    came: str
    bad: bool
    took: str
    reasons: tuple[Reason, ...]
    left_out: str
    lost: bool
    costs: tuple[CostRow, ...] = ()
    total: str = ""


def why(tree: TraceTreeView, command: Command | None, outcome: Outcome | None, marks: Marks) -> Why:
    """The panel of the last command; before the first one it says how to begin."""
    if command is None or outcome is None:
        return Why("", "", bad=False, took="", reasons=(), left_out="", lost=False)
    came, bad = outcome_words(outcome, command)
    reasons, left_out, _ = _Telling(tree, marks).tell(
        tree.roots, tree.records if tree.records <= RECORDS_WHOLE else RECORDS_SHOWN
    )
    return Why(
        asked=words_of_command(command),
        came=came,
        bad=bad,
        took=formats.duration(tree.ns) if tree.ns else "",
        reasons=reasons,
        left_out=left_out,
        lost=tree.lost,
        costs=costs(tree),
        total=f"{formats.count(tree.ns)} ns",
    )


# --- what it cost ----------------------------------------------------------------------------------------------------


def costs(tree: TraceTreeView) -> tuple[CostRow, ...]:
    """The time of each function by itself, the most first; the last row is all the others, so that the sum is the tree's."""
    spent: dict[str, tuple[int, int]] = {}
    for node in _every(tree.roots):
        if node.own_ns:
            place = sentence(node.event).place
            times, ns = spent.get(place, (0, 0))
            spent[place] = times + 1, ns + node.own_ns
    rows = [CostRow(place, formats.count(times), ns) for place, (times, ns) in spent.items()]
    if tree.own_ns:
        rows.append(CostRow(t("why.program"), "", tree.own_ns))
    rows.sort(key=lambda row: -row.ns)
    others = rows[COSTS_SHOWN:]
    if len(others) > 1:
        rows[COSTS_SHOWN:] = [CostRow(t("why.others", count=len(others)), "", sum(row.ns for row in others))]
    return tuple(rows)


def _every(nodes: tuple[TraceNode, ...]) -> Iterator[TraceNode]:
    for node in nodes:
        yield node
        yield from _every(node.children)


# --- the tree --------------------------------------------------------------------------------------------------------


def _left_out(nodes: tuple[TraceNode, ...]) -> str:
    took = sum(node.cost_ns for node in nodes)
    if not nodes:
        return ""
    if took:
        return t("why.left_out_took", records=len(nodes), took=formats.duration(took))
    return t("why.left_out", records=len(nodes))


class _Telling:
    """Tells a tree's records one after the other, until there is no more room."""

    def __init__(self, tree: TraceTreeView, marks: Marks) -> None:
        self.began_ns = tree.start_ns
        self.whole = tree.records <= RECORDS_WHOLE
        self.few = tree.records <= RECORDS_OPEN
        self.marks = marks

    def tell(self, nodes: tuple[TraceNode, ...], room: int) -> tuple[tuple[Reason, ...], str, int]:
        """What is told of `nodes`, what is left out, and how much room it took. The same said again at once is counted."""
        found: list[Reason] = []
        left = room
        for number, node in enumerate(nodes):
            if left <= 0:
                return tuple(found), _left_out(nodes[number:]), room - left
            share = left if self.whole else max(SHARE_LEAST, left // min(len(nodes) - number, SHARES))
            reason, took = self._reason(node, min(left, share))
            before = found[-1] if found else None
            if before and not before.children and not reason.children and before.words == reason.words:
                found[-1] = replace(before, times=before.times + 1, cost_ns=before.cost_ns + reason.cost_ns)
            else:
                found.append(reason)
                left -= took
        return tuple(found), "", room - left

    def _reason(self, node: TraceNode, room: int) -> tuple[Reason, int]:
        told = sentence(node.event)
        children, left_out, took = self.tell(node.children, room - 1)
        chosen = any(key in self.marks.selected for key in told.keys)
        reason = Reason(
            seq=node.seq,
            words=told.words,
            place=told.place,
            event=node.name,
            cost_ns=node.cost_ns,
            when=_when(node, self.began_ns),
            keys=keys.join(*told.keys),
            children=children,
            left_out=left_out,
            below=_below(node),
            open=self.few or chosen or any(child.open for child in children),
        )
        return reason, 1 + took


def _below(node: TraceNode) -> int:
    """How many records follow from it."""
    return sum(1 + _below(child) for child in node.children)


def _when(node: TraceNode, began_ns: int) -> str:
    time = formats.duration(node.start_ns - began_ns)
    if node.own_ns and node.own_ns != node.cost_ns:
        return t("why.after_itself", time=time, own=formats.duration(node.own_ns))
    return t("why.after", time=time)


def outcome_words(outcome: Outcome, command: Command) -> tuple[str, bool]:
    """What a command gave, and whether that is bad news."""
    if outcome.signal is not None:
        return _signal(outcome.signal), True
    if outcome.errno is not None:
        return t("why.failed", errno=outcome.errno), True
    parts = _results(outcome, command)
    faults = (outcome.minflt or 0) + (outcome.majflt or 0)
    if outcome.majflt:
        parts.append(t("why.page_faults_major", faults=faults, major=outcome.majflt))
    elif faults:
        parts.append(t("why.page_faults", faults=faults))
    if outcome.ended is not None:
        parts.append(t("why.process_ended", pid=outcome.ended.pid))
    if not parts:
        return word("why.done_by", outcome.op, t("why.done")), False
    return t("why.whole", parts=listed(parts)), False


def _signal(signal: Signal) -> str:
    if signal.address is None:
        parts = [t("why.signal", signal=signal.name)]
    else:
        parts = [t("why.signal_at", signal=signal.name, address=formats.address(signal.address))]
    if signal.message:
        parts.append(t("why.glibc_says", message=signal.message))
    parts.append(t("why.process_gone" if signal.fatal else "why.handler"))
    return " ".join(parts)


def _results(outcome: Outcome, command: Command) -> list[str]:
    parts: list[str] = []
    slot = getattr(command, "as_", None)
    if outcome.ret is not None and slot is not None:
        parts.append(f"{slot} = {formats.address(outcome.ret)}" if outcome.ret else f"{slot} = NULL")
    elif outcome.ret is not None and outcome.op in ("sbrk", "brk"):
        parts.append(t("why.gave", value=formats.address(outcome.ret)))
    elif outcome.op == "fork":
        parts.append(t("why.child", pid=outcome.ret))
    elif outcome.ret:
        parts.append(t("why.gave", value=outcome.ret))
    if outcome.val is not None:
        parts.append(t("why.found", value=outcome.val, hex=formats.short_hex(outcome.val)))
    if isinstance(outcome.pages, int):
        parts.append(t("why.pages_done", pages=outcome.pages))
    elif outcome.pages is not None:
        parts.append(outcome.pages)
    if outcome.bad:
        parts.append(t("why.pages_differ", pages=outcome.bad))
    if outcome.frames is not None:
        parts.append(t("why.frames", frames=", ".join(formats.pfn(pfn) for pfn in outcome.frames[:8])))
    if outcome.figures is not None:
        parts += [f"{name} {value}" for name, value in list(outcome.figures.items())[:8]]
    if outcome.maps is not None:
        parts.append(t("why.regions", regions=len(outcome.maps)))
    return parts
