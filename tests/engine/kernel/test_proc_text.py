"""/proc/meminfo, vmstat, swaps and iomem as text; pagemap, kpagecount and kpageflags as numbers of 64 bits."""

from __future__ import annotations

import re
from struct import unpack
from typing import Final

import pytest

from engine.commands import (
    AllocPages,
    Fork,
    KmemCacheAlloc,
    KmemCacheCreate,
    Madvise,
    Malloc,
    Mlock,
    Mmap,
    OpenFile,
    Pagemap,
    Sync,
    Touch,
)
from engine.config import MachineConfig
from engine.kernel.proc.meminfo import meminfo_lines
from engine.kernel.proc.swaps import HEADER, swaps_line
from engine.kernel.proc.vmstat import vmstat_lines
from engine.machine import Machine
from tests.oracle_corpus import group_files

MACHINES: Final = ("64mb", "1024mb")
FILES: Final = group_files("proc")
PAGE: Final = 4096
KPF: Final = {
    "LRU": 5,
    "SLAB": 7,
    "BUDDY": 10,
    "MMAP": 11,
    "ANON": 12,
    "HEAD": 15,
    "TAIL": 16,
    "ZERO": 24,
    "PGTABLE": 26,
}
RESERVED: Final = 32


def figures(text: str) -> dict[str, int]:
    return {name: int(value) for name, value in re.findall(r"^(\S+?):? +(\d+)", text, re.MULTILINE)}


def numbers(content: bytes) -> tuple[int, ...]:
    return unpack(f"<{len(content) // 8}Q", content)


def flags(machine: Machine, pfn: int) -> set[str]:
    [bits] = numbers(machine.proc_bytes("kpageflags", pfn * 8, 8))
    return {name for name, bit in KPF.items() if bits >> bit & 1} | ({"RESERVED"} if bits >> RESERVED & 1 else set())


@pytest.mark.parametrize("machine", MACHINES)
def test_meminfo_is_laid_out_as_linux_prints_it(machine: str) -> None:
    assert meminfo_lines(figures(FILES[f"meminfo.{machine}"])) == FILES[f"meminfo.{machine}"]


@pytest.mark.parametrize("machine", MACHINES)
def test_vmstat_is_laid_out_as_linux_prints_it(machine: str) -> None:
    assert vmstat_lines(figures(FILES[f"vmstat.{machine}"])) == FILES[f"vmstat.{machine}"]


@pytest.mark.parametrize("name", ["meminfo", "vmstat"])
def test_a_running_machine_has_all_lines_in_linuxs_order(name: str) -> None:
    text = Machine(MachineConfig(ram_mb=1024, swap_mb=64)).proc_file(name)
    assert list(figures(text)) == list(figures(FILES[f"{name}.1024mb"]))


def test_what_a_kernel_computes_from_its_ram_is_what_a_real_one_told() -> None:
    ours = figures(Machine(MachineConfig(ram_mb=1024, swap_mb=64)).proc_file("meminfo"))
    theirs = figures(FILES["meminfo.1024mb"])
    same = ("MemTotal", "HighTotal", "LowTotal", "SwapTotal", "CommitLimit", "VmallocTotal", "Percpu", "Hugepagesize")
    assert {name: ours[name] for name in same} == {name: theirs[name] for name in same}


@pytest.mark.parametrize("machine", MACHINES)
def test_swaps_is_laid_out_as_linux_prints_it(machine: str) -> None:
    assert HEADER + swaps_line("/dev/vda", 65532, 0) == FILES[f"swaps.{machine}"]
    assert Machine(MachineConfig(ram_mb=64, swap_mb=64)).proc_file("swaps") == FILES[f"swaps.{machine}"]


def test_without_swap_only_the_header_is_told() -> None:
    assert Machine(MachineConfig(ram_mb=64)).proc_file("swaps") == HEADER


def test_a_large_area_leaves_out_a_tab() -> None:
    assert swaps_line("/dev/vda", 10_000_000, 9_999_999).endswith("partition\t10000000\t9999999\t\t-2\n")


