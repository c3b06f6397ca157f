"""free, vmstat, slabtop, pmap, ps: made from /proc as the real ones make them, in their layout.

Left out: what this machine has no notion of, such as the columns of vmstat about the processor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from engine import views

if TYPE_CHECKING:
    from engine.machine import Machine

_PAGE_KB: Final = 4
_SECOND: Final = 1_000_000_000
_SECTOR_KB: Final = 2


def figures(text: str) -> dict[str, int]:
    """The names and numbers of a file such as /proc/meminfo or /proc/vmstat."""
    found = {}
    for line in text.splitlines():
        words = line.replace(":", " ").split()
        if len(words) > 1 and words[1].isdigit():
            found[words[0]] = int(words[1])
    return found


def free_text(machine: Machine, unit: int = 1) -> str:
    """free: in KB, or in units of so many KB."""
    info = figures(machine.proc_file("meminfo"))
    cache = info["Buffers"] + info["Cached"] + info["SReclaimable"]
    used = info["MemTotal"] - info["MemAvailable"]
    memory = (info["MemTotal"], used, info["MemFree"], info["Shmem"], cache, info["MemAvailable"])
    swap = (info["SwapTotal"], info["SwapTotal"] - info["SwapFree"], info["SwapFree"])
    head = "               total        used        free      shared  buff/cache   available\n"
    return head + "".join(
        f"{name:<8}" + "".join(f"{value // unit:>12}" for value in row) + "\n"
        for name, row in (("Mem:", memory), ("Swap:", swap))
    )


def vmstat_text(machine: Machine, *, totals: bool = False) -> str:
    """vmstat: averages since boot, by simulated time; with `totals` vmstat -s."""
    info, stat = figures(machine.proc_file("meminfo")), figures(machine.proc_file("vmstat"))
    swapped = info["SwapTotal"] - info["SwapFree"]
    cache = info["Cached"] + info["SReclaimable"]
    if totals:
        rows = (
            (info["MemTotal"], "K total memory"),
            (info["MemTotal"] - info["MemAvailable"], "K used memory"),
            (info["Active"], "K active memory"),
            (info["Inactive"], "K inactive memory"),
            (info["MemFree"], "K free memory"),
            (info["Buffers"], "K buffer memory"),
            (cache, "K swap cache"),
            (info["SwapTotal"], "K total swap"),
            (swapped, "K used swap"),
            (info["SwapFree"], "K free swap"),
            (stat["pgpgin"], "K paged in"),
            (stat["pgpgout"], "K paged out"),
            (stat["pswpin"], "pages swapped in"),
            (stat["pswpout"], "pages swapped out"),
        )
        return "".join(f"{value:>13} {words}\n" for value, words in rows)
    seconds = max(1, machine.time_ns // _SECOND)
    moved = (stat["pswpin"] * _PAGE_KB, stat["pswpout"] * _PAGE_KB, stat["pgpgin"], stat["pgpgout"])
    memory = (swapped, info["MemFree"], info["Buffers"], cache)
    return (
        "-----------memory---------- ---swap-- -----io----\n"
        "  swpd   free   buff  cache   si   so    bi    bo\n"
        + "".join(f"{value:>6} " for value in memory)
        + "".join(f"{value // seconds:>{width}} " for value, width in zip(moved, (4, 4, 5, 5), strict=True)).rstrip()
        + "\n"
    )


class _Cache(NamedTuple):
    """A line of /proc/slabinfo."""

    name: str
    active: int
    objects: int
    size: int
    objects_a_slab: int
    pages_a_slab: int
    active_slabs: int
    slabs: int

    @property
    def kilobytes(self) -> int:
        """What its slabs take."""
        return self.slabs * self.pages_a_slab * _PAGE_KB


def slabtop_text(machine: Machine) -> str:
    """slabtop -o, by the number of objects."""
    caches = [_cache(line) for line in machine.proc_file("slabinfo").splitlines()[2:]]
    objects, active = sum(each.objects for each in caches), sum(each.active for each in caches)
    slabs, active_slabs = sum(each.slabs for each in caches), sum(each.active_slabs for each in caches)
    total, used = sum(each.objects * each.size for each in caches), sum(each.active * each.size for each in caches)
    sizes = [each.size for each in caches]
    in_use = sum(each.slabs > 0 for each in caches)
    head = (
        f" Active / Total Objects (% used)    : {active} / {objects} ({_percent(active, objects)})\n"
        f" Active / Total Slabs (% used)      : {active_slabs} / {slabs} ({_percent(active_slabs, slabs)})\n"
        f" Active / Total Caches (% used)     : {in_use} / {len(caches)} ({_percent(in_use, len(caches))})\n"
        f" Active / Total Size (% used)       : {used / 1024:.2f}K / {total / 1024:.2f}K ({_percent(used, total)})\n"
        f" Minimum / Average / Maximum Object : {min(sizes) / 1024:.2f}K / {total / 1024 / max(objects, 1):.2f}K / "
        f"{max(sizes) / 1024:.2f}K\n\n"
        "  OBJS ACTIVE  USE OBJ SIZE  SLABS OBJ/SLAB CACHE SIZE NAME                   \n"
    )
    rows = sorted(caches, key=lambda each: -each.objects)
    return head + "".join(
        f"{each.objects:>6} {each.active:>6} {each.active * 100 // max(each.objects, 1):>3}% {each.size / 1024:>7.2f}K"
        f" {each.slabs:>6} {each.objects_a_slab:>8} {each.kilobytes:>9}K {each.name:<23}\n"
        for each in rows
    )


def _cache(line: str) -> _Cache:
    words = line.split()
    numbers = [int(words[at]) for at in (1, 2, 3, 4, 5, 13, 14)]
    return _Cache(words[0], *numbers)


def _percent(part: int, whole: int) -> str:
    return f"{part * 100 / max(whole, 1):.1f}%"


def pmap_text(machine: Machine, pid: int, *, extended: bool = False) -> str:
    """pmap, or pmap -x: a line a region."""
    process = next(each for each in views.processes(machine) if each.pid == pid)
    regions = views.address_space(machine, pid).regions
    lines = [f"{pid}:   {process.name}\n"]
    if extended:
        lines.append("Address   Kbytes     RSS   Swap Mode  Mapping\n")
    for region in regions:
        kilobytes, mode = (
            region.pages * _PAGE_KB,
            region.permissions[:3] + ("s-" if "s" in region.permissions else "--"),
        )
        name = "[ stack ]" if region.name == "[stack]" else region.name.rpartition("/")[2]
        name = name if name and name != "[heap]" else "  [ anon ]"
        resident = f"{region.resident * _PAGE_KB:>7} {region.swapped * _PAGE_KB:>6} " if extended else ""
        size = f"{kilobytes:>8} " if extended else f"{kilobytes:>6}K "
        lines.append(f"{region.start:08x} {size}{resident}{mode} {name}\n")
    pages = sum(region.pages for region in regions) * _PAGE_KB
    if extended:
        resident, swapped = (
            sum(getattr(each, what) for each in regions) * _PAGE_KB for what in ("resident", "swapped")
        )
        lines += ["-------- ------- ------- ------ \n", f"total kB {pages:>8} {resident:>7} {swapped:>6}\n"]
    else:
        lines.append(f" total   {pages:>6}K\n")
    return "".join(lines)


def ps_text(machine: Machine) -> str:
    """ps -o pid,ppid,stat,vsz,rss,min_flt,maj_flt,comm."""
    lines = ["  PID  PPID STAT    VSZ    RSS MINFL MAJFL COMMAND\n"]
    for each in views.processes(machine):
        state = "Z" if each.ended is not None else "R" if each.running else "S"
        parent = "-" if each.parent is None else str(each.parent)
        lines.append(
            f"{each.pid:>5} {parent:>5} {state:<4} {each.total_vm * _PAGE_KB:>6} {each.rss * _PAGE_KB:>6}"
            f" {each.min_faults:>5} {each.maj_faults:>5} {each.name}\n"
        )
    return "".join(lines)
