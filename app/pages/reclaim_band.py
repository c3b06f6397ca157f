"""Reclaim on the page: the watermarks through the step, who was woken or stalled, where pages went, the lists, the OOM killer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from app.pages import formats, keys
from app.pages.names import listed
from app.pages.svg_reclaim import curve_svg
from app.words import t, word

if TYPE_CHECKING:
    from markupsafe import Markup

    from app.pages.marks import Chosen, Mark, Marks
    from engine.views.lru_lists import LruPage, LruPages
    from engine.views.oom import LogLine, OomCandidate, OomView
    from engine.views.reclaim import ReclaimView
    from engine.views.reclaim_step import FreeCurve, ReclaimStepView, Work
    from engine.views.swap_slot import UsedSlot

_LETTERS: Final = {
    "inactive_anon": "A",
    "active_anon": "A",
    "inactive_file": "F",
    "active_file": "F",
    "unevictable": "U",
}
_LOG_LINES: Final = 60


@dataclass(frozen=True, slots=True)
class CurvePart:
    """One zone's free pages through the step."""

    zone: str
    drawing: Markup
    words: str


@dataclass(frozen=True, slots=True)
class FlowRow:
    """What happened so often in the step, and its time."""

    words: str
    count: str
    time: str
    each: str


@dataclass(frozen=True, slots=True)
class PageBox:
    """A page on a list. `used`: its accessed bit is set."""

    mark: Mark
    href: str
    letter: str
    used: bool
    said: str


@dataclass(frozen=True, slots=True)
class ListPart:
    """One list: the ends that are drawn, oldest first, and how many pages lie between."""

    name: str
    owner: str
    pages: str
    oldest: tuple[PageBox, ...]
    between: str
    more: str
    """How many are younger than `oldest`."""
    youngest: tuple[PageBox, ...]


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """One process as the OOM killer weighs it."""

    process: str
    cells: tuple[str, ...]
    worst: bool


@dataclass(frozen=True, slots=True)
class SwapPart:
    """The swap area: how much of it is used, in words and as a percentage."""

    words: str
    percent: int
    slots: tuple[SlotBox, ...]
    more: str


@dataclass(frozen=True, slots=True)
class SlotBox:
    """One slot that is used."""

    mark: Mark
    href: str
    number: int
    said: str


@dataclass(frozen=True, slots=True)
class ReclaimBand:
    """The band: what happened in this step, and which pages are looked at next."""

    summary: str
    stories: tuple[str, ...]
    lists: tuple[ListPart, ...]
    swap: SwapPart | None
    curves: tuple[CurvePart, ...]
    """Only of a step in which somebody reclaimed."""


@dataclass(frozen=True, slots=True)
class StepPanel:
    """Reclaim in this step, counted, and the lists with more of their pages."""

    lost: bool
    curves: tuple[CurvePart, ...]
    """Empty where the band itself draws them."""
    flows: tuple[FlowRow, ...]
    moves: tuple[str, ...]
    waited: str
    waited_percent: int
    thrashing: str
    lists: tuple[ListPart, ...]


@dataclass(frozen=True, slots=True)
class OomPanel:
    """Whom the OOM killer would take, and the kernel's log."""

    scores: tuple[ScoreRow, ...]
    words: str
    log: str


def reclaim_band(
    step: ReclaimStepView,
    reclaim: ReclaimView,
    lists: tuple[LruPages, ...],
    used: tuple[UsedSlot, ...],
    chosen: Chosen,
    marks: Marks,
) -> ReclaimBand:
    """The band. `lists` are drawn as long as they are."""
    stories = _stories(step)
    shown = (one for one in lists if one.pages or one.name != "unevictable")
    return ReclaimBand(
        summary=_summary(reclaim),
        stories=stories,
        lists=tuple(_list(one, chosen, marks) for one in shown),
        swap=_swap(reclaim, used, chosen, marks),
        curves=_curves(step) if stories else (),
    )


