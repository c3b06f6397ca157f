"""How the CPU gets from an address to a frame: segmentation, TLB, the two-level walk, and its faults."""

from __future__ import annotations

import pytest

from engine.clock import COSTS, Clock
from engine.hardware.cpu import FLOATING_BUS, Cpu
from engine.hardware.faults import FAULT_PRESENT, FAULT_USER, FAULT_WRITE, GeneralProtection, PageFault
from engine.hardware.paging import (
    PTE_ACCESSED,
    PTE_DIRTY,
    PTE_PRESENT,
    PTE_PSE,
    PTE_RW,
    PTE_USER,
    flags_of,
    walk,
)
from engine.hardware.ram import Ram
from engine.hardware.segmentation import Descriptor, decode, encode
from engine.hardware.tlb import FlushReason

DIRECTORY, TABLE, DATA, OTHER = 1, 2, 3, 4
ADDRESS = 0x0804_8123 & ~3
USER = PTE_PRESENT | PTE_USER


class Machine:
    """64 frames, paging on, and one page at ADDRESS backed by frame DATA with the given rights."""

    def __init__(self, rights: int = USER | PTE_RW, tlb_entries: int = 8) -> None:
        self.ram = Ram(64)
        self.clock = Clock()
        self.cpu = Cpu(self.ram, self.clock, tlb_entries)
        self.cpu.load_cr3(DIRECTORY << 12)
        self.cpu.set_paging(True)
        self.map(ADDRESS, DATA, rights)

    def map(self, address: int, pfn: int, rights: int) -> None:
        self.ram.write32(DIRECTORY << 12 | address >> 22 << 2, TABLE << 12 | USER | PTE_RW)
        self.ram.write32(TABLE << 12 | (address >> 12 & 1023) << 2, pfn << 12 | rights)

    def entry(self, address: int = ADDRESS) -> int:
        return self.ram.read32(TABLE << 12 | (address >> 12 & 1023) << 2)


def test_a_store_reaches_the_frame_that_the_tables_name() -> None:
    machine = Machine()
    machine.cpu.store32(ADDRESS, 0xCAFE_F00D)
    assert machine.ram.read32(DATA << 12 | ADDRESS & 0xFFF) == 0xCAFE_F00D


def test_a_load_sets_the_accessed_bit_and_a_store_the_dirty_bit() -> None:
    machine = Machine()
    assert flags_of(machine.entry()) == ("P", "RW", "US")
    machine.cpu.load8(ADDRESS)
    assert flags_of(machine.entry()) == ("P", "RW", "US", "A")
    machine.cpu.store8(ADDRESS, 1)
    assert flags_of(machine.entry()) == ("P", "RW", "US", "A", "D")


def test_only_the_first_access_walks() -> None:
    machine = Machine()
    for _ in range(5):
        machine.cpu.load32(ADDRESS)
    assert machine.cpu.tlb.misses == 1
    assert machine.clock.ns == COSTS.tlb_miss


def test_a_full_tlb_gives_up_its_oldest_translation() -> None:
    machine = Machine(tlb_entries=2)
    pages = [0x0804_8000, 0x0804_9000, 0x0804_A000]
    for number, page in enumerate(pages):
        machine.map(page, DATA + number, USER)
        machine.cpu.load8(page)
    assert list(machine.cpu.tlb.entries) == [0x08049, 0x0804A]
    assert (machine.cpu.tlb.evictions, set(machine.cpu.read_pages)) == (1, {0x08049, 0x0804A})


@pytest.mark.parametrize(
    ("rights", "write", "code"),
    [
        (0, False, FAULT_USER),
        (0, True, FAULT_USER | FAULT_WRITE),
        (USER, True, FAULT_USER | FAULT_WRITE | FAULT_PRESENT),
        (PTE_PRESENT | PTE_RW, False, FAULT_USER | FAULT_PRESENT),
    ],
    ids=["absent, read", "absent, write", "read-only, write", "the kernel's, read"],
)
def test_a_forbidden_access_faults_with_the_exact_address_and_reason(rights: int, write: bool, code: int) -> None:
    machine = Machine(rights)
    before = machine.entry()
    with pytest.raises(PageFault) as fault:
        machine.cpu.store32(ADDRESS, 1) if write else machine.cpu.load32(ADDRESS)
    assert (fault.value.address, fault.value.error_code) == (ADDRESS, code)
    assert (machine.cpu.cr2, machine.entry()) == (ADDRESS, before)


def test_the_cpu_tries_again_after_the_handler_repaired_the_fault() -> None:
    machine = Machine(rights=0)
    seen: list[int] = []

    def repair(address: int, error_code: int) -> None:
        seen.append(address)
        machine.map(ADDRESS, DATA, USER | PTE_RW)

    machine.cpu.on_page_fault = repair
    machine.cpu.store32(ADDRESS, 7)
    assert (machine.cpu.load32(ADDRESS), seen) == (7, [ADDRESS])


