"""glibc's books: the lists with their links, the arena's totals and thresholds, and the blocks that are lost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from app.pages import formats, keys
from app.pages.command_words import words_of_command
from app.pages.heap_band import STATE_WORDS, bin_name
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

LINKS_SHOWN: Final = 60
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
    asked = f"{formats.times(blocks.count, 'block')}, {blocks.asked:,} bytes asked for"
    return f"{asked} · {formats.size(arena.system_mem)} from the kernel"


def _states(arena: ArenaView) -> tuple[Figure, ...]:
    return tuple(
        Figure(STATE_WORDS[state.state], f"{state.bytes:,}", formats.times(state.chunks, "chunk"))
        for state in arena.states
    )


def _totals(arena: ArenaView) -> tuple[Figure, ...]:
    blocks, free = arena.blocks, arena.free
    largest = f"the largest of {formats.times(free.chunks, 'chunk')} has {free.largest:,} bytes"
    found = [
        Figure("system_mem", f"{arena.system_mem:,}", f"got by sbrk; at most {arena.max_system_mem:,}"),
        Figure("top", f"{arena.top_size:,}", f"at {formats.address(arena.top)}"),
        Figure(
            "mapped", f"{arena.mmapped_mem:,}", f"in {formats.times(arena.mmaps, 'chunk')} with mappings of their own"
        ),
        Figure(
            "internal fragmentation",
            _percent(blocks.fragmentation),
            f"{blocks.chunk_bytes - blocks.asked:,} of {blocks.chunk_bytes:,} bytes in the blocks' chunks were not asked for",
        ),
        Figure("external fragmentation", _percent(free.fragmentation), largest if free.chunks else "nothing is free"),
    ]
    if not arena.contiguous:
        found.append(Figure("contiguous", "no", "the heap no longer grows by sbrk alone"))
    return tuple(found)


_MALLINFO: Final = {
    "arena": "got by moving the break",
    "ordblks": "free chunks, top counted",
    "smblks": "chunks in fast bins",
    "hblks": "chunks with mappings of their own",
    "hblkhd": "bytes of those",
    "usmblks": "always 0",
    "fsmblks": "bytes in fast bins",
    "uordblks": "bytes in use, those in the tcache too",
    "fordblks": "bytes free",
    "keepcost": "bytes of top",
}


def _mallinfo(arena: ArenaView) -> tuple[Figure, ...]:
    return tuple(Figure(name, f"{value:,}", _MALLINFO[name]) for name, value in (arena.mallinfo or {}).items())


def _thresholds(limits: Thresholds) -> tuple[Figure, ...]:
    adapts = "it grows with the mapped chunks that are freed" if limits.adapting else "set by mallopt: it stays"
    return (
        Figure("mmap_threshold", f"{limits.mmap_threshold:,}", f"requests from here on get a mapping; {adapts}"),
        Figure("trim_threshold", f"{limits.trim_threshold:,}", "top from here on goes back to the kernel"),
        Figure("top_pad", f"{limits.top_pad:,}", "asked for beyond the need when the heap grows"),
        Figure("max_fast", f"{limits.max_fast:,}", "chunks up to this size go into fast bins"),
        Figure("tcache_count", f"{limits.tcache_count:,}", "chunks of each size that the tcache holds at most"),
        Figure("tcache_max_bytes", f"{limits.tcache_max_bytes:,}", "requests up to this size may come from the tcache"),
        Figure("mmap_max", f"{limits.mmaps_maximum:,}", "mappings at most"),
    )


def _leak(leak: Leak, session: Session, chosen: Chosen) -> LeakRow:
    return LeakRow(
        href=chosen.href(leak.pointer),
        address=formats.address(leak.pointer),
        asked=f"{leak.asked:,}",
        chunk="gone" if leak.chunk_bytes is None else f"{leak.chunk_bytes:,}",
        version=leak.given,
        command=words_of_command(session.commands[leak.given - 1]),
    )


def _leaked(lost: LeaksView) -> str:
    if not lost.blocks:
        return f"No block is lost: each of {formats.times(lost.held, 'block')} has a pointer that leads to it."
    count = len(lost.blocks)
    verb = "is" if count == 1 else "are"
    return f"{formats.times(count, 'block')} {verb} lost, {formats.times(lost.asked, 'byte')}: no pointer leads there any more."
