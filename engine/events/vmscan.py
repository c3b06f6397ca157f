"""Events of reclaim: who was woken because memory runs short, and what became of it."""

from typing import NamedTuple


class MmVmscanWakeupKswapd(NamedTuple):
    """vmscan:mm_vmscan_wakeup_kswapd — an allocation found the zone below its low watermark and woke kswapd."""

    zone: str
    order: int
    free_pages: int
    low: int


class MmVmscanKswapdWake(NamedTuple):
    """vmscan:mm_vmscan_kswapd_wake — kswapd runs: it wants every zone above its high watermark."""

    order: int


class MmVmscanKswapdSleep(NamedTuple):
    """vmscan:mm_vmscan_kswapd_sleep — kswapd goes back to sleep; `balanced` whether it reached its goal."""

    balanced: bool


class MarkVictim(NamedTuple):
    """oom:mark_victim — nothing could be reclaimed: this process is killed."""

    pid: int
