"""fs/proc/array.c and fs/proc/task_mmu.c: /proc/PID/status.

Left out: what this machine does not have: users and groups (every process is root's), signals that wait, capabilities,
processors to choose from, context switches. Their lines stand as a real machine prints them for such a process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.kernel.mm_types import PAGE_SHIFT, PAGE_SIZE, Mm

if TYPE_CHECKING:
    from engine.kernel.kernel import Kernel
    from engine.kernel.task import Task

_KB_SHIFT: Final = PAGE_SHIFT - 10
_PAGES_PER_THREAD: Final = 16
"""set_max_threads(): threads may take an eighth of memory with their stacks of two pages."""
_NO_SIGNALS: Final = f"{0:016x}"
_ALL_CAPABILITIES: Final = f"{(1 << 41) - 1:016x}"


def status_text(kernel: Kernel, task: Task) -> str:
    """The file as proc_pid_status() prints it."""
    return "".join(
        f"{name}:\t{value}\n"
        for name, value in (*_who(kernel, task), *_memory(task.mm), *_signals(kernel), *_PROCESSORS)
    )


def _who(kernel: Kernel, task: Task) -> tuple[tuple[str, str], ...]:
    """task_state(): the name, the numbers, and whose the process is."""
    pid, parent = str(task.pid), "0" if task.parent is None else str(task.parent.pid)
    root = "\t".join("0000")
    return (
        ("Name", task.comm),
        ("Umask", "0022"),
        ("State", "R (running)" if kernel.current is task else "S (sleeping)"),
        ("Tgid", pid),
        ("Ngid", "0"),
        ("Pid", pid),
        ("PPid", parent),
        ("TracerPid", "0"),
        ("Uid", root),
        ("Gid", root),
        ("FDSize", "64"),
        ("Groups", " "),
        ("NStgid", pid),
        ("NSpid", pid),
        ("NSpgid", "0"),
        ("NSsid", "0"),
    )


def _memory(mm: Mm) -> tuple[tuple[str, str], ...]:
    """task_mem(): the sizes, and what this kernel has no use for: huge pages."""
    return (
        *((name, f"{value:8} kB") for name, value in status_figures(mm).items()),
        ("HugetlbPages", f"{0:8} kB"),
        ("CoreDumping", "0"),
        ("THP_enabled", "1"),
        ("Threads", "1"),
    )


def _signals(kernel: Kernel) -> tuple[tuple[str, str], ...]:
    """task_sig() and task_cap(): none wait, none are caught."""
    managed = sum(zone.managed_pages for zone in kernel.page_alloc.zones)
    return (
        ("SigQ", f"0/{managed // _PAGES_PER_THREAD // 2}"),
        *((name, _NO_SIGNALS) for name in ("SigPnd", "ShdPnd", "SigBlk", "SigIgn", "SigCgt", "CapInh")),
        *((name, _ALL_CAPABILITIES) for name in ("CapPrm", "CapEff", "CapBnd")),
        ("CapAmb", _NO_SIGNALS),
    )


_PROCESSORS: Final = (
    ("NoNewPrivs", "0"),
    ("Seccomp", "0"),
    ("Seccomp_filters", "0"),
    ("Speculation_Store_Bypass", "vulnerable"),
    ("SpeculationIndirectBranch", "always enabled"),
    ("Cpus_allowed", "1"),
    ("Cpus_allowed_list", "0"),
    ("Mems_allowed", "1"),
    ("Mems_allowed_list", "0"),
    ("voluntary_ctxt_switches", "0"),
    ("nonvoluntary_ctxt_switches", "0"),
)
"""The end of the file: one processor, one memory."""


def status_figures(mm: Mm) -> dict[str, int]:
    """The lines that task_mem() prints, in kB."""
    text = (mm.end_code - mm.start_code + PAGE_SIZE - 1 & -PAGE_SIZE) >> 10
    text = min(text, mm.exec_vm << _KB_SHIFT)
    return {
        "VmPeak": max(mm.hiwater_vm, mm.total_vm) << _KB_SHIFT,
        "VmSize": mm.total_vm << _KB_SHIFT,
        "VmLck": mm.locked_vm << _KB_SHIFT,
        "VmPin": 0,
        "VmHWM": max(mm.hiwater_rss, mm.rss) << _KB_SHIFT,
        "VmRSS": mm.rss << _KB_SHIFT,
        "RssAnon": mm.anon_rss << _KB_SHIFT,
        "RssFile": mm.file_rss << _KB_SHIFT,
        "RssShmem": mm.shmem_rss << _KB_SHIFT,
        "VmData": mm.data_vm << _KB_SHIFT,
        "VmStk": mm.stack_vm << _KB_SHIFT,
        "VmExe": text,
        "VmLib": (mm.exec_vm << _KB_SHIFT) - text,
        "VmPTE": mm.pgtables_bytes >> 10,
        "VmSwap": mm.swap_rss << _KB_SHIFT,
    }
