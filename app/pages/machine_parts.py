"""A machine's page, part by part. Each part has one template, one typed context, and a digest of that context.

A browser that shows a part with the digest that it would get now keeps what it has: such a part is neither drawn nor sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final, NamedTuple

from app.pages import formats, keys
from app.pages.choosing import choose, last_step
from app.pages.command_forms import FieldBox, FormGroup, Refused, form_groups, words_box
from app.pages.damage_panel import DamagePanel, damage_panel
from app.pages.desk_panel import OnTheDesk
from app.pages.fault_panel import FaultPanel, fault_panel
from app.pages.heap_band import HeapBand, heap_band, heap_part
from app.pages.here_facts import Fact, facts
from app.pages.ledger_band import LedgerBand, ledger_band
from app.pages.looking import Looking
from app.pages.marks import Chosen, Mark, Marks, marks
from app.pages.panels import Setting, panels
from app.pages.physical_band import frame_part, physical_band
from app.pages.reclaim_band import ReclaimBand, has_stories, reclaim_band
from app.pages.slabs_panel import KernelPointer, kernel_pointers
from app.pages.space_band import SpaceBand, space_band
from app.pages.space_part import pages_svg, space_part, space_zoom
from app.pages.timeline import timeline
from app.pages.walk_band import WalkBand, walk_band
from app.pages.why_panel import Why, why
from app.pages.zoom import ZoomBar
from app.words import language, refusal, t
from engine import views
from engine.views.address_space import KERNEL_START

if TYPE_CHECKING:
    from app.pages.shown import Shown
    from engine.machine import Machine
    from engine.session import Session
    from engine.views.heap import HeapView
    from engine.views.processes import ProcessView
    from engine.views.swap_slot import UsedSlot

POINTERS_SHOWN: Final = 16
LIST_ENDS: Final = 4
"""Pages of a list that the band of reclaim draws, the oldest."""
SLOTS_SHOWN: Final = 4
"""Slots of the swap area that it draws."""


@dataclass(frozen=True)
class Part:
    """One part of the page: its name, what draws it, and what from."""

    name: str
    template: str
    page: object

    @cached_property
    def digest(self) -> str:
        """Equal while the part would be drawn the same. It means something to this server process alone."""
        return f"{hash((self.template, self.page, language().tag)) & 0xFFFFFFFFFFFF:x}"


class MachinePage(NamedTuple):
    """All parts, and what the answer as a whole needs."""

    title: str
    version: int
    parts: tuple[Part, ...]
    wrong: bool
    """Something that was typed could not be done."""


@dataclass(frozen=True, slots=True)
class TopPart:
    """The head of the page: the machine and its processes."""

    size: str
    tabs: tuple[ProcessTab, ...]


@dataclass(frozen=True, slots=True)
class ProcessTab:
    """One process to look at."""

    pid: int
    href: str
    words: str
    current: bool


@dataclass(frozen=True, slots=True)
class SaidPart:
    """What a screen reader is told after each change."""

    words: str


@dataclass(frozen=True, slots=True)
class WordsPart:
    """The field that takes a command in words."""

    id: str
    pid: int
    several: bool
    words: FieldBox
    slots: tuple[str, ...]
    """Suggested where a pointer is wanted."""


@dataclass(frozen=True, slots=True)
class PointersPart:
    """The pointer variables, the program's and the kernel's."""

    pointers: tuple[PointerRow, ...]
    left_out: int
    kernel: tuple[KernelPointer, ...]


@dataclass(frozen=True, slots=True)
class PointerRow:
    """A pointer variable."""

    mark: Mark
    href: str
    name: str
    address: str
    note: str


@dataclass(frozen=True, slots=True)
class FormsPart:
    """A form for each common command of one group."""

    id: str
    pid: int
    groups: tuple[FormGroup, ...]


@dataclass(frozen=True, slots=True)
class WhyPart:
    """Why the last step happened."""

    version: int
    why: Why
    faults: FaultPanel


@dataclass(frozen=True, slots=True)
class KnownPart:
    """Everything about what is chosen."""

    pid: int
    about: str
    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class DamagePart:
    """What went wrong, if anything did."""

    id: str
    pid: int
    version: int
    wrong: DamagePanel | None


@dataclass(frozen=True, slots=True)
class HeapPage:
    """What malloc manages."""

    heap: HeapBand


@dataclass(frozen=True, slots=True)
class SpacePage:
    """What the process believes."""

    space: SpaceBand
    ended: str


@dataclass(frozen=True, slots=True)
class WalkPage:
    """How the CPU finds it."""

    walk: WalkBand
    pid: int
    at_value: str
    at_error: str


@dataclass(frozen=True, slots=True)
class PhysicalPage:
    """What there is."""

    zoom: ZoomBar
    pid: int
    frame_value: str
    frame_error: str


@dataclass(frozen=True, slots=True)
class ReclaimPage:
    """What goes first."""

    id: str
    reclaim: ReclaimBand


@dataclass(frozen=True, slots=True)
class LedgerPage:
    """Whose each frame is."""

    ledger: LedgerBand


def machine_page(
    session: Session, machine_id: str, shown: Shown, refused: Refused | None = None, brought: OnTheDesk | None = None
) -> MachinePage:
    """The page of a machine as it stands. It only looks."""
    machine, look = session.machine, Looking(session)
    pid = shown.pid if shown.pid in machine.processes else 0
    chosen, place_error = choose(session, shown, pid, look.heap_of)
    pid = chosen.pid
    found = marks(machine, chosen, look.changes, look.space(pid))
    desk = brought or OnTheDesk()
    setting = Setting(look, machine_id, shown, chosen, found, desk)
    parts = [
        *_hands(setting, refused),
        *_reasons(setting),
        *_bands(setting, place_error),
        Part("time", "machine_time.html", timeline(session, machine_id, pid, desk.branches, _lost(refused))),
    ]
    parts += (Part(name, "machine_panel.html", panel) for name, panel in panels(setting).items())
    said = _announced(session, parts, refused)
    parts.append(Part("said", "machine_said.html", SaidPart(said)))
    wrong = refused is not None or bool(place_error) or bool(desk.noted.mistakes)
    return MachinePage(
        t("page.machine", size=formats.size(machine.config.ram_mb << 20)), session.version, tuple(parts), wrong
    )


# --- the hands: what one may do --------------------------------------------------------------------------------------


def _hands(of: Setting, refused: Refused | None) -> list[Part]:
    machine, chosen, look = of.look.machine, of.chosen, of.look
    pid = chosen.pid
    process = next(one for one in look.processes if one.pid == pid)
    slots = tuple(slot.name for slot in process.slots)
    groups = form_groups(slots, frozenset(machine.processes), refused, paging=machine.cpu.paging)
    several = len(look.processes) > 1
    pointers = PointersPart(
        _pointers(process, look.heap(pid), chosen, of.marks),
        max(0, len(slots) - POINTERS_SHOWN),
        kernel_pointers(machine, chosen, of.marks),
    )
    tabs = tuple(_tab(one, pid) for one in look.processes)
    return [
        Part("top", "machine_top.html", TopPart(_size(machine), tabs)),
        Part(
            "words",
            "machine_words.html",
            WordsPart(of.machine_id, pid, several, words_box(refused), slots[-POINTERS_SHOWN:]),
        ),
        Part("pointers", "machine_pointers.html", pointers),
        *(
            Part(f"forms{number}", "machine_forms.html", FormsPart(of.machine_id, pid, (group,)))
            for number, group in enumerate(groups, 1)
        ),
    ]


def _size(machine: Machine) -> str:
    swapped = machine.config.swap_mb << 20
    swap = t("start.swap_size", size=formats.size(swapped)) if swapped else t("machine.no_swap")
    zones = " + ".join(zone.name for zone in machine.kernel.page_alloc.zones)
    return f"{formats.size(machine.config.ram_mb << 20)} · {zones} · {swap}"


def _tab(process: ProcessView, pid: int) -> ProcessTab:
    ended = process.ended is not None
    words = t("processes.title_ended" if ended else "processes.title", pid=process.pid)
    return ProcessTab(process.pid, f"?pid={process.pid}", words, process.pid == pid)


def _pointers(process: ProcessView, heap: HeapView, chosen: Chosen, found: Marks) -> tuple[PointerRow, ...]:
    """The pointers that were set last, and the chosen ones."""
    last = len(process.slots) - POINTERS_SHOWN
    shown = [
        slot for number, slot in enumerate(process.slots) if number >= last or keys.slot(slot.name) in found.selected
    ]
    names = {slot.name for slot in shown}
    notes = {
        name: formats.size(chunk.size - 4) if chunk.in_use else t("forms.freed")
        for chunk in heap.chunks + heap.mapped
        for name in chunk.slots
        if name in names
    }
    return tuple(
        PointerRow(
            mark=found.of(keys.slot(slot.name), keys.page(slot.address >> formats.PAGE_SHIFT)),
            href=chosen.href(slot.address),
            name=slot.name,
            address=formats.address(slot.address) if slot.address else "NULL",
            note=notes.get(slot.name, ""),
        )
        for slot in shown
    )


# --- the reasons, and what is known ----------------------------------------------------------------------------------


def _reasons(of: Setting) -> list[Part]:
    session, machine, chosen = of.look.session, of.look.machine, of.chosen
    command, outcome = last_step(session)
    told = why(views.trace_tree(machine), command, outcome, of.marks)
    faults = fault_panel(views.fault_decisions(machine), chosen, of.marks)
    return [
        Part("why", "machine_why.html", WhyPart(session.version, told, faults)),
        Part("known", "machine_known.html", KnownPart(chosen.pid, _about(chosen), facts(chosen))),
    ]


def _about(chosen: Chosen) -> str:
    if chosen.words:
        return chosen.words
    if chosen.frame is not None and chosen.at.frame != chosen.frame:
        return t("frame.chosen", pfn=formats.pfn(chosen.frame.pfn))
    return formats.address(chosen.at.address)


# --- the bands: the way down -----------------------------------------------------------------------------------------


def _bands(of: Setting, place_error: str) -> list[Part]:
    look, chosen, found, shown = of.look, of.chosen, of.marks, of.shown
    machine, pid = look.machine, chosen.pid
    heap, bins, frames = look.heap(pid), look.bins(pid), look.frames(pid)
    process = next(one for one in look.processes if one.pid == pid)
    at_error, frame_error = ("", place_error) if shown.frame else (place_error, "")
    at_value = shown.at if at_error else chosen.words or formats.address(chosen.at.address)
    wrong = damage_panel(look.session, heap, bins, pid)
    part = frame_part(shown.frames, look.memory)
    slot = chosen.at.swap_slot if chosen.elsewhere is None else chosen.elsewhere.swap_slot
    around = None if slot is None else slot.slot
    used = look.kept.view(("used slots", around), lambda: views.used_slots(machine, SLOTS_SHOWN, around))
    physical = physical_band(look, part, chosen, found)
    return [
        Part("damage", "machine_damage.html", DamagePart(of.machine_id, pid, look.session.version, wrong)),
        Part(
            "heap",
            "machine_heap.html",
            HeapPage(heap_band(heap, bins, heap_part(heap, shown.heap), chosen, found, frames)),
        ),
        Part(
            "space",
            "machine_space.html",
            SpacePage(_space(of, frames), _ended(process)),
        ),
        Part("walk", "machine_walk.html", WalkPage(walk_band(chosen.at.walk, found), pid, at_value, at_error)),
        Part(
            "phys",
            "machine_physical.html",
            PhysicalPage(physical.zoom, pid, shown.frame if frame_error else "", frame_error),
        ),
        Part("zones", "machine_zones.html", physical.zones),
        Part("orders", "machine_orders.html", physical.orders),
        Part("around", "machine_around.html", physical.around),
        Part(
            "reclaim",
            "machine_reclaim.html",
            ReclaimPage(
                of.machine_id,
                _reclaim(of, used),
            ),
        ),
        Part("ledger", "machine_ledger.html", look.kept.part("ledger", lambda: LedgerPage(ledger_band(look.ledger)))),
    ]


def _space(of: Setting, frames: dict[int, int]) -> SpaceBand:
    look, chosen, part = of.look, of.chosen, space_part(of.shown.space)
    changed = look.changes.pages if look.machine.kernel.current.pid == chosen.pid else frozenset[int]()
    near = None if part is None else pages_svg(look.machine, part, look.codes, chosen, changed)
    zoom = space_zoom(part, chosen)
    return look.kept.part(
        ("space", chosen.pid, chosen.at.address >= KERNEL_START, zoom, near, of.marks.among("region:")),
        lambda: space_band(look.space(chosen.pid), zoom, near, chosen, of.marks, frames),
    )


def _reclaim(of: Setting, used: tuple[UsedSlot, ...]) -> ReclaimBand:
    """Accessed bits change in user mode: they are looked at each time, and the lists where they or the marks differ."""
    look, chosen, step = of.look, of.chosen, of.look.reclaim_step
    story, accessed = step if has_stories(step) else None, look.accessed(LIST_ENDS)
    return look.kept.part(
        ("reclaim", chosen.pid, story, accessed, used, of.marks.among("frame:", "swap:")),
        lambda: reclaim_band(step, look.reclaim, look.lists(LIST_ENDS), used, chosen, of.marks),
    )


def _ended(process: ProcessView) -> str:
    if process.ended is None:
        return ""
    if process.ended.termsig:
        return t("processes.ended_long", pid=process.pid, signal=process.ended.termsig)
    return t("processes.exited_long", pid=process.pid, code=process.ended.code)


# --- time ------------------------------------------------------------------------------------------------------------


def _lost(refused: Refused | None) -> str:
    """Why the machine could not go where it was sent."""
    return str(refused.error) if refused is not None and refused.op == "go" else ""


def _announced(session: Session, parts: list[Part], refused: Refused | None) -> str:
    """What a screen reader is told after each change."""
    if refused is not None:
        return t("time.not_done", field=refused.error.field, refusal=refusal(refused.error))
    if not session.version:
        return t("time.booted")
    told = next(part.page for part in parts if isinstance(part.page, WhyPart)).why
    total = len(session.commands)
    return t("time.announced", step=session.version, total=total, asked=told.asked, came=told.came)