def test_used_swap_is_told_by_swaps_and_meminfo_alike() -> None:
    machine = Machine(MachineConfig(ram_mb=32, swap_mb=64))
    machine.perform(Mmap(as_="m", length=40 << 20))
    machine.perform(Touch(ptr="m", length=40 << 20))
    used = int(machine.proc_file("swaps").splitlines()[1].split()[3])
    told = figures(machine.proc_file("meminfo"))
    assert used == told["SwapTotal"] - told["SwapFree"] > 0


def test_iomem_tells_ram_and_where_the_kernel_lies_in_it() -> None:
    assert Machine(MachineConfig(ram_mb=64)).proc_file("iomem") == (
        "00000000-00000fff : Reserved\n"
        "00001000-0009fbff : System RAM\n"
        "0009fc00-0009ffff : Reserved\n"
        "000f0000-000fffff : Reserved\n"
        "  000f0000-000fffff : System ROM\n"
        "00100000-03fdcfff : System RAM\n"
        "  01000000-0191bc7f : Kernel code\n"
        "  0191c000-01c38fff : Kernel rodata\n"
        "  01c39000-01d70bbf : Kernel data\n"
        "  01e72000-01ee5fff : Kernel bss\n"
        "03fdd000-03ffffff : Reserved\n"
    )


def test_pagemap_gives_the_frame_behind_each_page() -> None:
    machine = Machine(MachineConfig(ram_mb=64))
    address = machine.perform(Malloc(size=100, as_="a")).ret
    assert address is not None
    [entry, after] = numbers(machine.proc_bytes("pagemap", (address >> 12) * 8, 16))
    pfn = machine.perform(Pagemap(ptr="a", pages=1))
    assert pfn.pages == "P"
    assert entry >> 63 == 1
    assert "ANON" in flags(machine, entry & (1 << 55) - 1)
    assert after == 0


def test_files_of_numbers_end_where_linuxs_do() -> None:
    machine = Machine(MachineConfig(ram_mb=64))
    top = 16384 - 35
    assert len(machine.proc_bytes("kpagecount", 0, 1 << 20)) == top * 8
    assert len(machine.proc_bytes("kpageflags", (top - 1) * 8, 64)) == 8
    assert machine.proc_bytes("kpageflags", top * 8, 64) == b""
    assert len(machine.proc_bytes("pagemap", 0xBFFFF * 8, 64)) == 8


@pytest.mark.parametrize(("offset", "length"), [(4, 8), (8, 7)])
def test_a_read_that_cuts_a_number_is_einval(offset: int, length: int) -> None:
    with pytest.raises(ValueError, match="EINVAL"):
        Machine(MachineConfig()).proc_bytes("kpagecount", offset, length)


def test_kpagecount_counts_who_maps_a_frame() -> None:
    machine = Machine(MachineConfig(ram_mb=64))
    machine.perform(Malloc(size=100, as_="a"))
    machine.perform(Fork(child=1))
    shared = [page for page in machine.kernel.page_alloc.mem_map.values() if page.mapcount == 2]
    assert shared
    counts = numbers(machine.proc_bytes("kpagecount", 0, 1 << 20))
    assert {page.pfn for page in shared} == {pfn for pfn, count in enumerate(counts) if count == 2}


def test_kpageflags_tells_what_each_frame_is() -> None:
    machine = Machine(MachineConfig(ram_mb=64))
    assert flags(machine, 0x1000) == {"RESERVED"}, "the kernel's code"
    assert flags(machine, machine.kernel.boot.empty_zero_page) == {"RESERVED", "ZERO"}
    assert flags(machine, machine.processes[0].task.mm.pgd) == {"PGTABLE"}
    machine.perform(OpenFile(file=0, path="/tmp/a", size=PAGE))
    [page] = machine.kernel.inodes["/tmp/a"].i_mapping.pages.values()
    assert "LRU" in flags(machine, page.pfn)
    machine.perform(KmemCacheCreate(name="thing", size=3000))
    [pfn] = machine.perform(KmemCacheAlloc(as_="o", cache="thing")).frames or ()
    assert flags(machine, pfn) == {"SLAB", "HEAD"}
    assert flags(machine, pfn + 1) == {"SLAB", "TAIL"}
    [pfn] = machine.perform(AllocPages(as_="p", order=1)).frames or ()
    assert flags(machine, pfn) == flags(machine, pfn + 1) == set()
    largest = next(iter(machine.kernel.page_alloc.zones[0].free_area[10].blocks))
    assert flags(machine, largest) == flags(machine, largest + 1023) == {"BUDDY"}


