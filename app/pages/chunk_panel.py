"""The chosen chunk in full: its words with what each means, what of it is waste, and what free() would do with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from app.pages import formats
from app.pages.heap_band import STATE_WORDS
from app.pages.sentences import sentence
from engine import views
from engine.views.chunk import Field, Target, chunk_detail

if TYPE_CHECKING:
    from app.pages.marks import Chosen
    from engine.machine import Machine
    from engine.views.chunk import ChunkDetail, Word
    from engine.views.would_free import WouldFree

PARTS: Final = (("asked", "asked for"), ("waste", "usable, not asked for"), ("overhead", "glibc's header"))
_STORES_SHOWN: Final = 8


@dataclass(frozen=True, slots=True)
class WordRow:
    """One word of the chunk."""

    name: str
    address: str
    raw: str
    words: str
    href: str
    link: str
    bad: bool


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the chunk's bytes, as wide as it is large."""

    kind: str
    words: str
    bytes: int
    grow: str
    """The CSS class of its width: a share of twelve."""


@dataclass(frozen=True, slots=True)
class FreeTold:
    """What free() would do, in sentences; `ends` says how it would end, badly or not."""

    call: str
    steps: tuple[str, ...]
    stores: tuple[str, ...]
    ends: str
    bad: bool


@dataclass(frozen=True, slots=True)
class ChunkPanel:
    """One chunk."""

    title: str
    summary: str
    rows: tuple[WordRow, ...]
    listed: str
    parts: tuple[Part, ...]
    waste: str
    free: FreeTold | None


def chunk_panel(machine: Machine, chosen: Chosen) -> ChunkPanel | None:
    """The chunk that holds the chosen address; None where there is none."""
    if chosen.at.chunk is None:
        return None
    found = chunk_detail(machine, chosen.pid, chosen.at.chunk)
    return ChunkPanel(
        title=" ".join(found.slots) or formats.address(found.address),
        summary=f"{formats.short_hex(found.size)} bytes at {formats.address(found.address)}, {STATE_WORDS[found.state]}",
        rows=tuple(_row(word, found, chosen) for word in found.words),
        listed=_listed(found),
        parts=_parts(found),
        waste=_waste(found),
        free=_free(machine, found, chosen.pid),
    )


# --- words -----------------------------------------------------------------------------------------------------------


def _row(word: Word, chunk: ChunkDetail, chosen: Chosen) -> WordRow:
    to = word.target_chunk
    return WordRow(
        name=word.field.value,
        address=formats.address(word.address),
        raw=formats.address(word.raw),
        words=_meaning(word, chunk),
        href="" if to is None else chosen.href(to + 8),
        link="" if to is None else formats.address(to),
        bad=word.target is Target.NOWHERE,
    )


def _meaning(word: Word, chunk: ChunkDetail) -> str:
    match word.field:
        case Field.PREV_SIZE:
            return _prev_size(word, chunk)
        case Field.SIZE:
            return f"size {formats.short_hex(chunk.size)} ({chunk.size:,} bytes) + {_bits(chunk)}"
        case Field.KEY:
            return "the tcache's mark: a block that bears it is probably in there"
    return _link(word)


def _prev_size(word: Word, chunk: ChunkDetail) -> str:
    if chunk.is_mmapped:
        return f"{word.raw} bytes from the start of the mapping to here"
    if chunk.previous is not None:
        return f"the chunk before is free and has {word.raw:,} bytes: it begins at {formats.address(chunk.previous)}"
    return "no meaning now: the chunk before is in use, and may use this word"


def _bits(chunk: ChunkDetail) -> str:
    before = "in use" if chunk.prev_inuse else "free"
    return ", ".join(
        (
            f"A {int(chunk.non_main_arena)} ({'of another arena' if chunk.non_main_arena else 'of the main arena'})",
            f"M {int(chunk.is_mmapped)} ({'a mapping of its own' if chunk.is_mmapped else 'of the heap'})",
            f"P {int(chunk.prev_inuse)} ({'no neighbours' if chunk.is_mmapped else f'the one before is {before}'})",
        )
    )


