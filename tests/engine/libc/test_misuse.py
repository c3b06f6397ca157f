"""Each sentence with which glibc ends a program whose heap is damaged, and the damage that provokes it."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from engine import libc
from engine.commands import Mallinfo
from engine.events.libc import TcacheDoubleFree, TcachePut
from engine.libc.malloc import TCACHE_KEY
from tests.engine.libc.c_program import HEAP, READABLE, UNSORTED_BIN, Program, seven_cached

if TYPE_CHECKING:
    from collections.abc import Iterator

LIBC_SOURCES: Final = Path(libc.__file__).parent
BEGINNINGS: Final = (
    "free()", "malloc()", "realloc()", "malloc_consolidate()", "munmap_chunk()", "mremap_chunk()", "int_mallinfo()",
    "corrupted ", "double free", "invalid fastbin", "break adjusted",
)  # fmt: skip

THREE_LARGE = ("malloc a 1500", "malloc b 1500", "malloc c 1500", "malloc wall 24")
"""Three chunks of 0x5e0 bytes in a row, too large for the tcache, and one that keeps them from top."""
A_FREED = (*THREE_LARGE, "free a")
B_FREED = (*THREE_LARGE, "free b")
TWO_FAST = ("malloc f 24", "malloc g 24", *seven_cached(24), "free f", "free g")
"""The fast bin of 0x20 leads to g and from there to f; the tcache's is full."""
SMALL_BIN = ("malloc a 1500", "malloc wall 24", "free a", "malloc b 1040", "malloc c 3000")
"""a was cut: b took 0x420 bytes of it, and the rest of 0x1c0 lies in its small bin."""
LARGE_BIN = ("malloc a 1500", "malloc wall 24", "free a", "malloc c 3000")
"""a alone lies in large bin 72, which holds sizes of 0x5c0 to 0x5f0."""
TWO_LARGE_BIN = (
    "malloc x 1516", "malloc w1 24", "malloc y 1484", "malloc w2 24", "malloc z 1500", "malloc w3 24",
    "free x", "free y", "malloc c 3000", "free z",
)  # fmt: skip
"""x of 0x5f0 and y of 0x5d0 lie in large bin 72, z of 0x5e0 in the unsorted bin: the next search puts it between them."""
ELSEWHERE = f"{READABLE:#x}"

