"""The machine as a whole, and the machines that one can choose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.config import PRESETS

if TYPE_CHECKING:
    from engine.machine import Machine


@dataclass(frozen=True, slots=True)
class Preset:
    """A machine to choose: its name and sizes in MB."""

    name: str
    ram_mb: int
    swap_mb: int


@dataclass(frozen=True, slots=True)
class MachineView:
    """What stands at the head of every page. Times in simulated nanoseconds, sizes in MB, `frames` of 4 KB."""

    version: int
    time_ns: int
    ram_mb: int
    swap_mb: int
    seed: int
    frames: int
    zones: tuple[str, ...]
    paging: bool
    cr3: int
    running: int
    """The pid that ran last."""
    min_faults: int
    """Of the process that ran last."""
    maj_faults: int
    presets: tuple[Preset, ...]


def machine(machine: Machine) -> MachineView:
    """The machine's size, version, time and control registers."""
    kernel, config = machine.kernel, machine.config
    return MachineView(
        version=machine.version,
        time_ns=machine.time_ns,
        ram_mb=config.ram_mb,
        swap_mb=config.swap_mb,
        seed=config.seed,
        frames=kernel.ram.size,
        zones=tuple(zone.name for zone in kernel.page_alloc.zones),
        paging=kernel.cpu.paging,
        cr3=kernel.cpu.mmu.cr3,
        running=kernel.current.pid,
        min_faults=kernel.current.min_flt,
        maj_faults=kernel.current.maj_flt,
        presets=presets(),
    )


def presets() -> tuple[Preset, ...]:
    """The machines to choose from, smallest first."""
    return tuple(Preset(name, config.ram_mb, config.swap_mb) for name, config in PRESETS.items())
