"""Several processes side by side: what each has, and the same pages of all of them, shared or parted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from markupsafe import Markup

from app.pages import formats, keys
from app.pages.marks import Mark
from app.words import t
from engine import views

if TYPE_CHECKING:
    from app.pages.looking import Looking
    from app.pages.marks import Chosen, Marks
    from engine.views.address_space import AddressSpaceView
    from engine.views.changes import ChangesView
    from engine.views.page_sharing import PageOfProcess, PageSharingView, ProcessRow
    from engine.views.processes import ProcessView

CARDS_SHOWN: Final = 4
ROWS_SHOWN: Final = 3
PAGES_SHOWN: Final = 6
"""Processes whose pages are shown one by one."""
_STRIP_HEIGHT: Final = 30
_REGION_GAP: Final = 2
_TIMES: Final = "\N{MULTIPLICATION SIGN}"


@dataclass(frozen=True, slots=True)
class ProcessCard:
    """One process: its sizes, and its regions drawn as boxes that are filled as far as they are resident."""

    pid: int
    href: str
    current: bool
    living: bool
    title: str
    state: str
    prefix: str
    """What a command begins with to be done by it."""
    strip: Markup
    figures: tuple[tuple[str, str], ...]
    fork_child: int
    """The number that a child would get."""


@dataclass(frozen=True, slots=True)
class PageCell:
    """One page of one process."""

    mark: Mark
    href: str
    kind: str
    """shared, own, zero, swapped, empty or unmapped."""
    text: str
    under: str
    said: str


@dataclass(frozen=True, slots=True)
class PageRow:
    """The pages of one process, under the same addresses as those of the others."""

    name: str
    cells: tuple[PageCell, ...]


@dataclass(frozen=True, slots=True)
class ProcessesPanel:
    """Who runs on the machine."""

    cards: tuple[ProcessCard, ...]
    left_out: int
    heads: tuple[str, ...]
    rows: tuple[PageRow, ...]
    words: str
    """The pages in one sentence, for who cannot see them."""


def processes_panel(look: Looking, chosen: Chosen, marks: Marks) -> ProcessesPanel:
    """The panel, around the chosen address."""
    processes, changes = look.processes, look.changes
    sharing = views.page_sharing(look.machine, chosen.at.address, chosen.pid)
    living = [process for process in processes if process.ended is None]
    ended = [process for process in processes if process.ended is not None]
    shown = (living + ended[::-1])[:CARDS_SHOWN]
    child = next(number for number in range(1, len(processes) + 2) if all(one.pid != number for one in processes))
    runs = next((process.pid for process in processes if process.running), None)
    number = chosen.at.address - sharing.start >> formats.PAGE_SHIFT
    shown_pages = slice(number // PAGES_SHOWN * PAGES_SHOWN, (number // PAGES_SHOWN + 1) * PAGES_SHOWN)
    rows = tuple(
        _row(row, shown_pages, changes if row.pid == runs else None, chosen, marks)
        for row in _of_interest(sharing, chosen.pid)
    )
    return ProcessesPanel(
        cards=tuple(
            _card(process, look.space(process.pid) if process.ended is None else None, child, chosen)
            for process in shown
        ),
        left_out=len(processes) - len(shown),
        heads=tuple(f"{address:08x}" for address in range(sharing.start, sharing.end, 1 << formats.PAGE_SHIFT))[
            shown_pages
        ]
        if rows
        else (),
        rows=rows,
        words=_words(sharing),
    )


def _of_interest(sharing: PageSharingView, pid: int) -> list[ProcessRow]:
    """The first processes' rows, the chosen one's among them."""
    others = [row for row in sharing.rows if row.pid != pid][: ROWS_SHOWN - 1]
    return [row for row in sharing.rows if row.pid == pid or row in others]


def processes_summary(processes: tuple[ProcessView, ...]) -> str:
    """How many there are."""
    ended = sum(process.ended is not None for process in processes)
    living = len(processes) - ended
    if ended:
        return t("processes.summary_ended", living=living, ended=ended)
    return t("processes.summary", living=living)


def _card(process: ProcessView, space: AddressSpaceView | None, child: int, chosen: Chosen) -> ProcessCard:
    who = t("processes.program") if process.parent is None else t("processes.child_of", parent=process.parent)
    living = process.ended is None
    return ProcessCard(
        pid=process.pid,
        href=f"?pid={process.pid}",
        current=process.pid == chosen.pid,
        living=living,
        title=t("processes.title", pid=process.pid),
        state=t("processes.state", who=who, state=_state(process)),
        prefix=f"@{process.pid} …",
        strip=_strip(space) if space is not None else Markup(""),
        figures=_figures(process) if living else (),
        fork_child=child,
    )


def _state(process: ProcessView) -> str:
    if process.ended is None:
        return t("processes.on_cpu" if process.running else "processes.waits")
    if process.ended.termsig:
        return t("processes.ended_by", signal=process.ended.termsig)
    return t("processes.exited", code=process.ended.code)


def _figures(process: ProcessView) -> tuple[tuple[str, str], ...]:
    swap = ((t("processes.in_swap"), formats.pages(process.swap_rss)),) if process.swap_rss else ()
    return (
        (t("processes.virtual"), formats.pages(process.total_vm)),
        (t("processes.resident"), formats.pages(process.rss)),
        *swap,
        (t("processes.faults"), t("processes.faults_are", minor=process.min_faults, major=process.maj_faults)),
        (t("processes.page_tables"), formats.pages(process.page_tables)),
    )


def _strip(space: AddressSpaceView) -> Markup:
    """A box a region, as wide as the logarithm of its size, filled from below as far as it is resident."""
    paths: dict[str, list[str]] = {}
    at = 0
    for region in space.regions:
        width = 4 + 5 * max(1, region.pages.bit_length())
        kind = f"r-{region.kind.value}"
        paths.setdefault(f"room {kind}", []).append(f"M{at} 0h{width}v{_STRIP_HEIGHT}h-{width}z")
        filled = max(2, _STRIP_HEIGHT * region.resident // region.pages) if region.resident else 0
        if filled:
            paths.setdefault(kind, []).append(f"M{at} {_STRIP_HEIGHT - filled}h{width}v{filled}h-{width}z")
        at += width + _REGION_GAP
    shapes = "".join(f'<path class="{kind}" d="{"".join(parts)}"/>' for kind, parts in paths.items())
    return Markup(  # noqa: S704 - numbers and our own names
        f'<svg class="spread" viewBox="0 0 {max(at, 1)} {_STRIP_HEIGHT}" preserveAspectRatio="none" aria-hidden="true">'
        f"{shapes}</svg>"
    )


# --- the same pages ---------------------------------------------------------------------------------------------------


def _row(row: ProcessRow, shown: slice, changes: ChangesView | None, chosen: Chosen, marks: Marks) -> PageRow:
    cells = tuple(_cell(row.pid, page, changes, chosen, marks) for page in row.pages[shown])
    return PageRow(t("processes.title", pid=row.pid), cells)


def _cell(pid: int, page: PageOfProcess, changes: ChangesView | None, chosen: Chosen, marks: Marks) -> PageCell:
    vpn = page.address >> formats.PAGE_SHIFT
    kind, text, under = _looks(page)
    key = keys.page(vpn) if page.pfn is None else keys.frame(page.pfn)
    mark = Mark(
        key=key,
        keys=keys.join(keys.page(vpn), *(() if page.slot is None else (keys.swap(page.slot),))),
        selected=pid == chosen.pid and keys.page(vpn) in marks.selected,
        changed=changes is not None and vpn in changes.pages,
    )
    said = t("processes.cell_said", pid=pid, address=formats.address(page.address), what=_said(page)) + mark.said
    return PageCell(mark, chosen.href_of(page.address, pid), kind, text, under, said)


def _looks(page: PageOfProcess) -> tuple[str, str, str]:
    """(kind, what stands in the cell, what stands below it)."""
    if page.slot is not None:
        return "swapped", str(page.slot), t("processes.under_swap")
    if page.pfn is None:
        return ("empty", "-", "") if page.mapped else ("unmapped", "", "")
    if page.zero:
        return "zero", f"{page.pfn:05x}", t("processes.under_zeros")
    rights = "rw" if page.writable else "r"
    return (
        ("shared", f"{page.pfn:05x}", f"{rights} {_TIMES}{page.mapcount}")
        if page.shared
        else (
            "own",
            f"{page.pfn:05x}",
            rights,
        )
    )


def _said(page: PageOfProcess) -> str:
    if page.slot is not None:
        return t("processes.in_slot", slot=page.slot)
    if page.pfn is None:
        return t("processes.no_frame" if page.mapped else "processes.no_region")
    if page.zero:
        return t("processes.zero_page", pfn=formats.pfn(page.pfn))
    return t(
        "processes.frame_shared" if page.shared else "processes.frame_own",
        pfn=formats.pfn(page.pfn),
        references=page.refcount,
        mappings=page.mapcount,
        rights=t("processes.may_write" if page.writable else "processes.read_only"),
    )


def _words(sharing: PageSharingView) -> str:
    frames = {page.pfn for row in sharing.rows for page in row.pages if page.shared}
    if not frames:
        return t("processes.none_shared")
    return t("processes.shared", frames=len(frames))