SENTENCES = {
    # free()
    "free(): invalid pointer": ("malloc a 100", "free a+4"),
    "free(): invalid size": ("malloc a 100", "write32 a-4 0x9", "free a"),
    "free(): double free detected in tcache 2": ("malloc a 88", "malloc b 88", "free a", "free b", "free a"),
    "free(): invalid next size (fast)": ("malloc a 24", *seven_cached(24), "write32 a+28 0", "free a"),
    "double free or corruption (fasttop)": (*TWO_FAST, "free g"),
    "invalid fastbin entry (free)": (*TWO_FAST, "malloc r 100", "write32 g-4 0x31", "realloc r 72"),
    "double free or corruption (top)": ("malloc a 24", "write32 a+28 0x20001", "free a+32"),
    "double free or corruption (out)": ("malloc a 1500", "write32 a-4 0x30001", "free a"),
    "double free or corruption (!prev)": (*B_FREED, "free b"),
    "free(): invalid next size (normal)": (*THREE_LARGE, "write32 b-4 0xfffff1", "free a"),
    "free(): corrupted unsorted chunks": (*A_FREED, f"write32 a+4 {ELSEWHERE}", "free c"),
    # joining neighbours
    "corrupted size vs. prev_size": (*B_FREED, "write32 c-8 0x40", "free a"),
    "corrupted size vs. prev_size while consolidating": (*B_FREED, "write32 c-8 0x40", "free c"),
    "corrupted double-linked list": (*B_FREED, f"write32 b {ELSEWHERE}", "free a"),
    "corrupted double-linked list (not small)": (*LARGE_BIN, f"write32 a+8 {ELSEWHERE}", "malloc d 1500"),
    "corrupted size vs. prev_size in fastbins": (
        "malloc a 1500", "malloc f 24", "malloc wall 24", *seven_cached(24), "free f", "free a",
        "write32 f-8 0x40", "malloc d 5000",
    ),
    "malloc_consolidate(): unaligned fastbin chunk detected": (*TWO_FAST, "write32 g 0x12345674", "malloc d 2000"),
    "malloc_consolidate(): invalid chunk size": (*TWO_FAST, "write32 g-4 0x31", "malloc d 2000"),
    # malloc()
    "malloc(): unaligned tcache chunk detected": (
        "malloc a 24", "malloc b 24", "free a", "free b", "write32 b 0x12345674", "malloc c 24", "malloc d 24",
    ),
    "malloc(): unaligned fastbin chunk detected 2": (
        *TWO_FAST, "write32 g 0x12345674", "calloc c 1 24", "calloc d 1 24",
    ),
    "malloc(): unaligned fastbin chunk detected 3": (
        *TWO_FAST, "write32 g 0x12345674", *(f"malloc c{n} 24" for n in range(8)),
    ),
    "malloc(): memory corruption (fast)": (*TWO_FAST, "write32 g-4 0x31", "calloc c 1 24"),
    "malloc(): smallbin double linked list corrupted": (*SMALL_BIN, f"write32 b+0x424 {ELSEWHERE}", "malloc d 436"),
    "malloc(): invalid size (unsorted)": (*B_FREED, "write32 b-4 0x9", "malloc d 3000"),
    "malloc(): invalid next size (unsorted)": (*B_FREED, "write32 c-4 0xfffffff0", "malloc d 3000"),
    "malloc(): mismatching next->prev_size (unsorted)": (*B_FREED, "write32 c-8 0x40", "malloc d 3000"),
    "malloc(): unsorted double linked list corrupted": (*B_FREED, f"write32 b {ELSEWHERE}", "malloc d 3000"),
    "malloc(): invalid next->prev_inuse (unsorted)": (*B_FREED, "write32 c-4 0x5e1", "malloc d 3000"),
    "malloc(): largebin double linked list corrupted (nextsize)": (
        *TWO_LARGE_BIN, f"write32 y+12 {ELSEWHERE}", "malloc d 3000",
    ),
    "malloc(): largebin double linked list corrupted (bk)": (
        *TWO_LARGE_BIN, f"write32 y+4 {ELSEWHERE}", "malloc d 3000",
    ),
    "malloc(): corrupted unsorted chunks": (
        *LARGE_BIN, f"write32 {UNSORTED_BIN + 8:#x} {ELSEWHERE}", "malloc d 1484",
    ),
    "malloc(): corrupted unsorted chunks 2": (
        *LARGE_BIN, f"write32 {UNSORTED_BIN + 8:#x} {ELSEWHERE}", "malloc d 1100",
    ),
    "malloc(): corrupted top size": ("malloc a 24", "write32 a+28 0xffffffff", "malloc b 2000"),
    "break adjusted to free malloc space": ("malloc a 100000", "sbrk -4096", "malloc b 100000"),
    # realloc(), mappings, mallinfo()
    "realloc(): invalid pointer": ("malloc a 100", "write32 a-4 0xfffffff1", "realloc a 50"),
    "realloc(): invalid old size": ("malloc a 100", "write32 a-4 0x100001", "realloc a 50"),
    "realloc(): invalid next size": ("malloc a 24", "malloc b 24", "write32 a+28 0", "realloc a 50"),
    "munmap_chunk(): invalid pointer": ("malloc m 200000", "write32 m-8 0x10", "free m"),
    "mremap_chunk(): invalid pointer": ("malloc m 200000", "write32 m-8 0x10", "realloc m 300000"),
    "int_mallinfo(): unaligned fastbin chunk detected": (*TWO_FAST, "write32 g 0x12345674", "mallinfo"),
}  # fmt: skip
"""What glibc says, and the program that makes it say so on its last line."""


@pytest.mark.parametrize("sentence", SENTENCES)
def test_glibc_ends_a_damaged_program_with_its_own_sentence(sentence: str) -> None:
    *before, last = SENTENCES[sentence]
    program = Program()
    assert [program.do(line).signal for line in before] == [None] * len(before)
    assert program.last_words(last) == sentence
    ended = program.machine.processes[0].ended
    assert ended is not None
    assert (ended.code, ended.termsig) == (-1, 6)
    program.machine.check()


def test_every_sentence_of_the_allocator_is_provoked_in_this_file() -> None:
    printed = {text for path in LIBC_SOURCES.glob("*.py") for text in arguments(path) if text.startswith(BEGINNINGS)}
    assert printed - SENTENCES.keys() == {
        "free(): too many chunks detected in tcache",
        "free(): unaligned chunk detected in tcache 2",
    }


def arguments(path: Path) -> Iterator[str]:
    """The strings with which functions are called in a source file, straight or by way of a variable."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call | ast.Assign):
            values = node.args if isinstance(node, ast.Call) else [node.value]
            yield from (each.value for each in values if isinstance(each, ast.Constant) and isinstance(each.value, str))


ASSERTIONS = {
    "sysmalloc: (old_top == initial_top (av) && old_size == 0) || ((unsigned long) (old_size) >= MINSIZE && "
    "prev_inuse (old_top) && ((unsigned long) old_end & (pagesize - 1)) == 0)": (
        "malloc a 24", "write32 a+28 0x1001", "malloc b 5000",
    ),
    "_int_malloc: chunk_main_arena (bck->bk)": (*TWO_LARGE_BIN, "write32 y-4 0x5d5", "malloc d 3000"),
    "_int_malloc: chunk_main_arena (fwd)": (*TWO_LARGE_BIN, "write32 x-4 0x5f5", "malloc d 3000"),
    "_int_malloc: (unsigned long) (size) >= (unsigned long) (nb)": (*LARGE_BIN, "write32 a-4 0x21", "malloc d 1100"),
}  # fmt: skip
"""The function, the assertion of glibc that fails in it, and the program."""


@pytest.mark.parametrize("assertion", ASSERTIONS)
def test_an_assertion_of_glibc_names_its_function(assertion: str) -> None:
    *before, last = ASSERTIONS[assertion]
    assert Program(*before).last_words(last) == f"Fatal glibc error: malloc assertion failure in {assertion}"


A_KEY_IN_THE_WRONG_BIN = ("malloc a 24", "malloc c 40", "free a", "free c", "write32 c-4 0x21")
"""c bears the tcache's key, but its size now names the bin in which a is alone."""


