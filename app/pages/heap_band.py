"""The heap as a row of chunks, and the lists of free ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from app.pages import formats, keys
from app.pages.marks import Chosen, Mark, Marks
from engine.views.bins import BinKind
from engine.views.heap import ChunkState

if TYPE_CHECKING:
    from engine.views.bins import Bin, BinsView
    from engine.views.heap import ChunkView, HeapView

CHUNKS_DRAWN: Final = 96
"""Chunks that a strip shows one by one; the others are told in one piece."""
LINKS_DRAWN: Final = 12
_AROUND: Final = 24
_WIDTH_MAXIMUM: Final = 12

STATE_WORDS: Final = {
    ChunkState.IN_USE: "in use",
    ChunkState.TCACHE_STRUCT: "in use by glibc: the tcache itself",
    ChunkState.TCACHE: "freed, in the tcache",
    ChunkState.FASTBIN: "freed, in a fast bin",
    ChunkState.UNSORTED: "free, in the unsorted bin",
    ChunkState.SMALL: "free, in a small bin",
    ChunkState.LARGE: "free, in a large bin",
    ChunkState.FREE: "free, but on no list: the heap is damaged",
    ChunkState.TOP: "top: not given out yet",
}
_SHORT: Final = {
    ChunkState.TCACHE: "tcache",
    ChunkState.FASTBIN: "fast bin",
    ChunkState.UNSORTED: "unsorted",
    ChunkState.SMALL: "small bin",
    ChunkState.LARGE: "large bin",
    ChunkState.FREE: "lost",
}


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
class Gap:
    """Chunks that the strip leaves out."""

    words: str


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
    boxes: tuple[ChunkBox | Gap, ...]
    mapped: tuple[ChunkBox, ...]
    rows: tuple[ChunkRow, ...]
    rows_left_out: int
    bins: tuple[BinRow, ...]
    broken: str


def heap_band(heap: HeapView, bins: BinsView, chosen: Chosen, marks: Marks, frames: dict[int, int]) -> HeapBand:
    """The band. `frames` gives the frame behind each page of the heap that has one."""
    shown = _shown(heap, marks)
    boxes: list[ChunkBox | Gap] = []
    last = -1
    for index in shown:
        if index != last + 1:
            left_out = heap.chunks[last + 1 : index]
            words = f"{formats.times(len(left_out), 'chunk')}, {formats.size(sum(c.size for c in left_out))}"
            boxes.append(Gap(words))
        boxes.append(_box(heap.chunks[index], chosen, marks, frames))
        last = index
    return HeapBand(
        summary=_summary(heap),
        start=formats.address(heap.start),
        end=formats.address(heap.end),
        boxes=tuple(boxes),
        mapped=tuple(_box(chunk, chosen, marks, frames) for chunk in heap.mapped),
        rows=tuple(_row(heap.chunks[index], chosen, marks) for index in shown)
        + tuple(_row(chunk, chosen, marks) for chunk in heap.mapped),
        rows_left_out=len(heap.chunks) - len(shown),
        bins=tuple(_bin(found, chosen, marks) for found in bins.bins),
        broken="" if heap.broken_at is None or heap.broken_at in heap.fences else formats.address(heap.broken_at),
    )


def _summary(heap: HeapView) -> str:
    if not heap.chunks:
        return "no heap before the first malloc"
    parts = [f"used {formats.size(heap.used)}", f"free in bins {formats.size(heap.free)}"]
    return " · ".join([*parts, f"top {formats.size(heap.top)}"])


def _shown(heap: HeapView, marks: Marks) -> list[int]:
    """Which chunks are drawn one by one: the first and last ones, and those around what is chosen or changed."""
    count = len(heap.chunks)
    if count <= CHUNKS_DRAWN:
        return list(range(count))
    keep = {0, 1, 2, count - 1, count - 2}
    named = [keys.chunk(chunk.address) for chunk in heap.chunks]
    for index, key in enumerate(named):
        if key in marks.selected:
            keep.update(range(max(0, index - _AROUND), min(count, index + _AROUND)))
    for index, key in enumerate(named):
        if key in marks.changed and len(keep) < CHUNKS_DRAWN:
            keep.update(range(max(0, index - 1), min(count, index + 2)))
    index = count - 1
    while len(keep) < CHUNKS_DRAWN // 2 and index >= 0:
        keep.add(index)
        index -= 1
    return sorted(keep)


def _mark(chunk: ChunkView, marks: Marks, frames: dict[int, int], frames_per_cell: int) -> Mark:
    mentioned = [keys.slot(name) for name in chunk.slots]
    for vpn in range(
        chunk.address >> formats.PAGE_SHIFT,
        min(chunk.end - 1 >> formats.PAGE_SHIFT, (chunk.address >> formats.PAGE_SHIFT) + 8) + 1,
    ):
        mentioned.append(keys.page(vpn))
        if vpn in frames:
            mentioned += [keys.frame(frames[vpn]), keys.cell(frames[vpn], frames_per_cell)]
    return marks.of(keys.chunk(chunk.address), *mentioned)


def _box(chunk: ChunkView, chosen: Chosen, marks: Marks, frames: dict[int, int]) -> ChunkBox:
    mark = _mark(chunk, marks, frames, chosen.frames_per_cell)
    name = {ChunkState.TCACHE_STRUCT: "tcache", ChunkState.TOP: "top"}.get(chunk.state, " ".join(chunk.slots))
    called = f"chunk {name}" if name else "chunk"
    said = (
        f"{called}, {chunk.size} bytes at {formats.address(chunk.address)}, {STATE_WORDS[chunk.state]}"
        f", header {formats.address(chunk.head)}{mark.said}"
    )
    return ChunkBox(
        mark=mark,
        href=chosen.href(chunk.mem),
        state=chunk.state.value,
        width=min(_WIDTH_MAXIMUM, max(1, chunk.size.bit_length() - 4)),
        name=name,
        size=formats.short_hex(chunk.size),
        under=_SHORT.get(chunk.state, ""),
        said=said,
    )


def _row(chunk: ChunkView, chosen: Chosen, marks: Marks) -> ChunkRow:
    return ChunkRow(
        mark=marks.of(keys.chunk(chunk.address)),
        href=chosen.href(chunk.mem),
        address=formats.address(chunk.address),
        size=f"{formats.short_hex(chunk.size)} ({formats.size(chunk.size)})",
        head=formats.address(chunk.head),
        flags=" ".join(chunk.flags) or "none",
        state=STATE_WORDS[chunk.state],
        slots=" ".join(chunk.slots),
    )


def bin_name(found: Bin) -> str:
    """What a list is called."""
    size = f" {formats.short_hex(found.size)}" if found.size else ""
    return {
        BinKind.TCACHE: f"tcache{size}",
        BinKind.FAST: f"fast bin{size}",
        BinKind.UNSORTED: "unsorted bin",
        BinKind.SMALL: f"small bin {found.index},{size}",
        BinKind.LARGE: f"large bin {found.index}",
    }[found.kind]


def _bin(found: Bin, chosen: Chosen, marks: Marks) -> BinRow:
    note = f"{found.count} of 7" if found.kind is BinKind.TCACHE else formats.times(len(found.links), "chunk")
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
    return BinRow(bin_name(found), note, links, len(found.links) - len(links), found.damaged)
