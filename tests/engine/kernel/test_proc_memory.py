"""/proc/buddyinfo, pagetypeinfo, zoneinfo and slabinfo: a real kernel's files, byte for byte, from the same figures."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, cast

import pytest

from engine.config import MachineConfig
from engine.kernel.mm_types import PG_ACTIVE, PG_DIRTY, PG_LRU, PG_SWAPBACKED, Page
from engine.kernel.proc.buddyinfo import buddyinfo_text
from engine.kernel.proc.pagetypeinfo import MIGRATETYPE_NAMES, pagetypeinfo_text
from engine.kernel.proc.slabinfo import HEADER
from engine.kernel.proc.zoneinfo import zoneinfo_text
from engine.kernel.slab_common import cache_show
from engine.kernel.slub_cache import KmemCache, Slab
from engine.kernel.swap import LruList
from engine.kernel.vmstat import Vmstat
from engine.kernel.zone_state import zones_from_sizes
from engine.kernel.zoneinfo import read_zoneinfo
from engine.kernel_program import KernelMachine
from engine.machine import Machine
from tests.oracle_corpus import group_files

if TYPE_CHECKING:
    from engine.kernel.kernel import Kernel
    from engine.kernel.mmzone import Zone

MACHINES: Final = ("64mb", "1024mb")
_FREE: Final = re.compile(r"^Node +0, zone +(\w+), type +(\w+) ([\d ]+)$", re.MULTILINE)
_PAGEBLOCKS: Final = re.compile(r"^Node 0, zone +(\w+) +((?:\d+ +)+)$", re.MULTILINE)
_SLABINFO: Final = re.compile(r"^(\S+) +(\d+) +(\d+) +(\d+) +(\d+) +(\d+) : .* slabdata +(\d+)", re.MULTILINE)
LRU_FLAGS: Final = {
    "nr_zone_inactive_anon": PG_LRU | PG_SWAPBACKED,
    "nr_zone_active_anon": PG_LRU | PG_SWAPBACKED | PG_ACTIVE,
    "nr_zone_write_pending": PG_DIRTY,
}


class Lists:
    """mm/swap.c's lists, of which only the lengths count."""

    def __init__(self, text: str) -> None:
        self.sizes = [number(text, f"nr_{lru.name.lower()}") for lru in LruList]

    def size(self, which: LruList) -> int:
        return self.sizes[which]


class Told:
    """A kernel with the figures of a recorded machine's files."""

    def __init__(self, machine: str) -> None:
        self.files = {
            name.split(".")[0]: text for name, text in group_files("proc").items() if name.endswith(f".{machine}")
        }
        self.marks = {zone.name: zone for zone in read_zoneinfo(self.files["zoneinfo"])}
        zones = zones_from_sizes(
            [
                {
                    "name": zone.name,
                    "start_pfn": zone.start_pfn,
                    "spanned": zone.spanned,
                    "present": zone.present,
                    "managed": zone.managed,
                }
                for zone in self.marks.values()
            ]
        )
        self.page_alloc = KernelMachine(zones, zones[-1].zone_end_pfn).page_alloc
        self.swap = Lists(self.files["zoneinfo"])
        self.vmstat = Vmstat()

    @property
    def kernel(self) -> Kernel:
        return cast("Kernel", self)

    def zone(self, name: str) -> Zone:
        return next(zone for zone in self.page_alloc.zones if zone.name == name)

    def fill_free_lists(self) -> None:
        """As many blocks as pagetypeinfo counts, wherever."""
        free, blocks = self.files["pagetypeinfo"].split("Number of blocks")
        for name, migratetype, counts in _FREE.findall(free):
            zone, number_of = self.zone(name), MIGRATETYPE_NAMES.index(migratetype)
            for order, count in enumerate(counts.split()):
                area = zone.free_area[order]
                for _ in range(int(count)):
                    pfn = len(area.blocks)
                    area.blocks[pfn] = number_of
                    area.free_list[number_of][pfn] = None
        for name, counts in _PAGEBLOCKS.findall(blocks):
            zone = self.zone(name)
            types = [index for index, count in enumerate(counts.split()) for _ in range(int(count))]
            for at, migratetype in enumerate(types):
                zone.set_pageblock_migratetype(zone.zone_start_pfn + (at << 10), migratetype)

    def fill_counts(self) -> None:
        """The counts of zoneinfo, and as many pages in use as it counts on lists."""
        text = self.files["zoneinfo"]
        for name in Vmstat.__slots__:
            setattr(self.vmstat, name, number(text, name))
        for section in text.split("Node 0, zone")[1:]:
            name = section.split()[0]
            if name in self.marks:
                self.fill_zone(self.zone(name), section)

    def fill_zone(self, zone: Zone, section: str) -> None:
        zone.nr_free_pages = number(section, "nr_free_pages")
        zone.per_cpu_pageset.count = number(section, "count:")
        flags = [flag for name, flag in LRU_FLAGS.items() for _ in range(number(section, name))]
        for pfn, flag in enumerate(flags, zone.zone_start_pfn):
            self.page_alloc.mem_map[pfn] = page = Page(pfn, 0)
            page.flags = flag


