"""What each page is made of: one typed context a template, put together from the engine's views."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from app.pages import formats, keys
from app.pages.books import Books, books
from app.pages.choosing import Wanted, choose, last_step, neighbours
from app.pages.command_forms import FieldBox, FormGroup, Refused, form_groups, words_box
from app.pages.command_words import words_of_command
from app.pages.desk_panel import Desk, OnTheDesk, desk
from app.pages.fault_panel import FaultPanel, fault_panel
from app.pages.first_picture import FirstPicture, first_picture
from app.pages.heap_band import HeapBand, heap_band
from app.pages.here_facts import Fact, facts
from app.pages.kernel_band import KernelBand, kernel_band
from app.pages.marks import Chosen, Mark, Marks, marks
from app.pages.memory_table import MemoryTable, memory_table
from app.pages.physical_band import PhysicalBand, physical_band
from app.pages.processes_band import ProcessesBand, processes_band
from app.pages.reclaim_band import ReclaimBand, reclaim_band
from app.pages.space_band import SpaceBand, space_band
from app.pages.tlb_panel import TlbPanel, tlb_panel
from app.pages.walk_band import WalkBand, walk_band
from app.pages.why_panel import Why, why
from app.scenarios import FIRST, Scenario, themes
from engine import views
from engine.views.machine import MachineView, Preset, presets

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.machine import Machine
    from engine.session import Session
    from engine.views.address_space import AddressSpaceView
    from engine.views.heap import HeapView
    from engine.views.processes import ProcessView

POINTERS_SHOWN: Final = 24
LINES_SHOWN: Final = 60
_PAGES_LOOKED_AT: Final = 512


@dataclass(frozen=True, slots=True)
class StartPage:
    """/: the machines to choose from."""

    presets: tuple[Preset, ...]
    themes: Mapping[str, tuple[Scenario, ...]]
    first: str
    picture: FirstPicture
    error: str = ""


@dataclass(frozen=True, slots=True)
class MissingPage:
    """A machine that is not there."""

    words: str


@dataclass(frozen=True, slots=True)
class PointerRow:
    """A pointer variable."""

    mark: Mark
    href: str
    name: str
    address: str
    note: str


@dataclass(frozen=True, slots=True)
class Step:
    """One command of the history."""

    version: int
    words: str
    state: str
    """done, now or later."""


@dataclass(frozen=True, slots=True)
class ProcessTab:
    """One process to look at."""

    pid: int
    href: str
    words: str
    current: bool


@dataclass(frozen=True, slots=True)
class MachinePage:
    """/m/ID: the whole playground."""

    id: str
    query: str
    title: str
    machine: MachineView
    size: str
    time: str
    process: ProcessView
    ended: str
    tabs: tuple[ProcessTab, ...]
    words: FieldBox
    groups: tuple[FormGroup, ...]
    slots: tuple[str, ...]
    books: Books
    at_value: str
    at_error: str
    frame_value: str
    frame_error: str
    pointers: tuple[PointerRow, ...]
    pointers_left_out: int
    steps: tuple[Step, ...]
    steps_before: int
    version: int
    total: int
    heap: HeapBand
    space: SpaceBand
    memory: MemoryTable
    processes: ProcessesBand
    walk: WalkBand
    tlb: TlbPanel
    physical: PhysicalBand
    reclaim: ReclaimBand
    kernel: KernelBand
    why: Why
    faults: FaultPanel
    facts: tuple[Fact, ...]
    about: str
    about_address: str
    announced: str
    desk: Desk


def start_page(error: str = "") -> StartPage:
    """The first page."""
    return StartPage(presets(), themes(), FIRST, first_picture(), error)


def machine_page(
    session: Session,
    machine_id: str,
    wanted: Wanted,
    refused: Refused | None = None,
    brought: OnTheDesk | None = None,
) -> MachinePage:
    """The page of a machine as it stands. It only looks."""
    machine = session.machine
    pid = wanted.pid if wanted.pid in machine.processes else 0
    memory = views.physical_memory(machine)
    chosen, place_error = choose(session, machine_id, wanted, pid, memory.frames_per_cell)
    pid = chosen.pid
    space = views.address_space(machine, pid)
    changes = views.changes(machine)
    found = marks(machine, chosen, changes, space)
    frames = _frames(machine, pid, space)
    command, outcome = last_step(session)
    processes = views.processes(machine)
    process = next(one for one in processes if one.pid == pid)
    slots = tuple(slot.name for slot in process.slots)
    heap, bins = views.heap(machine, pid), views.bins(machine, pid)
    machine_view = views.machine(machine)
    told = why(views.trace_tree(machine), command, outcome, found)
    at_error, frame_error = ("", place_error) if wanted.frame else (place_error, "")
    at_value = wanted.at if at_error else chosen.words or formats.address(chosen.at.address)
    return MachinePage(
        id=machine_id,
        query=_query(chosen, wanted.term),
        title=f"{formats.size(machine.config.ram_mb << 20)} machine",
        machine=machine_view,
        size=_size(machine, machine_view.zones),
        time=formats.duration(machine.time_ns),
        process=process,
        ended=_ended(process),
        tabs=tuple(_tab(one, machine_id, pid) for one in processes),
        words=words_box(refused),
        groups=form_groups(slots, frozenset(machine.processes), refused, paging=machine.cpu.paging),
        slots=slots[-POINTERS_SHOWN:],
        books=books(session, heap, bins, chosen, found),
        at_value=at_value,
        at_error=at_error,
        frame_value=wanted.frame if frame_error else "",
        frame_error=frame_error,
        pointers=_pointers(process, heap, chosen, found),
        pointers_left_out=max(0, len(slots) - POINTERS_SHOWN),
        steps=_steps(session),
        steps_before=max(0, min(session.version, len(session.commands)) - LINES_SHOWN),
        version=session.version,
        total=len(session.commands),
        heap=heap_band(heap, bins, chosen, found, frames),
        space=space_band(space, chosen, found, frames),
        memory=memory_table(views.region_memory(machine, pid), chosen, found),
        processes=processes_band(
            processes,
            _spaces(machine, processes, space),
            views.page_sharing(machine, chosen.at.address, pid),
            changes,
            chosen,
            found,
        ),
        walk=walk_band(chosen.at.walk, chosen, found),
        tlb=tlb_panel(views.tlb(machine), chosen, found),
        physical=physical_band(
            memory, views.buddy(machine), views.reclaim(machine), neighbours(machine, chosen.frame), chosen, found
        ),
        reclaim=reclaim_band(
            views.reclaim_step(machine),
            views.lru_lists(machine),
            views.oom(machine),
            views.dmesg(machine),
            chosen,
            found,
        ),
        kernel=kernel_band(machine, chosen),
        why=told,
        faults=fault_panel(views.fault_decisions(machine), chosen, found),
        facts=facts(chosen),
        about=_about(chosen),
        about_address=formats.address(chosen.at.address),
        announced=_announced(session, told, refused),
        desk=desk(session, machine_id, pid, brought or OnTheDesk()),
    )


# --- the parts --------------------------------------------------------------------------------------------------------


def _frames(machine: Machine, pid: int, space: AddressSpaceView) -> dict[int, int]:
    """The frame behind each page of the regions, as far as a picture needs it."""
    found: dict[int, int] = {}
    for region in space.regions:
        if not region.resident:
            continue
        first = region.start >> formats.PAGE_SHIFT
        for vpn in range(first, min(region.end >> formats.PAGE_SHIFT, first + _PAGES_LOOKED_AT)):
            pfn = views.page_walk(machine, vpn << formats.PAGE_SHIFT, pid).pfn
            if pfn is not None:
                found[vpn] = pfn
    return found


def _spaces(
    machine: Machine, processes: tuple[ProcessView, ...], shown: AddressSpaceView
) -> dict[int, AddressSpaceView]:
    """Every living process's; that of the process `shown` is there already."""
    living = (one.pid for one in processes if one.ended is None)
    return {pid: shown if pid == shown.pid else views.address_space(machine, pid) for pid in living}