def test_a_tcache_list_that_runs_in_a_circle_is_noticed_when_glibc_looks_for_a_double_free() -> None:
    program = Program(*A_KEY_IN_THE_WRONG_BIN)
    program.do(f"write32 a {program.link('a', program['a']):#x}")
    assert program.last_words("free c") == "free(): too many chunks detected in tcache"


def test_a_misaligned_link_is_noticed_when_glibc_looks_for_a_double_free() -> None:
    program = Program(*A_KEY_IN_THE_WRONG_BIN)
    program.do(f"write32 a {program.link('a', program['a'] + 4):#x}")
    assert program.last_words("free c") == "free(): unaligned chunk detected in tcache 2"


def test_a_chunk_that_only_looks_like_a_cached_one_is_freed_all_the_same() -> None:
    program = Program(*A_KEY_IN_THE_WRONG_BIN)
    assert program.libc_events("free c") == [TcacheDoubleFree(program["c"], 1), TcachePut(1, 0x20)]
    assert program.word(program["c"]) == program.link("c", program["a"])


def test_a_chunk_that_claims_a_foreign_arena_is_looked_up_in_the_megabyte_around_it() -> None:
    signal = Program("malloc a 100", "write32 a-4 0x75").do("free a").signal
    assert signal is not None
    assert (signal.name, signal.code, signal.address) == ("SIGSEGV", 1, HEAP & -0x100000)


def test_a_fake_chunk_of_a_foreign_arena_is_not_given_out() -> None:
    program = Program(*TWO_FAST, "mmap fake 4096 rw private,fixed anon 0 0x40000000", "write32 fake+12 0x25")
    program.do(f"write32 g {program.link('g', program['fake'] + 8):#x}")
    program.do("calloc c 1 24")
    assertion = "!mem || chunk_is_mmapped (mem2chunk (mem)) || av == arena_for_chunk (mem2chunk (mem))"
    assert program.last_words("calloc d 1 24") == (
        f"Fatal glibc error: malloc assertion failure in __libc_calloc: {assertion}"
    )


def test_an_overwritten_link_of_the_tcache_makes_malloc_give_out_any_aligned_address() -> None:
    program = Program("malloc a 24", "malloc b 24", "malloc victim 200", "free a", "free b")
    program.do(f"write32 b {program.link('b', program['victim'] + 16):#x}")
    assert program.ret("malloc c 24") == program["b"]
    assert program.ret("malloc d 24") == program["victim"] + 16


def test_an_overflow_into_the_next_size_makes_chunks_overlap() -> None:
    program = Program("malloc a 24", "malloc b 24", "malloc c 24", "write32 a+28 0x61", "free b")
    assert program.ret("malloc d 80") == program["b"]
    assert program["b"] + 80 > program["c"]


def test_a_use_after_free_reads_the_link_and_the_key() -> None:
    program = Program("malloc a 88", "malloc b 88", "fill a 88 0x41", "free b", "free a")
    assert program.do("read32 a").val == program.link("a", program["b"])
    assert program.do("read32 a+4").val == TCACHE_KEY
    assert program.do("read32 a+8").val == 0x41414141


def test_a_second_free_of_a_mapping_faults() -> None:
    program = Program("malloc m 200000", "free m")
    signal = program.do("free m").signal
    assert signal is not None
    assert (signal.name, signal.code, signal.address) == ("SIGSEGV", 1, program["m"] - 4)


def test_a_free_of_null_does_nothing() -> None:
    program = Program("malloc a 24")
    assert program.events("free 0") == []


def test_a_list_that_leads_back_to_itself_ends_the_program_instead_of_the_machine() -> None:
    program = Program("malloc a 2000", "malloc b 2000", "malloc c 20", "free b")
    program.do(f"write32 b+4 {program['b'] - 8:#x}")
    outcome = program.machine.perform(Mallinfo())
    assert outcome.signal is not None
    assert outcome.signal.message == (
        "mallinfo2() follows a damaged list that leads back to itself, and would never return; it was killed"
    )
    assert outcome.ended == (0, -1, 9)
