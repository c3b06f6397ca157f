"""After a mistake: the sentence, the bytes, and the earlier command that damaged them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from app.pages.command_words import words_of_command
from engine.views import history
from engine.views.chunk import Field
from engine.views.damage import DamageView, damage
from engine.views.damaged_words import Mistake
from engine.views.heap import ChunkState
from tests.engine.views.told import FIRST, go_on, session

if TYPE_CHECKING:
    from engine.session import Session
    from engine.views.history import Performed

LARGE = ("malloc a 1500", "malloc b 1500", "malloc c 1500", "malloc d 1500")
SMALL = ("malloc a 24", "malloc b 24", "malloc c 24", "malloc d 24")
HEAD_OF_B = FIRST + 28


def story(*lines: str, pid: int = 0) -> DamageView:
    told = story_of(session(*lines), pid)
    assert told is not None
    return told


def story_of(of: Session, pid: int = 0) -> DamageView | None:
    """The story, held to leaving no trace of itself."""
    before = of.machine.digest(), of.version, of.chain, of.machine.trace.total
    told = damage(of, pid)
    assert (of.machine.digest(), of.version, of.chain, of.machine.trace.total) == before
    return told


def said(performed: Performed | None) -> tuple[int, str] | None:
    return None if performed is None else (performed.version, words_of_command(performed.command))


# --- stores that damage ----------------------------------------------------------------------------------------------


def test_an_overflow_into_the_next_size_is_traced_to_its_store() -> None:
    told = story(*SMALL, "write32 a+28 0x9", "free b")
    assert (told.signal, told.message) == ("SIGABRT", "free(): invalid size")
    assert (told.mistake, said(told.at)) == (Mistake.OVERFLOW, (6, "free b"))
    (word,) = told.words
    assert (word.address, word.before, word.after, word.field) == (HEAD_OF_B, 0x21, 0x9, Field.SIZE)
    assert (word.chunk, word.chunk_state, word.offset) == (FIRST + 24, ChunkState.IN_USE, 28)
    assert said(word.by) == (5, "write32 a+28 9")
    assert word.through is not None
    assert (word.through.slot, word.through.pointer, word.through.asked, word.through.live) == ("a", FIRST, 24, True)


def test_a_fill_that_runs_over_and_a_store_to_a_plain_address_are_overflows_too() -> None:
    told = story(*SMALL, "fill a 40 65", "free b")
    assert (told.mistake, told.words[0].after, told.words[0].by.version) == (Mistake.OVERFLOW, 0x41414141, 5)
    told = story(*SMALL, f"write32 {HEAD_OF_B} 9", "free b")
    assert told.words[0].through is not None
    assert (told.mistake, told.words[0].through.slot, told.words[0].through.pointer) == (Mistake.OVERFLOW, None, FIRST)


def test_an_overflow_into_top_is_told_when_top_is_used() -> None:
    told = story("malloc a 24", "write32 a+28 0xffffffff", "malloc b 2000")
    assert (told.message, told.mistake) == ("malloc(): corrupted top size", Mistake.OVERFLOW_INTO_TOP)
    assert (told.words[0].chunk_state, told.words[0].before, told.words[0].by.version) == (ChunkState.TOP, 0x21E49, 2)


def test_a_store_before_a_blocks_start_is_an_underflow() -> None:
    told = story(*LARGE, "write32 c-4 0x10", "free b")
    assert (told.message, told.mistake) == ("double free or corruption (!prev)", Mistake.UNDERFLOW)
    assert told.words[0].offset == -4


def test_a_store_into_a_freed_blocks_link_is_a_use_after_free() -> None:
    told = story(*LARGE, "free b", "write32 b 0x41414141", "free c")
    assert (told.signal, told.fault_address, told.mistake) == ("SIGSEGV", 0x4141414D, Mistake.USE_AFTER_FREE)
    (word,) = told.words
    assert (word.field, word.chunk_state, word.after) == (Field.FD, ChunkState.UNSORTED, 0x41414141)
    assert word.through is not None
    assert (word.through.live, word.through.freed) == (False, 5)


def test_a_damaged_link_is_followed_through_the_call_that_carried_it_on() -> None:
    """malloc 2 took the damaged chunk and made its link the list's head; malloc 3 stumbles over that."""
    lines = ("malloc a 88", "malloc b 88", "free a", "free b", "write32 b 0x12345678", "malloc c 88", "malloc d 88")
    told = story(*lines)
    assert told.message == "malloc(): unaligned tcache chunk detected"
    assert (told.mistake, said(told.words[0].by)) == (Mistake.USE_AFTER_FREE, (5, "write32 b 305419896"))
    assert (told.words[0].field, told.words[0].chunk_state) == (Field.NEXT, ChunkState.TCACHE)


