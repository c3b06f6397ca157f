"""What a user may ask of the machine: one frozen dataclass a command.

They are the only input: a session is (configuration, seed, commands). The web validates requests straight into these
classes, so each field's type is its schema and each docstring its documentation. Sizes, lengths and offsets are bytes.

A *place* names an address: a slot ("a"), a slot with an offset ("a+16", "a-8"), or a number (0x081c31a0, "0x081c31a0").
A *slot* is a pointer variable of the program; `as_` (written "as" outside Python) names the one that takes a result.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar, Final, Literal, TypeAlias

from engine.outcome import CommandError

Place: TypeAlias = int | str
Process: TypeAlias = int

_WORD: Final = 2**32 - 1
PROCESSES_MAXIMUM: Final = 64
PAGES_ASKED_MAXIMUM: Final = 1 << 16

LIMITS: Final = {
    "pid": (0, PROCESSES_MAXIMUM - 1),
    "child": (1, PROCESSES_MAXIMUM - 1),
    "size": (0, _WORD),
    "count": (0, _WORD),
    "alignment": (0, _WORD),
    "pad": (0, _WORD),
    "parameter": (-(2**31), 2**31 - 1),
    "length": (0, _WORD),
    "old_length": (0, _WORD),
    "new_length": (0, _WORD),
    "offset": (0, _WORD),
    "depth": (0, _WORD),
    "delta": (-(2**31), 2**31 - 1),
    "limit": (0, _WORD),
    "file": (0, 63),
    "pages": (0, PAGES_ASKED_MAXIMUM),
    "code": (0, 255),
    "order": (0, 10),
    "align": (0, 4096),
}
"""What the number in a field of that name can be; `value` depends on the command."""
_BYTE: Final = (0, 255)
_VALUE_LIMITS: Final = {
    "write": _BYTE,
    "touch": _BYTE,
    "fill": _BYTE,
    "checktouch": _BYTE,
    "write32": (0, _WORD),
    "mallopt": (-(2**31), _WORD),
    "oomadj": (-(2**31), 2**31 - 1),
    "sysctl": (-(2**31), _WORD),
}
_SLOT: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,31}")
_PROTECTION: Final = re.compile(r"none|r?w?x?")


def _written_as(name: str) -> str:
    """A field's name outside Python, where "as" is no keyword."""
    return name.rstrip("_")


