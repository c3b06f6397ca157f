"""Settings under /proc/sys/vm: the values that Debian's 6.1 i386 kernel took and refused, and what each one does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from engine.commands import Fork, Mmap, OomAdj, OpenFile, Sysctl, Touch
from engine.config import ConfigError, MachineConfig
from engine.kernel.sysctl import LOWMEM_RESERVE_RATIO, SETTINGS
from engine.machine import Machine

if TYPE_CHECKING:
    from engine.kernel.mmzone import Pglist

MB: Final = 1 << 20
TRIED: Final = (
    -1, 0, 1, 2, 3, 4, 5, 7, 8, 100, 101, 200, 201, 3000, 3001, 8191, 8192, 2**31 - 1, 2**31, 2**32 - 1,
)  # fmt: skip
"""What was written to each setting of the real machine."""
_INT: Final = 2**31 - 1
_ULONG: Final = 2**32 - 1
TAKEN: Final = {
    "admin_reserve_kbytes": (0, _ULONG),
    "dirty_background_bytes": (1, _ULONG),
    "dirty_background_ratio": (0, 100),
    "dirty_bytes": (8192, _ULONG),
    "dirty_expire_centisecs": (0, _INT),
    "dirty_ratio": (0, 100),
    "dirty_writeback_centisecs": (-1, _INT),
    "drop_caches": (1, 4),
    "highmem_is_dirtyable": (0, 1),
    "max_map_count": (0, _INT),
    "min_free_kbytes": (0, _INT),
    "mmap_min_addr": (0, _ULONG),
    "oom_dump_tasks": (-1, _INT),
    "oom_kill_allocating_task": (-1, _INT),
    "overcommit_kbytes": (0, _ULONG),
    "overcommit_memory": (0, 2),
    "overcommit_ratio": (-1, _INT),
    "page-cluster": (0, _INT),
    "panic_on_oom": (0, 2),
    "percpu_pagelist_high_fraction": (0, _INT),
    "swappiness": (0, 200),
    "user_reserve_kbytes": (0, _ULONG),
    "vfs_cache_pressure": (0, _INT),
    "watermark_boost_factor": (0, _INT),
    "watermark_scale_factor": (1, 3000),
}
"""Of those, what it took: from … to, both included; in between everything, but for percpu_pagelist_high_fraction's 1 to 7."""


def machine(ram_mb: int = 64, **sysctls: int) -> Machine:
    return Machine(MachineConfig(ram_mb=ram_mb, sysctls=tuple(sysctls.items()), trace_capacity=0))


def pgdat(box: Machine) -> Pglist:
    return box.kernel.page_alloc.pgdat


def log(box: Machine) -> list[str]:
    return [line.partition("] ")[2] for line in box.proc_file("kmsg").splitlines()]


def taken(name: str, value: int) -> bool:
    if name == "percpu_pagelist_high_fraction" and 0 < value < 8:
        return False
    least, most = TAKEN[name]
    return least <= value <= most


def test_every_setting_is_known_to_this_test() -> None:
    assert sorted(TAKEN) == sorted(SETTINGS)


@pytest.mark.parametrize("name", TAKEN)
def test_a_setting_takes_what_linux_takes_and_refuses_the_rest_unchanged(name: str) -> None:
    box = machine(256)
    for value in TRIED:
        if name == "min_free_kbytes" and value > 8192:
            continue
        before = box.kernel.sysctl[name]
        outcome = box.perform(Sysctl(name=name, value=value))
        assert outcome.errno == (None if taken(name, value) else "EINVAL"), value
        assert box.kernel.sysctl[name] == (value if taken(name, value) else before)
    box.check()


def test_there_is_no_other_setting() -> None:
    assert machine().perform(Sysctl(name="swapiness", value=1)).errno == "ENOENT"


# --- the zones -------------------------------------------------------------------------------------------------------

REAL: Final = (
    # what was written → the ratios, and the protection of DMA and of Normal, from /proc/zoneinfo of a machine of 1 GB
    ((0, 0, 0), [0, 0, 0, 0], [0, 0, 0], [0, 0]),
    ((-1, 5, 7), [0, 5, 7, 0], [0, 0, 0], [7571, 7571]),
    ((100,), [100, 5, 7, 0], [2137, 2516, 2516], [7571, 7571]),
    ((100, 50), [100, 50, 7, 0], [2137, 2516, 2516], [757, 757]),
    ((2_000_000, 3, 4, 5), [2_000_000, 3, 4, 5], [0, 0, 0], [12619, 12619]),
)
NORMAL_PAGES, HIGHMEM_PAGES = 213777, 37858


def test_lowmem_reserve_ratio_protects_each_zone_as_the_real_machine_told() -> None:
    box = machine(1024)
    dma, normal, highmem = pgdat(box).populated_zones()
    normal.managed_pages, highmem.managed_pages = NORMAL_PAGES, HIGHMEM_PAGES
    for written, ratios, of_dma, of_normal in REAL:
        command = Sysctl(name=LOWMEM_RESERVE_RATIO, value=written[0], rest=written[1:])
        assert box.perform(command).errno is None
        assert pgdat(box).lowmem_reserve_ratio == ratios
        assert dma.lowmem_reserve[1:] == of_dma
        assert normal.lowmem_reserve[2:] == of_normal


