"""fs/binfmt_elf.c: exec(): gives a fresh address space the regions of a program image, and a first page of stack.

Left out: reading ELF files (the image says what lies where), interpreters, permissions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.image import STACK_TOP, Mapping, ProgramImage
from engine.kernel.fs import File, FileSystem, Inode, Zeros
from engine.kernel.mm_types import (
    PAGE_SHIFT,
    PAGE_SIZE,
    VM_ACCOUNT,
    VM_DATA_DEFAULT_FLAGS,
    VM_DONTDUMP,
    VM_DONTEXPAND,
    VM_EXEC,
    VM_IO,
    VM_MAYEXEC,
    VM_MAYREAD,
    VM_MAYWRITE,
    VM_PFNMAP,
    VM_READ,
    VM_STACK_FLAGS,
    VM_WRITE,
    Mm,
)

if TYPE_CHECKING:
    from engine.kernel.kernel import Kernel
    from engine.kernel.task import Task

_RIGHTS: Final = (("r", VM_READ), ("w", VM_WRITE), ("x", VM_EXEC))
_VVAR_FLAGS: Final = VM_READ | VM_MAYREAD | VM_IO | VM_DONTEXPAND | VM_DONTDUMP | VM_PFNMAP
_VDSO_FLAGS: Final = VM_READ | VM_EXEC | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC | VM_DONTEXPAND
MMAP_GAP_MINIMUM: Final = 128 << 20
"""arch/x86/mm/mmap.c: mmap_base() leaves at least this for the stack."""


class BinfmtElf:
    """load_elf_binary()."""

    __slots__ = ("kernel",)

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel

    def load(self, task: Task, image: ProgramImage) -> None:
        """Maps `image` into the task's empty address space."""
        mm = task.mm
        files: dict[str, File] = {}
        below: Mapping | None = None
        for mapping in image.mappings:
            self._map(mm, mapping, files, relro=below is not None and _is_relro(below, mapping))
            below = mapping
        self._close(mm, files, files[image.mappings[0].name])
        mm.start_brk = mm.brk = image.brk
        mm.start_stack = STACK_TOP - PAGE_SIZE
        mm.mmap_base = STACK_TOP - MMAP_GAP_MINIMUM
        _note_code_and_data(mm, [mapping for mapping in image.mappings if mapping.name == image.mappings[0].name])
        mm.hiwater_vm = mm.total_vm

    def _map(self, mm: Mm, mapping: Mapping, files: dict[str, File], *, relro: bool) -> None:
        """Puts one region in. All of a file's regions show the same opened file."""
        flags = 0
        for letter, right in _RIGHTS:
            if letter in mapping.permissions:
                flags |= right
        file: File | None = None
        pgoff = mapping.start >> PAGE_SHIFT
        name = ""
        if mapping.name == "[stack]":
            flags |= VM_STACK_FLAGS
        elif mapping.name == "[vvar]":
            flags, name = _VVAR_FLAGS, mapping.name
        elif mapping.name == "[vdso]":
            flags, name = _VDSO_FLAGS, mapping.name
            file, pgoff = File(self._inode(mapping, FileSystem.SPECIAL), writable=False), 0
        elif mapping.name in ("", "[heap]"):
            flags |= VM_DATA_DEFAULT_FLAGS & ~(VM_READ | VM_WRITE) | (VM_ACCOUNT if flags & VM_WRITE else 0)
        else:
            flags |= VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC | (VM_ACCOUNT if flags & VM_WRITE or relro else 0)
            file, pgoff = self._open(mapping, files), mapping.offset >> PAGE_SHIFT
        vma = self.kernel.vma.vm_area_alloc(mm, mapping.start, mapping.end, flags, pgoff, file, name)
        self.kernel.mmap.insert_vm_struct(mm, vma)

    def _open(self, mapping: Mapping, files: dict[str, File]) -> File:
        """The file behind a mapping, opened for reading, once for all of its mappings."""
        inode = self._inode(mapping, self.kernel.root_fs)
        file = files.get(mapping.name)
        if file is None:
            file = files[mapping.name] = self.kernel.file_table.path_openat(inode, writable=False)
        return file

    def _close(self, mm: Mm, files: dict[str, File], program: File) -> None:
        """The loader closes what it has mapped; the program's own file stays the process's (mm->exe_file)."""
        mm.exe_file = program
        program.f_count += 1
        for file in files.values():
            self.kernel.file_table.fput(file)

    def _inode(self, mapping: Mapping, fs: FileSystem) -> Inode:
        """One inode a path, as large as its mappings need."""
        inodes = self.kernel.inodes
        size = mapping.offset + mapping.end - mapping.start
        inode = inodes.get(mapping.name)
        if inode is None:
            inode = Inode(mapping.name, fs, size, Zeros(), resident=True, ino=len(inodes) + 1)
            inodes[mapping.name] = inode
        inode.i_size = max(inode.i_size, size)
        return inode


def _note_code_and_data(mm: Mm, program: list[Mapping]) -> None:
    """Where the program's own code and initialised data lie: to the page, which is all that the image tells."""
    for mapping in program:
        if "x" in mapping.permissions:
            mm.start_code, mm.end_code = mapping.start, mapping.end
        if "w" in mapping.permissions:
            mm.start_data, mm.end_data = mapping.start, mapping.end


def _is_relro(below: Mapping, mapping: Mapping) -> bool:
    """Whether the loader wrote to this read-only region before main(): two such regions would be one otherwise."""
    return below.name == mapping.name and below.permissions == mapping.permissions == "r--p"