def _check(command: _Command) -> None:
    """Raises CommandError naming the first field whose value cannot be."""
    for name in command.__dataclass_fields__:
        value = getattr(command, name)
        if name == "as_" and not _SLOT.fullmatch(value):
            raise CommandError(
                "as", f"the slot {value!r} is no name: letters, digits and _, at most 32, no digit first"
            )
        if name == "prot" and not _PROTECTION.fullmatch(value):
            raise CommandError("prot", f"prot is {value!r}; it can be letters of rwx in that order, or none")
        limits = LIMITS.get(name) if name != "value" else _VALUE_LIMITS[command.op]  # type: ignore[attr-defined]
        if limits is None or value is None or (name == "size" and value == -1 and isinstance(command, OpenFile)):
            continue
        if not isinstance(value, int) or not limits[0] <= value <= limits[1]:
            raise CommandError(name, f"{name} is {value}; it can be {limits[0]} to {limits[1]}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Command:
    """What all commands share."""

    __pydantic_config__: ClassVar[dict[str, object]] = {"alias_generator": _written_as, "extra": "forbid"}

    pid: Process = 0
    """Which process does it: 0 is the first, fork names the others."""

    def __post_init__(self) -> None:
        _check(self)


# --- the allocator ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Malloc(_Command):
    """malloc(size): the pointer goes into slot `as`."""

    op: Literal["malloc"] = "malloc"
    size: int
    as_: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Calloc(_Command):
    """calloc(count, size): zeroed memory."""

    op: Literal["calloc"] = "calloc"
    count: int
    size: int
    as_: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Realloc(_Command):
    """realloc(slot, size): the slot takes the new pointer; it keeps the old one when that fails."""

    op: Literal["realloc"] = "realloc"
    as_: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Memalign(_Command):
    """memalign(alignment, size)."""

    op: Literal["memalign"] = "memalign"
    alignment: int
    size: int
    as_: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Free(_Command):
    """free(ptr). A slot keeps its pointer, as a variable in C would."""

    op: Literal["free"] = "free"
    ptr: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Usable(_Command):
    """malloc_usable_size(ptr)."""

    op: Literal["usable"] = "usable"
    ptr: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Trim(_Command):
    """malloc_trim(pad)."""

    op: Literal["trim"] = "trim"
    pad: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Mallopt(_Command):
    """mallopt(parameter, value): -1 M_TRIM_THRESHOLD, -2 M_TOP_PAD, -3 M_MMAP_THRESHOLD, -4 M_MMAP_MAX, 1 M_MXFAST …"""

    op: Literal["mallopt"] = "mallopt"
    parameter: int
    value: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Mallinfo(_Command):
    """mallinfo2()."""

    op: Literal["mallinfo"] = "mallinfo"


# --- system calls ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Sbrk(_Command):
    """sbrk(delta): moves the break; gives the old one."""

    op: Literal["sbrk"] = "sbrk"
    delta: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Brk(_Command):
    """brk, the raw system call: asks for the break at `address`; gives the break."""

    op: Literal["brk"] = "brk"
    address: Place


MapFlag: TypeAlias = Literal[
    "private", "shared", "fixed", "fixed_noreplace", "populate", "noreserve", "locked", "growsdown"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mmap(_Command):
    """mmap(hint, length, prot, flags, file, offset). Without `file` the memory is anonymous. `prot` is letters of rwx."""

    op: Literal["mmap"] = "mmap"
    as_: str
    length: int
    prot: str = "rw"
    flags: tuple[MapFlag, ...] = ("private",)
    file: int | None = None
    offset: int = 0
    hint: Place = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Munmap(_Command):
    """munmap(ptr, length)."""

    op: Literal["munmap"] = "munmap"
    ptr: Place
    length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Mprotect(_Command):
    """mprotect(ptr, length, prot)."""

    op: Literal["mprotect"] = "mprotect"
    ptr: Place
    length: int
    prot: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mremap(_Command):
    """mremap(slot, old_length, new_length, MREMAP_MAYMOVE or not): the slot takes the new address."""

    op: Literal["mremap"] = "mremap"
    as_: str
    old_length: int
    new_length: int
    may_move: bool = True


Advice: TypeAlias = Literal["normal", "random", "willneed", "dontneed", "free", "dontfork", "cold", "pageout"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Madvise(_Command):
    """madvise(ptr, length, advice)."""

    op: Literal["madvise"] = "madvise"
    ptr: Place
    length: int
    advice: Advice


@dataclass(frozen=True, slots=True, kw_only=True)
class Msync(_Command):
    """msync(ptr, length, MS_SYNC)."""

    op: Literal["msync"] = "msync"
    ptr: Place
    length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Mlock(_Command):
    """mlock(ptr, length)."""

    op: Literal["mlock"] = "mlock"
    ptr: Place
    length: int


# --- loads and stores ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Read(_Command):
    """Loads the byte at `ptr`."""

    op: Literal["read"] = "read"
    ptr: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Write(_Command):
    """Stores a byte at `ptr`."""

    op: Literal["write"] = "write"
    ptr: Place
    value: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Read32(_Command):
    """Loads the 32-bit word at `ptr`."""

    op: Literal["read32"] = "read32"
    ptr: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Write32(_Command):
    """Stores a 32-bit word at `ptr`."""

    op: Literal["write32"] = "write32"
    ptr: Place
    value: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Touch(_Command):
    """Reads or writes one byte of each page of [ptr, ptr + length)."""

    op: Literal["touch"] = "touch"
    ptr: Place
    length: int
    access: Literal["r", "w"] = "w"
    value: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill(_Command):
    """memset(ptr, value, length)."""

    op: Literal["fill"] = "fill"
    ptr: Place
    length: int
    value: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckTouch(_Command):
    """Reads each page's first byte; counts those that do not hold `value`."""

    op: Literal["checktouch"] = "checktouch"
    ptr: Place
    length: int
    value: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack(_Command):
    """Stores one byte `depth` bytes below the top of user space, where the stack grows."""

    op: Literal["stack"] = "stack"
    depth: int


# --- looking ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Pagemap(_Command):
    """/proc/self/pagemap of `pages` pages: P anonymous and present, f file or shared, s swapped, - none."""

    op: Literal["pagemap"] = "pagemap"
    ptr: Place
    pages: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pfn(_Command):
    """The frames behind `pages` pages, 0 where none is present."""

    op: Literal["pfn"] = "pfn"
    ptr: Place
    pages: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Maps(_Command):
    """/proc/self/maps."""

    op: Literal["maps"] = "maps"


@dataclass(frozen=True, slots=True, kw_only=True)
class Status(_Command):
    """The Vm… lines of /proc/self/status, in kB."""

    op: Literal["status"] = "status"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rss(_Command):
    """/proc/self/smaps_rollup, in kB."""

    op: Literal["rss"] = "rss"


@dataclass(frozen=True, slots=True, kw_only=True)
class Vmstat(_Command):
    """/proc/vmstat."""

    op: Literal["vmstat"] = "vmstat"


@dataclass(frozen=True, slots=True, kw_only=True)
class Meminfo(_Command):
    """/proc/meminfo, in kB."""

    op: Literal["meminfo"] = "meminfo"


@dataclass(frozen=True, slots=True, kw_only=True)
class OomScore(_Command):
    """/proc/self/oom_score."""

    op: Literal["oomscore"] = "oomscore"


# --- processes, files, knobs -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class OomAdj(_Command):
    """Writes /proc/self/oom_score_adj."""

    op: Literal["oomadj"] = "oomadj"
    value: int


Limit: TypeAlias = Literal["as", "data", "stack", "memlock"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rlimit(_Command):
    """setrlimit(resource, limit), soft and hard alike."""

    op: Literal["rlimit"] = "rlimit"
    resource: Limit
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sysctl(_Command):
    """Writes /proc/sys/vm/NAME.

    `rest` are the further numbers of a setting that is several, as lowmem_reserve_ratio is.
    """

    op: Literal["sysctl"] = "sysctl"
    name: str
    value: int
    rest: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenFile(_Command):
    """Makes file `path` of `size` bytes (page k filled with the letter a + k mod 26) and opens it as file `file`.

    Size -1 opens what is there. /tmp is tmpfs, /mnt is ext4 on a disk.
    """

    op: Literal["file"] = "file"
    file: int
    path: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Close(_Command):
    """close(): file `file` is closed; what a mapping still shows of it stays."""

    op: Literal["close"] = "close"
    file: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sleep(_Command):
    """nanosleep(): simulated time passes, at most 600,000 milliseconds; the kernel's own threads run meanwhile."""

    op: Literal["sleep"] = "sleep"
    milliseconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sync(_Command):
    """sync(): writes every dirty page of every file."""

    op: Literal["sync"] = "sync"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fork(_Command):
    """fork(): the child is known as process `child` from here on."""

    op: Literal["fork"] = "fork"
    child: Process


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit(_Command):
    """_exit(code)."""

    op: Literal["exit"] = "exit"
    code: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait(_Command):
    """waitpid(child)."""

    op: Literal["wait"] = "wait"
    child: Process


@dataclass(frozen=True, slots=True, kw_only=True)
class SetPaging(_Command):
    """mov cr0: switches CR0.PG. Off: linear addresses are physical addresses."""

    op: Literal["paging"] = "paging"
    on: bool


Transfer: TypeAlias = Literal["none", "read", "write", "both"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FailDisk(_Command):
    """The disk under swap, or under the files of /mnt, fails from now on when it is to read, to write, both, or none any more."""

    op: Literal["faildisk"] = "faildisk"
    disk: Literal["swap", "files"]
    fails: Transfer = "both"


# --- the kernel's own ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _KernelCommand(_Command):
    """What the kernel does for itself, in a module loaded for the learner. Its slots are the kernel's, not the process's.

    `pid` is the process that runs meanwhile. NULL where an allocation fails; to free NULL does nothing.
    """


PageKind: TypeAlias = Literal["kernel", "user", "movable", "dma"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AllocPages(_KernelCommand):
    """alloc_pages(order): 2**order frames. The slot takes the first one's kernel address: by kmap() if it is high memory.

    `kind` is what they are for: GFP_KERNEL, GFP_USER, GFP_HIGHUSER_MOVABLE or GFP_DMA. It is tried once, and nobody is killed.
    """

    op: Literal["alloc_pages"] = "alloc_pages"
    as_: str
    order: int
    kind: PageKind = "kernel"


@dataclass(frozen=True, slots=True, kw_only=True)
class FreePages(_KernelCommand):
    """__free_pages() of a block that alloc_pages gave."""

    op: Literal["free_pages"] = "free_pages"
    ptr: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Kmalloc(_KernelCommand):
    """kmalloc(size, GFP_KERNEL): from the smallest class that holds it; above 8,192 bytes whole pages."""

    op: Literal["kmalloc"] = "kmalloc"
    as_: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Kfree(_KernelCommand):
    """kfree() of what kmalloc gave."""

    op: Literal["kfree"] = "kfree"
    ptr: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class KmemCacheCreate(_KernelCommand):
    """kmem_cache_create(name, size, align): a cache of its own, never merged. Its first slab comes with its first object."""

    op: Literal["kmem_cache_create"] = "kmem_cache_create"
    name: str
    size: int
    align: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class KmemCacheAlloc(_KernelCommand):
    """kmem_cache_alloc(cache, GFP_KERNEL), of a cache that kmem_cache_create made."""

    op: Literal["kmem_cache_alloc"] = "kmem_cache_alloc"
    as_: str
    cache: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KmemCacheFree(_KernelCommand):
    """kmem_cache_free() of an object that kmem_cache_alloc gave."""

    op: Literal["kmem_cache_free"] = "kmem_cache_free"
    ptr: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Vmalloc(_KernelCommand):
    """vmalloc(size): single frames behind one stretch of kernel addresses, and a guard page after them."""

    op: Literal["vmalloc"] = "vmalloc"
    as_: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Vfree(_KernelCommand):
    """vfree() of what vmalloc gave."""

    op: Literal["vfree"] = "vfree"
    ptr: Place


KERNEL_COMMANDS: Final = (
    AllocPages,
    FreePages,
    Kmalloc,
    Kfree,
    KmemCacheCreate,
    KmemCacheAlloc,
    KmemCacheFree,
    Vmalloc,
    Vfree,
)
"""Those whose slots are the kernel's."""


Command: TypeAlias = (
    Malloc
    | Calloc
    | Realloc
    | Memalign
    | Free
    | Usable
    | Trim
    | Mallopt
    | Mallinfo
    | Sbrk
    | Brk
    | Mmap
    | Munmap
    | Mprotect
    | Mremap
    | Madvise
    | Msync
    | Mlock
    | Read
    | Write
    | Read32
    | Write32
    | Touch
    | Fill
    | CheckTouch
    | Stack
    | Pagemap
    | Pfn
    | Maps
    | Status
    | Rss
    | Vmstat
    | Meminfo
    | OomScore
    | OomAdj
    | Rlimit
    | Sysctl
    | OpenFile
    | Close
    | Sleep
    | Sync
    | Fork
    | Exit
    | Wait
    | SetPaging
    | FailDisk
    | AllocPages
    | FreePages
    | Kmalloc
    | Kfree
    | KmemCacheCreate
    | KmemCacheAlloc
    | KmemCacheFree
    | Vmalloc
    | Vfree
)
