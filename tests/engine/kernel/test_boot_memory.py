"""Physical memory at boot: a real kernel's zones and marks for 13 sizes of RAM, and boots that cost next to nothing."""

from __future__ import annotations

import json
import pickle
from typing import Any, Final

import pytest

from app.replay_kernel import replay_machines
from engine.config import MachineConfig
from engine.kernel.boot import BootMemory, boot_memory
from engine.kernel.mmzone import Watermark, Zone
from engine.kernel.page_alloc_init import (
    min_free_kbytes_sysctl_handler,
    percpu_pagelist_high_fraction_sysctl_handler,
    watermark_scale_factor_sysctl_handler,
)
from engine.kernel_program import KernelMachine, figures_of
from tests.oracle_corpus import ORACLE

MACHINES: Final[list[Any]] = json.loads((ORACLE / "machines.json").read_text())
SIZES: Final = (16, 17, 24, 32, 39, 40, 48, 64, 100, 896, 1000, 3583, 3584, 4096)
FIGURES: Final = ("name", "min", "low", "high", "protection", "pcp_high", "pcp_batch")


def boot(ram_mb: int) -> BootMemory:
    """A machine of this size as its kernel finds it, under QEMU's firmware."""
    return boot_memory(ram_mb, MachineConfig().firmware_pages)


def told(zone: Zone) -> dict[str, object]:
    return {
        "name": zone.name,
        "start_pfn": zone.zone_start_pfn,
        "spanned": zone.spanned_pages,
        "present": zone.present_pages,
        "managed": zone.managed_pages,
        "min": zone.watermark[Watermark.MIN],
        "low": zone.watermark[Watermark.LOW],
        "high": zone.watermark[Watermark.HIGH],
        "protection": zone.lowmem_reserve,
        "pcp_high": zone.per_cpu_pageset.high,
        "pcp_batch": zone.per_cpu_pageset.batch,
        "boost": zone.watermark_boost,
    }


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: f"{machine['ram_mb']} MB")
def test_the_marks_follow_from_the_zones_sizes_as_on_the_real_machine(machine: Any) -> None:
    figures = figures_of(machine["zones"])
    assert figures["min_free_kbytes"] == machine["min_free_kbytes"]
    assert figures["zones"] == [{key: zone[key] for key in FIGURES} for zone in machine["zones"]]


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: f"{machine['ram_mb']} MB")
def test_a_machine_boots_with_the_real_machines_zones(machine: Any) -> None:
    zones = [told(zone) for zone in boot(machine["ram_mb"]).zones]
    assert zones == [{key: zone[key] for key in told(boot(16).zones[0])} for zone in machine["zones"]]


def test_the_marks_are_computed_from_the_sizes_alone(tmp_path: Any) -> None:
    blind = [
        {
            "ram_mb": machine["ram_mb"],
            "zones": [
                {key: zone[key] for key in ("name", "start_pfn", "spanned", "present", "managed")}
                for zone in machine["zones"]
            ],
        }
        for machine in MACHINES
    ]
    (tmp_path / "machines.json").write_text(json.dumps(blind))
    assert replay_machines(tmp_path, tmp_path / "out") == len(MACHINES) == 13
    answers = json.loads((tmp_path / "out" / "machines.json").read_text())
    assert [answer["min_free_kbytes"] for answer in answers] == [machine["min_free_kbytes"] for machine in MACHINES]


@pytest.mark.parametrize("ram_mb", SIZES)
def test_every_frame_is_reserved_free_or_a_hole_whatever_the_size(ram_mb: int) -> None:
    memory = boot(ram_mb)
    kernel = KernelMachine.boot(ram_mb)
    kernel.page_alloc.check()
    reserved = 0
    for before, after in zip(memory.reserved, memory.reserved[1:], strict=False):
        assert before.end_pfn <= after.start_pfn
    for taken in memory.reserved:
        assert taken.start_pfn < taken.end_pfn <= memory.frames
        reserved += taken.pages
    assert memory.frames == ram_mb * 256
    assert reserved + sum(zone.free_pages for zone in memory.zones) == memory.frames
    assert [zone.free_pages for zone in memory.zones] == [zone.managed_pages for zone in memory.zones]


@pytest.mark.parametrize(
    ("ram_mb", "names"), [(16, ["DMA"]), (64, ["DMA", "Normal"]), (1024, ["DMA", "Normal", "HighMem"])]
)
def test_the_zones_that_a_machine_has_follow_from_its_ram(ram_mb: int, names: list[str]) -> None:
    assert [zone.name for zone in boot(ram_mb).zones] == names


def test_a_machine_of_4_gb_is_as_light_as_its_free_lists() -> None:
    memory = boot(4096)
    blocks = sum(sum(zone.nr_free_by_order()) for zone in memory.zones)
    assert blocks == 801
    assert len(pickle.dumps(memory)) < 20_000
    assert KernelMachine.boot(4096).ram.frames == {}


def test_the_kernels_own_frames_are_reserved() -> None:
    memory = boot(256)
    owners = {
        name: next(taken.owner for taken in memory.reserved if taken.start_pfn <= pfn < taken.end_pfn)
        for name, pfn in (
            ("page directory", memory.swapper_pg_dir),
            ("zero page", memory.empty_zero_page),
            ("gdt", memory.gdt_page),
        )
    }
    assert owners == {"page directory": "kernel bss", "zero page": "kernel bss", "gdt": "per-CPU data"}


# --- settings --------------------------------------------------------------------------------------------------------


def test_min_free_kbytes_is_shared_out_among_the_zones_of_low_memory() -> None:
    zones = boot(64).zones
    min_free_kbytes_sysctl_handler(zones[0].zone_pgdat, 4096)
    managed = sum(zone.managed_pages for zone in zones)
    assert [zone.watermark[Watermark.MIN] for zone in zones] == [1024 * zone.managed_pages // managed for zone in zones]


def test_watermark_scale_factor_widens_the_gap_between_the_marks() -> None:
    zones = boot(64).zones
    watermark_scale_factor_sysctl_handler(zones[0].zone_pgdat, 1000)
    for zone in zones:
        assert zone.watermark[Watermark.LOW] - zone.watermark[Watermark.MIN] == zone.managed_pages // 10


def test_the_cpu_may_be_held_to_a_part_of_each_zone() -> None:
    zones = boot(64).zones
    percpu_pagelist_high_fraction_sysctl_handler(zones[0].zone_pgdat, 8)
    assert [zone.per_cpu_pageset.high for zone in zones] == [zone.managed_pages // 8 for zone in zones]
