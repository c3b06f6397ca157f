"""One policy's frames, step by step, as a table: a column a reference, a row a frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

from markupsafe import Markup, escape

from app.words import t
from engine.policies import PolicyName

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.policy_lab import LabRun
    from engine.policies import Slot, Step


def frame_table(each: LabRun, name: str) -> Markup:
    """The steps of a run. Built as text: some two thousand cells would cost a template many times as much."""
    steps, hit, miss = each.steps, escape(t("lab.hit")), escape(t("lab.miss"))
    rows = [
        _row(t("lab.row_reference"), (f"<th scope=col>{page_words(step.page)}</th>" for step in steps), "refs"),
        *(
            _row(t("lab.row_frame", frame=frame), (_cell(step, frame, each.run.policy) for step in steps))
            for frame in range(each.run.frames)
        ),
        _row(
            "",
            (f"<td class=hit>{hit}</td>" if step.hit else f"<td class=miss>{miss}</td>" for step in steps),
            "verdict",
        ),
        _row(
            t("lab.row_evicted"),
            (f"<td>{'' if step.victim is None else page_words(step.victim)}</td>" for step in steps),
            "out",
        ),
    ]
    caption = escape(t("lab.caption", policy=name))
    return Markup(  # noqa: S704 - numbers and our own names; the caption is escaped
        f'<table class="frametable"><caption class="hidden">{caption}</caption>{"".join(rows)}</table>'
    )


def page_words(page: int) -> str:
    """A page's number: long ones as hexadecimal."""
    return str(page) if page < 10_000 else f"{page:#x}"


def _row(heading: str, cells: Iterable[str], kind: str = "") -> str:
    first = f"<th scope=row>{escape(heading)}</th>" if heading else "<td></td>"
    return f'<tr class="{kind}">{first}{"".join(cells)}</tr>'


def _cell(step: Step, frame: int, policy: PolicyName) -> str:
    slot = step.frames[frame]
    if slot is None:
        return "<td></td>"
    classes = []
    if frame == step.frame:
        classes.append("used" if step.hit else "came")
    if slot.place == 0:
        classes.append("next")
    attribute = f' class="{" ".join(classes)}"' if classes else ""
    return f"<td{attribute}>{page_words(slot.kept.page)}{_sign(slot, policy)}</td>"


def _sign(slot: Slot, policy: PolicyName) -> str:
    """What the policy knows of the page: CLOCK's reference bit; Linux's list, and a dot for the accessed bit."""
    kept = slot.kept
    if policy is PolicyName.CLOCK:
        return f"<sup>{int(bool(kept.referenced))}</sup>"
    if policy is PolicyName.LINUX:
        return f"<sup>{'a' if kept.active else 'i'}{'•' if kept.accessed else ''}</sup>"
    return ""
