"""The panels on glibc's books: what the page says of a chunk, the arena, the leaks, and a mistake."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from app.pages.arena_panel import ArenaPanel
from app.pages.chunk_panel import ChunkPanel
from app.pages.machine_parts import DamagePart, machine_page
from app.pages.panels import Panel
from app.pages.shown import Shown
from tests.engine.views.told import session

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.pages.damage_panel import DamagePanel

SMALL = ("malloc a 24", "malloc b 24", "malloc c 24")
LARGE = ("malloc a 1500", "malloc b 1500", "malloc c 1500", "malloc d 1500")


def machine(*lines: str, at: str = "", pid: int = 0) -> Mapping[str, object]:
    """What is in the parts of the page, its panels on glibc's books open."""
    page = machine_page(session(*lines), "id", Shown(at=at, pid=pid).opened("chunk", "arena"))
    return {part.name: part.page for part in page.parts}


def panel(name: str, *lines: str, at: str = "") -> object | None:
    found = machine(*lines, at=at)[name]
    assert found is None or isinstance(found, Panel)
    return None if found is None else found.body


def chunk(*lines: str, at: str) -> ChunkPanel:
    found = panel("chunk", *lines, at=at)
    assert isinstance(found, ChunkPanel)
    return found


def arena(*lines: str) -> ArenaPanel:
    found = panel("arena", *lines)
    assert isinstance(found, ArenaPanel)
    return found


def damage(*lines: str, pid: int = 0) -> DamagePanel | None:
    found = machine(*lines, pid=pid)["damage"]
    assert isinstance(found, DamagePart)
    return found.wrong


def wrong(*lines: str, pid: int = 0) -> DamagePanel:
    found = damage(*lines, pid=pid)
    assert found is not None
    return found


def test_a_block_is_told_word_by_word_with_its_waste() -> None:
    panel = chunk("malloc a 100", at="a")
    assert [(row.name, row.raw) for row in panel.rows] == [("prev_size", "0x00000000"), ("size", "0x00000071")]
    assert panel.rows[1].words == (
        "size 0x70 (112 bytes) + A 0 (of the main arena), M 0 (of the heap), P 1 (the one before is in use)"
    )
    assert [(part.kind, part.bytes) for part in panel.parts] == [("asked", 100), ("waste", 8), ("overhead", 4)]
    assert panel.waste == "100 bytes asked for, 108 usable, 112 in the chunk: 10.7 % is overhead."


def test_a_link_is_told_as_it_lies_and_taken_apart() -> None:
    panel = chunk(*SMALL, "free a", "free b", at="b")
    link = panel.rows[2]
    assert (link.name, link.link) == ("next", "0x0804e198")
    assert link.words == "0x080461ee xor 0x804e gives 0x0804e1a0: the next chunk"
    assert panel.listed == "number 1 of 2 in the tcache of 0x20 bytes, the next to be taken"
    damaged = chunk(*LARGE, "free b", "write32 b 0x41414141", at="b").rows[2]
    assert (damaged.bad, damaged.words) == (True, "0x41414141: no chunk is there, the link is damaged")


def test_free_is_told_before_it_is_done() -> None:
    free = chunk(*SMALL, at="b").free
    assert free is not None
    assert (free.call, free.bad) == ("free(b)", False)
    assert free.steps == ("The chunk goes into the tcache, with others of 32 bytes.",)
    assert free.stores[0] == "0x0804e010: 0x00000000 becomes 0x00010000"
    again = chunk(*SMALL, "free b", at="b").free
    assert again is not None
    assert (again.bad, again.ends) == (
        True,
        "glibc would say “free(): double free detected in tcache 2” and end the process.",
    )


def test_the_arena_lists_links_and_lost_blocks_with_their_commands() -> None:
    panel = arena(*SMALL, "malloc a 50", "free b", "free c")
    assert [(row.list, row.leads_to) for row in panel.links] == [("tcache 0x20", "0x0804e1c0"), ("tcache 0x20", "NULL")]
    assert panel.leaked == "1 block is lost, 24 bytes: no pointer leads there any more."
    assert [(row.version, row.command, row.asked) for row in panel.leaks] == [(1, "malloc a 24", "24")]
    assert arena("malloc a 24").leaked == "No block is lost: each of 1 block has a pointer that leads to it."


def test_fragmentation_is_told_in_percent() -> None:
    totals = {row.name: row.value for row in arena(*LARGE, "free a", "free c").totals}
    assert (totals["internal fragmentation"], totals["external fragmentation"]) == ("0.3 %", "50.0 %")


