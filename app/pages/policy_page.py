"""What the policy lab's page is made of: its form, the table of counts, the curve, and the frame tables."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from app.pages.formats import count
from app.pages.frame_table import frame_table
from app.policy_lab import (
    CURVE_WORK,
    TABLE_FRAMES,
    TABLE_STEPS,
    LabAnswer,
    LabError,
    LabQuestion,
    LabRun,
    ask,
    policies_named,
)
from app.words import t, word
from engine.policies import PATTERNS, Pattern, PolicyName

if TYPE_CHECKING:
    from collections.abc import Mapping

    from markupsafe import Markup

    from engine.policies import MissCurve

NAMES: Final = {
    PolicyName.FIFO: "FIFO",
    PolicyName.LRU: "LRU",
    PolicyName.CLOCK: "CLOCK",
    PolicyName.LINUX: "Linux",
    PolicyName.OPT: "OPT",
}
BELADY: Final = "1 2 3 4 1 2 5 1 2 3 4 5"
TEXTBOOK: Final = "7 0 1 2 0 3 0 4 2 3 0 3 2 1 2 0 1 7 0 1"
_CURVE_MAXIMUM: Final = 12


@dataclass(frozen=True, slots=True)
class LabForm:
    """What was typed, as it was typed."""

    trace: str = TEXTBOOK
    unit: str = "pages"
    kind: str = ""
    length: str = "2000"
    pages: str = "64"
    seed: str = "1"
    frames: str = "3"
    policies: tuple[str, ...] = tuple(PolicyName)
    first: str = "0"

    @classmethod
    def of(cls, values: Mapping[str, str], policies: tuple[str, ...]) -> LabForm:
        """From a query's or a form's fields; what is missing is as in the example."""
        form = cls()
        typed = {field.name for field in fields(cls)} - {"policies"}
        # A form whose boxes are all unticked sends none: then it says so by itself.
        chosen = policies if policies or "sent" in values else form.policies
        known: dict[str, Any] = {name: value.strip() for name, value in values.items() if name in typed}
        return replace(form, **known, policies=chosen)

    def question(self) -> LabQuestion:
        """As the lab takes it. Raises LabError."""
        source: str | Pattern = self.trace
        if self.kind:
            source = Pattern(
                self.kind, _number("length", self.length), _number("pages", self.pages), _number("seed", self.seed)
            )
        if self.unit not in ("pages", "addresses"):
            raise LabError("unit", f"unit is {self.unit!r}; it can be pages or addresses")
        frames = _number("frames", self.frames)
        return LabQuestion(
            source,
            frames,
            policies_named([*self.policies]),
            page_shift=12 if self.unit == "addresses" else 0,
            first=_number("first", self.first),
            steps=TABLE_STEPS,
            curve_to=min(max(frames + 3, 5), _CURVE_MAXIMUM),
        )


@dataclass(frozen=True, slots=True)
class ResultRow:
    """One policy's line."""

    name: str
    rule: str
    hits: str
    misses: str
    evictions: str
    written: str
    rate: str
    percent: int
    best: bool
    """As few misses as the best of those that do not know the future."""


@dataclass(frozen=True, slots=True)
class CurveRow:
    """One policy's misses by frames: (misses, more than with one frame fewer)."""

    name: str
    cells: tuple[tuple[str, bool], ...]


@dataclass(frozen=True, slots=True)
class Example:
    """A link to something worth seeing."""

    words: str
    href: str


@dataclass(frozen=True, slots=True)
class PolicyPage:
    """/policies."""

    form: LabForm
    error: LabError | None = None
    summary: str = ""
    rows: tuple[ResultRow, ...] = ()
    written: bool = False
    curve: tuple[CurveRow, ...] = ()
    curve_frames: tuple[int, ...] = ()
    anomaly: str = ""
    tables: tuple[Markup, ...] = ()
    no_tables: str = ""
    shown: str = ""
    earlier: int | None = None
    later: int | None = None

    @property
    def choices(self) -> tuple[tuple[str, str, str, bool], ...]:
        """(value, name, rule, ticked) of each policy."""
        return tuple(
            (policy.value, NAMES[policy], _rule(policy), policy.value in self.form.policies) for policy in PolicyName
        )

    @property
    def patterns(self) -> tuple[tuple[str, str], ...]:
        """(value, words) of each pattern."""
        return tuple((kind, word("lab.patterns", kind, kind)) for kind in PATTERNS)

    @property
    def examples(self) -> tuple[Example, ...]:
        """Links into the page itself."""
        return _examples()


