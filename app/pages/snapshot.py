"""A snapshot: the session's picture on one sheet, from the heap down to the ledger, to be kept outside the page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from app.pages import formats
from app.pages.names import frame_owner
from app.pages.physical_band import OWNER_LETTERS
from app.pages.svg_snapshot import Box, Cell, Sheet, Slice
from app.words import t, word
from engine import views
from engine.outcome import CommandError
from engine.views.heap import ChunkState
from engine.views.ledger import Account
from engine.views.physical_memory import Owner

if TYPE_CHECKING:
    from markupsafe import Markup

    from engine.machine import Machine
    from engine.views.address_space import AddressSpaceView
    from engine.views.heap import ChunkView, HeapView
    from engine.views.page_walk import EntryStep, PageWalkView
    from engine.views.physical_memory import PhysicalMemoryView, ZoneView

CHUNKS_DRAWN: Final = 40
"""Of a longer heap, the chunks around the chosen one; the others are told."""
REGIONS_DRAWN: Final = 40
_REGIONS: Final = {
    "program": "grey",
    "heap": "blue",
    "anonymous": "blue",
    "file": "green",
    "library": "green",
    "stack": "violet",
    "special": "grey",
}
_OWNERS: Final = {
    Owner.RESERVED: "ochre",
    Owner.KERNEL: "brown",
    Owner.SLAB: "slab",
    Owner.PAGE_TABLE: "pink",
    Owner.FILE: "green",
    Owner.SHMEM: "teal",
    Owner.ANONYMOUS: "blue",
    Owner.FREE: "empty",
}
_ACCOUNTS: Final = {
    Account.FREE: "empty",
    Account.CPU_LISTS: "edge",
    Account.PAGE_CACHE: "green",
    Account.SHMEM: "teal",
    Account.ANONYMOUS: "blue",
    Account.SWAP_CACHE: "violet",
    Account.SLAB: "slab",
    Account.PAGE_TABLES: "pink",
    Account.VMALLOC: "amber",
    Account.MODULE: "red",
    Account.RESERVED: "ochre",
}
_OTHER_ACCOUNT: Final = "brown"


class Place(NamedTuple):
    """What the picture is about: an address of a process."""

    address: int
    pid: int


def place_of(machine: Machine, words: str, pid: int) -> Place:
    """What `words` name in process `pid`; without words its newest pointer, or where its program begins. Raises CommandError."""
    process = machine.processes.get(pid)
    if process is None:
        raise CommandError("pid", f"there is no process {pid}; there are {', '.join(map(str, machine.processes))}")
    if words:
        return Place(process.resolve(words, "at"), pid)
    if process.slots:
        return Place(list(process.slots.values())[-1], pid)
    code = next((each for each in machine.config.image.mappings if "x" in each.permissions), None)
    return Place(0 if code is None else code.start, pid)


def snapshot_svg(machine: Machine, place: Place, total: int) -> str:
    """The sheet as a file. `total` is how many commands the session has."""
    title, said, sheet = _sheet(machine, place, total)
    return sheet.svg(title, said)


def snapshot_inline(machine: Machine, place: Place, label: str) -> Markup:
    """The sheet as part of a page."""
    return _sheet(machine, place, machine.version)[2].inline(label)


def _sheet(machine: Machine, place: Place, total: int) -> tuple[str, str, Sheet]:
    sheet = Sheet()
    memory = views.physical_memory(machine)
    walk = views.page_walk(machine, place.address, place.pid)
    size = formats.size(machine.config.ram_mb << 20)
    title = t("snapshot.title", size=size, step=machine.version, total=total, time=formats.duration(machine.time_ns))
    sheet.title("Pagewalk", title)
    said = [
        _heap(sheet, views.heap(machine, place.pid), place),
        _space(sheet, views.address_space(machine, place.pid), place),
        _walk(sheet, walk),
        _memory(sheet, memory, walk.pfn),
        _watermarks(sheet, memory),
        _ledger(sheet, machine),
    ]
    return f"Pagewalk, {title}", " ".join(said), sheet


# --- the parts: each draws itself, and says in a sentence what it shows ------------------------------------------------


def _heap(sheet: Sheet, heap: HeapView, place: Place) -> str:
    if not heap.chunks:
        sheet.heading(t("snapshot.heap"))
        sheet.words(t("snapshot.no_heap"))
        return t("snapshot.no_heap")
    summary = t("snapshot.heap_summary", used=formats.size(heap.used), free=formats.size(heap.free))
    sheet.heading(t("snapshot.heap"), summary)
    chunks = [*heap.chunks, *heap.mapped]
    at = next((n for n, chunk in enumerate(chunks) if chunk.address <= place.address < chunk.end), len(chunks) - 1)
    first = max(0, min(at - CHUNKS_DRAWN // 2, len(chunks) - CHUNKS_DRAWN))
    shown = chunks[first : first + CHUNKS_DRAWN]
    boxes = [_chunk(chunk, place) for chunk in shown]
    if first:
        boxes.insert(0, Box((t("snapshot.more", count=first),), "empty", 0))
    if after := len(chunks) - first - len(shown):
        boxes.append(Box((t("snapshot.more", count=after),), "empty", 0))
    sheet.boxes(boxes)
    return f"{t('snapshot.heap')}: {summary}."


def _chunk(chunk: ChunkView, place: Place) -> Box:
    name = ", ".join(chunk.slots[:3]) or word("snapshot.chunk", chunk.state.value)
    colour = {ChunkState.TOP: "empty", ChunkState.TCACHE_STRUCT: "grey"}.get(chunk.state, "blue")
    lines: tuple[str, ...] = (name, formats.short_hex(chunk.size))
    if chunk.slots and not chunk.in_use:
        lines = (*lines, word("snapshot.chunk", chunk.state.value))
    freed = not chunk.in_use and chunk.state not in (ChunkState.TOP, ChunkState.TCACHE_STRUCT)
    chosen = chunk.address <= place.address < chunk.end
    return Box(lines, colour, float(chunk.size.bit_length()), dashed=freed, chosen=chosen)


def _space(sheet: Sheet, space: AddressSpaceView, place: Place) -> str:
    summary = t("snapshot.space_summary", virtual=formats.pages(space.total_vm), resident=formats.pages(space.rss))
    sheet.heading(t("snapshot.space"), summary)
    boxes = []
    for region in space.regions[:REGIONS_DRAWN]:
        name = region.name.strip("[]").rsplit("/", 1)[-1] or "anon"
        lines = (name, f"{region.permissions} {formats.pages(region.pages)}", f"{region.start:08x}")
        chosen = region.start <= place.address < region.end
        boxes.append(Box(lines, _REGIONS[region.kind.value], float(region.pages.bit_length()), chosen=chosen))
    if len(space.regions) > REGIONS_DRAWN:
        boxes.append(Box((t("snapshot.more", count=len(space.regions) - REGIONS_DRAWN),), "empty", 0))
    sheet.boxes(boxes)
    return f"{t('snapshot.space')}: {summary}."


def _walk(sheet: Sheet, walk: PageWalkView) -> str:
    end = t("snapshot.stops") if walk.stop is not None else t("snapshot.arrives", pfn=formats.pfn(walk.pfn or 0))
    sheet.heading(t("snapshot.walk"), f"CR3 {formats.address(walk.cr3)}")
    boxes = [Box((t("snapshot.address"), formats.address(walk.linear)), "grey", 1, chosen=True)]
    for name, entry in ((t("snapshot.directory"), walk.directory), (t("snapshot.table"), walk.table)):
        if entry is not None:
            boxes.append(_entry(name, entry))
    if walk.pfn is not None:
        boxes.append(
            Box((t("snapshot.frame", pfn=formats.pfn(walk.pfn)), f"+ {walk.offset:#x}"), "blue", 1, chosen=True)
        )
    else:
        boxes.append(Box((end,), "red", 1, dashed=True))
    sheet.boxes(boxes)
    return f"{t('snapshot.walk')}: {formats.address(walk.linear)}, {end}."


def _entry(name: str, entry: EntryStep) -> Box:
    lines = (f"{name}[{entry.index}]", formats.address(entry.entry), " ".join(entry.flags))
    return Box(lines, "pink", 1, dashed=not entry.present)


def _memory(sheet: Sheet, memory: PhysicalMemoryView, chosen: int | None) -> str:
    for zone in memory.zones:
        summary = t("snapshot.zone_summary", free=zone.free, frames=memory.frames_per_cell)
        sheet.heading(f"{t('snapshot.memory')} · {zone.name}", summary)
        cells = [_cell(cell.frames, cell.owners) for cell in zone.cells]
        sheet.cells(cells, _cell_of(zone, chosen))
    named = [(owner, count) for owner, count in memory.owners if count]
    sheet.legend(
        (f"{OWNER_LETTERS[owner]} {frame_owner(owner)} {formats.pages(count)}", _OWNERS[owner])
        for owner, count in named
    )
    told = ", ".join(f"{frame_owner(owner)} {formats.pages(count)}" for owner, count in named)
    return f"{t('snapshot.memory')}: {told}."


def _cell(frames: int, owners: tuple[tuple[Owner, int], ...]) -> Cell:
    shares = tuple((_OWNERS[owner], count / frames) for owner, count in owners if owner is not Owner.FREE)
    most = next((owner for owner, count in owners if 2 * count >= frames and owner is not Owner.FREE), None)
    return Cell(shares, "" if most is None else OWNER_LETTERS[most])


def _cell_of(zone: ZoneView, pfn: int | None) -> int | None:
    if pfn is None:
        return None
    return next((n for n, cell in enumerate(zone.cells) if cell.first <= pfn < cell.first + cell.frames), None)


def _watermarks(sheet: Sheet, memory: PhysicalMemoryView) -> str:
    sheet.heading(t("snapshot.watermarks"))
    for zone in memory.zones:
        marks = (("min", zone.min_mark), ("low", zone.low_mark), ("high", zone.high_mark))
        words = t("snapshot.free_pages", zone=zone.name, pages=zone.free)
        sheet.gauge(words, zone.free, marks, low=zone.free <= zone.low_mark)
    return " ".join(
        t("snapshot.zone_said", zone=zone.name, free=zone.free, low=zone.low_mark, high=zone.high_mark)
        for zone in memory.zones
    )


def _ledger(sheet: Sheet, machine: Machine) -> str:
    view = views.ledger(machine)
    sheet.heading(t("snapshot.ledger"), formats.pages(view.total))
    slices = [
        Slice(
            f"{word('snapshot.account', each.account.value)} {formats.pages(each.frames)}",
            _ACCOUNTS.get(each.account, _OTHER_ACCOUNT),
            each.frames,
        )
        for each in view.accounts
    ]
    sheet.bar(slices)
    return f"{t('snapshot.ledger')}: {', '.join(each.words for each in slices)}."