def test_what_was_lost_is_told_after_the_end() -> None:
    panel = arena("malloc a 24", "malloc a 24", "exit 0")
    assert (panel.totals, [row.chunk for row in panel.leaks]) == ((), ["gone"])


@pytest.mark.parametrize(
    ("lines", "title", "sentence"),
    [
        (
            (*SMALL, "write32 a+28 9", "free b"),
            "A store ran over the end of a block",
            (
                "Step 4 (write32 a+28 9) stored 4 bytes behind the end of block a (24 bytes) and changed the size of the chunk"
                " at 0x0804e1b8 (in use), the word at 0x0804e1bc. It was 0x00000021 and became 0x00000009."
            ),
        ),
        (
            ("malloc a 24", "write32 a+28 0xffffffff", "malloc b 2000"),
            "A store ran over the end of the last block, into top",
            (
                "Step 2 (write32 a+28 4294967295) stored 4 bytes behind the end of block a (24 bytes) and changed the size of"
                " top, the word at 0x0804e1bc. It was 0x00021e49 and became 0xffffffff."
            ),
        ),
        (
            (*LARGE, "free b", "write32 b 0x41414141", "free c"),
            "A block was used after it was freed",
            (
                "Step 6 (write32 b 1094795585) stored into block b (1,500 bytes), which step 5 had freed, and changed the link"
                " fd of the chunk at 0x0804e778 (free, in the unsorted bin), the word at 0x0804e780."
                " It was 0xb7fb87f8 and became 0x41414141."
            ),
        ),
        (
            (*LARGE, "write32 c-4 0x10", "free b"),
            "A store went before the start of a block",
            (
                "Step 5 (write32 c-4 16) stored 4 bytes before the start of block c (1,500 bytes) and changed the size of the"
                " chunk at 0x0804ed58 (in use), the word at 0x0804ed5c. It was 0x000005e1 and became 0x00000010."
            ),
        ),
        (
            ("malloc a 88", "free a", "free a"),
            "A block was freed twice",
            (
                "The block at 0x0804e1a0 was given by step 1 (malloc a 88) and freed by step 2 (free a);"
                " step 3 (free a) passed it to glibc once more."
            ),
        ),
        (
            ("malloc a 100", "free a+4"),
            "The pointer is none that malloc gave",
            (
                "0x0804e1a4 lies 4 bytes inside the block at 0x0804e1a0, for which 100 bytes were asked: only its start can be"
                " freed. It is no multiple of 16, as every pointer from malloc is."
            ),
        ),
        (
            ("malloc a 100", "free 0x10000010"),
            "The pointer is none that malloc gave",
            "0x10000010 leads nowhere: nothing is mapped there.",
        ),
        (
            (*SMALL, "munmap 0x0804e000 4096", "free a"),
            "Pages of the heap were taken away",
            (
                "Step 4 (munmap 0x0804e000 4096) took away the page of the size of the chunk at 0x0804e198 (in use),"
                " the word at 0x0804e19c."
            ),
        ),
    ],
)
def test_a_mistake_is_told_in_sentences(lines: tuple[str, ...], title: str, sentence: str) -> None:
    panel = wrong(*lines)
    assert (panel.title, panel.story) == (title, (sentence,))
    assert panel.steps[-1].version == len(lines)


def test_the_sentence_that_glibc_printed_is_told_with_its_step() -> None:
    assert wrong("malloc a 88", "free a", "free a").said == (
        "glibc said “free(): double free detected in tcache 2” in step 3 (free a), and ended the process (SIGABRT)."
    )
    assert wrong("malloc a 100", "free 0x10000010").said == (
        "The process got SIGSEGV at 0x1000000c in step 2 (free 0x10000010)."
    )
    assert wrong(*SMALL, "write32 a+28 0x61").said == (
        "Nothing has noticed yet, and the process lives: but words of its heap contradict each other."
    )


def test_where_nothing_went_wrong_nothing_is_told() -> None:
    assert damage() is None
    assert damage(*LARGE, "free a", "malloc e 24") is None
    assert damage("malloc a 24", "exit 0") is None
    assert damage("malloc a 24", "sbrk 4096", "malloc b 131000", "malloc c 60000") is None


def test_before_the_first_malloc_there_are_no_books() -> None:
    found = machine()
    assert (found["chunk"], found["arena"], damage()) == (None, None, None)
