"""The kernel: its subsystems, each under the name of its Linux source file, and what they share.

A subsystem reaches its siblings through here: `self.kernel.vmscan.wakeup_kswapd(zone, order)` is mm/vmscan.c's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.chance import Chance
from engine.clock import COSTS, Clock
from engine.events.memory import TlbFlush
from engine.hardware.cpu import Cpu
from engine.hardware.paging import PTE_ACCESSED, PTE_DIRTY, PTE_GLOBAL, PTE_PRESENT, PTE_PSE, PTE_RW
from engine.hardware.ram import FRAME_SHIFT, Ram
from engine.hardware.segmentation import DESCRIPTOR_SIZE, Descriptor, encode
from engine.hardware.tlb import FlushReason
from engine.kernel.advice import Advice
from engine.kernel.binfmt_elf import BinfmtElf
from engine.kernel.boot import BootMemory, boot_memory
from engine.kernel.brk import Brk
from engine.kernel.dcache import Dcache
from engine.kernel.entry import Entry
from engine.kernel.exit import Exit
from engine.kernel.fault import Fault
from engine.kernel.file_table import FileTable
from engine.kernel.filemap import Filemap
from engine.kernel.fork import KERNEL_PGD_BOUNDARY, Fork
from engine.kernel.fs import FileSystem, Inode
from engine.kernel.fs_writeback import FsWriteback
from engine.kernel.gup import Gup
from engine.kernel.highmem import Highmem
from engine.kernel.inode import InodeCache
from engine.kernel.kswapd import Kswapd
from engine.kernel.lab import Lab
from engine.kernel.madvise import Madvise
from engine.kernel.memory import Memory
from engine.kernel.mlock import Mlock
from engine.kernel.mm_fault import MmFault
from engine.kernel.mm_types import TASK_SIZE
from engine.kernel.mmap import Mmap
from engine.kernel.mprotect import Mprotect
from engine.kernel.mremap import Mremap
from engine.kernel.msync import Msync
from engine.kernel.oom_kill import OomKill
from engine.kernel.page_alloc import PageAllocator
from engine.kernel.page_io import PageIo
from engine.kernel.page_writeback import PageWriteback
from engine.kernel.printk import Printk
from engine.kernel.readahead import Readahead
from engine.kernel.rmap import Rmap
from engine.kernel.rmap_unmap import RmapUnmap
from engine.kernel.shmem import Shmem
from engine.kernel.shrinker import Shrinkers
from engine.kernel.slub import Slub
from engine.kernel.stack import Stack
from engine.kernel.super import Super
from engine.kernel.swap import Swap
from engine.kernel.swap_fault import SwapFault
from engine.kernel.swap_state import SwapState
from engine.kernel.swapfile import Swapfile
from engine.kernel.sysctl import Sysctl
from engine.kernel.task import Killed, SignalNumber
from engine.kernel.vma import Vma
from engine.kernel.vmalloc import Vmalloc
from engine.kernel.vmscan import Vmscan
from engine.kernel.vmscan_lists import VmscanLists
from engine.kernel.vmstat import Vmstat
from engine.kernel.workingset import Workingset
from engine.kernel.xarray import XArrays

if TYPE_CHECKING:
    from engine.config import MachineConfig
    from engine.kernel.task import Task
    from engine.trace import Trace

# arch/x86/include/asm/segment.h: what the GDT holds
GDT_ENTRY_KERNEL_CS: Final = 12
GDT_ENTRY_KERNEL_DS: Final = 13
GDT_ENTRY_USER_CS: Final = 14
GDT_ENTRY_USER_DS: Final = 15
USER_DS: Final = GDT_ENTRY_USER_DS << 3 | 3
USER_CS: Final = GDT_ENTRY_USER_CS << 3 | 3
HOST_FRAMES_SHIFT: Final = 20 - FRAME_SHIFT
_FLAT_LIMIT: Final = 0xFFFFFFFF
_LARGE_PAGE: Final = PTE_PRESENT | PTE_RW | PTE_ACCESSED | PTE_DIRTY | PTE_PSE | PTE_GLOBAL


class Kernel:
    """Linux on one machine: booted by its constructor, with no process yet."""

    __slots__ = (
        "__weakref__",
        "advice",
        "binfmt_elf",
        "boot",
        "brk",
        "clock",
        "cpu",
        "current",
        "dcache",
        "entries",
        "entry",
        "exit",
        "fault",
        "file_table",
        "filemap",
        "fork",
        "fs_writeback",
        "gup",
        "highmem",
        "inode",
        "inodes",
        "killed",
        "kswapd",
        "lab",
        "log",
        "madvise",
        "memory",
        "mlock",
        "mm_fault",
        "mmap",
        "mprotect",
        "mremap",
        "msync",
        "oom_kill",
        "page_alloc",
        "page_io",
        "page_writeback",
        "ram",
        "readahead",
        "rmap",
        "rmap_unmap",
        "root_fs",
        "shmem",
        "shrinkers",
        "slub",
        "stack",
        "super",
        "swap",
        "swap_fault",
        "swap_state",
        "swapfile",
        "sysctl",
        "tasks",
        "trace",
        "vma",
        "vmalloc",
        "vmscan",
        "vmscan_lists",
        "vmstat",
        "work_pending",
        "workingset",
        "xarray",
    )

    current: Task
    """The process that runs. There is none before the first `switch_to`."""

    def __init__(self, config: MachineConfig, clock: Clock, trace: Trace) -> None:
        self.clock = clock
        self.trace = trace
        self.boot: BootMemory = boot_memory(config.ram_mb, config.firmware_pages)
        self.ram = Ram(self.boot.frames, config.host_memory_mb << HOST_FRAMES_SHIFT)
        self.cpu = Cpu(self.ram, clock, config.tlb_entries, tlb_hits=config.tlb_hits)
        self.vmstat = Vmstat()
        self.log = Printk(clock)
        self.sysctl = Sysctl(self)
        self.root_fs = FileSystem(config.root_fs)
        self.inodes: dict[str, Inode] = {}
        """Files by path."""
        self.tasks: dict[int, Task] = {}
        """Living processes by pid, oldest first."""
        self.killed: list[int] = []
        """Processes that the kernel killed and nobody has been told of yet."""
        self.entries = 0
        """How often a program entered the kernel, by a system call or a fault."""
        self.work_pending = False
        """Whether a kernel thread was woken, or a process was killed, that the machine has to see to after the command."""
        self.page_alloc = PageAllocator(self, self.boot.zones)
        self.slub: Slub = Slub(
            self, nomerge=config.slab_nomerge, shuffle=Chance(config.seed) if config.slab_freelist_random else None
        )
        self.vmalloc = Vmalloc(self)
        self.highmem = Highmem(self)
        self.lab = Lab(self)
        self.xarray = XArrays(self)
        self.dcache = Dcache(self)
        self.inode = InodeCache(self)
        self.file_table = FileTable(self)
        self.super: Super = Super(self)
        self.shrinkers = Shrinkers(self)
        self.rmap = Rmap(self)
        self.swap = Swap(self)
        self.workingset = Workingset(self)
        self.swapfile = Swapfile(self, config.swap_mb << 20 >> FRAME_SHIFT)
        self.swap_state = SwapState(self)
        self.page_io = PageIo(self)
        self.page_writeback = PageWriteback(self, config.disk_mb)
        self.fs_writeback = FsWriteback(self)
        self.readahead = Readahead(self)
        self.filemap = Filemap(self)
        self.shmem = Shmem(self)
        self.rmap_unmap = RmapUnmap(self)
        self.vmscan = Vmscan(self)
        self.vmscan_lists = VmscanLists(self)
        self.kswapd = Kswapd(self)
        self.oom_kill = OomKill(self)
        self.memory = Memory(self, self.boot.empty_zero_page)
        self.mm_fault = MmFault(self)
        self.swap_fault = SwapFault(self)
        self.gup = Gup(self)
        self.advice = Advice(self)
        self.vma = Vma(self)
        self.mmap: Mmap = Mmap(self)
        self.brk: Brk = Brk(self)
        self.stack = Stack(self)
        self.mprotect: Mprotect = Mprotect(self)
        self.mremap: Mremap = Mremap(self)
        self.madvise: Madvise = Madvise(self)
        self.mlock: Mlock = Mlock(self)
        self.msync: Msync = Msync(self)
        self.fork = Fork(self)
        self.exit = Exit(self)
        self.binfmt_elf = BinfmtElf(self)
        self.fault = Fault(self)
        self.entry = Entry(self)
        self._start_cpu()
        self.super.mount_all()

    @property
    def swapper_pg_dir(self) -> int:
        """The frame of the kernel's own page directory."""
        return self.boot.swapper_pg_dir

    def _start_cpu(self) -> None:
        """Writes the GDT and the kernel's page tables, loads the segment registers, switches paging on."""
        self._write_gdt()
        self._write_direct_map()
        cpu = self.cpu
        cpu.gdtr = self.boot.gdt_page << FRAME_SHIFT
        cpu.load_ds(USER_DS)
        cpu.load_cr3(self.swapper_pg_dir << FRAME_SHIFT)
        cpu.set_paging(True)
        cpu.on_page_fault = self.fault.exc_page_fault
        cpu.on_general_protection = self.fault.exc_general_protection
        cpu.on_system_call = self.entry.system_call
        cpu.tlb.flushes.clear()

    def _write_gdt(self) -> None:
        """The flat segments of arch/x86/kernel/cpu/common.c: four times the whole address space."""
        for entry, dpl, code in (
            (GDT_ENTRY_KERNEL_CS, 0, True),
            (GDT_ENTRY_KERNEL_DS, 0, False),
            (GDT_ENTRY_USER_CS, 3, True),
            (GDT_ENTRY_USER_DS, 3, False),
        ):
            words = encode(Descriptor(0, _FLAT_LIMIT, dpl, code=code, writable=True, present=True))
            at = (self.boot.gdt_page << FRAME_SHIFT) + entry * DESCRIPTOR_SIZE
            for offset, word in zip((0, 4), words, strict=True):
                self.ram.write32(at + offset, word)

    def _write_direct_map(self) -> None:
        """arch/x86/mm/init.c: all of low memory appears at PAGE_OFFSET, in pages of 4 MB."""
        directory = self.ram.writable(self.swapper_pg_dir)
        for index in range(self.boot.max_low_pfn + 1023 >> 10):
            directory[KERNEL_PGD_BOUNDARY + index] = index << 22 | _LARGE_PAGE
        self.highmem.permanent_kmaps_init()

    def share_page_tables(self) -> None:
        """Lets this machine's GDT and page tables be one in the host's memory with those of others that booted alike."""
        self.ram.share(self.boot.gdt_page)
        self.ram.share(self.swapper_pg_dir)
        for task in self.tasks.values():
            for _, table, _, _, _ in self.memory.present_tables(task.mm, 0, TASK_SIZE):
                self.ram.share(table)
            self.ram.share(task.mm.pgd)

    # --- scheduling --------------------------------------------------------------------------------------------------

    def switch_to(self, task: Task) -> None:
        """context_switch(): `task` runs from now on, in its own address space."""
        if getattr(self, "current", None) is task:
            return
        self.current = task
        self.clock.ns += COSTS.context_switch
        self._load_cr3(task.mm.pgd)

    def leave_address_space(self) -> None:
        """The running process is going: the CPU falls back on the kernel's own page directory."""
        self._load_cr3(self.swapper_pg_dir)

    def _load_cr3(self, pgd: int) -> None:
        entries = len(self.cpu.tlb.entries)
        self.cpu.load_cr3(pgd << FRAME_SHIFT)
        self.tell_of_flush(FlushReason.CR3, entries)

    def flush_tlb(self, reason: FlushReason) -> None:
        """flush_tlb_local(): the CPU forgets every translation."""
        entries = len(self.cpu.tlb.entries)
        self.cpu.flush_tlb(reason)
        self.tell_of_flush(reason, entries)

    def tell_of_flush(self, reason: FlushReason, entries: int) -> None:
        """Records that the CPU forgot so many translations, unless there were none."""
        if entries and self.trace.on:
            self.trace.emit(TlbFlush(reason, -1, entries))

    def return_to_user(self) -> None:
        """exit_to_user_mode_loop(): the running process leaves the kernel. Raises Killed where it was killed meanwhile."""
        if self.current.sigkill_pending:
            raise Killed(SignalNumber.SIGKILL, 0, None)
        self.kswapd.return_to_user()

    def idle(self) -> None:
        """Nothing else to run: the kernel's threads get the CPU until they sleep."""
        self.work_pending = False
        self.kswapd.run_until_asleep()
        self.page_alloc.quiet_vmstat()
