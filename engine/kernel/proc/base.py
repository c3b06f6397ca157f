"""fs/proc/base.c: /proc/PID/oom_score."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from engine.kernel.kernel import Kernel
    from engine.kernel.task import Task

_SCALE: Final = 1000
OOM_SCORE_MAX: Final = 2000


def proc_oom_score(kernel: Kernel, task: Task) -> int:
    """proc_oom_score(): badness as a share of all memory, moved to 0 … 2000 so that an average process has 666."""
    total = kernel.oom_kill.total_pages()
    badness = kernel.oom_kill.oom_badness(task, total)
    if badness is None:
        return 0
    return (_SCALE + _truncated(badness * _SCALE, total)) * 2 // 3


def _truncated(dividend: int, divisor: int) -> int:
    """Division as C has it, towards zero."""
    return dividend // divisor if dividend >= 0 else -(-dividend // divisor)