def _size(machine: Machine, zones: tuple[str, ...]) -> str:
    swap = f"swap {formats.size(machine.config.swap_mb << 20)}" if machine.config.swap_mb else "no swap"
    return f"{formats.size(machine.config.ram_mb << 20)} · {' + '.join(zones)} · {swap}"


def _ended(process: ProcessView) -> str:
    if process.ended is None:
        return ""
    if process.ended.termsig:
        return f"process {process.pid} was ended by signal {process.ended.termsig}"
    return f"process {process.pid} exited with code {process.ended.code}"


def _tab(process: ProcessView, machine_id: str, pid: int) -> ProcessTab:
    words = f"process {process.pid}" + (" (ended)" if process.ended is not None else "")
    return ProcessTab(process.pid, f"/m/{machine_id}?pid={process.pid}", words, process.pid == pid)


def _pointers(process: ProcessView, heap: HeapView, chosen: Chosen, found: Marks) -> tuple[PointerRow, ...]:
    """The pointers that were set last, and the chosen ones."""
    notes = {
        name: formats.size(chunk.size - 4) if chunk.in_use else "freed"
        for chunk in heap.chunks + heap.mapped
        for name in chunk.slots
    }
    last = len(process.slots) - POINTERS_SHOWN
    return tuple(
        PointerRow(
            mark=found.of(keys.slot(slot.name), keys.page(slot.address >> formats.PAGE_SHIFT)),
            href=chosen.href(slot.address),
            name=slot.name,
            address=formats.address(slot.address) if slot.address else "NULL",
            note=notes.get(slot.name, ""),
        )
        for number, slot in enumerate(process.slots)
        if number >= last or keys.slot(slot.name) in found.selected
    )


def _steps(session: Session) -> tuple[Step, ...]:
    first = max(0, session.version - LINES_SHOWN)
    last = min(len(session.commands), session.version + LINES_SHOWN // 2)
    found = []
    for number in range(first, last):
        state = "now" if number + 1 == session.version else "done" if number < session.version else "later"
        found.append(Step(number + 1, words_of_command(session.commands[number]), state))
    return tuple(found)


def _query(chosen: Chosen, term: str) -> str:
    """What keeps the selection and the terminal's line, for a form's address."""
    kept: dict[str, str | int] = {"term": term} if term else {}
    if not chosen.explicit:
        return "?" + urlencode({"pid": chosen.pid, **kept})
    return "?" + urlencode({"at": chosen.words or formats.address(chosen.at.address), "pid": chosen.pid, **kept})


def _about(chosen: Chosen) -> str:
    if chosen.words:
        return chosen.words
    if chosen.frame is not None and chosen.at.frame != chosen.frame:
        return f"frame {formats.pfn(chosen.frame.pfn)}"
    return formats.address(chosen.at.address)


def _announced(session: Session, told: Why, refused: Refused | None) -> str:
    """What a screen reader is told after each change."""
    if refused is not None:
        return f"Not done. {refused.error.field}: {refused.error}"
    if not session.version:
        return "The machine has booted. Nothing has been asked of it yet."
    return f"Step {session.version} of {len(session.commands)}: {told.asked}. {told.came}"
