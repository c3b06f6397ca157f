"""What went wrong, told: glibc's sentence, the bytes that were damaged, and the steps that did it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from app.pages import formats
from app.pages.command_words import words_of_command
from app.pages.names import chunk_state
from app.words import t, word
from engine import views
from engine.views.chunk import Field
from engine.views.damage import damage_at
from engine.views.damaged_words import Mistake
from engine.views.heap import ChunkState
from engine.views.suspects import suspects_of

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
    found: DamageView | None
    if session.machine.processes[pid].ended is not None:
        found = views.damage(session, pid)
    elif _worth_a_look(heap, bins):
        found = damage_at(session, pid, suspects_of(session.machine, pid, heap, bins.bins))
    else:
        return None
    if found is None:
        return None
    return DamagePanel(word("damage.title", found.mistake), _said(found), tuple(_story(found)), _steps(found))


def _worth_a_look(heap: HeapView, bins: BinsView) -> bool:
    return (
        len(heap.chunks) <= CHUNKS_CHECKED
        or heap.broken_at is not None
        or any(found.damaged for found in bins.bins)
        or any(chunk.state is ChunkState.FREE for chunk in heap.chunks)
    )


def _said(found: DamageView) -> str:
    if found.at is None:
        return t("damage.unnoticed")
    step = _step(found.at)
    if found.message is not None:
        return t("damage.glibc_said", message=found.message, step=step, signal=found.signal)
    if found.fault_address is None:
        return t("damage.got_signal", signal=found.signal, step=step)
    return t("damage.got_signal_at", signal=found.signal, address=formats.address(found.fault_address), step=step)


def _step(performed: Performed) -> str:
    return t("damage.step", step=performed.version, command=words_of_command(performed.command))


def _story(found: DamageView) -> list[str]:
    told = [_word(each) for each in found.words[:WORDS_SHOWN]]
    if len(found.words) > WORDS_SHOWN:
        told.append(t("damage.words_more", words=len(found.words) - WORDS_SHOWN))
    if found.freed is not None:
        told.append(_freed(found, found.freed))
    elif found.mistake is Mistake.INVALID_POINTER and found.points_into is not None:
        told.append(_points_into(found.points_into))
    if found.mistake is Mistake.UNKNOWN:
        told.append(_nobody(found))
    return told


def _nobody(found: DamageView) -> str:
    if found.looked_from:
        return t("damage.no_step_since", step=found.looked_from)
    return t("damage.no_step")


def _freed(found: DamageView, freed: Performed) -> str:
    block, step = t("damage.the_block"), _step(freed)
    if found.pointer is not None:
        block = t("damage.the_block_at", pointer=formats.address(found.pointer))
    again = found.freed_again or found.at
    if found.allocated is None:
        if again is None:
            return t("damage.freed", block=block, step=step)
        return t("damage.freed_again", block=block, step=step, again=_step(again))
    given = _step(found.allocated)
    if again is None:
        return t("damage.freed_given", block=block, given=given, step=step)
    return t("damage.freed_given_again", block=block, given=given, step=step, again=_step(again))


def _points_into(into: PointsInto) -> str:
    said = _where(into)
    return said if into.aligned else f"{said} {t('damage.unaligned')}"


def _where(into: PointsInto) -> str:
    pointer = formats.address(into.pointer)
    if into.region is None:
        return t("damage.leads_nowhere", pointer=pointer)
    if into.chunk is None or into.offset is None or into.chunk_state is None:
        return t("damage.leads_into", pointer=pointer, region=into.region)
    if into.block is not None:
        block = formats.address(into.block)
        return t("damage.inside_block", pointer=pointer, offset=into.offset, block=block, asked=into.asked)
    return t("damage.inside_chunk", pointer=pointer, state=chunk_state(into.chunk_state))


# --- one damaged word ------------------------------------------------------------------------------------------------


def _word(found: DamagedWord) -> str:
    step, command = found.by.version, words_of_command(found.by.command)
    what = t("damage.what", place=_place(found), address=formats.address(found.address))
    if found.after is None:
        return t("damage.took_page", step=step, command=command, what=what)
    did, after = _did(found), formats.address(found.after)
    if found.before is None:
        return t("damage.changed", step=step, command=command, did=did, what=what, after=after)
    before = formats.address(found.before)
    return t("damage.changed_from", step=step, command=command, did=did, what=what, before=before, after=after)


def _place(found: DamagedWord) -> str:
    if found.chunk is None or found.chunk_state is None:
        return t("damage.a_word")
    if found.chunk_state is ChunkState.TCACHE_STRUCT:
        return t("damage.tcache_word")
    field = _field(found.field)
    if found.chunk_state is ChunkState.TOP:
        return t("damage.of_top", field=field)
    state = chunk_state(found.chunk_state)
    return t("damage.of_chunk", field=field, chunk=formats.address(found.chunk), state=state)


def _field(field: Field | None) -> str:
    match field:
        case None:
            return t("damage.a_word")
        case Field.SIZE:
            return t("damage.the_size")
        case Field.PREV_SIZE:
            return t("damage.prev_size")
    return t("damage.the_link", field=field.value)


def _did(found: DamagedWord) -> str:
    if found.through is None or found.offset is None:
        return t("damage.emptied" if found.by.command.op == "madvise" else "damage.not_own")
    block = _block(found.through)
    if found.offset < 0:
        return t("damage.stored_before", bytes=-found.offset, block=block)
    if found.offset < found.through.asked and found.through.freed is not None:
        return t("damage.stored_freed", block=block, step=found.through.freed)
    return t("damage.stored_behind", bytes=found.offset - found.through.asked, block=block)


def _block(through: Through) -> str:
    if through.slot:
        return t("damage.block_named", name=through.slot, bytes=through.asked)
    return t("damage.block_at", pointer=formats.address(through.pointer), bytes=through.asked)


def _steps(found: DamageView) -> tuple[StepLink, ...]:
    named = [each.by for each in found.words[:WORDS_SHOWN]]
    named += [each for each in (found.allocated, found.freed, found.freed_again, found.at) if each is not None]
    return tuple(
        StepLink(version, words_of_command(command))
        for version, command in sorted({each.version: each.command for each in named}.items())
    )