def step_panel(step: ReclaimStepView, lists: tuple[LruPages, ...], chosen: Chosen, marks: Marks) -> StepPanel:
    """The panel of reclaim's work."""
    percent = round(100 * step.io_wait_ns / step.time_ns) if step.time_ns else 0
    return StepPanel(
        lost=step.lost,
        curves=() if _stories(step) else _curves(step),
        flows=_flows(step),
        moves=_moves(step),
        waited=_of(formats.duration(step.io_wait_ns), formats.duration(step.time_ns)),
        waited_percent=percent,
        thrashing=_thrashing(step),
        lists=tuple(_list(one, chosen, marks) for one in lists),
    )


def step_summary(step: ReclaimStepView) -> str:
    """What the step cost."""
    return t("reclaim.step_summary", major=step.major.count, out=step.swapped_out, in_=step.swapped_in)


def oom_panel(oom: OomView, log: tuple[LogLine, ...]) -> OomPanel:
    """The panel of the OOM killer."""
    return OomPanel(
        scores=tuple(_score(candidate) for candidate in oom.candidates),
        words=t("oom.total", pages=oom.total_pages, kills=oom.kills),
        log="\n".join(f"[{line.ns / 1e9:12.6f}] {line.text}" for line in log[-_LOG_LINES:]),
    )


def _summary(reclaim: ReclaimView) -> str:
    if not reclaim.kswapd_runs:
        return t("reclaim.never_ran", pages=reclaim.stolen)
    return t("reclaim.ran", runs=reclaim.kswapd_runs, pages=reclaim.stolen)