def _link(word: Word) -> str:
    which = "next" if word.field in (Field.NEXT, Field.FD, Field.FD_NEXTSIZE) else "previous"
    of = " of another size" if word.field in (Field.FD_NEXTSIZE, Field.BK_NEXTSIZE) else ""
    mixed = f"{formats.address(word.raw)} xor {formats.short_hex(word.address >> 12)} gives " if word.protected else ""
    pointer = formats.address(word.points_to or 0)
    match word.target:
        case Target.END:
            return f"{mixed}NULL: the list ends here" if mixed else "NULL"
        case Target.BIN:
            return f"{mixed}{pointer}: the list's head in the arena"
        case Target.NOWHERE:
            return f"{mixed}{pointer}: no chunk is there, the link is damaged"
    return f"{mixed}{pointer}: the {which} chunk{of}"


def _listed(chunk: ChunkDetail) -> str:
    found = chunk.listed
    if found is None:
        return ""
    kind = {"fastbin": "fast bin"}.get(found.kind, found.kind if found.kind == "tcache" else f"{found.kind} bin")
    size = f" of {formats.short_hex(found.size)} bytes" if found.size else ""
    first = ", the next to be taken" if found.position == 0 else ""
    damaged = "; the list is damaged" if found.damaged else ""
    return f"number {found.position + 1} of {found.length} in the {kind}{size}{first}{damaged}"


# --- waste -----------------------------------------------------------------------------------------------------------


def _parts(chunk: ChunkDetail) -> tuple[Part, ...]:
    if chunk.waste is None or chunk.asked is None or chunk.waste < 0:
        return ()
    sizes = {"asked": chunk.asked, "waste": chunk.waste, "overhead": chunk.overhead}
    return tuple(
        Part(kind, words, sizes[kind], f"g{max(1, round(12 * sizes[kind] / chunk.size))}")
        for kind, words in PARTS
        if sizes[kind]
    )


def _waste(chunk: ChunkDetail) -> str:
    if chunk.usable is None and chunk.asked is not None and chunk.freed is None:
        return f"The program has it, and asked for {chunk.asked:,} bytes; what the header says of it is damaged."
    if chunk.usable is None:
        asked = "" if chunk.asked is None else f" When it was last a block, {chunk.asked:,} bytes were asked for."
        return f"It is nobody's block now.{asked}"
    if chunk.asked is None:
        return f"{chunk.usable:,} bytes are usable of {chunk.size:,}."
    part = f"{100 * (chunk.size - chunk.asked) / chunk.size:.1f} %"
    return f"{chunk.asked:,} bytes asked for, {chunk.usable:,} usable, {chunk.size:,} in the chunk: {part} is overhead."


# --- what free() would do --------------------------------------------------------------------------------------------


def _free(machine: Machine, chunk: ChunkDetail, pid: int) -> FreeTold | None:
    if chunk.asked is None or machine.processes[pid].ended is not None:
        return None
    dry: WouldFree = views.would_free(machine, chunk.mem, pid)
    stores = [
        f"{formats.address(store.address)}: {formats.address(store.before)} becomes {formats.address(store.after)}"
        for store in dry.stores
    ]
    more = len(stores) - _STORES_SHOWN
    return FreeTold(
        call=f"free({chunk.slots[0] if chunk.slots else formats.address(chunk.mem)})",
        steps=tuple(sentence(step.event).words for step in dry.steps)
        + tuple(f"It asks the kernel: {call.name}({_arguments(call.arguments)})." for call in dry.system_calls),
        stores=(*stores[:_STORES_SHOWN], *([f"… {formats.times(more, 'word')} more"] if more > 0 else [])),
        ends=_ends(dry),
        bad=not dry.goes_well,
    )


def _arguments(values: tuple[int, ...]) -> str:
    return ", ".join(formats.short_hex(value) for value in values)


def _ends(dry: WouldFree) -> str:
    if dry.aborts_with is not None:
        return f"glibc would say “{dry.aborts_with}” and end the process."
    if dry.faults_at is not None:
        return f"The access to {formats.address(dry.faults_at)} would end the process: SIGSEGV."
    if dry.endless:
        return "It would never come back: a damaged list runs in a circle."
    if dry.not_in_memory_at is not None:
        return f"A page at {formats.address(dry.not_in_memory_at)} must be read from its file first."
    return "It would go well. Nothing was changed to find this out."
