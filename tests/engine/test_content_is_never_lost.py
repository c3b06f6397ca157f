"""What a program wrote it reads again, however short memory runs: the machine against plain dictionaries.

A machine of 16 MB writes, forks, maps files, is pressed for memory, drops its caches, writes back and swaps; after each step
`machine.check()` holds every page against its slot and its file.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from engine.commands import (
    CheckTouch,
    Exit,
    Fork,
    Madvise,
    Mlock,
    Mmap,
    Msync,
    Munmap,
    OpenFile,
    Read,
    Sync,
    Sysctl,
    Touch,
    Write,
)
from engine.config import MachineConfig
from engine.machine import Machine

if TYPE_CHECKING:
    from engine.outcome import Outcome

PAGE: Final = 4096
REGION_PAGES: Final = 160
BALLAST: Final = 12 << 20
LOCKED_PAGES: Final = 20
FILES: Final = ("/mnt/disk", "/tmp/memory")
KINDS: Final = ("private", "shared", "disk private", "disk shared", "memory private", "memory shared")
CHILDREN: Final = 2
SWAPPINESS: Final = (1, 60, 100, 200)
"""Not 0: with it a kernel may rather kill than swap, as long as there are file pages."""

Content = dict[int, int]
"""Page -> its first byte, where it is not what it was at first."""


@dataclass
class Region:
    """A mapping as the model knows it: what it shows where the process has written nothing of its own, and what it has."""

    slot: str
    beneath: Content
    letters: bool
    private: bool
    own: Content = field(default_factory=dict)
    locked: set[int] = field(default_factory=set)
    """Pages that mlock() has locked; a child's are not."""

    def expected(self, page: int) -> int:
        """The first byte of a page."""
        first = ord("a") + page % 26 if self.letters else 0
        return self.own.get(page, self.beneath.get(page, first))

    def write(self, page: int, value: int) -> None:
        """The program writes."""
        (self.own if self.private else self.beneath)[page] = value

    def forked(self) -> Region:
        """The child's: what is private it has for itself from now on."""
        return Region(self.slot, self.beneath, self.letters, self.private, dict(self.own))


pages = st.integers(0, REGION_PAGES - 1)


