"""What each command is in C: the statements that do it and print what came of it, with helpers of export_c_parts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from engine import commands as c

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from engine.commands import Command, Place

_INT_MAX: Final = 2**31 - 1
_SYSTEM_CALLS: Final = {"munmap": "munmap", "mlock": "mlock"}
_RESOURCES: Final = {"as": "RLIMIT_AS", "data": "RLIMIT_DATA", "stack": "RLIMIT_STACK", "memlock": "RLIMIT_MEMLOCK"}
_ELSEWHERE: Final = 'say("only the simulated machine can do this\\n");'


def step(command: Command) -> list[str]:
    """The C statements of one command."""
    build = _STEPS.get(type(command))
    return [_ELSEWHERE] if build is None else build(command)


def can_do(command: Command) -> bool:
    """Whether a program on a real machine can do it."""
    return type(command) in _STEPS


def variable(slot: str) -> str:
    """The C variable of a slot: with a prefix, so that no name means something to C."""
    return f"p_{slot}"


def c_string(text: str) -> str:
    """A C string literal."""
    return json.dumps(text, ensure_ascii=True)


def place(where: Place) -> str:
    """A C expression for a place, of type char *."""
    if isinstance(where, int):
        return f"(char *){where:#010x}" if where else "NULL"
    for sign in "+-":
        base, found, offset = where.partition(sign)
        if found:
            return f"{_base(base)} {sign} {_number(int(offset, 0))}"
    return _base(where)


def _base(word: str) -> str:
    return place(int(word, 0)) if word[0].isdigit() else variable(word)


def _number(value: int) -> str:
    return f"{value}u" if value > _INT_MAX else str(value)


def _prot(letters: str) -> str:
    names = {"r": "PROT_READ", "w": "PROT_WRITE", "x": "PROT_EXEC"}
    return "PROT_NONE" if letters in ("none", "") else " | ".join(names[letter] for letter in letters)


def _gives_pointer(slot: str, call: str, failed: str) -> list[str]:
    """A call whose result the slot takes even when it is NULL."""
    return [f"{variable(slot)} = {call};", f"pointer({variable(slot)}, {failed.format(variable(slot))});"]


def _keeps_pointer(slot: str, call: str, failed: str) -> list[str]:
    """A call that leaves the slot alone when it fails."""
    return [f"result = {call};", f"if (!({failed})) {variable(slot)} = result;", f"pointer(result, {failed});"]


def _malloc(x: c.Malloc) -> list[str]:
    return _gives_pointer(x.as_, f"malloc({_number(x.size)})", "{} == NULL")


def _calloc(x: c.Calloc) -> list[str]:
    return _gives_pointer(x.as_, f"calloc({_number(x.count)}, {_number(x.size)})", "{} == NULL")


def _memalign(x: c.Memalign) -> list[str]:
    return _gives_pointer(x.as_, f"memalign({_number(x.alignment)}, {_number(x.size)})", "{} == NULL")


def _realloc(x: c.Realloc) -> list[str]:
    failed = "result == NULL" if x.size else "0"
    return _keeps_pointer(x.as_, f"realloc({variable(x.as_)}, {_number(x.size)})", failed)


def _free(x: c.Free) -> list[str]:
    return [f"free({place(x.ptr)});", "done();"]


def _mmap(x: c.Mmap) -> list[str]:
    flags = [f"MAP_{flag.upper()}" for flag in x.flags] + ([] if x.file is not None else ["MAP_ANONYMOUS"])
    file = "-1" if x.file is None else f"files[{x.file}]"
    call = (
        f"mmap({place(_as_place(x.hint))}, {_number(x.length)}, {_prot(x.prot)}, {' | '.join(flags) or 0}, "
        f"{file}, {_number(x.offset)})"
    )
    return _keeps_pointer(x.as_, call, "result == MAP_FAILED")


def _as_place(where: Place) -> Place:
    return 0 if where == "0" else where


def _mremap(x: c.Mremap) -> list[str]:
    flags = "MREMAP_MAYMOVE" if x.may_move else "0"
    call = f"mremap({variable(x.as_)}, {_number(x.old_length)}, {_number(x.new_length)}, {flags})"
    return _keeps_pointer(x.as_, call, "result == MAP_FAILED")


def _checked(call: str) -> list[str]:
    return [f"status({call});"]


def _guarded(statement: str) -> list[str]:
    """An access that a handler watches: a signal is told, and the program goes on."""
    return [f"if (try()) {statement} else signalled();"]


def _file(x: c.OpenFile) -> list[str]:
    path = c_string(x.path) if not x.path.startswith("/mnt/") else f"DISK {c_string(x.path.removeprefix('/mnt/'))}"
    return [f"files[{x.file}] = make_file({path}, {x.size});", "done();"]


def _fork(x: c.Fork) -> list[str]:
    return [
        f"children[{x.child}] = fork();",
        f"if (children[{x.child}] == 0) begin({x.child});",
        f"else born({x.child});",
    ]


_STEPS: Final[Mapping[type, Callable[[Any], list[str]]]] = {
    c.Malloc: _malloc,
    c.Calloc: _calloc,
    c.Realloc: _realloc,
    c.Memalign: _memalign,
    c.Free: _free,
    c.Usable: lambda x: [f"number(malloc_usable_size({place(x.ptr)}));"],
    c.Trim: lambda x: [f"number(malloc_trim({_number(x.pad)}));"],
    c.Mallopt: lambda x: [f"number(mallopt({x.parameter}, {_number(x.value)}));"],
    c.Mallinfo: lambda x: ["tell_mallinfo();"],
    c.Sbrk: lambda x: [f"result = sbrk({x.delta});", "pointer(result, result == (char *)-1);"],
    c.Brk: lambda x: [f"pointer((char *)syscall(SYS_brk, {place(x.address)}), 0);"],
    c.Mmap: _mmap,
    c.Munmap: lambda x: _checked(f"munmap({place(x.ptr)}, {_number(x.length)})"),
    c.Mprotect: lambda x: _checked(f"mprotect({place(x.ptr)}, {_number(x.length)}, {_prot(x.prot)})"),
    c.Mremap: _mremap,
    c.Madvise: lambda x: _checked(f"madvise({place(x.ptr)}, {_number(x.length)}, MADV_{x.advice.upper()})"),
    c.Msync: lambda x: _checked(f"msync({place(x.ptr)}, {_number(x.length)}, MS_SYNC)"),
    c.Mlock: lambda x: _checked(f"mlock({place(x.ptr)}, {_number(x.length)})"),
    c.Read: lambda x: _guarded(f"number(*(volatile unsigned char *)({place(x.ptr)}));"),
    c.Write: lambda x: _guarded(f"{{ *(volatile unsigned char *)({place(x.ptr)}) = {x.value}; done(); }}"),
    c.Read32: lambda x: _guarded(f"word(*(volatile unsigned *)({place(x.ptr)}));"),
    c.Write32: lambda x: _guarded(f"{{ *(volatile unsigned *)({place(x.ptr)}) = {x.value:#x}u; done(); }}"),
    c.Touch: lambda x: _guarded(f"touch({place(x.ptr)}, {_number(x.length)}, {int(x.access == 'w')}, {x.value});"),
    c.Fill: lambda x: _guarded(f"fill({place(x.ptr)}, {_number(x.length)}, {x.value});"),
    c.CheckTouch: lambda x: [f"check_touch({place(x.ptr)}, {_number(x.length)}, {x.value});"],
    c.Stack: lambda x: _guarded(f"{{ *(volatile char *)(stack_top() - {_number(x.depth)}) = 1; done(); }}"),
    c.Pagemap: lambda x: [f"tell_pagemap({place(x.ptr)}, {x.pages});"],
    c.Pfn: lambda x: [f"tell_frames({place(x.ptr)}, {x.pages});"],
    c.Maps: lambda x: ["tell_maps();"],
    c.Status: lambda x: ['tell_figures("/proc/self/status", "Vm");'],
    c.Rss: lambda x: ['tell_figures("/proc/self/smaps_rollup", "");'],
    c.Vmstat: lambda x: ['tell_figures("/proc/vmstat", "");'],
    c.Meminfo: lambda x: ['tell_figures("/proc/meminfo", "");'],
    c.OomScore: lambda x: ['tell_file("/proc/self/oom_score");'],
    c.OomAdj: lambda x: [f'write_file("/proc/self/oom_score_adj", "{x.value}");'],
    c.Rlimit: lambda x: [f"limit({_RESOURCES[x.resource]}, {_number(x.limit)});"],
    c.Sysctl: lambda x: [f"set_sysctl({c_string(x.name)}, {c_string(' '.join(map(str, (x.value, *x.rest))))});"],
    c.OpenFile: _file,
    c.Close: lambda x: _checked(f"close(files[{x.file}])"),
    c.Sleep: lambda x: _checked(f"usleep({x.milliseconds * 1000}u)"),
    c.Sync: lambda x: ["sync();", "done();"],
    c.Fork: _fork,
    c.Exit: lambda x: [f"leave({x.code});"],
    c.Wait: lambda x: [f"await_child({x.child});"],
}