def test_blocks_that_overlap_are_followed_to_the_overflow_that_made_them() -> None:
    told = story(*SMALL, "write32 a+28 0x61", "free b", "malloc e 80", "fill e 80 66", "free c")
    assert (said(told.at), said(told.words[0].by)) == ((9, "free c"), (5, "write32 a+28 97"))
    assert told.mistake is Mistake.OVERFLOW


@pytest.mark.parametrize("taken", ["madvise 0x0804e000 4096 dontneed", "munmap 0x0804e000 4096"])
def test_a_heap_whose_pages_were_taken_away_is_told(taken: str) -> None:
    told = story(*SMALL, taken, "free a")
    assert (told.mistake, told.words[0].by.version) == (Mistake.MEMORY_GONE, 5)


def test_a_break_that_was_lowered_behind_mallocs_back_is_told() -> None:
    told = story("malloc a 24", "sbrk -131072", "malloc b 10000")
    assert (told.signal, told.mistake, told.words[0].after) == ("SIGSEGV", Mistake.MEMORY_GONE, None)


def test_a_store_into_glibcs_own_variables_is_a_stray_one() -> None:
    told = story("malloc a 24", "write32 0x0804e010 0x00070007", "write32 0x0804e094 0x41414141", "malloc b 24")
    assert told.mistake is Mistake.STRAY_STORE
    assert [(word.address, word.chunk_state) for word in told.words] == [
        (0x0804E094, ChunkState.TCACHE_STRUCT),
        (0x0804E010, ChunkState.TCACHE_STRUCT),
    ]


def test_what_a_program_stores_into_its_own_block_is_no_damage() -> None:
    """free(b) reads b+4, where the tcache's key would be: that the program stored there means nothing."""
    told = story(*SMALL, "write32 b+4 7", "write32 b+24 0x99", "write32 a+28 0x9", "free b")
    assert [word.by.version for word in told.words] == [7]


# --- pointers that are wrong -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "sentence", "given", "freed"),
    [
        (
            ("malloc a 88", "malloc b 88", "free a", "free b", "free a"),
            "free(): double free detected in tcache 2",
            1,
            3,
        ),
        ((*LARGE, "free b", "free b"), "double free or corruption (!prev)", 2, 5),
        (("malloc a 2000", "free a", "free a"), "free(): invalid size", 1, 2),
        (("malloc a 200000", "free a", "free a"), None, 1, 2),
    ],
)
def test_a_double_free_names_who_freed_it_first(
    lines: tuple[str, ...], sentence: str | None, given: int, freed: int
) -> None:
    told = story(*lines)
    assert (told.mistake, told.message, told.words) == (Mistake.DOUBLE_FREE, sentence, ())
    assert told.allocated is not None
    assert told.freed is not None
    assert (told.allocated.version, told.freed.version, told.freed_again) == (given, freed, None)


def test_resizing_a_freed_block_is_a_use_after_free() -> None:
    told = story(*LARGE, "free b", "realloc b 3000")
    assert told.freed is not None
    assert (told.mistake, told.freed.version) == (Mistake.USE_AFTER_FREE, 5)