def test_a_page_changed_without_a_flush_is_still_translated_as_before() -> None:
    machine = Machine()
    machine.cpu.store32(ADDRESS, 1)
    machine.map(ADDRESS, OTHER, USER | PTE_RW)
    assert machine.cpu.load32(ADDRESS) == 1
    machine.cpu.invlpg(ADDRESS)
    assert machine.cpu.load32(ADDRESS) == 0
    assert machine.cpu.tlb.flushes[FlushReason.PAGE] == 1


def test_a_large_page_needs_no_table() -> None:
    machine = Machine()
    machine.ram.write32(DIRECTORY << 12 | 0x300 << 2, USER | PTE_RW | PTE_PSE)
    machine.cpu.store32(0xC000_5008, 9)
    assert machine.ram.read32(0x5008) == 9
    reached = walk(machine.ram, DIRECTORY, 0xC000_5008)
    assert (reached.pfn, reached.table_pfn, reached.physical) == (5, None, 0x5008)


def test_a_walk_for_a_picture_changes_nothing() -> None:
    machine = Machine()
    reached = walk(machine.ram, DIRECTORY, ADDRESS)
    assert (reached.directory_index, reached.table_index, reached.offset) == (32, 72, 0x120)
    assert (reached.physical, machine.entry() & PTE_ACCESSED, machine.cpu.tlb.misses) == (0x3120, 0, 0)


def test_without_paging_a_linear_address_is_a_physical_address() -> None:
    machine = Machine()
    machine.cpu.store32(ADDRESS, 5)
    machine.cpu.set_paging(False)
    assert machine.cpu.load32(DATA << 12 | ADDRESS & 0xFFF) == 5
    machine.cpu.store32(TABLE << 12, 0xBAD)
    assert machine.ram.read32(TABLE << 12) == 0xBAD


def test_where_no_memory_is_a_read_gives_ones_and_a_write_is_lost() -> None:
    machine = Machine()
    machine.cpu.set_paging(False)
    machine.cpu.store32(ADDRESS, 5)
    assert machine.cpu.load32(ADDRESS) == FLOATING_BUS


def test_an_access_may_cross_pages_and_words() -> None:
    machine = Machine()
    machine.map(0x0804_9000, OTHER, USER | PTE_RW)
    machine.cpu.store32(0x0804_8FFE, 0x1122_3344)
    assert machine.cpu.load_bytes(0x0804_8FFE, 4) == b"\x44\x33\x22\x11"
    assert (machine.cpu.load16(0x0804_8FFF), machine.cpu.load32(0x0804_8FFE)) == (0x2233, 0x1122_3344)
    assert machine.entry(0x0804_9000) & PTE_DIRTY


def test_a_store_that_faults_on_its_second_page_has_written_the_first() -> None:
    machine = Machine()
    with pytest.raises(PageFault) as fault:
        machine.cpu.store_bytes(0x0804_8FFC, b"abcdefgh")
    assert (fault.value.address, machine.cpu.load_bytes(0x0804_8FFC, 4)) == (0x0804_9000, b"abcd")


def test_narrow_stores_leave_their_neighbours_alone() -> None:
    machine = Machine()
    machine.cpu.store32(ADDRESS, 0x1111_1111)
    machine.cpu.store8(ADDRESS + 1, 0xAB)
    machine.cpu.store16(ADDRESS + 2, 0xCDEF)
    assert machine.cpu.load32(ADDRESS) == 0xCDEF_AB11


FLAT = Descriptor(0, 0xFFFF_FFFF, 3, code=False, writable=True, present=True)


@pytest.mark.parametrize(
    "descriptor",
    [
        FLAT,
        Descriptor(0x0804_8000, 0xFFF, 3, code=False, writable=True, present=True),
        Descriptor(0xC012_3456, 0xABCDE, 0, code=True, writable=False, present=False),
    ],
)
def test_a_descriptor_survives_the_gdt(descriptor: Descriptor) -> None:
    assert decode(*encode(descriptor)) == descriptor


def segmented(descriptor: Descriptor) -> Machine:
    machine = Machine()
    low, high = encode(descriptor)
    machine.cpu.gdtr = 5 << 12
    machine.ram.write32(machine.cpu.gdtr + 8, low)
    machine.ram.write32(machine.cpu.gdtr + 12, high)
    machine.cpu.load_ds(8 | 3)
    return machine


def test_a_segment_moves_every_access_by_its_base_and_stops_it_at_its_limit() -> None:
    machine = segmented(Descriptor(0x0804_8000, 0xFFF, 3, code=False, writable=True, present=True))
    machine.cpu.store32(0x120, 42)
    assert machine.ram.read32(DATA << 12 | 0x120) == 42
    with pytest.raises(GeneralProtection) as fault:
        machine.cpu.load32(0x1000)
    assert fault.value.offset == 0x1000


def test_a_read_only_segment_refuses_stores() -> None:
    machine = segmented(FLAT._replace(writable=False))
    assert machine.cpu.load32(ADDRESS) == 0
    with pytest.raises(GeneralProtection):
        machine.cpu.store32(ADDRESS, 1)


def test_the_null_selector_cannot_be_loaded() -> None:
    machine = Machine()
    with pytest.raises(GeneralProtection):
        machine.cpu.load_ds(3)
