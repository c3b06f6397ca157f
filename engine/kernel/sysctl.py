"""kernel/sysctl.c: the settings under /proc/sys/vm, with Linux's names, defaults and limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from engine.kernel.errno import Errno, ErrorNumber
from engine.kernel.gfp import MAX_NR_ZONES
from engine.kernel.memblock import DEBIAN_686, INITRD_PAGES
from engine.kernel.mm_types import PAGE_SHIFT
from engine.kernel.page_alloc_init import ZONE_SYSCTLS, lowmem_reserve_ratio_sysctl_handler

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.kernel.kernel import Kernel

_INT_MIN: Final = -(2**31)
_INT_MAX: Final = 2**31 - 1
_ULONG_MAX: Final = 2**32 - 1
_RESERVE_SHARE: Final = 32
_STAY_SILENT: Final = 4
MIN_PERCPU_PAGELIST_HIGH_FRACTION: Final = 8
LOWMEM_RESERVE_RATIO: Final = "lowmem_reserve_ratio"


class Setting(NamedTuple):
    """What a setting starts with and what it may be."""

    default: int
    least: int
    most: int


SETTINGS: Final = {
    "admin_reserve_kbytes": Setting(8192, 0, _ULONG_MAX),
    "dirty_background_bytes": Setting(0, 1, _ULONG_MAX),
    "dirty_background_ratio": Setting(10, 0, 100),
    "dirty_bytes": Setting(0, 8192, _ULONG_MAX),
    "dirty_expire_centisecs": Setting(3000, 0, _INT_MAX),
    "dirty_ratio": Setting(20, 0, 100),
    "dirty_writeback_centisecs": Setting(500, _INT_MIN, _INT_MAX),
    "drop_caches": Setting(0, 1, 4),
    "highmem_is_dirtyable": Setting(0, 0, 1),
    "max_map_count": Setting(65530, 0, _INT_MAX),
    "min_free_kbytes": Setting(0, 0, _INT_MAX),
    "mmap_min_addr": Setting(65536, 0, _ULONG_MAX),
    "oom_dump_tasks": Setting(1, _INT_MIN, _INT_MAX),
    "oom_kill_allocating_task": Setting(0, _INT_MIN, _INT_MAX),
    "overcommit_kbytes": Setting(0, 0, _ULONG_MAX),
    "overcommit_memory": Setting(0, 0, 2),
    "overcommit_ratio": Setting(50, _INT_MIN, _INT_MAX),
    "page-cluster": Setting(3, 0, _INT_MAX),
    "panic_on_oom": Setting(0, 0, 2),
    "percpu_pagelist_high_fraction": Setting(0, 0, _INT_MAX),
    "swappiness": Setting(60, 0, 200),
    "user_reserve_kbytes": Setting(131072, 0, _ULONG_MAX),
    "vfs_cache_pressure": Setting(100, 0, _INT_MAX),
    "watermark_boost_factor": Setting(15000, 0, _INT_MAX),
    "watermark_scale_factor": Setting(10, 1, 3000),
}
"""Settings of one number. lowmem_reserve_ratio, which is one for each zone, is not among them."""


_EITHER: Final = {
    "dirty_background_bytes": "dirty_background_ratio",
    "dirty_background_ratio": "dirty_background_bytes",
    "dirty_bytes": "dirty_ratio",
    "dirty_ratio": "dirty_bytes",
}
"""Limits that are said in one of two ways: setting one makes the other 0."""


class Sysctl:
    """The values now."""

    __slots__ = ("drop_caches_silent", "kernel", "values")

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.values = {name: setting.default for name, setting in SETTINGS.items()}
        self.values["min_free_kbytes"] = kernel.boot.zones[0].zone_pgdat.min_free_kbytes
        self._init_reserves()
        self.drop_caches_silent = False
        """Once 4 was written to drop_caches, the log does not tell of it any more."""

    def _init_reserves(self) -> None:
        """init_user_reserve() and init_admin_reserve(): a 32nd of what was free early in the boot, or less.

        The initial RAM disk and the kernel's init code were not free then.
        """
        free = sum(zone.nr_free_pages for zone in self.kernel.boot.zones) - INITRD_PAGES - DEBIAN_686.init
        free = max(free, 0) << PAGE_SHIFT - 10
        for name in ("user_reserve_kbytes", "admin_reserve_kbytes"):
            self.values[name] = min(free // _RESERVE_SHARE, SETTINGS[name].default)

    def __getitem__(self, name: str) -> int:
        return self.values[name]

    def told(self) -> dict[str, str]:
        """Every setting's text, as /proc/sys/vm/NAME has it, in the order of the names; drop_caches can only be written."""
        ratios = "\t".join(map(str, self.kernel.page_alloc.pgdat.lowmem_reserve_ratio))
        found = {name: str(value) for name, value in self.values.items() if name != "drop_caches"}
        return dict(sorted((found | {LOWMEM_RESERVE_RATIO: ratios}).items()))

    def write(self, name: str, value: int, rest: Sequence[int] = ()) -> None:
        """echo VALUE REST… > /proc/sys/vm/NAME; a setting of one number takes the first and leaves the rest.

        Raises Errno: ENOENT for an unknown name, EINVAL for a value out of range; the setting is then as it was.
        """
        if name == LOWMEM_RESERVE_RATIO:
            self._lowmem_reserve_ratio((value, *rest))
            return
        setting = SETTINGS.get(name)
        if setting is None:
            raise Errno(ErrorNumber.ENOENT)
        if not setting.least <= value <= setting.most:
            raise Errno(ErrorNumber.EINVAL)
        if name == "percpu_pagelist_high_fraction" and 0 < value < MIN_PERCPU_PAGELIST_HIGH_FRACTION:
            raise Errno(ErrorNumber.EINVAL)
        before, self.values[name] = self.values[name], value
        other = _EITHER.get(name)
        if other is not None and value != before:
            self.values[other] = 0
        if name == "dirty_writeback_centisecs" and value != before:
            self.kernel.fs_writeback.writeback_centisecs_changed()
        if name == "drop_caches":
            self._drop_caches(value)
        handler = ZONE_SYSCTLS.get(name)
        if handler is not None:
            handler(self.kernel.page_alloc.pgdat, value)

    def _lowmem_reserve_ratio(self, ratios: Sequence[int]) -> None:
        """proc_dointvec() into as many entries as were written, from DMA's on."""
        if not all(_INT_MIN <= ratio <= _INT_MAX for ratio in ratios[:MAX_NR_ZONES]):
            raise Errno(ErrorNumber.EINVAL)
        lowmem_reserve_ratio_sysctl_handler(self.kernel.page_alloc.pgdat, ratios)

    def _drop_caches(self, value: int) -> None:
        """drop_caches_sysctl_handler(): bit 0: the page cache; 1: the kernel's own caches that can shrink; 2: be silent."""
        if value & 1:
            self.kernel.filemap.drop_pagecache()
        if value & 2:
            self.kernel.shrinkers.drop_slab()
            self.kernel.vmstat.drop_slab += 1
        if not self.drop_caches_silent:
            task = self.kernel.current
            self.kernel.log.printk(f"{task.comm} ({task.pid}): drop_caches: {value}")
        self.drop_caches_silent |= bool(value & _STAY_SILENT)
