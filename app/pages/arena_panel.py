"""glibc's books: the lists with their links, the arena's totals and thresholds, and the blocks that are lost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from app.pages import formats, keys
from app.pages.command_words import words_of_command
from app.pages.names import bin_name, chunk_state
from app.words import t, word
from engine import views
from engine.views.arena import arena_of
from engine.views.bins import BinKind

if TYPE_CHECKING:
    from app.pages.marks import Chosen, Mark, Marks
    from engine.session import Session
    from engine.views.arena import ArenaView, Thresholds
    from engine.views.bins import Bin, BinsView, Link
    from engine.views.heap import HeapView
    from engine.views.leaks import Leak, LeaksView

LINKS_SHOWN: Final = 24
LEAKS_SHOWN: Final = 20
_MIXED: Final = (BinKind.TCACHE, BinKind.FAST)


@dataclass(frozen=True, slots=True)
class LinkRow:
    """One chunk on a list, its links as they lie in memory and what they lead to."""

    mark: Mark
    href: str
    list: str
    chunk: str
    forward: str
    leads_to: str
    back: str


@dataclass(frozen=True, slots=True)
class Figure:
    """A name and a number, with what it means."""

    name: str
    value: str
    words: str


@dataclass(frozen=True, slots=True)
class LeakRow:
    """One lost block."""

    href: str
    address: str
    asked: str
    chunk: str
    version: int
    command: str


@dataclass(frozen=True, slots=True)
class ArenaPanel:
    """The books of one process's allocator."""

    summary: str
    links: tuple[LinkRow, ...]
    links_left_out: int
    states: tuple[Figure, ...]
    totals: tuple[Figure, ...]
    mallinfo: tuple[Figure, ...]
    thresholds: tuple[Figure, ...]
    leaks: tuple[LeakRow, ...]
    leaks_left_out: int
    leaked: str


def arena_panel(session: Session, heap: HeapView, bins: BinsView, chosen: Chosen, marks: Marks) -> ArenaPanel | None:
    """The books; None before the first malloc, and where nothing is left of a process that has ended."""
    arena = arena_of(session.machine, heap)
    lost: LeaksView = views.leaks(session.machine, chosen.pid)
    if arena is None and not lost.blocks:
        return None
    rows = [_link_row(bin_, link, chosen, marks) for bin_ in bins.bins for link in bin_.links]
    return ArenaPanel(
        summary="" if arena is None else _summary(arena),
        links=tuple(rows[:LINKS_SHOWN]),
        links_left_out=max(0, len(rows) - LINKS_SHOWN),
        states=() if arena is None else _states(arena),
        totals=() if arena is None else _totals(arena),
        mallinfo=() if arena is None else _mallinfo(arena),
        thresholds=() if arena is None else _thresholds(arena.thresholds),
        leaks=tuple(_leak(leak, session, chosen) for leak in lost.blocks[:LEAKS_SHOWN]),
        leaks_left_out=max(0, len(lost.blocks) - LEAKS_SHOWN),
        leaked=_leaked(lost),
    )


def _link_row(bin_: Bin, link: Link, chosen: Chosen, marks: Marks) -> LinkRow:
    return LinkRow(
        mark=marks.of(keys.chunk(link.chunk)),
        href=chosen.href(link.chunk + 8),
        list=bin_name(bin_),
        chunk=formats.address(link.chunk),
        forward=formats.address(link.forward),
        leads_to=(formats.address(link.leads_to) if link.leads_to else "NULL") if bin_.kind in _MIXED else "",
        back="" if link.back is None else formats.address(link.back),
    )


def _percent(part: float) -> str:
    return f"{100 * part:.1f} %"


def _summary(arena: ArenaView) -> str:
    blocks = arena.blocks
    return t("arena.summary", blocks=blocks.count, asked=blocks.asked, system=formats.size(arena.system_mem))


def _states(arena: ArenaView) -> tuple[Figure, ...]:
    return tuple(
        Figure(chunk_state(state.state), f"{state.bytes:,}", t("arena.chunks", chunks=state.chunks))
        for state in arena.states
    )


def _totals(arena: ArenaView) -> tuple[Figure, ...]:
    blocks, free = arena.blocks, arena.free
    largest = t("arena.external_is", chunks=free.chunks, largest=free.largest)
    waste = blocks.chunk_bytes - blocks.asked
    found = [
        Figure("system_mem", f"{arena.system_mem:,}", t("arena.system_mem", most=arena.max_system_mem)),
        Figure("top", f"{arena.top_size:,}", t("arena.top_at", address=formats.address(arena.top))),
        Figure(t("arena.mapped"), f"{arena.mmapped_mem:,}", t("arena.mapped_in", chunks=arena.mmaps)),
        Figure(
            t("arena.internal"),
            _percent(blocks.fragmentation),
            t("arena.internal_is", waste=waste, bytes=blocks.chunk_bytes),
        ),
        Figure(t("arena.external"), _percent(free.fragmentation), largest if free.chunks else t("arena.nothing_free")),
    ]
    if not arena.contiguous:
        found.append(Figure(t("arena.contiguous"), t("arena.no"), t("arena.contiguous_is")))
    return tuple(found)


def _mallinfo(arena: ArenaView) -> tuple[Figure, ...]:
    return tuple(
        Figure(name, f"{value:,}", word("arena.mallinfo", name)) for name, value in (arena.mallinfo or {}).items()
    )


def _thresholds(limits: Thresholds) -> tuple[Figure, ...]:
    others = (
        ("trim_threshold", limits.trim_threshold),
        ("top_pad", limits.top_pad),
        ("max_fast", limits.max_fast),
        ("tcache_count", limits.tcache_count),
        ("tcache_max_bytes", limits.tcache_max_bytes),
        ("mmap_max", limits.mmaps_maximum),
    )
    return (
        Figure(
            "mmap_threshold",
            f"{limits.mmap_threshold:,}",
            t("arena.adapts" if limits.adapting else "arena.stays"),
        ),
        *(Figure(name, f"{value:,}", word("arena.limits", name)) for name, value in others),
    )


def _leak(leak: Leak, session: Session, chosen: Chosen) -> LeakRow:
    return LeakRow(
        href=chosen.href(leak.pointer),
        address=formats.address(leak.pointer),
        asked=f"{leak.asked:,}",
        chunk=t("arena.gone") if leak.chunk_bytes is None else f"{leak.chunk_bytes:,}",
        version=leak.given,
        command=words_of_command(session.commands[leak.given - 1]),
    )


def _leaked(lost: LeaksView) -> str:
    if not lost.blocks:
        return t("arena.none_lost", blocks=lost.held)
    return t("arena.lost", blocks=len(lost.blocks), bytes=lost.asked)
