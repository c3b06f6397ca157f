"""The chosen chunk in full: its words with what each means, what of it is waste, and what free() would do with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from app.pages import formats
from app.pages.names import chunk_state
from app.pages.sentences import sentence
from app.words import t, word
from engine import views
from engine.views.chunk import Field, Target, chunk_detail

if TYPE_CHECKING:
    from app.pages.marks import Chosen
    from engine.machine import Machine
    from engine.views.chunk import ChunkDetail, Word
    from engine.views.heap import ChunkView
    from engine.views.would_free import WouldFree

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

    rows: tuple[WordRow, ...]
    listed: str
    parts: tuple[Part, ...]
    waste: str
    free: FreeTold | None


def chunk_title(chunk: ChunkView) -> str:
    """What the chunk is called: by its pointers, or by where it is."""
    return " ".join(chunk.slots) or formats.address(chunk.address)


def chunk_summary(chunk: ChunkView) -> str:
    """The chunk in a line."""
    size, address = formats.short_hex(chunk.size), formats.address(chunk.address)
    return t("chunk.summary", size=size, address=address, state=chunk_state(chunk.state))


def chunk_panel(machine: Machine, chosen: Chosen) -> ChunkPanel | None:
    """The chunk that holds the chosen address; None where there is none."""
    if chosen.at.chunk is None:
        return None
    found = chunk_detail(machine, chosen.pid, chosen.at.chunk)
    return ChunkPanel(
        rows=tuple(_row(each, found, chosen) for each in found.words),
        listed=_listed(found),
        parts=_parts(found),
        waste=_waste(found),
        free=_free(machine, found, chosen.pid),
    )


# --- words -----------------------------------------------------------------------------------------------------------


def _row(found: Word, chunk: ChunkDetail, chosen: Chosen) -> WordRow:
    to = found.target_chunk
    return WordRow(
        name=found.field.value,
        address=formats.address(found.address),
        raw=formats.address(found.raw),
        words=_meaning(found, chunk),
        href="" if to is None else chosen.href(to + 8),
        link="" if to is None else formats.address(to),
        bad=found.target is Target.NOWHERE,
    )


def _meaning(found: Word, chunk: ChunkDetail) -> str:
    match found.field:
        case Field.PREV_SIZE:
            return _prev_size(found, chunk)
        case Field.SIZE:
            return t("chunk.size", hex=formats.short_hex(chunk.size), bytes=chunk.size, bits=_bits(chunk))
        case Field.KEY:
            return t("chunk.key")
    return _link(found)


def _prev_size(found: Word, chunk: ChunkDetail) -> str:
    if chunk.is_mmapped:
        return t("chunk.prev_size_mapped", bytes=found.raw)
    if chunk.previous is not None:
        return t("chunk.prev_size_free", bytes=found.raw, address=formats.address(chunk.previous))
    return t("chunk.prev_size_unused")


def _bits(chunk: ChunkDetail) -> str:
    arena = t("chunk.bit_other" if chunk.non_main_arena else "chunk.bit_main")
    mapped = t("chunk.bit_mapped" if chunk.is_mmapped else "chunk.bit_heap")
    bit = int(chunk.prev_inuse)
    before = t("chunk.bit_before_used" if chunk.prev_inuse else "chunk.bit_before_free", bit=bit)
    if chunk.is_mmapped:
        before = t("chunk.bit_alone", bit=bit)
    return t("chunk.bits", arena=arena, mapped=mapped, before=before)


def _link(found: Word) -> str:
    meaning = _leads_to(found)
    if not found.protected:
        return meaning
    shifted = formats.short_hex(found.address >> 12)
    return t("chunk.mixed", raw=formats.address(found.raw), shifted=shifted, meaning=meaning)


def _leads_to(found: Word) -> str:
    pointer = formats.address(found.points_to or 0)
    match found.target:
        case Target.END:
            return t("chunk.null_ends" if found.protected else "chunk.null")
        case Target.BIN:
            return t("chunk.head", pointer=pointer)
        case Target.NOWHERE:
            return t("chunk.nowhere", pointer=pointer)
    match found.field:
        case Field.NEXT | Field.FD:
            return t("chunk.next", pointer=pointer)
        case Field.FD_NEXTSIZE:
            return t("chunk.next_size", pointer=pointer)
        case Field.BK_NEXTSIZE:
            return t("chunk.previous_size", pointer=pointer)
    return t("chunk.previous", pointer=pointer)


def _listed(chunk: ChunkDetail) -> str:
    found = chunk.listed
    if found is None:
        return ""
    name, position, length = word("chunk.lists", found.kind), found.position + 1, found.length
    if found.size:
        size = formats.short_hex(found.size)
        said = t("chunk.listed_size", position=position, length=length, list=name, size=size)
    else:
        said = t("chunk.listed", position=position, length=length, list=name)
    if found.position == 0:
        said = t("chunk.listed_next", listed=said)
    return t("chunk.listed_damaged", listed=said) if found.damaged else said


# --- waste -----------------------------------------------------------------------------------------------------------


def _parts(chunk: ChunkDetail) -> tuple[Part, ...]:
    if chunk.waste is None or chunk.asked is None or chunk.waste < 0:
        return ()
    sizes = {"asked": chunk.asked, "waste": chunk.waste, "overhead": chunk.overhead}
    return tuple(
        Part(kind, word("chunk.parts", kind), size, f"g{max(1, round(12 * size / chunk.size))}")
        for kind, size in sizes.items()
        if size
    )


def _waste(chunk: ChunkDetail) -> str:
    if chunk.usable is None and chunk.asked is not None and chunk.freed is None:
        return t("chunk.damaged", asked=chunk.asked)
    if chunk.usable is None:
        return t("chunk.nobody") if chunk.asked is None else t("chunk.nobody_asked", asked=chunk.asked)
    if chunk.asked is None:
        return t("chunk.usable", usable=chunk.usable, size=chunk.size)
    percent = f"{100 * (chunk.size - chunk.asked) / chunk.size:.1f} %"
    return t("chunk.waste", asked=chunk.asked, usable=chunk.usable, size=chunk.size, percent=percent)


# --- what free() would do --------------------------------------------------------------------------------------------


def _free(machine: Machine, chunk: ChunkDetail, pid: int) -> FreeTold | None:
    if chunk.asked is None or machine.processes[pid].ended is not None:
        return None
    dry: WouldFree = views.would_free(machine, chunk.mem, pid)
    stores = [
        t(
            "chunk.becomes",
            address=formats.address(store.address),
            before=formats.address(store.before),
            after=formats.address(store.after),
        )
        for store in dry.stores
    ]
    more = len(stores) - _STORES_SHOWN
    return FreeTold(
        call=f"free({chunk.slots[0] if chunk.slots else formats.address(chunk.mem)})",
        steps=tuple(sentence(step.event).words for step in dry.steps)
        + tuple(
            t("chunk.asks_kernel", call=call.name, arguments=_arguments(call.arguments)) for call in dry.system_calls
        ),
        stores=(*stores[:_STORES_SHOWN], *([t("chunk.words_more", words=more)] if more > 0 else [])),
        ends=_ends(dry),
        bad=not dry.goes_well,
    )


def _arguments(values: tuple[int, ...]) -> str:
    return ", ".join(formats.short_hex(value) for value in values)


def _ends(dry: WouldFree) -> str:
    if dry.aborts_with is not None:
        return t("chunk.would_abort", message=dry.aborts_with)
    if dry.faults_at is not None:
        return t("chunk.would_fault", address=formats.address(dry.faults_at))
    if dry.endless:
        return t("chunk.would_not_end")
    if dry.not_in_memory_at is not None:
        return t("chunk.would_read", address=formats.address(dry.not_in_memory_at))
    return t("chunk.would_go_well")