def test_a_double_free_that_glibc_did_not_notice_is_found_behind_a_circle() -> None:
    told = story("malloc a 24", "free a", "write32 a+4 0", "free a")
    assert (told.at, told.signal, told.mistake) == (None, None, Mistake.DOUBLE_FREE)
    assert (told.pointer, said(told.allocated), said(told.freed)) == (FIRST, (1, "malloc a 24"), (2, "free a"))
    assert said(told.freed_again) == (4, "free a")


@pytest.mark.parametrize(
    ("place", "aligned", "region", "offset", "block"),
    [
        ("a+16", True, "[heap]", 16, FIRST),
        ("a+4", False, "[heap]", 4, FIRST),
        ("0xbfffe010", True, "[stack]", None, None),
        ("0x10000010", True, None, None, None),
    ],
)
def test_an_invalid_pointer_is_told_by_what_it_points_into(
    place: str, aligned: bool, region: str | None, offset: int | None, block: int | None
) -> None:
    told = story("malloc a 100", f"free {place}")
    into = told.points_into
    assert into is not None
    assert told.mistake is Mistake.INVALID_POINTER
    assert (into.aligned, into.region, into.offset, into.block) == (aligned, region, offset, block)


# --- who, when and whether -------------------------------------------------------------------------------------------


def test_damage_that_nobody_has_noticed_yet_is_told_while_the_process_lives() -> None:
    told = story(*SMALL, "write32 a+28 0x61")
    assert (told.at, told.message, told.mistake) == (None, None, Mistake.OVERFLOW)
    assert [(word.address, word.before, word.after) for word in told.words] == [(HEAD_OF_B, 0x21, 0x61)]


@pytest.mark.parametrize(
    "lines",
    [
        (),
        SMALL,
        (*SMALL, "free a", "free c", "malloc e 24", "write32 e 5", "fill b 28 255"),
        (*LARGE, "free a", "free c", "malloc e 3000", "malloc f 200000", "free f", "trim 0"),
        ("malloc a 24", "sbrk 4096", "malloc b 200", "malloc c 130000", "malloc d 130000"),
        ("malloc a 24", "exit 0"),
    ],
)
def test_a_heap_that_makes_sense_has_no_story(lines: tuple[str, ...]) -> None:
    assert story_of(session(*lines)) is None


def test_a_childs_mistake_may_have_been_its_parents() -> None:
    told = story(*SMALL, "write32 a+28 0x9", "fork 1", "@1 free b", pid=1)
    assert (said(told.at), said(told.words[0].by)) == ((7, "@1 free b"), (5, "write32 a+28 9"))
    told = story(*SMALL, "fork 1", "write32 a+28 0x41", "@1 write32 a+28 0x9", "@1 free b", pid=1)
    assert told.words[0].by.version == 7


def test_the_story_is_of_the_version_that_is_looked_at() -> None:
    of = session(*SMALL, "write32 a+28 0x9", "free b")
    of.go_to(5)
    told = story_of(of)
    assert told is not None
    assert told.at is None
    of.go_to(4)
    assert story_of(of) is None


def test_the_cause_may_lie_thousands_of_commands_back() -> None:
    of = session("malloc a 30000", "malloc b 30000", "malloc c 24", "write32 a+30012 0x9")
    go_on(of, ["malloc e 40", "write32 e 7", "free e"] * 800)
    go_on(of, ["free b"])
    told = story_of(of)
    assert told is not None
    assert (told.mistake, told.words[0].by.version, told.looked_from) == (Mistake.OVERFLOW, 4, 0)


def test_the_search_ends_where_it_would_take_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "LOOK_BACK", 1500)
    of = session("malloc a 30000", "malloc b 30000", "malloc c 24", "write32 a+30012 0x9")
    go_on(of, ["malloc e 40", "write32 e 7", "free e"] * 1200)
    go_on(of, ["free b"])
    told = story_of(of)
    assert told is not None
    assert (told.mistake, told.words, told.looked_from) == (Mistake.UNKNOWN, (), 2000)


def test_an_unknown_process_is_the_askers_mistake() -> None:
    with pytest.raises(KeyError):
        damage(session(), 4)
