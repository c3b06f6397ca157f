"""kernel/sysctl.c: the settings under /proc/sys/vm, with Linux's names, defaults and limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from engine.kernel.errno import Errno, ErrorNumber
from engine.kernel.page_alloc_init import ZONE_SYSCTLS

if TYPE_CHECKING:
    from engine.kernel.kernel import Kernel

_INT_MAX: Final = 2**31 - 1


class Setting(NamedTuple):
    """What a setting starts with and what it may be."""

    default: int
    least: int
    most: int


SETTINGS: Final = {
    "admin_reserve_kbytes": Setting(8192, 0, _INT_MAX),
    "dirty_background_bytes": Setting(0, 1, _INT_MAX),
    "dirty_background_ratio": Setting(10, 0, 100),
    "dirty_bytes": Setting(0, 8192, _INT_MAX),
    "dirty_expire_centisecs": Setting(3000, 0, _INT_MAX),
    "dirty_ratio": Setting(20, 0, 100),
    "dirty_writeback_centisecs": Setting(500, 0, _INT_MAX),
    "drop_caches": Setting(0, 0, 4),
    "max_map_count": Setting(65530, 0, _INT_MAX),
    "min_free_kbytes": Setting(0, 0, _INT_MAX),
    "mmap_min_addr": Setting(65536, 0, _INT_MAX),
    "overcommit_kbytes": Setting(0, 0, _INT_MAX),
    "overcommit_memory": Setting(0, 0, 2),
    "overcommit_ratio": Setting(50, 0, _INT_MAX),
    "page-cluster": Setting(3, 0, 31),
    "panic_on_oom": Setting(0, 0, 2),
    "oom_kill_allocating_task": Setting(0, 0, 1),
    "swappiness": Setting(60, 0, 200),
    "user_reserve_kbytes": Setting(131072, 0, _INT_MAX),
    "vfs_cache_pressure": Setting(100, 0, _INT_MAX),
    "watermark_boost_factor": Setting(15000, 0, _INT_MAX),
    "watermark_scale_factor": Setting(10, 1, 3000),
}


_EITHER: Final = {
    "dirty_background_bytes": "dirty_background_ratio",
    "dirty_background_ratio": "dirty_background_bytes",
    "dirty_bytes": "dirty_ratio",
    "dirty_ratio": "dirty_bytes",
}
"""Limits that are said in one of two ways: setting one makes the other 0."""


class Sysctl:
    """The values now."""

    __slots__ = ("kernel", "values")

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.values = {name: setting.default for name, setting in SETTINGS.items()}
        self.values["min_free_kbytes"] = kernel.boot.zones[0].zone_pgdat.min_free_kbytes

    def __getitem__(self, name: str) -> int:
        return self.values[name]

    def write(self, name: str, value: int) -> None:
        """echo VALUE > /proc/sys/vm/NAME. Raises Errno: ENOENT for an unknown name, EINVAL for a value out of range."""
        setting = SETTINGS.get(name)
        if setting is None:
            raise Errno(ErrorNumber.ENOENT)
        if not setting.least <= value <= setting.most:
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

    def _drop_caches(self, value: int) -> None:
        """drop_caches_sysctl_handler(): bit 0: the page cache; bit 1: the kernel's own caches that can shrink."""
        if value & 1:
            self.kernel.filemap.drop_pagecache()
        if value & 2:
            self.kernel.shrinkers.drop_slab()
            self.kernel.vmstat.drop_slab += 1
        task = self.kernel.current
        self.kernel.log.printk(f"{task.comm} ({task.pid}): drop_caches: {value}")
