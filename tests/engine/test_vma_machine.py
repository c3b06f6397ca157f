"""Regions under random programs: /proc/self/maps, faults and bytes are those of a plain dict of pages."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from engine.commands import Madvise, Mmap, Mprotect, Mremap, Munmap, Read, Write
from engine.config import PRESETS
from engine.machine import Machine

if TYPE_CHECKING:
    from engine.outcome import Outcome

PAGE: Final = 4096
CHECK_EVERY: Final = 8
"""The whole machine is looked at after so many commands: that costs more than all of them."""
ARENA: Final = 0x40000000
"""Where the program maps and unmaps: far from its image."""
ARENA_PAGES: Final = 16
SEGV_MAPERR: Final = 1
SEGV_ACCERR: Final = 2

PLACES: Final = st.integers(0, ARENA_PAGES - 1).map(lambda number: ARENA + number * PAGE)
LENGTHS: Final = st.integers(1, 8).map(lambda pages: pages * PAGE)
ODD_LENGTHS: Final = st.integers(1, 8 * PAGE)
SHORT_LENGTHS: Final = st.integers(1, 3 * PAGE)
PROTECTIONS: Final = st.sampled_from(["none", "r", "rw", "rw", "rw", "w", "x", "rx", "rwx"])
BYTES: Final = st.integers(1, 255)


class Line(NamedTuple):
    """One line of /proc/self/maps."""

    start: int
    end: int
    permissions: str
    name: str


def permissions(protection: str) -> str:
    """ "rw" as /proc shows it: "rw-p"."""
    return "".join(letter if letter in protection.replace("none", "") else "-" for letter in "rwx") + "p"


def pages_of(start: int, length: int) -> range:
    """The pages that a range touches."""
    return range(start, start + length, PAGE)


def maps_of(machine: Machine) -> list[Line]:
    found = []
    for line in machine.proc_file("maps").splitlines():
        words = line.split(None, 5)
        start, end = (int(word, 16) for word in words[0].split("-"))
        found.append(Line(start, end, words[1], words[5] if len(words) == 6 else ""))
    return found


class Regions(RuleBasedStateMachine):
    """One process that maps, protects, moves and unmaps private anonymous memory; beside it, two dicts."""

    @initialize()
    def boot(self) -> None:
        self.machine = Machine(PRESETS["64mb"])
        self.image = {
            at: line.permissions for line in maps_of(self.machine) for at in pages_of(line.start, line.end - line.start)
        }
        self.mapped: dict[int, str] = {}
        """The permissions of each page that the program mapped."""
        self.bytes: dict[int, int] = {}
        """The first byte of each page that was written."""
        self.map_here(ARENA, ARENA_PAGES * PAGE, "rw")

    # --- what a program can do ---------------------------------------------------------------------------------------

    @rule(place=PLACES, length=ODD_LENGTHS, prot=PROTECTIONS)
    def map_here(self, place: int, length: int, prot: str) -> None:
        outcome = self.machine.perform(Mmap(as_="m", length=length, prot=prot, flags=("private", "fixed"), hint=place))
        assert outcome.ret == place
        self.forget(place, length)
        self.mapped |= dict.fromkeys(pages_of(place, length), permissions(prot))

    @rule(place=PLACES, length=ODD_LENGTHS, prot=PROTECTIONS)
    def map_here_unless_taken(self, place: int, length: int, prot: str) -> None:
        flags = ("private", "fixed_noreplace")
        outcome = self.machine.perform(Mmap(as_="m", length=length, prot=prot, flags=flags, hint=place))  # type: ignore[arg-type]
        if any(page in self.mapped for page in pages_of(place, length)):
            assert outcome.errno == "EEXIST"
            return
        assert outcome.ret == place
        self.mapped |= dict.fromkeys(pages_of(place, length), permissions(prot))

    @rule(length=LENGTHS, prot=PROTECTIONS)
    def map_anywhere(self, length: int, prot: str) -> None:
        place = self.given(self.machine.perform(Mmap(as_="m", length=length, prot=prot)))
        assert place % PAGE == 0
        assert not any(page in self.mapped or page in self.image for page in pages_of(place, length))
        self.mapped |= dict.fromkeys(pages_of(place, length), permissions(prot))

    @rule(place=PLACES, length=SHORT_LENGTHS)
    def unmap(self, place: int, length: int) -> None:
        assert self.machine.perform(Munmap(ptr=place, length=length)).ret == 0
        self.forget(place, length)

    @precondition(lambda self: self.mapped)
    @rule(data=st.data(), length=SHORT_LENGTHS)
    def unmap_somewhere(self, data: st.DataObject, length: int) -> None:
        place = data.draw(st.sampled_from(sorted(self.mapped)))
        if not any(page in self.image for page in pages_of(place, length)):
            self.unmap(place, length)

    @rule(place=PLACES, length=SHORT_LENGTHS, prot=PROTECTIONS)
    def protect(self, place: int, length: int, prot: str) -> None:
        outcome = self.machine.perform(Mprotect(ptr=place, length=length, prot=prot))
        for page in pages_of(place, length):
            if page not in self.mapped:
                # What lies before the hole has been changed by then.
                assert outcome.errno == "ENOMEM"
                return
            self.mapped[page] = permissions(prot)
        assert outcome.ret == 0

    @precondition(lambda self: self.mapped)
    @rule(data=st.data(), old_pages=st.integers(1, 6), new_pages=st.integers(1, 10), may_move=st.booleans())
    def remap(self, data: st.DataObject, old_pages: int, new_pages: int, may_move: bool) -> None:
        place = data.draw(st.sampled_from(sorted(self.mapped)))
        old_length, new_length = old_pages * PAGE, new_pages * PAGE
        if any(page in self.image for page in pages_of(place, old_length)):
            return
        self.machine.processes[0].slots["r"] = place
        outcome = self.machine.perform(Mremap(as_="r", old_length=old_length, new_length=new_length, may_move=may_move))
        if new_length <= old_length:
            assert outcome.ret == place
            self.forget(place + new_length, old_length - new_length)
        elif outcome.errno is not None:
            self.check_why_not_remapped(outcome.errno, place, old_length, new_length, may_move=may_move)
        else:
            self.moved(place, old_length, self.given(outcome), new_length)

    @rule(place=PLACES, length=SHORT_LENGTHS)
    def discard(self, place: int, length: int) -> None:
        outcome = self.machine.perform(Madvise(ptr=place, length=length, advice="dontneed"))
        holes = [page for page in pages_of(place, length) if page not in self.mapped]
        assert outcome.errno == ("ENOMEM" if holes else None)
        for page in pages_of(place, length):
            self.bytes.pop(page, None)

    @rule(place=PLACES, byte=BYTES)
    def write(self, place: int, byte: int) -> None:
        outcome = self.machine.perform(Write(ptr=place, value=byte))
        allowed = self.mapped.get(place)
        if allowed is not None and allowed[1] == "w":
            assert outcome.signal is None
            self.bytes[place] = byte
        else:
            self.check_signal(outcome, place, allowed)

    @rule(place=PLACES)
    def read(self, place: int) -> None:
        outcome = self.machine.perform(Read(ptr=place))
        allowed = self.mapped.get(place)
        if allowed is not None and allowed != "---p":  # an i386 page table cannot say "not readable"
            assert outcome.val == self.bytes.get(place, 0)
        else:
            self.check_signal(outcome, place, allowed)

    # --- what must be true after each --------------------------------------------------------------------------------

    @invariant()
    def proc_maps_shows_the_pages(self) -> None:
        lines = maps_of(self.machine)
        shown = {at: line.permissions for line in lines for at in pages_of(line.start, line.end - line.start)}
        assert shown == self.image | self.mapped
        assert all(left.end <= right.start for left, right in pairwise(lines))

    @invariant()
    def the_machine_adds_up(self) -> None:
        if self.machine.version % CHECK_EVERY == 0:
            self.machine.check()

    def teardown(self) -> None:
        self.machine.check()
        for page, byte in self.bytes.items():
            if self.mapped[page] != "---p":
                assert self.machine.perform(Read(ptr=page)).val == byte

    # --- how -----------------------------------------------------------------------------------------------------------

    def given(self, outcome: Outcome) -> int:
        assert outcome.errno is None
        assert outcome.ret is not None
        return outcome.ret

    def forget(self, place: int, length: int) -> None:
        for page in pages_of(place, length):
            self.mapped.pop(page, None)
            self.bytes.pop(page, None)

    def moved(self, place: int, old_length: int, new: int, new_length: int) -> None:
        """The old pages went to `new` with their bytes, and those behind them are like them."""
        old = [(self.mapped[page], self.bytes.get(page)) for page in pages_of(place, old_length)]
        self.forget(place, old_length)
        free = [page for page in pages_of(new, new_length) if page in self.mapped or page in self.image]
        assert free == []
        self.mapped |= dict.fromkeys(pages_of(new, new_length), old[0][0])
        for page, (allowed, byte) in zip(pages_of(new, old_length), old, strict=True):
            assert allowed == old[0][0]
            if byte is not None:
                self.bytes[page] = byte

    def check_why_not_remapped(
        self, errno: str, place: int, old_length: int, new_length: int, *, may_move: bool
    ) -> None:
        """Growing fails where the range is not of one region, or where it may not move and what is behind it is taken."""
        if errno == "ENOMEM":
            behind = pages_of(place + old_length, new_length - old_length)
            assert not may_move
            assert any(page in self.mapped or page in self.image for page in behind) or self.is_cut(place + old_length)
            return
        assert errno == "EFAULT"
        [line] = [line for line in maps_of(self.machine) if line.start <= place < line.end]
        assert line.end < place + old_length

    def is_cut(self, end: int) -> bool:
        """Whether a region goes on at `end`."""
        return any(line.start < end < line.end for line in maps_of(self.machine))

    def check_signal(self, outcome: Outcome, place: int, allowed: str | None) -> None:
        assert outcome.signal is not None
        code = SEGV_MAPERR if allowed is None else SEGV_ACCERR
        assert (outcome.signal.name, outcome.signal.code, outcome.signal.address) == ("SIGSEGV", code, place)
        assert not outcome.signal.fatal


TestRegions = Regions.TestCase
TestRegions.settings = settings(max_examples=30, stateful_step_count=50)
