"""The CPU: executes a program's loads and stores, delivers what they raise, and is the gate to the kernel.

Here, and only here, a page fault is caught: the kernel's handler is called and the access tried again, as an x86 restarts
the instruction. A handler that cannot repair the fault raises an exception of the kernel's, which ends the access.

The fast path. `read_pages` and `write_pages` hold, by virtual page number, the frames of pages that may be read or written
right now with no event at all: no fault, no walk, no accessed or dirty bit to set. They mirror the TLB; an entry appears
after a slow access and vanishes whenever anything about the page changes. Hot code may index them itself.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Final

from engine.hardware.faults import GeneralProtection, PageFault
from engine.hardware.mmu import CR0_PG, Mmu
from engine.hardware.ram import FRAME_SHIFT, FRAME_SIZE, Ram
from engine.hardware.segmentation import ADDRESS_SPACE, Descriptor, linear_address, load_segment
from engine.hardware.tlb import FlushReason, Tlb

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.clock import Clock

_OFFSET: Final = FRAME_SIZE - 1
_WORD: Final = 0xFFFFFFFF
FLOATING_BUS: Final = 0xFFFFFFFF
"""What a read gives where no memory answers (reachable with paging off); a write there is lost."""


class Cpu:
    """One processor with its MMU. Addresses are offsets in the data segment DS unless said otherwise; values unsigned."""

    __slots__ = (
        "_flat",
        "cr2",
        "ds",
        "ds_selector",
        "gdtr",
        "mmu",
        "on_general_protection",
        "on_page_fault",
        "on_system_call",
        "ram",
        "read_pages",
        "tlb",
        "write_pages",
    )

    def __init__(self, ram: Ram, clock: Clock, tlb_entries: int, *, tlb_hits: bool = False) -> None:
        self.ram = ram
        self.tlb = Tlb(tlb_entries, counts_hits=tlb_hits)
        self.mmu = Mmu(ram, self.tlb, clock)
        self.read_pages = self.tlb.read_pages
        self.write_pages = self.tlb.write_pages
        self.cr2 = 0
        self.gdtr = 0
        self.ds_selector = 0
        self.ds = Descriptor(0, 0xFFFFFFFF, 0, code=False, writable=True, present=True)
        self._flat = True
        """Whether DS is the whole address space and may be written: nothing to add, nothing to check."""
        self.on_page_fault: Callable[[int, int], None] = _unhandled_page_fault
        """Called with the faulting linear address, which CR2 has too, and the error code that the CPU pushes."""
        self.on_general_protection: Callable[[GeneralProtection], None] = _unhandled_general_protection
        self.on_system_call: Callable[[int, tuple[int, ...]], int] = _unhandled_system_call

    # --- control registers -------------------------------------------------------------------------------------------

    @property
    def paging(self) -> bool:
        """CR0.PG."""
        return bool(self.mmu.cr0 & CR0_PG)

    def set_paging(self, on: bool) -> None:
        """mov cr0: switches CR0.PG. Without it every linear address is a physical address, of everybody's memory."""
        self.mmu.cr0 = self.mmu.cr0 | CR0_PG if on else self.mmu.cr0 & ~CR0_PG
        self.flush_tlb(FlushReason.ALL)

    def load_cr3(self, physical: int) -> None:
        """mov cr3: switches to the address space whose directory is at `physical`, and forgets all translations."""
        self.mmu.cr3 = physical
        self.flush_tlb(FlushReason.CR3)

    def load_ds(self, selector: int) -> None:
        """mov ds: the data segment of every later access. Raises GeneralProtection for a bad selector."""
        self.ds = load_segment(self.ram, self.gdtr, selector)
        self.ds_selector = selector
        self._flat = self.ds.flat and self.ds.writable
        self.tlb.count_flush(FlushReason.SEGMENT)
        self.tlb.forget_fast_paths()

    def flush_tlb(self, reason: FlushReason) -> None:
        """Forgets every translation."""
        self.tlb.count_flush(reason)
        self.tlb.clear()

    def invlpg(self, linear: int) -> bool:
        """Forgets the translation of one page; whether there was one."""
        dropped = self.tlb.drop(linear >> FRAME_SHIFT)
        if dropped:
            self.tlb.count_flush(FlushReason.PAGE)
        return dropped

    # --- accesses ----------------------------------------------------------------------------------------------------

    def load32(self, address: int) -> int:
        """The word at `address`."""
        if not address & 3:
            try:
                return self.read_pages[address >> 12][address >> 2 & 1023]
            except KeyError:
                return self._frame(address, 4, False)[address >> 2 & 1023]
        return int.from_bytes(self.load_bytes(address, 4), "little")

    def store32(self, address: int, value: int) -> None:
        """Stores `value` (0 … 2**32-1) at `address`."""
        if not address & 3:
            try:
                self.write_pages[address >> 12][address >> 2 & 1023] = value
            except KeyError:
                self._frame(address, 4, True)[address >> 2 & 1023] = value
            return
        self.store_bytes(address, value.to_bytes(4, "little"))

    def load8(self, address: int) -> int:
        """The byte at `address`."""
        try:
            word = self.read_pages[address >> 12][address >> 2 & 1023]
        except KeyError:
            word = self._frame(address, 1, False)[address >> 2 & 1023]
        return word >> ((address & 3) << 3) & 0xFF

    def store8(self, address: int, value: int) -> None:
        """Stores `value` (0 … 255) at `address`."""
        frame = self.write_pages.get(address >> 12)
        if frame is None:
            frame = self._frame(address, 1, True)
        at, shift = address >> 2 & 1023, (address & 3) << 3
        frame[at] = frame[at] & ~(0xFF << shift) | value << shift

    def load16(self, address: int) -> int:
        """The half-word at `address`."""
        if not address & 1:
            return self.read_word(address) >> ((address & 2) << 3) & 0xFFFF
        return int.from_bytes(self.load_bytes(address, 2), "little")

    def store16(self, address: int, value: int) -> None:
        """Stores `value` (0 … 65535) at `address`."""
        if address & 1:
            self.store_bytes(address, value.to_bytes(2, "little"))
            return
        frame = self.write_pages.get(address >> 12)
        if frame is None:
            frame = self._frame(address, 2, True)
        at, shift = address >> 2 & 1023, (address & 2) << 3
        frame[at] = frame[at] & ~(0xFFFF << shift) | value << shift

    def read_word(self, address: int) -> int:
        """The aligned word that holds `address`, read on behalf of a narrower load."""
        frame = self.read_pages.get(address >> 12)
        if frame is None:
            frame = self._frame(address, 1, False)
        return frame[address >> 2 & 1023]

    def load_bytes(self, address: int, count: int) -> bytes:
        """`count` bytes from `address` on, page by page in rising order."""
        pieces = []
        while count > 0:
            address &= _WORD
            here = min(count, FRAME_SIZE - (address & _OFFSET))
            frame = self.read_pages.get(address >> 12)
            if frame is None:
                frame = self._frame(address, here, False)
            start = address & _OFFSET
            pieces.append(memoryview(frame).cast("B")[start : start + here].tobytes())
            address, count = address + here, count - here
        return b"".join(pieces)

    def store_bytes(self, address: int, data: bytes) -> None:
        """Stores `data` from `address` on, page by page in rising order: a fault in the middle leaves what came before."""
        at, count = 0, len(data)
        while at < count:
            address &= _WORD
            here = min(count - at, FRAME_SIZE - (address & _OFFSET))
            frame = self.write_pages.get(address >> 12)
            if frame is None:
                frame = self._frame(address, here, True)
            start = address & _OFFSET
            memoryview(frame).cast("B")[start : start + here] = data[at : at + here]
            address, at = address + here, at + here

    def fill(self, address: int, count: int, byte: int) -> None:
        """memset(): stores `byte` `count` times from `address` on."""
        while count > 0:
            address &= _WORD
            here = min(count, FRAME_SIZE - (address & _OFFSET))
            self.store_bytes(address, bytes([byte]) * here)
            address, count = address + here, count - here

    def int80(self, number: int, *arguments: int) -> int:
        """int $0x80: a system call. Gives eax: a result, or -errno in -4095 … -1."""
        return self.on_system_call(number, arguments)

    # --- the slow path -----------------------------------------------------------------------------------------------

    def _frame(self, address: int, size: int, write: bool) -> array[int]:
        """The frame behind `address`, after segmentation, TLB and walk, with every fault on the way delivered."""
        while True:
            linear = address
            if not self._flat or address < 0 or address + size > ADDRESS_SPACE:
                try:
                    linear = linear_address(self.ds, self.ds_selector, address, size, write)
                except GeneralProtection as fault:
                    self.on_general_protection(fault)
                    continue
            pfn = self.mmu.translate(linear, write)
            if pfn >= 0:
                break
            self.cr2 = linear
            self.on_page_fault(linear, ~pfn)
        if pfn >= self.ram.size:
            return _no_memory()
        ram = self.ram
        frame = ram.writable(pfn) if write else ram.frames.get(pfn) or ram.frame(pfn)
        if not self._flat and not self.ds.flat:
            return _shifted(frame, linear, address)
        read_pages = self.read_pages
        if len(read_pages) > self.tlb.capacity:
            self.tlb.forget_fast_paths()
        read_pages[linear >> FRAME_SHIFT] = frame
        if write:
            self.write_pages[linear >> FRAME_SHIFT] = frame
        return frame


def _shifted(frame: array[int], linear: int, address: int) -> array[int]:
    """The frame itself, where a segment's base keeps the offset within the page; other bases are not supported."""
    if (linear ^ address) & _OFFSET:
        raise NotImplementedError("a segment base that is not a multiple of 4096")
    return frame


def _no_memory() -> array[int]:
    return array("I", [FLOATING_BUS]) * (FRAME_SIZE // 4)


def _unhandled_page_fault(address: int, error_code: int) -> None:
    raise PageFault(address, error_code)


def _unhandled_general_protection(fault: GeneralProtection) -> None:
    raise fault


def _unhandled_system_call(number: int, arguments: tuple[int, ...]) -> int:
    raise RuntimeError(f"system call {number}{arguments} before any kernel was there")
