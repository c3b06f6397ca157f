"""The OOM killer: who dies, who lives, and what the log says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from engine.commands import CheckTouch, Fork, Mmap, OomAdj, OomScore, Read, Sysctl, Touch, Wait
from engine.config import MachineConfig
from engine.events.vmscan import MarkVictim, OomKillProcess
from engine.kernel.gfp import GFP_KERNEL
from engine.kernel.show_mem import format_gfp
from engine.machine import Machine

if TYPE_CHECKING:
    from engine.outcome import Outcome

ORACLE: Final = Path(__file__).parents[2] / "oracle"
MB: Final = 1 << 20
PROTECTED: Final = -1000
SIGKILL: Final = 9


def machine(overcommit_memory: int = 1, **sysctls: int) -> Machine:
    settings = (("overcommit_memory", overcommit_memory), *sysctls.items())
    return Machine(MachineConfig(ram_mb=16, swap_mb=8, sysctls=settings, trace_capacity=1 << 16))


def take(box: Machine, pid: int, megabytes: int) -> Outcome:
    box.perform(Mmap(as_="a", length=megabytes * MB, prot="rw", flags=("private",), pid=pid))
    return box.perform(Touch(ptr="a", length=megabytes * MB, access="w", value=pid + 1, pid=pid))


def family(box: Machine) -> None:
    box.perform(Fork(child=1))
    box.perform(Fork(child=2))


def test_the_process_with_the_most_memory_dies_and_the_others_keep_theirs() -> None:
    box = machine()
    family(box)
    take(box, 1, 4)
    outcome = take(box, 2, 20)
    assert outcome.ended is not None
    assert (outcome.ended.pid, outcome.ended.termsig) == (2, SIGKILL)
    assert box.perform(CheckTouch(ptr="a", length=4 * MB, value=2, pid=1)).bad == 0
    assert box.kernel.vmstat.oom_kill == 1
    box.check()


def test_a_higher_adjustment_makes_a_small_process_the_victim() -> None:
    box = machine()
    family(box)
    box.perform(OomAdj(value=900, pid=1))
    take(box, 1, 4)
    take(box, 2, 18)
    ended = box.perform(Wait(child=1)).ended
    assert ended is not None
    assert ended.termsig == SIGKILL
    assert [record.event.pid for record in box.trace.records() if isinstance(record.event, MarkVictim)] == [1]
    box.check()


def test_a_protected_process_is_never_the_victim() -> None:
    box = machine()
    take(box, 0, 10)
    box.perform(Fork(child=1))
    box.perform(OomAdj(value=PROTECTED))
    outcome = take(box, 1, 12)
    assert outcome.ended is not None
    assert box.processes[0].ended is None
    assert box.perform(OomScore()).ret == 0
    assert box.perform(CheckTouch(ptr="a", length=10 * MB, value=1)).bad == 0


def test_the_running_process_dies_instead_where_the_setting_says_so() -> None:
    box = machine(oom_kill_allocating_task=1)
    family(box)
    take(box, 1, 15)
    outcome = take(box, 2, 12)
    assert outcome.ended is not None
    assert outcome.ended.pid == 2
    assert box.processes[1].ended is None


def test_a_dead_process_has_given_everything_back() -> None:
    box = machine()
    family(box)
    take(box, 2, 40)
    assert sorted(box.kernel.tasks) == [0, 1]
    area, living = box.kernel.swapfile, box.kernel.tasks.values()
    assert area.total_pages - area.nr_swap_pages <= sum(task.mm.swap_rss for task in living), "only the living swap"
    assert box.perform(Read(ptr=0xBFFFF000)).val == 0
    box.check()


def test_the_report_names_who_asked_everybody_and_the_victim() -> None:
    box = machine()
    family(box)
    take(box, 2, 40)
    lines = [line.partition("] ")[2] for line in box.proc_file("kmsg").splitlines()]
    assert lines[0] == "student invoked oom-killer: gfp_mask=0x100cca(GFP_HIGHUSER_MOVABLE), order=0, oom_score_adj=0"
    assert "Free swap  = 0kB" in lines
    assert "Total swap = 8188kB" in lines
    heading = lines.index("Tasks state (memory values in pages):")
    assert lines[heading + 1].startswith("[  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents")
    assert [line[1:8].strip() for line in lines[heading + 2 : heading + 5]] == ["0", "1", "2"]
    assert lines[-2].endswith("global_oom,task_memcg=/,task=student,pid=2,uid=0")
    assert lines[-1].startswith("Out of memory: Killed process 2 (student) total-vm:")
    assert lines[-1].endswith("oom_score_adj:0")


def layout(lines: list[str]) -> list[str]:
    """Each line without what depends on the moment: numbers, migrate types, whether reclaim has given up."""
    signs = [re.sub(r" \([UMEHI]+\)", "", re.sub(r"\d+|(?<=all_unreclaimable\? )\w+", "N", line)) for line in lines]
    return list(dict.fromkeys(re.sub(r" +", " ", line) for line in signs))


def test_the_report_has_the_real_machines_lines_from_mem_info_on() -> None:
    """tests/oracle/oom_report.txt: what Debian's 6.1 i386 kernel said on a machine of 64 MB without swap."""
    told = (ORACLE / "oom_report.txt").read_text().replace("recorder", "student").splitlines()
    box = Machine(MachineConfig(ram_mb=64, sysctls=(("overcommit_memory", 1),), trace_capacity=0))
    assert take(box, 0, 80).ended is not None
    ours = [line.partition("] ")[2] for line in box.proc_file("kmsg").splitlines()]
    assert layout(ours[1:]) == layout(told[1:])


def test_gfp_masks_are_told_by_their_names() -> None:
    assert format_gfp(0x140DCA) == "GFP_HIGHUSER_MOVABLE|__GFP_COMP|__GFP_ZERO", "as the real machine printed it"
    assert format_gfp(GFP_KERNEL | 0x8000_0000) == "GFP_KERNEL|0x80000000"


def test_the_event_shows_the_points_of_each_candidate() -> None:
    box = machine()
    family(box)
    take(box, 1, 4)
    take(box, 2, 40)
    [event] = [record.event for record in box.trace.records() if isinstance(record.event, OomKillProcess)]
    scores = dict(event.scores)
    assert event.pid == 2
    assert scores[2] > scores[1] > scores[0]


def test_a_promise_beyond_ram_and_swap_is_refused_at_once() -> None:
    box = machine(overcommit_memory=0)
    outcome = box.perform(Mmap(as_="a", length=64 * MB, prot="rw", flags=("private",)))
    assert outcome.errno == "ENOMEM"
    box.perform(Sysctl(name="overcommit_memory", value=1))
    assert box.perform(Mmap(as_="a", length=64 * MB, prot="rw", flags=("private",))).errno is None