REAL_FLAGS: Final = {
    # what the real machine told of a page in each of these states
    "anonymous": 0x4_0000_5828,
    "locked": 0x6_0004_582C,
    "lazily freed": 0x4_0000_1828,
    "read back from swap": 0x20_0000_7828,
    "written after that": 0x4_0000_5838,
    "the zero page": 0x1_0100_0000,
}
REAL_PAGEMAP: Final = {
    "anonymous": 0x102,
    "the zero page": 0x100,
    "file": 0x142,
    "a page of two mappings": 0x140,
    "swap": 0x080,
}
"""Bits 55 to 63 of a page's entry in pagemap."""


def test_pagemap_and_kpageflags_are_the_real_machines_bit_for_bit() -> None:
    machine = Machine(MachineConfig(ram_mb=64, swap_mb=64, disk_mb=64))

    def entry(slot: str, page: int = 0) -> int:
        return numbers(machine.proc_bytes("pagemap", (places[slot] // PAGE + page) * 8, 8))[0]

    def told(page: int) -> int:
        return numbers(machine.proc_bytes("kpageflags", (entry("a", page) & (1 << 55) - 1) * 8, 8))[0]

    machine.perform(OpenFile(file=0, path="/mnt/f", size=4 * PAGE))
    machine.perform(Sync())
    maps = {
        "a": Mmap(as_="a", length=1 << 20),
        "m": Mmap(as_="m", length=2 * PAGE, file=0, flags=("shared",)),
        "p": Mmap(as_="p", length=PAGE, file=0, offset=PAGE),
        "z": Mmap(as_="z", length=PAGE),
    }
    places = {slot: machine.perform(command).ret or 0 for slot, command in maps.items()}
    machine.perform(Touch(ptr="a", length=1 << 20))
    for slot in "mpz":
        machine.perform(Touch(ptr=slot, length=1, access="r"))
    [zero] = numbers(machine.proc_bytes("kpageflags", machine.kernel.boot.empty_zero_page * 8, 8))
    machine.perform(Mlock(ptr="a+4096", length=PAGE))
    machine.perform(Madvise(ptr=f"a+{2 * PAGE}", length=PAGE, advice="free"))
    machine.kernel.swap.lru_add_drain()
    machine.perform(Madvise(ptr=f"a+{64 * PAGE}", length=32 * PAGE, advice="pageout"))
    found = {"anonymous": told(0), "locked": told(1), "lazily freed": told(2), "the zero page": zero}
    bits = {
        "anonymous": entry("a"),
        "the zero page": entry("z"),
        "file": entry("m"),
        "a page of two mappings": entry("p"),
    }
    bits["swap"] = entry("a", 64)
    assert {name: each >> 55 for name, each in bits.items()} == REAL_PAGEMAP
    assert bits["swap"] & (1 << 55) - 1 == 1 << 5, "slot 1 of area 0"
    machine.perform(Touch(ptr=f"a+{64 * PAGE}", length=1, access="r"))
    found["read back from swap"] = told(64)
    machine.perform(Touch(ptr=f"a+{64 * PAGE}", length=1))
    found["written after that"] = told(64)
    assert found == REAL_FLAGS


@pytest.mark.parametrize("machine", MACHINES)
def test_slabinfo_has_its_caches_in_linuxs_order_with_linuxs_geometry(machine: str) -> None:
    def geometry(text: str) -> dict[str, list[str]]:
        return {line.split()[0]: line.split()[3:6] for line in text.splitlines()[2:]}

    theirs = geometry(FILES[f"slabinfo.{machine}"])
    box = Machine(MachineConfig(ram_mb=64))
    ours = geometry(box.proc_file("slabinfo"))
    assert list(ours.items()) == [(name, sizes) for name, sizes in theirs.items() if name in ours]
    box.perform(KmemCacheCreate(name="thing", size=3000))
    assert next(iter(geometry(box.proc_file("slabinfo")))) == "thing"