class ContentIsNeverLost(RuleBasedStateMachine):
    """Commands that a program may give, and kernels may have to answer under pressure."""

    @initialize(swappiness=st.sampled_from(SWAPPINESS), page_cluster=st.sampled_from((0, 3)))
    def boot(self, swappiness: int, page_cluster: int) -> None:
        sysctls = (("swappiness", swappiness), ("page-cluster", page_cluster))
        self.machine = Machine(MachineConfig(ram_mb=16, swap_mb=64, sysctls=sysctls, trace_capacity=0))
        self.files: dict[str, Content] = {path: {} for path in FILES}
        for number, path in enumerate(FILES):
            self.machine.perform(OpenFile(file=number, path=path, size=REGION_PAGES * PAGE))
        self.processes: dict[int, dict[str, Region]] = {0: {}}
        self.children = 0
        for kind in KINDS:
            self._map(kind)

    def _map(self, kind: str) -> None:
        sharing: Literal["shared", "private"] = "shared" if "shared" in kind else "private"
        number = next((n for n, path in enumerate(FILES) if kind.split(maxsplit=1)[0] in path), None)
        slot = kind.replace(" ", "_")
        outcome = self._ok(Mmap(as_=slot, length=REGION_PAGES * PAGE, prot="rw", flags=(sharing,), file=number))
        assert outcome.errno is None
        beneath = {} if number is None else self.files[FILES[number]]
        self.processes[0][slot] = Region(slot, beneath, number is not None, sharing == "private")

    def _ok(self, command: object) -> Outcome:
        outcome = self.machine.perform(command)  # type: ignore[arg-type]
        assert outcome.signal is None
        assert outcome.ended is None or outcome.op == "exit"
        return outcome

    def _place(self, region: Region, page: int) -> str:
        return f"{region.slot}+{page * PAGE}"

    @rule(data=st.data(), first=pages, count=st.integers(1, REGION_PAGES), value=st.integers(0, 255))
    def write_pages(self, data: st.DataObject, first: int, count: int, value: int) -> None:
        pid = data.draw(st.sampled_from(sorted(self.processes)))
        region = self.processes[pid][data.draw(st.sampled_from(sorted(self.processes[pid])))]
        for page in range(first, min(first + count, REGION_PAGES)):
            self._ok(Write(pid=pid, ptr=self._place(region, page), value=(value + page) % 256))
            region.write(page, (value + page) % 256)

    @rule(data=st.data(), first=pages, count=st.integers(1, REGION_PAGES))
    def read_pages(self, data: st.DataObject, first: int, count: int) -> None:
        pid = data.draw(st.sampled_from(sorted(self.processes)))
        region = self.processes[pid][data.draw(st.sampled_from(sorted(self.processes[pid])))]
        for page in range(first, min(first + count, REGION_PAGES)):
            found = self._ok(Read(pid=pid, ptr=self._place(region, page))).val
            assert found == region.expected(page), f"page {page} of {region.slot} in process {pid}"

    @rule(value=st.integers(1, 255))
    def press(self, value: int) -> None:
        self._ok(Mmap(as_="ballast", length=BALLAST, prot="rw", flags=("private",)))
        self._ok(Touch(ptr="ballast", length=BALLAST, access="w", value=value))
        assert self._ok(CheckTouch(ptr="ballast", length=BALLAST, value=value)).bad == 0
        self._ok(Munmap(ptr="ballast", length=BALLAST))

    @precondition(lambda self: len(self.processes) <= CHILDREN)
    @rule()
    def fork(self) -> None:
        self.children += 1
        self._ok(Fork(child=self.children))
        self.processes[self.children] = {slot: region.forked() for slot, region in self.processes[0].items()}

    @precondition(lambda self: len(self.processes) > 1)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        pid = data.draw(st.sampled_from(sorted(self.processes)[1:]))
        self._ok(Exit(pid=pid))
        del self.processes[pid]

    @rule(data=st.data(), advice=st.sampled_from(("pageout", "cold", "willneed")), first=pages)
    def advise(self, data: st.DataObject, advice: Literal["pageout", "cold", "willneed"], first: int) -> None:
        pid = data.draw(st.sampled_from(sorted(self.processes)))
        region = self.processes[pid][data.draw(st.sampled_from(sorted(self.processes[pid])))]
        length = (REGION_PAGES - first) * PAGE
        self._ok(Madvise(pid=pid, ptr=self._place(region, first), length=length, advice=advice))

    @rule(data=st.data(), first=pages)
    def forget(self, data: st.DataObject, first: int) -> None:
        """MADV_DONTNEED: what is private is gone; what lies beneath shows again. It ends where a locked page is."""
        pid = data.draw(st.sampled_from(sorted(self.processes)))
        region = self.processes[pid][data.draw(st.sampled_from(sorted(self.processes[pid])))]
        length = (REGION_PAGES - first) * PAGE
        outcome = self._ok(Madvise(pid=pid, ptr=self._place(region, first), length=length, advice="dontneed"))
        end = min((page for page in region.locked if page >= first), default=REGION_PAGES)
        assert outcome.errno == ("EINVAL" if end < REGION_PAGES else None)
        region.own = {page: value for page, value in region.own.items() if not first <= page < end}

    @rule(data=st.data(), first=pages)
    def lock(self, data: st.DataObject, first: int) -> None:
        """mlock() makes the pages of a private region as if they were written: they are the process's own from then on."""
        region = self.processes[0][data.draw(st.sampled_from(sorted(self.processes[0])))]
        last = min(first + LOCKED_PAGES, REGION_PAGES)
        self._ok(Mlock(ptr=self._place(region, first), length=(last - first) * PAGE))
        region.locked.update(range(first, last))
        if region.private:
            region.own.update({page: region.expected(page) for page in range(first, last)})

    @rule(which=st.integers(1, 3))
    def drop_caches(self, which: int) -> None:
        self._ok(Sysctl(name="drop_caches", value=which))

    @rule()
    def sync(self) -> None:
        self._ok(Sync())

    @rule(first=pages)
    def msync(self, first: int) -> None:
        self._ok(Msync(ptr=f"disk_shared+{first * PAGE}", length=(REGION_PAGES - first) * PAGE))

    @invariant()
    def everything_adds_up(self) -> None:
        if hasattr(self, "machine"):
            self.machine.check()

    def teardown(self) -> None:
        """At the end all of it is read once more."""
        for pid, regions in getattr(self, "processes", {}).items():
            for region in regions.values():
                for page in range(REGION_PAGES):
                    found = self._ok(Read(pid=pid, ptr=self._place(region, page))).val
                    assert found == region.expected(page), f"page {page} of {region.slot} in process {pid}"


ContentIsNeverLost.TestCase.settings = settings(
    max_examples=30,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
TestContentIsNeverLost = ContentIsNeverLost.TestCase