def _swap(reclaim: ReclaimView, slots: tuple[UsedSlot, ...], chosen: Chosen, marks: Marks) -> SwapPart | None:
    if not reclaim.swap_pages:
        return None
    used = formats.pages(reclaim.swap_used) if reclaim.swap_used else "0"
    percent = -(-100 * reclaim.swap_used // reclaim.swap_pages)
    more = reclaim.swap_used - len(slots)
    return SwapPart(
        _of(used, formats.pages(reclaim.swap_pages)),
        percent,
        tuple(_slot(slot, chosen, marks) for slot in slots),
        f"{more:,}" if more > 0 else "",
    )


def _slot(slot: UsedSlot, chosen: Chosen, marks: Marks) -> SlotBox:
    mark = marks.of(keys.swap(slot.slot))
    said = t("reclaim.slot_cached" if slot.cached else "reclaim.slot", slot=slot.slot, entries=slot.count) + mark.said
    return SlotBox(mark, chosen.href_at(f"swap {slot.slot}"), slot.slot, said)


def _of(part: str, whole: str) -> str:
    return t("reclaim.of", part=part, whole=whole)


def _curves(step: ReclaimStepView) -> tuple[CurvePart, ...]:
    return tuple(_curve(curve, step) for curve in step.curves if len(curve.points) > 1)


def has_stories(step: ReclaimStepView) -> bool:
    """Whether the band tells anything of the step at all."""
    return bool(step.woken or step.kswapd.count or step.stalls or step.killed)


def _stories(step: ReclaimStepView) -> tuple[str, ...]:
    """Who was woken, stalled or killed, a sentence each."""
    found = []
    if step.woken:
        first = step.woken[0]
        times, zone, free, low = len(step.woken), first.zone, first.free_pages, first.low
        if times > 1:
            found.append(t("reclaim.woken_again", times=times, zone=zone, free=free, low=low))
        else:
            found.append(t("reclaim.woken", zone=zone, free=free, low=low))
    if step.kswapd.count:
        found.append(t("reclaim.kswapd_ran", time=formats.duration(step.kswapd.ns)))
    if step.stalls:
        waited = formats.duration(sum(stall.ns for stall in step.stalls))
        freed = sum(stall.freed for stall in step.stalls)
        found.append(t("reclaim.stalled", times=len(step.stalls), waited=waited, freed=freed))
    for pid, scores in step.killed:
        points = listed(t("reclaim.points", pid=other, points=many) for other, many in scores)
        found.append(t("reclaim.killed", pid=pid, points=points))
    return tuple(found)


def _curve(curve: FreeCurve, step: ReclaimStepView) -> CurvePart:
    least = min(free for _, free in curve.points)
    start, end = curve.points[0][1], curve.points[-1][1]
    words = t(
        "reclaim.curve_words",
        zone=curve.zone,
        start=start,
        end=end,
        least=least,
        min=curve.min_mark,
        low=curve.low_mark,
        high=curve.high_mark,
    )
    woken = tuple(each.ns for each in step.woken if each.zone == curve.zone)
    stalled = tuple(each.start_ns for each in step.stalls)
    return CurvePart(curve.zone, curve_svg(curve, woken, stalled, words), words)


def _flows(step: ReclaimStepView) -> tuple[FlowRow, ...]:
    rows = (
        (t("reclaim.minor"), step.minor),
        (t("reclaim.major"), step.major),
        (t("reclaim.swapped_out"), step.swapped_out),
        (t("reclaim.swapped_in"), step.swapped_in),
        (t("reclaim.read"), step.read),
        (t("reclaim.written"), step.written),
        (t("reclaim.dropped"), step.dropped),
    )
    return tuple(_flow(words, found) for words, found in rows)


def _flow(words: str, found: Work | int) -> FlowRow:
    if isinstance(found, int):
        return FlowRow(words, formats.count(found), "", "")
    each = formats.duration(found.ns // found.count) if found.count else ""
    return FlowRow(words, formats.count(found.count), formats.duration(found.ns) if found.count else "", each)


def _moves(step: ReclaimStepView) -> tuple[str, ...]:
    """What became of the pages that were looked at, anonymous ones and files'."""
    return tuple(
        t(
            "reclaim.moves_anon" if moves is step.anon else "reclaim.moves_file",
            scanned=moves.scanned,
            freed=moves.freed,
            kept=moves.kept,
            activated=moves.activated,
            deactivated=moves.deactivated,
        )
        for moves in (step.anon, step.file)
        if moves.scanned or moves.deactivated
    )


def _thrashing(step: ReclaimStepView) -> str:
    """The step's major faults as a share of its time."""
    if not step.major.count or not step.ns:
        return ""
    share = min(100, round(100 * step.major.ns / step.ns))
    thrashes = share >= 50 and step.swapped_in and step.swapped_out
    return t("reclaim.thrashes" if thrashes else "reclaim.in_majors", percent=share)


def _list(one: LruPages, chosen: Chosen, marks: Marks) -> ListPart:
    letter = _LETTERS[one.name]
    between = one.pages - len(one.oldest) - len(one.youngest)
    return ListPart(
        name=word("reclaim.list", one.name),
        owner="anonymous" if letter == "A" else "file" if letter == "F" else "kernel",
        pages=formats.count(one.pages),
        oldest=tuple(_box(page, letter, chosen, marks) for page in one.oldest),
        between=t("reclaim.between", count=between) if between > 0 else "",
        more=f"{one.pages - len(one.oldest):,}" if one.pages > len(one.oldest) else "",
        youngest=tuple(_box(page, letter, chosen, marks) for page in one.youngest),
    )


def _box(page: LruPage, letter: str, chosen: Chosen, marks: Marks) -> PageBox:
    slot = () if page.slot is None else (keys.swap(page.slot),)
    mark = marks.of(keys.frame(page.pfn), *(keys.page(place.address >> 12) for place in page.mapped_at), *slot)
    words = [t("reclaim.page_frame", pfn=formats.pfn(page.pfn))]
    words += [t("here.place", pid=place.pid, address=formats.address(place.address)) for place in page.mapped_at[:2]]
    if page.file is not None:
        words.append(t("reclaim.page_of", page=page.file.index, path=page.file.path))
    if page.slot is not None:
        words.append(t("reclaim.page_slot", slot=page.slot))
    bits = (
        (t("reclaim.page_accessed"), page.accessed),
        (t("reclaim.page_referenced"), page.referenced),
        (t("reclaim.page_dirty"), page.dirty),
        (t("reclaim.page_written"), page.writeback),
    )
    words += [name for name, on in bits if on]
    return PageBox(mark, chosen.frame_href(page.pfn), letter, page.accessed, listed(words) + mark.said)


def _score(candidate: OomCandidate) -> ScoreRow:
    points = t("oom.never") if candidate.points is None else formats.count(candidate.points)
    figures = (candidate.rss, candidate.swap, candidate.tables, candidate.adjustment)
    cells = (*map(formats.count, figures), points, formats.count(candidate.oom_score))
    return ScoreRow(f"{candidate.pid} {candidate.name}", cells, candidate.worst)
