"""Panels: what is shown on demand, each in its band. One that is closed is a line: nothing of it is built or sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from app.pages import formats
from app.pages.arena_panel import arena_panel
from app.pages.chunk_panel import chunk_panel, chunk_summary, chunk_title
from app.pages.desk_panel import terminal_panel
from app.pages.heap_band import chunk_table, heap_part
from app.pages.ledger_band import accounts_panel
from app.pages.memory_table import memory_table
from app.pages.physical_band import blocks_panel
from app.pages.pieces_panel import pieces_panel, pieces_summary
from app.pages.processes_band import processes_panel, processes_summary
from app.pages.program_panel import program_panel, program_summary
from app.pages.reclaim_band import oom_panel, step_panel, step_summary
from app.pages.slabs_panel import slabs_panel
from app.pages.tlb_panel import tlb_panel
from app.pages.tree_panel import tree_panel, tree_summary
from app.words import t
from engine import views

if TYPE_CHECKING:
    from app.pages.desk_panel import OnTheDesk
    from app.pages.looking import Looking
    from app.pages.marks import Chosen, Marks
    from app.pages.shown import Shown

LIST_ENDS: Final = 16


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel. `body` is None while it is closed; its template is machine_NAME.html."""

    name: str
    title: str
    code: str
    """What the title is about, in monospaced type."""
    after: str
    """The rest of the title."""
    summary: str
    body: object | None
    machine_id: str
    pid: int
    at: str
    """The chosen address."""

    @property
    def template(self) -> str:
        """What draws its body."""
        return f"machine_{self.name}.html"


@dataclass(frozen=True, slots=True)
class Setting:
    """What every panel is built from."""

    look: Looking
    machine_id: str
    shown: Shown
    chosen: Chosen
    marks: Marks
    desk: OnTheDesk


def panels(of: Setting) -> dict[str, Panel | None]:
    """Every panel by name; None where there is nothing that it could be about."""
    pid, chosen = of.chosen.pid, of.chosen
    heap = of.look.heap(pid)
    found: dict[str, Panel | None] = {}

    def panel(name: str, title: str, summary: str, code: str = "", after: str = "") -> None:
        body = _body(name, of) if name in of.shown.open else None
        at = formats.address(chosen.at.address) if body is not None else ""
        found[name] = Panel(name, title, code, after, summary, body, of.machine_id, pid, at)

    panel("program", t("panel.program"), program_summary(of.desk.draft))
    panel("terminal", t("panel.terminal"), of.shown.term or "cat /proc/buddyinfo, free, pmap …")
    if chosen.at.chunk is None:
        found["chunk"] = None
    else:
        chunk = chosen.at.chunk
        panel("chunk", t("panel.chunk"), chunk_summary(chunk), chunk_title(chunk), t("panel.chunk_after"))
    lost = next(iter(of.look.machine.processes[pid].allocations.live()), None)
    if heap.chunks or heap.mapped or lost is not None:
        panel(
            "arena",
            t("panel.arena"),
            t("panel.arena_summary", size=formats.size(heap.end - heap.start)),
            after=t("panel.arena_after"),
        )
    else:
        found["arena"] = None
    if heap.chunks or heap.mapped:
        panel("chunks", t("panel.chunks"), t("heap.chunks", chunks=len(heap.chunks) + len(heap.mapped)))
    else:
        found["chunks"] = None
    space = of.look.space(pid)
    panel("smaps", t("panel.smaps"), t("panel.smaps_summary", regions=len(space.regions)))
    panel("processes", t("panel.processes"), processes_summary(of.look.processes), after=t("panel.processes_after"))
    panel("tlb", t("panel.tlb"), _tlb_summary(of))
    panel("blocks", t("panel.blocks"), t("panel.blocks_summary"))
    panel("tree", t("panel.tree"), tree_summary(chosen), after=t("panel.tree_after"))
    panel("pieces", t("panel.pieces"), t("panel.pieces_summary", blocks=pieces_summary(of.look.buddy)))
    panel("slabs", t("panel.slabs"), _slab_summary(of), after=t("panel.slabs_after"))
    panel("step", t("panel.step"), step_summary(of.look.reclaim_step))
    panel("oom", t("panel.oom"), t("panel.oom_summary"))
    panel("accounts", t("panel.accounts"), t("panel.accounts_summary"))
    return found


def _body(name: str, of: Setting) -> object | None:
    """What is in an open panel."""
    look, chosen, marks = of.look, of.chosen, of.marks
    machine, pid = look.machine, chosen.pid
    match name:
        case "program":
            return program_panel(look.session, of.desk.draft, of.desk.noted)
        case "terminal":
            return terminal_panel(machine, chosen, of.shown.term)
        case "chunk":
            return chunk_panel(machine, chosen)
        case "arena":
            return arena_panel(look.session, look.heap(pid), look.bins(pid), chosen, marks)
        case "chunks":
            heap = look.heap(pid)
            return chunk_table(heap, heap_part(heap, of.shown.heap), chosen, marks)
        case "smaps":
            return memory_table(views.region_memory(machine, pid), chosen, marks)
        case "processes":
            return processes_panel(look, chosen, marks)
        case "tlb":
            return tlb_panel(views.tlb(machine), chosen, marks)
        case "blocks":
            return blocks_panel(look.buddy, chosen, marks)
        case "tree":
            return tree_panel(machine, chosen)
        case "pieces":
            return pieces_panel(views.fragmentation(machine))
        case "slabs":
            return slabs_panel(machine, chosen, marks)
        case "step":
            return step_panel(look.reclaim_step, look.lists(LIST_ENDS), chosen, marks)
        case "oom":
            return oom_panel(views.oom(machine), views.dmesg(machine))
        case "accounts":
            return accounts_panel(look.ledger, look.memory)
    raise AssertionError(name)


def _tlb_summary(of: Setting) -> str:
    walk = of.chosen.at.walk
    if not walk.paging:
        return t("panel.tlb_off")
    return t("panel.tlb_holds" if walk.in_tlb else "panel.tlb_lacks")


def _slab_summary(of: Setting) -> str:
    frames = next((each.frames for each in of.look.ledger.accounts if each.account == "slab"), 0)
    return t("panel.slabs_summary", size=formats.pages(frames))