def policy_page(form: LabForm) -> PolicyPage:
    """The page with its results. Raises LabError."""
    question = form.question()
    found = ask(question)
    total = len(found.trace.pages)
    written = any(found.trace.writes)
    drawn = question.frames <= TABLE_FRAMES and question.first < total
    last = min(question.first + TABLE_STEPS, total)
    return PolicyPage(
        form=form,
        summary=t("lab.summary", references=total, pages=found.distinct, frames=question.frames),
        rows=_rows(found),
        written=written,
        curve=tuple(_curve(curve) for curve in found.curves),
        curve_frames=tuple(range(1, len(found.curves[0].misses) + 1)) if found.curves else (),
        anomaly=_anomaly(found),
        tables=tuple(frame_table(each, NAMES[each.run.policy]) for each in found.runs) if drawn else (),
        no_tables="" if drawn else _why_no_tables(question, total),
        shown=t("lab.shown", first=question.first + 1, last=last, total=total) if drawn else "",
        earlier=max(0, question.first - TABLE_STEPS) if drawn and question.first else None,
        later=last if drawn and last < total else None,
    )


def _rows(found: LabAnswer) -> tuple[ResultRow, ...]:
    rivals = {each.run.misses for each in found.runs if each.run.policy is not PolicyName.OPT}
    best = min(rivals) if len(rivals) > 1 else -1
    return tuple(_row(each, len(found.trace.pages), best) for each in found.runs)


def _row(each: LabRun, total: int, best: int) -> ResultRow:
    run = each.run
    return ResultRow(
        name=NAMES[run.policy],
        rule=_rule(run.policy),
        hits=count(run.hits),
        misses=count(run.misses),
        evictions=count(run.evictions),
        written=count(each.written_back),
        rate=f"{100 * run.hits / total:.1f} %",
        percent=round(100 * run.hits / total),
        best=run.misses == best and run.policy is not PolicyName.OPT,
    )


def _curve(curve: MissCurve) -> CurveRow:
    worse = set(curve.anomalies)
    cells = tuple((count(misses), frames in worse) for frames, misses in enumerate(curve.misses, 1))
    return CurveRow(NAMES[curve.policy], cells)


def _anomaly(found: LabAnswer) -> str:
    for curve in found.curves:
        for frames in curve.anomalies:
            fewer, more = curve.misses[frames - 2 : frames]
            policy = NAMES[curve.policy]
            return t("lab.anomaly", policy=policy, more=more, frames=frames, fewer=fewer, fewer_frames=frames - 1)
    return ""


def _why_no_tables(question: LabQuestion, total: int) -> str:
    if question.frames > TABLE_FRAMES:
        return t("lab.too_many_frames", frames=TABLE_FRAMES)
    return t("lab.no_such_reference", reference=question.first + 1, total=total)


def _rule(policy: PolicyName) -> str:
    return word("lab.rules", policy)


def _number(field: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 19):
        raise LabError(field, f"{field} is {text[:30]!r}; write a whole number")
    return int(text)


def _example(words: str, **fields: str | int) -> Example:
    return Example(words, "/policies?" + urlencode(fields))


def _examples() -> tuple[Example, ...]:
    return (
        _example(t("lab.example_textbook"), trace=TEXTBOOK, frames=3),
        _example(t("lab.example_belady"), trace=BELADY, frames=4),
        _example(t("lab.example_loop"), kind="loop", length=60, pages=5, frames=4),
        _example(t("lab.example_scan"), kind="scan", length=CURVE_WORK // 12, pages=12, frames=16),
        _example(t("lab.example_zipf"), kind="zipf", length=5000, pages=100, frames=10),
        _example(t("lab.example_shift"), kind="shift", length=2000, pages=32, frames=8),
    )
