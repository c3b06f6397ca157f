"""How a program meets its libc: what the dynamic loader has done when main() begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.image import LIBC_PATH
from engine.libc.malloc import Libc

if TYPE_CHECKING:
    from engine.clock import Clock
    from engine.hardware.cpu import Cpu
    from engine.image import ProgramImage
    from engine.trace import Trace


def start_libc(cpu: Cpu, trace: Trace, clock: Clock, image: ProgramImage) -> Libc:
    """Binds glibc's allocator to the process that runs on `cpu` now, at the place where its image maps libc."""
    return Libc(cpu, trace, image.base_of(LIBC_PATH))
