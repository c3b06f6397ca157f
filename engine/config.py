"""What a machine is made of: chosen once, before it boots. With the commands it is the whole of a session."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from engine.image import DEFAULT_IMAGE, ProgramImage

if TYPE_CHECKING:
    from collections.abc import Mapping

RAM_MB_MINIMUM: Final = 16
RAM_MB_MAXIMUM: Final = 4096
SWAP_MB_MAXIMUM: Final = 4096
HOST_MEMORY_MB_MINIMUM: Final = 1
SEED_MAXIMUM: Final = 2**63 - 1
TLB_ENTRIES_MAXIMUM: Final = 4096


class ConfigError(ValueError):
    """A machine that cannot be built: `field` names what is wrong, the message what would be right."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field

    def __reduce__(self) -> tuple[type[ConfigError], tuple[str, str]]:
        """As it crosses from one process to another."""
        return ConfigError, (self.field, str(self))


@dataclass(frozen=True, slots=True)
class MachineConfig:
    """RAM, swap and disk in MB; the rest as Linux or Intel call it. Raises ConfigError for a machine that cannot be."""

    ram_mb: int = 64
    swap_mb: int = 0
    disk_mb: int = 256
    seed: int = 0
    tlb_entries: int = 2048
    tlb_hits: bool = False
    """Count the TLB's hits, too: every access then goes through it, which takes the host some five times as long."""
    trace_capacity: int = 4096
    """Records that the causal trace keeps."""
    sysctls: tuple[tuple[str, int], ...] = ()
    """Settings under /proc/sys/vm that differ from Linux's own, as (name, value)."""
    image: ProgramImage = DEFAULT_IMAGE
    root_fs: str = "ext4"
    """Where the program and its libraries lie: "ext4" on the disk, or "tmpfs", as after booting from an initramfs."""

    host_memory_mb: int = 256
    """What the frames that a session has used may take of the host's memory; a command that needs more is refused."""
    firmware_pages: int = 35
    """Pages at the top of RAM where the BIOS keeps its tables: those of QEMU's PC."""
    resembles: tuple[tuple[str, int], ...] = ()
    """Counters of the /proc/vmstat of a machine that was in use, for this one to have as much in memory (aftermath.py)."""

    slab_nomerge: bool = False
    """The boot parameter of that name: no slab cache is merged with another that is like it."""
    slab_freelist_random: bool = False
    """CONFIG_SLAB_FREELIST_RANDOM: a new slab's objects are taken in random order (by `seed`), as in Debian's kernel."""

    null_slots: bool = False
    """A slot that was never set holds NULL, as in a C program; otherwise a command that names it is refused."""

    def __post_init__(self) -> None:
        _within("ram_mb", self.ram_mb, RAM_MB_MINIMUM, RAM_MB_MAXIMUM)
        _within("swap_mb", self.swap_mb, 0, SWAP_MB_MAXIMUM)
        _within("disk_mb", self.disk_mb, 0, SWAP_MB_MAXIMUM)
        _within("seed", self.seed, 0, SEED_MAXIMUM)
        _within("tlb_entries", self.tlb_entries, 1, TLB_ENTRIES_MAXIMUM)
        _within("host_memory_mb", self.host_memory_mb, HOST_MEMORY_MB_MINIMUM, RAM_MB_MAXIMUM)
        _within("firmware_pages", self.firmware_pages, 0, 256)
        _within("trace_capacity", self.trace_capacity, 0, 1 << 20)
        if self.root_fs not in ("ext4", "tmpfs"):
            raise ConfigError("root_fs", f"root_fs is {self.root_fs!r}; it can be 'ext4' or 'tmpfs'")


def _within(field: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise ConfigError(field, f"{field} is {value}; it can be {least} to {most}")


_BASE: Final = MachineConfig()

PRESETS: Final[Mapping[str, MachineConfig]] = MappingProxyType(
    {
        "16mb": replace(_BASE, ram_mb=16, swap_mb=16),
        "32mb": replace(_BASE, ram_mb=32, swap_mb=64),
        "64mb": replace(_BASE, ram_mb=64, swap_mb=256),
        "256mb": replace(_BASE, ram_mb=256, swap_mb=256),
        "512mb": replace(_BASE, ram_mb=512, swap_mb=512),
        "1gb": replace(_BASE, ram_mb=1024, swap_mb=1024),
    }
)
"""Machines to choose from, smallest first. 16 MB is ZONE_DMA alone; 1 GB has ZONE_HIGHMEM above 896 MB of lowmem."""
