"""fs/proc/task_mmu.c: /proc/PID/maps: a process's regions, a line each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.image import Mapping
from engine.kernel.fs import FileSystem
from engine.kernel.mm_types import PAGE_SHIFT, VM_EXEC, VM_MAYSHARE, VM_READ, VM_WRITE, Mm, VmArea

if TYPE_CHECKING:
    from engine.kernel.fs import File

_NAME_COLUMN: Final = 49
"""25 + 6 * sizeof(void *), of 4 bytes: where the name begins."""
_DEVICES: Final = {FileSystem.EXT4: "fe:00", FileSystem.TMPFS: "00:02"}
"""The disk is /dev/vda, the first memory file system has the second unnamed device."""
_NO_DEVICE: Final = "00:00"


def mappings(mm: Mm) -> tuple[Mapping, ...]:
    """What /proc/PID/maps tells, without devices and inode numbers."""
    return tuple(Mapping(vma.vm_start, vma.vm_end, _permissions(vma), _offset(vma), region_name(mm, vma)) for vma in mm)


def maps_text(mm: Mm) -> str:
    """/proc/PID/maps as show_map_vma() prints it."""
    return "".join(f"{header_text(vma, region_name(mm, vma))}\n" for vma in mm)


def header_text(vma: VmArea, name: str) -> str:
    """One region's line, without its end: maps and smaps begin with it."""
    inode = f"{vma.vm_start:08x}-{vma.vm_end:08x} {_permissions(vma)} {_offset(vma):08x} {_file_numbers(vma)} "
    return f"{inode:<{_NAME_COLUMN}}{name}" if name else inode


def region_name(mm: Mm, vma: VmArea) -> str:
    """The file's path, or what /proc calls the region: [heap], [stack], [vdso]; "" for other anonymous memory."""
    if vma.name:
        return vma.name
    if vma.vm_file is not None:
        return vma.vm_file.inode.path
    if vma.vm_start <= mm.brk and vma.vm_end >= mm.start_brk:
        return "[heap]"
    if vma.vm_start <= mm.start_stack <= vma.vm_end:
        return "[stack]"
    return ""


def _permissions(vma: VmArea) -> str:
    flags = vma.vm_flags
    letters = "".join(letter if flags & flag else "-" for letter, flag in (("r", VM_READ), ("w", VM_WRITE)))
    return letters + ("x" if flags & VM_EXEC else "-") + ("s" if flags & VM_MAYSHARE else "p")


def _real_file(vma: VmArea) -> File | None:
    """The file that the region maps; the vdso's pages are no file to anybody but this machine."""
    return None if vma.name else vma.vm_file


def _offset(vma: VmArea) -> int:
    return 0 if _real_file(vma) is None else vma.vm_pgoff << PAGE_SHIFT


def _file_numbers(vma: VmArea) -> str:
    """The device and the inode number."""
    file = _real_file(vma)
    if file is None:
        return f"{_NO_DEVICE} 0"
    return f"{_DEVICES[file.inode.fs]} {file.inode.i_ino}"
