"""The allocator under random programs: whatever is asked, the heap stays whole and every block keeps its bytes."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

from hypothesis import settings, strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from engine.commands import (
    Calloc,
    Fill,
    Free,
    Mallinfo,
    Malloc,
    Mallopt,
    Memalign,
    Realloc,
    Trim,
    Usable,
)
from engine.config import PRESETS
from engine.libc.chunk import PREV_INUSE
from engine.machine import Machine
from engine.views.bins import bins
from engine.views.heap import ChunkState, heap
from engine.views.probe import Probe

if TYPE_CHECKING:
    from hypothesis.stateful import MultipleResults

    from engine.outcome import Outcome

CONFIG: Final = PRESETS["64mb"]
BEFORE_FIRST_CHUNK: Final = 8
"""Bytes of the heap that no chunk has, so that memory behind a header is a multiple of 16."""
FIRST_CHUNK: Final = CONFIG.image.brk + BEFORE_FIRST_CHUNK
PAGE: Final = 4096
CHECK_EVERY: Final = 8
"""The whole machine is looked at after so many commands: that costs more than all of them."""
FILLED: Final = 64
"""Bytes at either end of a block, and at the beginning of each page, that are looked at."""
SIZES: Final = st.one_of(
    st.integers(0, 130), st.integers(0, 1100), st.integers(900, 6000), st.integers(60_000, 300_000)
)
SETTINGS: Final = st.sampled_from(
    [
        *((parameter, value) for parameter in (-1, -2) for value in (0, 4096, 1 << 18, 1 << 20)),
        *((-3, threshold) for threshold in (2000, 1 << 16, 1 << 19)),
        *((-4, mappings) for mappings in (0, 1, 65536)),
        *((1, largest) for largest in (0, 24, 64, 80)),
        (-6, 0),
        (-6, 0xA5),
    ]
)
"""mallopt(): trim threshold, top pad, mmap threshold, most mappings, largest in a fast bin, perturb byte."""
BYTES: Final = st.integers(0, 255)
FREE: Final = (ChunkState.UNSORTED, ChunkState.SMALL, ChunkState.LARGE)
"""Chunks that their neighbours know to be free."""
KEPT_FROM_NEIGHBOURS: Final = (ChunkState.TCACHE, ChunkState.FASTBIN, ChunkState.IN_USE, ChunkState.TCACHE_STRUCT)


class Allocator(RuleBasedStateMachine):
    """One process that calls the allocator; beside it, a plain dict of what each block should hold."""

    blocks: Bundle[str] = Bundle("blocks")

    @initialize()
    def boot(self) -> None:
        self.machine = Machine(CONFIG)
        self.names = 0
        self.held: dict[str, tuple[int, int]] = {}
        """Each block's size, and the byte of which it is full."""

    # --- what a program can do ---------------------------------------------------------------------------------------

    @rule(target=blocks, size=SIZES, byte=BYTES)
    def malloc(self, size: int, byte: int) -> str:
        name = self.new_name()
        self.got(self.machine.perform(Malloc(size=size, as_=name)))
        self.fill(name, size, byte)
        return name

    @rule(target=blocks, count=st.integers(0, 5), size=SIZES)
    def calloc(self, count: int, size: int) -> str:
        name = self.new_name()
        self.got(self.machine.perform(Calloc(count=count, size=size, as_=name)))
        self.held[name] = count * size, 0
        return name

    @rule(target=blocks, shift=st.integers(0, 13), size=SIZES, byte=BYTES)
    def memalign(self, shift: int, size: int, byte: int) -> str:
        name = self.new_name()
        place = self.got(self.machine.perform(Memalign(alignment=1 << shift, size=size, as_=name)))
        assert place % (1 << shift) == 0
        self.fill(name, size, byte)
        return name

    @rule(name=blocks, size=SIZES.filter(bool), byte=BYTES)
    def realloc(self, name: str, size: int, byte: int) -> None:
        old_size, old_byte = self.held[name]
        self.got(self.machine.perform(Realloc(as_=name, size=size)))
        self.check_bytes(name, min(old_size, size), old_byte)
        self.fill(name, size, byte)

    @rule(target=blocks, name=consumes(blocks))
    def free(self, name: str) -> MultipleResults[str]:
        self.machine.perform(Free(ptr=name))
        del self.held[name]
        return multiple()

    @rule(name=blocks, byte=BYTES)
    def write_again(self, name: str, byte: int) -> None:
        self.fill(name, self.held[name][0], byte)

    @rule(pad=st.sampled_from([0, 1, PAGE, 1 << 17]))
    def trim(self, pad: int) -> None:
        assert self.machine.perform(Trim(pad=pad)).ret in (0, 1)

    @rule(setting=SETTINGS)
    def mallopt(self, setting: tuple[int, int]) -> None:
        assert self.machine.perform(Mallopt(parameter=setting[0], value=setting[1])).ret == 1

    # --- what must be true after each --------------------------------------------------------------------------------

    @invariant()
    def chunks_tile_the_heap(self) -> None:
        view = heap(self.machine)
        assert view.broken_at is None
        if not view.chunks:
            return
        assert view.chunks[0].address == FIRST_CHUNK
        assert view.chunks[-1].state is ChunkState.TOP
        assert view.chunks[-1].end == view.end
        for left, right in pairwise(view.chunks):
            assert left.end == right.address
            assert bool(right.head & PREV_INUSE) == (left.state not in FREE)
            if left.state in FREE:
                assert right.prev_size == left.size
                assert right.state in KEPT_FROM_NEIGHBOURS

    @invariant()
    def the_chunks_in_use_are_the_blocks(self) -> None:
        view = heap(self.machine)
        slots = self.machine.processes[0].slots
        mapped = {chunk.mem for chunk in view.mapped if set(chunk.slots) & self.held.keys()}
        in_use = {chunk.mem for chunk in view.chunks if chunk.in_use}
        assert in_use | mapped == {slots[name] for name in self.held}
        assert len(in_use | mapped) == len(self.held)

    @invariant()
    def no_two_blocks_overlap_and_all_are_aligned(self) -> None:
        slots = self.machine.processes[0].slots
        places = sorted((slots[name], size) for name, (size, _) in self.held.items())
        assert all(place % 16 == 0 for place, _ in places)
        assert all(left + size <= right for (left, size), (right, _) in pairwise(places))

    @invariant()
    def every_block_holds_what_was_written(self) -> None:
        for name, (size, byte) in self.held.items():
            self.check_bytes(name, size, byte)

    @invariant()
    def no_list_is_damaged(self) -> None:
        assert not any(found.damaged for found in bins(self.machine).bins)

    @invariant()
    def the_machine_adds_up(self) -> None:
        if self.machine.version % CHECK_EVERY == 0:
            self.machine.check()

    def teardown(self) -> None:
        self.machine.check()
        for name in list(self.held):
            usable = self.machine.perform(Usable(ptr=name)).ret
            assert usable is not None
            assert usable >= self.held[name][0]
            self.free(name)
        figures = self.machine.perform(Mallinfo()).figures
        assert figures is not None
        assert (figures["hblks"], figures["hblkhd"]) == (0, 0)
        idle = sum(chunk.size for chunk in heap(self.machine).chunks if chunk.state in IDLE)
        assert figures["uordblks"] == (idle + BEFORE_FIRST_CHUNK if figures["arena"] else 0)

    # --- how -----------------------------------------------------------------------------------------------------------

    def new_name(self) -> str:
        self.names += 1
        return f"s{self.names}"

    def got(self, outcome: Outcome) -> int:
        assert (outcome.signal, outcome.errno) == (None, None)
        assert outcome.ret
        return outcome.ret

    def fill(self, name: str, size: int, byte: int) -> None:
        self.machine.perform(Fill(ptr=name, length=size, value=byte))
        self.held[name] = size, byte

    def check_bytes(self, name: str, size: int, byte: int) -> None:
        """Both ends of the block, and the beginning of each of its pages, hold `byte`."""
        place = self.machine.processes[0].slots[name]
        probe = Probe(self.machine.kernel, self.machine.processes[0].task.mm)
        end = place + size & -4
        pages = range(place + PAGE & -PAGE, end, PAGE)
        ends = (*range(place, min(place + FILLED, end), 4), *range(max(place, end - FILLED), end, 4))
        word = byte * 0x01010101
        assert {probe.word(at) for at in (*ends, *pages)} <= {word}


IDLE: Final = (ChunkState.TCACHE, ChunkState.TCACHE_STRUCT)
"""What mallinfo counts as used when the program has nothing."""

TestAllocator = Allocator.TestCase
TestAllocator.settings = settings(max_examples=25, stateful_step_count=50)
