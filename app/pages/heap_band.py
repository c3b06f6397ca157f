"""The heap as a row of chunks, and the lists of free ones."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from app.pages import formats, keys
from app.pages.marks import Chosen, Mark, Marks
from app.pages.names import bin_name, chunk_state
from app.pages.zoom import ZoomBar, href
from app.words import t, word
from engine.views.bins import BinKind
from engine.views.heap import ChunkState

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from engine.views.bins import Bin, BinsView
    from engine.views.heap import ChunkView, HeapView

BOXES_DRAWN: Final = 26
"""Boxes of a strip: of more chunks, neighbours are told in one box, that leads to them."""
PART_LEAST: Final = 24
"""Chunks that going nearer leads to at least."""
NEARER: Final = 8
"""So many times fewer chunks are seen one step nearer."""
ROWS_SHOWN: Final = 32
MAPPED_DRAWN: Final = 12
LINKS_DRAWN: Final = 3
BINS_DRAWN: Final = 6
_AROUND: Final = 4
_CHANGED_KEPT: Final = 12
_WIDTH_MAXIMUM: Final = 12


@dataclass(frozen=True, slots=True)
class ChunkBox:
    """One chunk of the strip."""

    mark: Mark
    href: str
    state: str
    width: int
    name: str
    size: str
    under: str
    said: str


@dataclass(frozen=True, slots=True)
class RunBox:
    """Chunks that are told in one box. `full` is how much of them is in use, in eighths."""

    href: str
    words: str
    size: str
    full: int
    said: str
    changed: bool


@dataclass(frozen=True, slots=True)
class ChunkRow:
    """One chunk of the table."""

    mark: Mark
    href: str
    address: str
    size: str
    head: str
    flags: str
    state: str
    slots: str


@dataclass(frozen=True, slots=True)
class ChunkTable:
    """The chunks of the part that is shown."""

    rows: tuple[ChunkRow, ...]
    left_out: int


@dataclass(frozen=True, slots=True)
class LinkBox:
    """One chunk on a free list."""

    mark: Mark
    href: str
    address: str
    raw: str


@dataclass(frozen=True, slots=True)
class BinRow:
    """One free list."""

    name: str
    note: str
    links: tuple[LinkBox, ...]
    more: int
    damaged: bool


@dataclass(frozen=True, slots=True)
class HeapBand:
    """What malloc manages."""

    summary: str
    start: str
    end: str
    zoom: ZoomBar | None
    boxes: tuple[ChunkBox | RunBox, ...]
    mapped: tuple[ChunkBox, ...]
    mapped_left_out: int
    bins: tuple[BinRow, ...]
    bins_left_out: int
    broken: str


@dataclass(frozen=True, slots=True)
class HeapPart:
    """The chunks [low, high) of the heap, which the address of the page asks for."""

    low: int
    high: int
    whole: bool


def heap_part(heap: HeapView, words: str) -> HeapPart:
    """What "0x0804e198-0x08070000" asks for; the whole heap where it asks for nothing that is there."""
    count = len(heap.chunks)
    first, _, last = words.partition("-")
    try:
        start, end = int(first, 16), int(last, 16)
    except ValueError:
        return HeapPart(0, count, whole=True)
    low = bisect_left(heap.chunks, start, key=_address)
    high = bisect_left(heap.chunks, end, key=_address)
    if low >= high or (low, high) == (0, count):
        return HeapPart(0, count, whole=True)
    return HeapPart(low, high, whole=False)


def heap_band(
    heap: HeapView, bins: BinsView, part: HeapPart, chosen: Chosen, marks: Marks, frames: dict[int, int]
) -> HeapBand:
    """The band. `frames` gives the frame behind each page of the heap that has one."""
    return HeapBand(
        summary=_summary(heap),
        start=formats.address(heap.start),
        end=formats.address(heap.end),
        zoom=_zoom(heap, part, chosen),
        boxes=tuple(
            _box(heap.chunks[low], chosen, marks, frames) if high == low + 1 else _run(heap, low, high, marks)
            for low, high in _pieces(heap, part, chosen, marks)
        ),
        mapped=tuple(_box(chunk, chosen, marks, frames) for chunk in heap.mapped[:MAPPED_DRAWN]),
        mapped_left_out=max(0, len(heap.mapped) - MAPPED_DRAWN),
        bins=tuple(_bin(found, chosen, marks) for found in bins.bins[:BINS_DRAWN]),
        bins_left_out=max(0, len(bins.bins) - BINS_DRAWN),
        broken="" if heap.broken_at is None or heap.broken_at in heap.fences else formats.address(heap.broken_at),
    )


def chunk_table(heap: HeapView, part: HeapPart, chosen: Chosen, marks: Marks) -> ChunkTable:
    """The chunks of the part as a table: all, or those around the chosen one, or the first."""
    low, high = part.low, part.high
    if high - low > ROWS_SHOWN:
        at = _index(heap, chosen)
        middle = at if at is not None and low <= at < high else low
        low = max(low, min(middle - ROWS_SHOWN // 2, high - ROWS_SHOWN))
        high = low + ROWS_SHOWN
    shown = heap.chunks[low:high] + heap.mapped[:ROWS_SHOWN]
    left_out = len(heap.chunks) + len(heap.mapped) - len(shown)
    return ChunkTable(tuple(_row(chunk, chosen, marks) for chunk in shown), left_out)


def _summary(heap: HeapView) -> str:
    if not heap.chunks:
        return t("heap.no_heap")
    used, free, top = formats.size(heap.used), formats.size(heap.free), formats.size(heap.top)
    return t("heap.summary", used=used, free=free, top=top)


# --- near and far ----------------------------------------------------------------------------------------------------


def _address(chunk: ChunkView) -> int:
    return chunk.address


def _index(heap: HeapView, chosen: Chosen) -> int | None:
    """Where in the row the chosen chunk is."""
    chunk = chosen.at.chunk
    if chunk is None:
        return None
    at = bisect_left(heap.chunks, chunk.address, key=_address)
    return at if at < len(heap.chunks) and heap.chunks[at].address == chunk.address else None


def _part_href(heap: HeapView, low: int, high: int) -> str:
    low, high = max(0, low), min(len(heap.chunks), high)
    if low == 0 and high == len(heap.chunks):
        return href("heap", "")
    return href("heap", f"{heap.chunks[low].address:#010x}-{heap.chunks[high - 1].end:#010x}")


def _zoom(heap: HeapView, part: HeapPart, chosen: Chosen) -> ZoomBar | None:
    count, seen = len(heap.chunks), part.high - part.low
    if part.whole and count <= BOXES_DRAWN:
        return None
    at = _index(heap, chosen)
    middle = at if at is not None and part.low <= at < part.high else (part.low + part.high) // 2
    near, far = max(PART_LEAST, seen // NEARER), seen * NEARER
    start = max(part.low, min(middle - near // 2, part.high - near))
    away = max(0, min((part.low + part.high - far) // 2, count - far))
    piece = t("zoom.chunks", first=part.low + 1, last=part.high, count=count)
    return ZoomBar(
        "heap",
        t("zoom.chunk_groups", count=count) if part.whole else piece,
        nearer=_part_href(heap, start, start + near) if seen > near else "",
        farther="" if part.whole else _part_href(heap, away, away + far),
        before=_part_href(heap, part.low - seen, part.low) if part.low else "",
        after=_part_href(heap, part.high, part.high + seen) if part.high < count else "",
        whole="" if part.whole else href("heap", ""),
    )


def _pieces(heap: HeapView, part: HeapPart, chosen: Chosen, marks: Marks) -> Iterator[tuple[int, int]]:
    """The boxes, as runs [low, high) of chunks: those at the ends, around the chosen one and changed stand alone."""
    count = part.high - part.low
    if count <= BOXES_DRAWN:
        yield from ((index, index + 1) for index in range(part.low, part.high))
        return
    alone = sorted(_alone(heap, part, chosen, marks))
    length = -(-(count - len(alone)) // max(8, BOXES_DRAWN - len(alone)))
    at = part.low
    for index in [*alone, part.high]:
        yield from _split(at, index, length)
        if index < part.high:
            yield index, index + 1
        at = index + 1


def _alone(heap: HeapView, part: HeapPart, chosen: Chosen, marks: Marks) -> set[int]:
    keep = {part.low, part.high - 1}
    at = _index(heap, chosen)
    if at is not None:
        keep.update(range(at - _AROUND, at + _AROUND + 1))
    for address in sorted(marks.changed_chunks)[:_CHANGED_KEPT]:
        index = bisect_left(heap.chunks, address, key=_address)
        if index < len(heap.chunks) and heap.chunks[index].address == address:
            keep.add(index)
    return {index for index in keep if part.low <= index < part.high}


def _split(low: int, high: int, length: int) -> Iterator[tuple[int, int]]:
    """[low, high) in equal runs of about `length`."""
    if low >= high:
        return
    runs = -(-(high - low) // length)
    edges = [low + (high - low) * number // runs for number in range(runs + 1)]
    yield from pairwise(edges)


# --- boxes and rows --------------------------------------------------------------------------------------------------


def _run(heap: HeapView, low: int, high: int, marks: Marks) -> RunBox:
    chunks = heap.chunks[low:high]
    total = chunks[-1].end - chunks[0].address
    used = sum(chunk.size for chunk in chunks if chunk.in_use)
    words = t("heap.chunks", chunks=len(chunks))
    changed = _any_between(sorted(marks.changed_chunks), chunks[0].address, chunks[-1].end)
    said = t(
        "heap.run_said",
        chunks=len(chunks),
        address=formats.address(chunks[0].address),
        size=formats.size(total),
        used=formats.size(used),
    ) + (t("page.said_changed") if changed else "")
    full = round(8 * used / total) if total else 0
    return RunBox(_part_href(heap, low, high), words, formats.size(total), full, said, changed)


def _any_between(numbers: Sequence[int], low: int, high: int) -> bool:
    return bisect_left(numbers, low) < bisect_right(numbers, high - 1)


def _mark(chunk: ChunkView, marks: Marks, frames: dict[int, int]) -> Mark:
    first, last = chunk.address >> formats.PAGE_SHIFT, chunk.end - 1 >> formats.PAGE_SHIFT
    mentioned = [keys.slot(name) for name in chunk.slots]
    mentioned.append(keys.pages(first, last))
    mentioned += keys.frames(
        frames[vpn] for vpn in range(first, min(last, first + keys.RUNS_MAXIMUM) + 1) if vpn in frames
    )
    return marks.of(keys.chunk(chunk.address), *mentioned)


def _box(chunk: ChunkView, chosen: Chosen, marks: Marks, frames: dict[int, int]) -> ChunkBox:
    mark = _mark(chunk, marks, frames)
    name = {ChunkState.TCACHE_STRUCT: "tcache", ChunkState.TOP: "top"}.get(chunk.state, " ".join(chunk.slots))
    return ChunkBox(
        mark=mark,
        href=chosen.href(chunk.mem),
        state=chunk.state.value,
        width=min(_WIDTH_MAXIMUM, max(1, chunk.size.bit_length() - 4)),
        name=name,
        size=formats.short_hex(chunk.size),
        under=word("heap.short", chunk.state, ""),
        said=_said(chunk, name) + mark.said,
    )


def _said(chunk: ChunkView, name: str) -> str:
    address, state, head = formats.address(chunk.address), chunk_state(chunk.state), formats.address(chunk.head)
    if not name:
        return t("heap.chunk_said", bytes=chunk.size, address=address, state=state, head=head)
    return t("heap.chunk_named_said", name=name, bytes=chunk.size, address=address, state=state, head=head)


def _row(chunk: ChunkView, chosen: Chosen, marks: Marks) -> ChunkRow:
    return ChunkRow(
        mark=marks.of(keys.chunk(chunk.address)),
        href=chosen.href(chunk.mem),
        address=formats.address(chunk.address),
        size=f"{formats.short_hex(chunk.size)} ({formats.size(chunk.size)})",
        head=formats.address(chunk.head),
        flags=" ".join(chunk.flags) or t("heap.no_flags"),
        state=chunk_state(chunk.state),
        slots=" ".join(chunk.slots),
    )


def _bin(found: Bin, chosen: Chosen, marks: Marks) -> BinRow:
    links = tuple(
        LinkBox(
            mark=marks.of(keys.chunk(link.chunk)),
            href=chosen.href(link.chunk + 8),
            address=formats.address(link.chunk),
            raw=f"fd {formats.address(link.forward)}"
            + ("" if link.back is None else f", bk {formats.address(link.back)}"),
        )
        for link in found.links[:LINKS_DRAWN]
    )
    return BinRow(bin_name(found), _note(found), links, len(found.links) - len(links), found.damaged)


def _note(found: Bin) -> str:
    if found.kind is BinKind.TCACHE:
        return t("heap.of_seven", count=found.count)
    return t("heap.chunks", chunks=len(found.links))
