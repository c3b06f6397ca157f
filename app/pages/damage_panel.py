"""What went wrong, told: glibc's sentence, the bytes that were damaged, and the steps that did it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from app.pages import formats
from app.pages.command_words import words_of_command
from app.pages.heap_band import STATE_WORDS
from engine import views
from engine.views.chunk import Field
from engine.views.damaged_words import Mistake
from engine.views.heap import ChunkState

if TYPE_CHECKING:
    from engine.session import Session
    from engine.views.bins import BinsView
    from engine.views.damage import DamageView
    from engine.views.damaged_words import DamagedWord, PointsInto
    from engine.views.heap import HeapView
    from engine.views.history import Performed, Through

CHUNKS_CHECKED: Final = 1000
"""A larger heap is looked through only where something is wrong at first sight."""
WORDS_SHOWN: Final = 6

TITLES: Final = {
    Mistake.DOUBLE_FREE: "A block was freed twice",
    Mistake.USE_AFTER_FREE: "A block was used after it was freed",
    Mistake.OVERFLOW: "A store ran over the end of a block",
    Mistake.OVERFLOW_INTO_TOP: "A store ran over the end of the last block, into top",
    Mistake.UNDERFLOW: "A store went before the start of a block",
    Mistake.INVALID_POINTER: "The pointer is none that malloc gave",
    Mistake.MEMORY_GONE: "Pages of the heap were taken away",
    Mistake.STRAY_STORE: "A store hit glibc's own data",
    Mistake.UNKNOWN: "The heap is damaged",
}


@dataclass(frozen=True, slots=True)
class StepLink:
    """A step of the history that the story names."""

    version: int
    words: str


@dataclass(frozen=True, slots=True)
class DamagePanel:
    """The story. `said` is what glibc or the kernel told, `story` the sentences that say why."""

    title: str
    said: str
    story: tuple[str, ...]
    steps: tuple[StepLink, ...]


def damage_panel(session: Session, heap: HeapView, bins: BinsView, pid: int) -> DamagePanel | None:
    """The panel; None where nothing went wrong."""
    if session.machine.processes[pid].ended is None and not _worth_a_look(heap, bins):
        return None
    found: DamageView | None = views.damage(session, pid)
    if found is None:
        return None
    return DamagePanel(TITLES[found.mistake], _said(found), tuple(_story(found)), _steps(found))


def _worth_a_look(heap: HeapView, bins: BinsView) -> bool:
    return (
        len(heap.chunks) <= CHUNKS_CHECKED
        or heap.broken_at is not None
        or any(found.damaged for found in bins.bins)
        or any(chunk.state is ChunkState.FREE for chunk in heap.chunks)
    )


def _said(found: DamageView) -> str:
    if found.at is None:
        return "Nothing has noticed yet, and the process lives: but words of its heap contradict each other."
    if found.message is not None:
        return f"glibc said “{found.message}” in {_step(found.at)}, and ended the process ({found.signal})."
    where = "" if found.fault_address is None else f" at {formats.address(found.fault_address)}"
    return f"The process got {found.signal}{where} in {_step(found.at)}."


def _step(performed: Performed) -> str:
    return f"step {performed.version} ({words_of_command(performed.command)})"


def _story(found: DamageView) -> list[str]:
    told = [_word(word) for word in found.words[:WORDS_SHOWN]]
    if len(found.words) > WORDS_SHOWN:
        told.append(f"And {formats.times(len(found.words) - WORDS_SHOWN, 'word')} more.")
    if found.freed is not None:
        told.append(_freed(found, found.freed))
    elif found.mistake is Mistake.INVALID_POINTER and found.points_into is not None:
        told.append(_points_into(found.points_into))
    if found.mistake is Mistake.UNKNOWN:
        told.append(_nobody(found))
    return told


def _nobody(found: DamageView) -> str:
    back = "the beginning" if not found.looked_from else f"step {found.looked_from}"
    return f"No step since {back} was found that stored where it should not."


def _freed(found: DamageView, freed: Performed) -> str:
    given = "" if found.allocated is None else f" was given by {_step(found.allocated)} and"
    block = "" if found.pointer is None else f" at {formats.address(found.pointer)}"
    again = found.freed_again or found.at
    then = "" if again is None else f"; {_step(again)} passed it to glibc once more"
    return f"The block{block}{given} freed by {_step(freed)}{then}."


def _points_into(into: PointsInto) -> str:
    pointer = formats.address(into.pointer)
    unaligned = "" if into.aligned else " It is no multiple of 16, as every pointer from malloc is."
    if into.region is None:
        return f"{pointer} leads nowhere: nothing is mapped there.{unaligned}"
    if into.chunk is None or into.offset is None or into.chunk_state is None:
        return f"{pointer} leads into {into.region}, where malloc has no block.{unaligned}"
    if into.block is not None:
        return (
            f"{pointer} lies {formats.times(into.offset, 'byte')} inside the block at {formats.address(into.block)},"
            f" for which {into.asked} bytes were asked: only its start can be freed.{unaligned}"
        )
    return f"{pointer} lies inside a chunk that is {STATE_WORDS[into.chunk_state]}.{unaligned}"


# --- one damaged word ------------------------------------------------------------------------------------------------


def _word(word: DamagedWord) -> str:
    what = f"{_place(word)}, the word at {formats.address(word.address)}"
    if word.after is None:
        return f"{_step(word.by).capitalize()} took away the page of {what}."
    before = "" if word.before is None else f"was {formats.address(word.before)} and "
    return f"{_step(word.by).capitalize()} {_did(word)} and changed {what}. It {before}became {formats.address(word.after)}."


def _place(word: DamagedWord) -> str:
    if word.chunk is None or word.chunk_state is None:
        return "a word"
    if word.chunk_state is ChunkState.TCACHE_STRUCT:
        return "a word of the tcache"
    name = {None: "a word", Field.SIZE: "the size", Field.PREV_SIZE: "prev_size"}.get(word.field)
    name = name or (f"the link {word.field.value}" if word.field is not None else "a word")
    if word.chunk_state is ChunkState.TOP:
        return f"{name} of top"
    return f"{name} of the chunk at {formats.address(word.chunk)} ({STATE_WORDS[word.chunk_state]})"


def _did(word: DamagedWord) -> str:
    if word.through is None or word.offset is None:
        return "reached into memory that was not its own" if word.by.command.op != "madvise" else "emptied a page"
    block = _block(word.through)
    if word.offset < 0:
        return f"stored {formats.times(-word.offset, 'byte')} before the start of {block}"
    if word.offset < word.through.asked and word.through.freed is not None:
        return f"stored into {block}, which step {word.through.freed} had freed,"
    return f"stored {formats.times(word.offset - word.through.asked, 'byte')} behind the end of {block}"


def _block(through: Through) -> str:
    name = f"block {through.slot}" if through.slot else f"the block at {formats.address(through.pointer)}"
    return f"{name} ({formats.times(through.asked, 'byte')})"


def _steps(found: DamageView) -> tuple[StepLink, ...]:
    named = [word.by for word in found.words[:WORDS_SHOWN]]
    named += [each for each in (found.allocated, found.freed, found.freed_again, found.at) if each is not None]
    return tuple(
        StepLink(version, words_of_command(command))
        for version, command in sorted({each.version: each.command for each in named}.items())
    )
