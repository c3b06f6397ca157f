"""Each page fault of the last command, as the questions that the kernel asked, the answers, and the branch that was taken.

The answers are read back from the records: what the CPU said (the error code), what the handler did below it. Only the
region's name is looked up now; where the same command took the region away again there is none.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from engine.events import memory, vmscan
from engine.events.machine import CommandPerformed
from engine.hardware.faults import FAULT_PRESENT, FAULT_WRITE
from engine.kernel.mm_types import TASK_SIZE, VM_GROWSDOWN
from engine.kernel.task import SignalNumber
from engine.views.address_space import Region, region_at
from engine.views.trace_tree import last_records

if TYPE_CHECKING:
    from engine.machine import Machine
    from engine.trace import Record

FAULTS_TOLD: Final = 64
"""The first and the last of a command's faults, when there are more."""


class Question(StrEnum):
    """What the kernel asks, in its own order."""

    USER_ADDRESS = "user_address"
    """Is the address below 3 GB?"""
    REGION = "region"
    """Does a region hold it?"""
    STACK = "stack"
    """Is the region above it a stack that may grow to it?"""
    ACCESS = "access"
    """Does the region allow this access?"""
    TABLE = "table"
    """Is there a page table for its 4 MB?"""
    ENTRY = "entry"
    """What does the table entry hold?"""
    BACKING = "backing"
    """What is to be there: anonymous memory, or a page of a file?"""
    WRITE = "write"
    """Is it a write?"""
    SHARED = "shared"
    """Do writes reach the file (a shared mapping), or stay private?"""
    IN_MEMORY = "in_memory"
    """Is the page in memory already: in the page cache, or in the swap cache?"""
    OTHERS = "others"
    """Does anybody else have the page?"""
    MEMORY = "memory"
    """Could a frame be had?"""


class Answer(StrEnum):
    """What the kernel found."""

    YES = "yes"
    NO = "no"
    NO_REGION_ABOVE = "no_region_above"
    EMPTY = "empty"
    SWAPPED = "swapped"
    WRITE_PROTECTED = "write_protected"
    ANONYMOUS = "anonymous"
    FILE = "file"
    ZERO_PAGE = "zero_page"
    BEYOND_END = "beyond_end"
    """Beyond the file's end, or its disk failed: SIGBUS."""


@dataclass(frozen=True, slots=True)
class Decision:
    """One question, its answer, and the function of Linux that asks."""

    question: Question
    answer: Answer
    function: str


@dataclass(frozen=True, slots=True)
class Parting:
    """Copy on write: frame `old` keeps so many references and mappings; this process has `new` from now on."""

    old: int
    new: int
    refcount: int
    mapcount: int


@dataclass(frozen=True, slots=True)
class FaultTold:
    """One fault. `branch` is the function that repaired it, "" where it was not; then `signal` is what the program got."""

    seq: int
    pid: int
    address: int
    write: bool
    present: bool
    """The error code's bit 0: an entry was present, and forbade the access."""
    region: Region | None
    decisions: tuple[Decision, ...]
    branch: str
    pfn: int | None
    zero: bool
    """The frame is the zero page."""
    slot: int | None
    """The swap slot that was read."""
    major: bool
    signal: str
    parting: Parting | None
    ns: int


@dataclass(frozen=True, slots=True)
class FaultDecisionsView:
    """The last command's faults in order; `left_out` of them in the middle are not told."""

    faults: tuple[FaultTold, ...]
    left_out: int


def fault_decisions(machine: Machine) -> FaultDecisionsView:
    """What the kernel decided about each fault of the last command; none before the first one."""
    if not machine.version:
        return FaultDecisionsView((), 0)
    records = last_records(machine)
    pid = next((record.event.command.pid for record in records if isinstance(record.event, CommandPerformed)), 0)
    faults = [record for record in records if isinstance(record.event, memory.PageFaultUser)]
    below = _below(records, {record.seq for record in faults})
    half = FAULTS_TOLD // 2
    shown = faults if len(faults) <= FAULTS_TOLD else faults[:half] + faults[-half:]
    regions: list[Region] = []
    told = tuple(
        _Story(machine, pid, record, below[record.seq]).told(_region(machine, pid, record, regions)) for record in shown
    )
    return FaultDecisionsView(told, len(faults) - len(shown))