def test_a_ratio_beyond_an_int_is_refused_and_none_is_changed() -> None:
    box = machine()
    assert box.perform(Sysctl(name=LOWMEM_RESERVE_RATIO, value=1, rest=(2**31,))).errno == "EINVAL"
    assert pgdat(box).lowmem_reserve_ratio == [256, 32, 0, 0]


def dma_left(ratio: int) -> int:
    """Free pages that stay in DMA when a process has touched all that it can get without reclaim's help."""
    box = machine(32, overcommit_memory=1, lowmem_reserve_ratio=ratio)
    box.perform(Mmap(as_="a", length=64 * MB))
    least = 1 << 30
    for number in range(0, 64 * MB, MB):
        outcome = box.perform(Touch(ptr=f"a+{number}", length=MB))
        if outcome.ended is not None:
            break
        least = min(least, pgdat(box).node_zones[0].nr_free_pages)
    return least


def test_a_smaller_ratio_keeps_more_of_dma_from_programs() -> None:
    assert dma_left(4) > dma_left(256)


def test_percpu_pagelist_high_fraction_sets_what_the_cpu_may_keep() -> None:
    box = machine()
    zones = pgdat(box).populated_zones()
    by_mark = [zone.per_cpu_pageset.high for zone in zones]
    box.perform(Sysctl(name="percpu_pagelist_high_fraction", value=8))
    assert [zone.per_cpu_pageset.high for zone in zones] == [zone.managed_pages // 8 for zone in zones]
    box.perform(Sysctl(name="percpu_pagelist_high_fraction", value=0))
    assert [zone.per_cpu_pageset.high for zone in zones] == by_mark


# --- promises, dirty memory, caches ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("ram_mb", "real"), [(64, 1360), (256, 7436), (1024, 31722)])
def test_the_reserves_begin_with_a_32nd_of_what_was_free_early_in_the_boot(ram_mb: int, real: int) -> None:
    """`real` is Debian's; it had up to 2 MB more in use by then, which this machine has not."""
    box = machine(ram_mb)
    assert real <= box.kernel.sysctl["user_reserve_kbytes"] <= real + 2048 // 32 + 32
    assert box.kernel.sysctl["admin_reserve_kbytes"] == min(box.kernel.sysctl["user_reserve_kbytes"], 8192)


def test_high_memory_counts_as_dirtyable_only_where_the_setting_says_so() -> None:
    box = machine(1024)
    highmem = pgdat(box).populated_zones()[-1]

    def threshold() -> int:
        [line] = [line for line in box.proc_file("vmstat").splitlines() if line.startswith("nr_dirty_threshold ")]
        return int(line.split()[1])

    without = threshold()
    box.perform(Sysctl(name="highmem_is_dirtyable", value=1))
    more = threshold() - without
    assert abs(more - (highmem.nr_free_pages - highmem.high_wmark_pages) // 5) <= 8


def test_drop_caches_tells_the_log_until_it_is_told_to_be_silent() -> None:
    box = machine()
    for value in (1, 2, 5, 4, 3):
        box.perform(Sysctl(name="drop_caches", value=value))
    assert [line for line in log(box) if "drop_caches" in line] == [
        f"student (0): drop_caches: {value}" for value in (1, 2, 4)
    ]


def test_a_negative_writeback_interval_is_as_good_as_never() -> None:
    box = machine()
    box.perform(Sysctl(name="dirty_writeback_centisecs", value=-1))
    box.perform(OpenFile(file=0, path="/mnt/a", size=MB))
    assert box.kernel.fs_writeback.wake_at > box.kernel.clock.ns + 40 * 24 * 3600 * 10**9


# --- the OOM killer --------------------------------------------------------------------------------------------------


def exhaust(box: Machine) -> None:
    box.perform(Fork(child=1))
    box.perform(Mmap(as_="a", length=96 * MB))
    box.perform(Touch(ptr="a", length=96 * MB))


@pytest.mark.parametrize(("value", "kind"), [(1, "system-wide"), (2, "compulsory")])
def test_panic_on_oom_ends_everything_with_a_report(value: int, kind: str) -> None:
    box = machine(32, overcommit_memory=1, panic_on_oom=value)
    exhaust(box)
    assert all(process.ended is not None for process in box.processes.values())
    message = f"Kernel panic - not syncing: Out of memory: {kind} panic_on_oom is enabled"
    assert log(box)[-2:] == [message, f"---[ end {message} ]---"]
    assert "Tasks state (memory values in pages):" in log(box)
    assert not any("Killed process" in line for line in log(box))
    box.check()


def test_where_nobody_may_be_killed_the_kernel_panics() -> None:
    box = machine(32, overcommit_memory=1)
    box.perform(OomAdj(value=-1000))
    exhaust(box)
    assert all(process.ended is not None for process in box.processes.values())
    assert log(box)[-3:-1] == [
        "Out of memory and no killable processes...",
        "Kernel panic - not syncing: System is deadlocked on memory",
    ]
    box.check()


def test_oom_dump_tasks_leaves_the_tasks_out_of_the_report() -> None:
    box = machine(32, overcommit_memory=1, oom_dump_tasks=0)
    exhaust(box)
    assert not any(line.startswith("Tasks state") for line in log(box))
    assert any("Killed process" in line for line in log(box))


def test_a_setting_of_the_configuration_that_cannot_be_is_refused() -> None:
    with pytest.raises(ConfigError, match="percpu_pagelist_high_fraction = 7 gives EINVAL"):
        machine(percpu_pagelist_high_fraction=7)