def number(text: str, label: str) -> int:
    found = re.search(rf"^ +{re.escape(label)} +(\d+)$", text, re.MULTILINE)
    return int(found[1]) if found else 0


@pytest.mark.parametrize("machine", MACHINES)
def test_buddyinfo_is_a_line_a_zone_and_a_column_an_order(machine: str) -> None:
    told = Told(machine)
    counted = {line.split()[3]: line.split()[4:] for line in told.files["buddyinfo"].splitlines()}
    for name, counts in counted.items():
        for area, count in zip(told.zone(name).free_area, counts, strict=True):
            area.blocks.update(dict.fromkeys(range(int(count)), 0))
    assert buddyinfo_text(told.kernel) == told.files["buddyinfo"]


@pytest.mark.parametrize("machine", MACHINES)
def test_pagetypeinfo_counts_free_blocks_by_type_and_pageblocks(machine: str) -> None:
    told = Told(machine)
    told.fill_free_lists()
    assert pagetypeinfo_text(told.kernel) == told.files["pagetypeinfo"]


@pytest.mark.parametrize("machine", MACHINES)
def test_zoneinfo_tells_the_node_and_every_zone_the_empty_ones_too(machine: str) -> None:
    told = Told(machine)
    told.fill_counts()
    assert zoneinfo_text(told.kernel) == told.files["zoneinfo"]


@pytest.mark.parametrize("machine", MACHINES)
def test_each_line_of_slabinfo_is_laid_out_as_linux_prints_it(machine: str) -> None:
    text = Told(machine).files["slabinfo"]
    printed = [HEADER]
    for name, active, total, size, objects, pages, slabs in _SLABINFO.findall(text):
        cache = KmemCache(name, int(size), 0, 0)
        cache.size, cache.objects, cache.order = int(size), int(objects), int(pages).bit_length() - 1
        cache.total_objects, cache.nr_slabs = int(total), int(slabs)
        cache.node_partial = {0: Slab(0, 0, int(total) - int(active))}
        printed.append(cache_show(cache) + "\n")
    assert "".join(printed) == text


def test_a_running_machine_tells_all_four() -> None:
    machine = Machine(MachineConfig(ram_mb=64))
    free = [int(pages) for pages in re.findall(r"^  pages free +(\d+)$", machine.proc_file("zoneinfo"), re.MULTILINE)]
    zones = machine.kernel.page_alloc.zones
    assert free == [*(zone.nr_free_pages for zone in zones), 0, 0]
    lines = machine.proc_file("buddyinfo").splitlines()
    assert [line.split()[3] for line in lines] == ["DMA", "Normal"]
    assert [[int(count) for count in line.split()[4:]] for line in lines] == [zone.nr_free_by_order() for zone in zones]
    assert machine.proc_file("slabinfo").splitlines()[-1].split()[:6] == ["kmalloc-8", "0", "0", "8", "512", "1"]
    assert "Number of blocks type" in machine.proc_file("pagetypeinfo")