def _region(machine: Machine, pid: int, record: Record, regions: list[Region]) -> Region | None:
    """The region of a fault's address. Most faults meet the same one: those that were looked up are in `regions`."""
    assert isinstance(record.event, memory.PageFaultUser)
    address = record.event.address
    for known in regions:
        if known.start <= address < known.end:
            return known
    found = region_at(machine, pid, address)
    if found is not None:
        regions.append(found)
    return found


def _below(records: list[Record], faults: set[int]) -> dict[int, list[Record]]:
    """What followed from each fault, however deep: reclaim that a fault had to wait for is part of it."""
    found: dict[int, list[Record]] = {seq: [] for seq in faults}
    fault_of = {seq: seq for seq in faults}
    for record in records:
        cause = fault_of.get(record.cause)
        if cause is not None and record.seq not in faults:
            fault_of[record.seq] = cause
            found[cause].append(record)
    return found


class _Story:
    """One fault's questions, asked again of its records."""

    __slots__ = ("_asked", "_done", "_events", "_fault", "_machine", "_pid", "_record", "_write")

    def __init__(self, machine: Machine, pid: int, record: Record, below: list[Record]) -> None:
        assert isinstance(record.event, memory.PageFaultUser)
        self._machine = machine
        self._pid = pid
        self._record = record
        self._fault = record.event
        self._write = bool(record.event.error_code & FAULT_WRITE)
        self._events = [one.event for one in below]
        self._done = [event for event in self._events if isinstance(event, memory.FaultDone)]
        self._asked: list[Decision] = []

    def told(self, region: Region | None) -> FaultTold:
        """The whole fault, which met `region`."""
        if self._may_access():
            self._ask_entry(region)
        last = self._done[-1] if self._done else None
        read = next((event.slot for event in self._events if isinstance(event, vmscan.SwapReadpage)), None)
        parted = next((event for event in self._events if isinstance(event, memory.WpPageCopy)), None)
        swapped_in = any(done.branch == "do_swap_page" for done in self._done)
        return FaultTold(
            seq=self._record.seq,
            pid=self._pid,
            address=self._fault.address,
            write=self._write,
            present=bool(self._fault.error_code & FAULT_PRESENT),
            region=region,
            decisions=tuple(self._asked),
            branch="" if last is None else last.branch,
            pfn=None if last is None else last.pfn,
            zero=last is not None and last.pfn == self._machine.kernel.memory.zero_pfn,
            slot=read if swapped_in else None,
            major=any(done.major for done in self._done),
            signal=self._signal(),
            parting=None if parted is None else Parting(parted.old, parted.new, parted.refcount, parted.mapcount),
            ns=self._record.end_ns - self._record.start_ns,
        )

    def _signal(self) -> str:
        """What the program got instead of its page. Where there was no memory nothing: somebody was killed for it."""
        if any(isinstance(event, memory.BadArea) for event in self._events):
            return SignalNumber.SIGSEGV.name
        return "" if self._done or self._no_memory() else SignalNumber.SIGBUS.name

    def _no_memory(self) -> bool:
        return not self._done and any(isinstance(event, vmscan.MarkVictim) for event in self._events)

    def _ask(self, question: Question, answer: Answer | bool, function: str) -> None:
        if isinstance(answer, bool):
            answer = Answer.YES if answer else Answer.NO
        self._asked.append(Decision(question, answer, function))

    # --- arch/x86/mm/fault.c -----------------------------------------------------------------------------------------

    def _may_access(self) -> bool:
        """do_user_addr_fault(): whether the program may do this at all."""
        bad = next((event for event in self._events if isinstance(event, memory.BadArea)), None)
        grown = any(isinstance(event, memory.ExpandStack) for event in self._events)
        user = self._fault.address < TASK_SIZE
        self._ask(Question.USER_ADDRESS, user, "fault_in_kernel_space")
        if not user:
            return False
        missing = bad is not None and not bad.start <= self._fault.address < bad.end
        nothing_above = missing and bad is not None and not bad.end
        held: Answer | bool = Answer.NO_REGION_ABOVE if nothing_above else not missing and not grown
        self._ask(Question.REGION, held, "find_vma")
        if grown or (missing and bad is not None and bad.vm_flags & VM_GROWSDOWN):
            self._ask(Question.STACK, grown, "expand_stack")
        if missing:
            return False
        self._ask(Question.ACCESS, bad is None, "access_error")
        return bad is None

    # --- mm/memory.c -------------------------------------------------------------------------------------------------

    def _ask_entry(self, region: Region | None) -> None:
        """handle_mm_fault(): what the table entry holds decides who repairs the fault."""
        branches = [done.branch for done in self._done]
        if self._fault.error_code & FAULT_PRESENT:
            self._ask(Question.ENTRY, Answer.WRITE_PROTECTED, "handle_pte_fault")
            self._ask_write_protected(branches[-1] if branches else "", region)
            return
        made = any(
            isinstance(event, memory.PageTableAllocated) and event.address >> 22 == self._fault.address >> 22
            for event in self._events
        )
        self._ask(Question.TABLE, not made, "pmd_none")
        if "do_swap_page" in branches:
            self._ask(Question.ENTRY, Answer.SWAPPED, "handle_pte_fault")
            self._ask(Question.IN_MEMORY, not self._done[0].major, "do_swap_page")
            if branches[-1] != "do_swap_page":
                self._ask_write_protected(branches[-1], region)
            return
        self._ask(Question.ENTRY, Answer.EMPTY, "handle_pte_fault")
        self._ask_empty(branches[-1] if branches else "")

    def _ask_empty(self, branch: str) -> None:
        if branch == "do_anonymous_page":
            self._ask(Question.BACKING, Answer.ANONYMOUS, "vma_is_anonymous")
            self._ask(Question.WRITE, self._write, "do_anonymous_page")
            return
        if self._no_memory():
            self._ask(Question.MEMORY, Answer.NO, "pagefault_out_of_memory")
            return
        self._ask(Question.BACKING, Answer.FILE, "do_fault")
        self._ask(Question.WRITE, self._write, "do_fault")
        if self._write and branch:
            self._ask(Question.SHARED, branch == "do_shared_fault", "do_fault")
        if not branch:
            self._ask(Question.IN_MEMORY, Answer.BEYOND_END, "filemap_fault")
            return
        function = "filemap_map_pages" if branch == "filemap_map_pages" else "filemap_fault"
        self._ask(Question.IN_MEMORY, not any(done.major for done in self._done), function)

    def _ask_write_protected(self, branch: str, region: Region | None) -> None:
        """do_wp_page()."""
        parted = any(isinstance(event, memory.WpPageCopy) for event in self._events)
        if branch == "wp_page_copy" and not parted:
            self._ask(Question.OTHERS, Answer.ZERO_PAGE, "do_wp_page")
        elif branch == "wp_page_copy":
            self._ask(Question.OTHERS, Answer.YES, "do_wp_page")
        elif branch:
            shared = region is not None and region.permissions.endswith("s")
            self._ask(Question.SHARED, shared, "do_wp_page")
            if not shared:
                self._ask(Question.OTHERS, Answer.NO, "do_wp_page")
        elif self._no_memory():
            self._ask(Question.MEMORY, Answer.NO, "pagefault_out_of_memory")
