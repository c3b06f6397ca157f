"""What is behind a number that the terminal prints: frames by owner, slabs and objects, pages on reclaim's lists, swap slots.

A number that counts things leads to the line that lists them; each of those leads to the thing itself.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from app.words import t
from engine import views
from engine.views.ledger import Account

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from engine.machine import Machine
    from engine.views.lru_lists import LruPage

LINES: Final = 400
_NUMBER: Final = re.compile(r"\d+")
_PAGES_AN_END: Final = 200
_PAGE_KB: Final = 4
_PAGEMAP_PAGES: Final = 256
_PMAP_ROW: Final = re.compile(r"(?P<address>[0-9a-f]{8})(?P<numbers>\s+(?P<kilobytes>\d+)[K\d\s]*)")
_PAGETYPE_ROW: Final = re.compile(r"Node\s+0, zone\s+(?P<zone>\w+), type\s+(?P<type>\w+)(?=\s+\d)")


class Piece(NamedTuple):
    """A stretch of output: plain text, or the name of something here.

    `kind` says of what: address, frame, swap (a slot), or line: then `line` is what to type to see what the number counts.
    """

    text: str
    kind: str = ""
    value: int = 0
    line: str = ""


class NoSuchObject(ValueError):
    """There is nothing of that name: the message says what there is."""


# --- numbers ---------------------------------------------------------------------------------------------------------

_ANON, _CACHE, _FREE, _SLABS, _SLOTS = (
    "frames anonymous",
    "frames page cache",
    "cat /proc/buddyinfo",
    "slabtop -o",
    "slots",
)
BEHIND: Final[Mapping[str, str]] = {
    "MemTotal": "frames",
    "MemFree": _FREE,
    "MemAvailable": "frames",
    "Cached": _CACHE,
    "SwapCached": "frames swap cache",
    "SwapTotal": _SLOTS,
    "SwapFree": _SLOTS,
    "LowTotal": "frames",
    "LowFree": _FREE,
    "HighTotal": "frames",
    "HighFree": _FREE,
    "Unevictable": "lru unevictable",
    "Mlocked": "lru unevictable",
    "Dirty": _CACHE,
    "Writeback": _CACHE,
    "AnonPages": _ANON,
    "Mapped": _CACHE,
    "Shmem": "frames shmem",
    "KReclaimable": _SLABS,
    "Slab": _SLABS,
    "SReclaimable": _SLABS,
    "SUnreclaim": _SLABS,
    "KernelStack": "frames kernel stacks",
    "PageTables": "frames page tables",
    "VmallocUsed": "frames vmalloc",
    "nr_free_pages": _FREE,
    "pages free": _FREE,
    "nr_anon_pages": _ANON,
    "nr_mapped": _CACHE,
    "nr_file_pages": _CACHE,
    "nr_dirty": _CACHE,
    "nr_writeback": _CACHE,
    "nr_shmem": "frames shmem",
    "nr_slab_reclaimable": _SLABS,
    "nr_slab_unreclaimable": _SLABS,
    "nr_page_table_pages": "frames page tables",
    "nr_kernel_stack": "frames kernel stacks",
    "nr_swapcached": "frames swap cache",
    "nr_mlock": "lru unevictable",
    **{
        f"{kind.capitalize()}({what})": f"lru {kind}_{what}"
        for kind in ("active", "inactive")
        for what in ("anon", "file")
    },
    **{
        f"{prefix}_{kind}_{what}": f"lru {kind}_{what}"
        for prefix in ("nr", "nr_zone")
        for kind in ("active", "inactive")
        for what in ("anon", "file")
    },
    "nr_unevictable": "lru unevictable",
    "nr_zone_unevictable": "lru unevictable",
}
"""What a named number of /proc counts, as the line that lists it. Counters of what has happened count no thing."""
_FREE_COLUMNS: Final = {
    "Mem:": ("frames", "frames", _FREE, "frames shmem", _CACHE, "frames"),
    "Swap:": (_SLOTS, _SLOTS, _SLOTS),
}
_VMSTAT_COLUMNS: Final = (_SLOTS, _FREE, "", _CACHE, "", "", "", "")


def named_numbers(text: str) -> tuple[Piece, ...]:
    """Lines such as "MemFree: 48992 kB": the number leads to what it counts."""
    pieces: list[Piece] = []
    for line in text.splitlines(keepends=True):
        words = line.split()
        name = " ".join(words[:2]) if words[:1] == ["pages"] else words[0].rstrip(":") if words else ""
        behind = BEHIND.get(name, "")
        pieces += _columns(line, line.index(words[0]) + len(words[0]) if words else 0, (behind,))
    return tuple(pieces)


def free_numbers(text: str) -> tuple[Piece, ...]:
    """What free prints."""
    pieces: list[Piece] = []
    for line in text.splitlines(keepends=True):
        name = line.split()[0]
        pieces += _columns(line, len(name), _FREE_COLUMNS.get(name, ()))
    return tuple(pieces)


def vmstat_numbers(text: str) -> tuple[Piece, ...]:
    """What vmstat prints: two lines of heading, one of numbers."""
    *head, row = text.splitlines(keepends=True)
    return (Piece("".join(head)), *_columns(row, 0, _VMSTAT_COLUMNS))


def pmap_numbers(text: str) -> tuple[Piece, ...]:
    """pmap's rows: the address is the region's; the numbers lead to the frames behind its first pages."""
    pieces: list[Piece] = []
    for line in text.splitlines(keepends=True):
        found = _PMAP_ROW.match(line)
        if found is None:
            pieces.append(Piece(line))
            continue
        pages = min(int(found["kilobytes"]) // _PAGE_KB, _PAGEMAP_PAGES)
        mode = found.end("numbers")
        pieces.append(Piece(found["address"], "address", int(found["address"], 16)))
        pieces += _all_numbers(line[found.end("address") : mode], f"pagemap 0x{found['address']} {pages}")
        pieces.append(Piece(line[mode:]))
    return tuple(pieces)


def ps_numbers(text: str) -> tuple[Piece, ...]:
    """ps: every number of a process leads to its address space."""
    head, *rows = text.splitlines(keepends=True)
    pieces = [Piece(head)]
    for row in rows:
        pieces += _all_numbers(row, f"pmap -x {row.split()[0]}")
    return tuple(pieces)


def pagetype_numbers(machine: Machine, text: str) -> tuple[Piece, ...]:
    """/proc/pagetypeinfo: a count of free blocks leads to the first of them."""
    first = {
        (zone.zone, free.migratetype.lower(), order.order): free.first[0]
        for zone in views.buddy(machine)
        for order in zone.orders
        for free in order.lists
        if free.first
    }
    pieces: list[Piece] = []
    for line in text.splitlines(keepends=True):
        found = _PAGETYPE_ROW.match(line)
        if found is None:
            pieces.append(Piece(line))
            continue
        at = found.end()
        pieces.append(Piece(line[:at]))
        for order, count in enumerate(_NUMBER.finditer(line, at)):
            block = first.get((found["zone"], found["type"].lower(), order))
            pieces += [
                Piece(line[at : count.start()]),
                Piece(count.group(), "" if block is None else "frame", block or 0),
            ]
            at = count.end()
        pieces.append(Piece(line[at:]))
    return tuple(pieces)


def slab_numbers(machine: Machine, text: str, *, name_last: bool) -> tuple[Piece, ...]:
    """slabtop's rows and those of /proc/slabinfo: every number leads to the cache's slabs and objects."""
    caches, pieces = machine.kernel.slub.caches, list[Piece]()
    for line in text.splitlines(keepends=True):
        words = line.split()
        name = words[-1 if name_last else 0] if words else ""
        if name not in caches:
            pieces.append(Piece(line))
            continue
        start, end = (0, line.rindex(name)) if name_last else (len(name), len(line))
        pieces += [Piece(line[:start]), *_all_numbers(line[start:end], f"slab {name}"), Piece(line[end:])]
    return tuple(pieces)


def _columns(line: str, start: int, behind: Iterable[str]) -> list[Piece]:
    """The line's numbers from `start` on, one for each of `behind`; an empty one leads nowhere."""
    pieces, at = [], 0
    for found, target in zip(_NUMBER.finditer(line, start), behind, strict=False):
        pieces += [Piece(line[at : found.start()]), Piece(found.group(), "line" if target else "", 0, target)]
        at = found.end()
    return [*pieces, Piece(line[at:])]


def _all_numbers(text: str, target: str) -> list[Piece]:
    return _columns(text, 0, [target] * len(_NUMBER.findall(text)))


# --- what they count -------------------------------------------------------------------------------------------------


def frames(machine: Machine, words: list[str]) -> tuple[Piece, ...]:
    """The ledger; or the blocks of one account of it, and of one detail. Raises NoSuchObject."""
    named = " ".join(words)
    if not named:
        return _accounts(machine)
    account = max((each for each in Account if f"{named} ".startswith(f"{each.value} ")), key=len, default=None)
    if account is None:
        raise NoSuchObject(f"frames: nobody is called {named!r}; there are {', '.join(Account)}")
    blocks = views.ledger_blocks(machine, account, named[len(account.value) :].strip())
    rows: list[tuple[Piece, ...]] = []
    for block in blocks:
        detail = f"  {block.detail}" if block.detail else ""
        rows.append((_frame(block.pfn), Piece(f" {block.frames:>6}{detail}\n")))
    total = sum(block.frames for block in blocks)
    return (Piece(t("terminal.frames_of", frames=total, whose=named) + "\n"), *_cut(rows))


def _accounts(machine: Machine) -> tuple[Piece, ...]:
    pieces: list[Piece] = []
    ledger = views.ledger(machine)
    for account in ledger.accounts:
        pieces += [_leads(f"{account.frames:>8}", f"frames {account.account}"), Piece(f"  {account.account}\n")]
        for detail in account.details:
            line = f"frames {account.account} {detail.name}"
            pieces += [Piece("        "), _leads(f"{detail.frames:>8}", line), Piece(f"  {detail.name}\n")]
    return (*pieces, Piece(f"{ledger.installed:>8}  RAM\n"))


def _leads(text: str, line: str) -> Piece:
    return Piece(text, "line", 0, line)


def slab(machine: Machine, words: list[str]) -> tuple[Piece, ...]:
    """A cache's slabs, object by object: "." is free. Raises NoSuchObject."""
    if not words:
        raise NoSuchObject("slab: which cache? slabtop -o names them; write slab vm_area_struct")
    try:
        found = views.slab(machine, words[0])
    except LookupError as error:
        raise NoSuchObject(f"slab: {error}") from None
    rows: list[tuple[Piece, ...]] = []
    for each in found.slabs:
        head = (_frame(each.pfn), Piece(f"  {each.place}  {each.in_use}/{len(each.objects)}\n"))
        rows.append(head)
        for item in each.objects:
            free = "" if item.free_rank is None else "  ."
            rows.append((Piece("  "), Piece(f"{item.address:08x}", "address", item.address), Piece(f"{free}\n")))
    if found.slabs_left_out:
        rows.append((Piece(t("terminal.slabs_more", slabs=found.slabs_left_out) + "\n"),))
    return _cut(rows)


def lru(machine: Machine, words: list[str]) -> tuple[Piece, ...]:
    """The pages of one of reclaim's lists, the one that is looked at next first. Raises NoSuchObject."""
    lists = {each.name: each for each in views.lru_lists(machine, _PAGES_AN_END)}
    found = lists.get(words[0]) if words else None
    if found is None:
        raise NoSuchObject(f"lru: which list? There are {', '.join(lists)}")
    pages = (*found.oldest, *found.youngest)
    rows = [(_frame(page.pfn), *_described(page)) for page in pages]
    between = found.pages - len(pages)
    head = Piece(t("terminal.lru_of", pages=found.pages, name=found.name) + "\n")
    middle = [(Piece(t("terminal.lines_more", lines=between) + "\n"),)] if between else []
    at = len(found.oldest)
    return (head, *_flat([*rows[:at], *middle, *rows[at:]]))


def _described(page: LruPage) -> tuple[Piece, ...]:
    marks = "".join(
        letter if on else "-" for letter, on in (("A", page.accessed), ("R", page.referenced), ("D", page.dirty))
    )
    pieces = [Piece(f"  {marks}")]
    for place in page.mapped_at[:2]:
        pieces += [Piece("  "), Piece(f"{place.address:08x}", "address", place.address)]
    if page.slot is not None:
        pieces += [Piece("  swap "), Piece(str(page.slot), "swap", page.slot)]
    if page.file is not None:
        pieces.append(Piece(f"  {page.file.path} {page.file.index}"))
    return (*pieces, Piece("\n"))


def slots(machine: Machine) -> tuple[Piece, ...]:
    """The slots of the swap area that are taken: how many name each, and the frame that holds the same page."""
    swap = machine.kernel.swapfile
    rows: list[tuple[Piece, ...]] = []
    used = [slot for slot, count in enumerate(swap.swap_map) if slot and count]
    for slot in used[:LINES]:
        view = views.swap_slot(machine, slot)
        cached = () if view.pfn is None else (Piece("  "), _frame(view.pfn))
        rows.append((Piece(f"{slot}", "swap", slot), Piece(f"  {view.count}"), *cached, Piece("\n")))
    head = t("terminal.slots", used=len(used), total=swap.total_pages) + "\n"
    more = [(Piece(t("terminal.lines_more", lines=len(used) - LINES) + "\n"),)] if len(used) > LINES else []
    return (Piece(head), *_flat([*rows, *more]))


def _frame(pfn: int) -> Piece:
    return Piece(f"{pfn:#07x}", "frame", pfn)


def _cut(rows: list[tuple[Piece, ...]]) -> tuple[Piece, ...]:
    """As many rows as a page can show."""
    more = [(Piece(t("terminal.lines_more", lines=len(rows) - LINES) + "\n"),)] if len(rows) > LINES else []
    return _flat([*rows[:LINES], *more])


def _flat(rows: Iterable[tuple[Piece, ...]]) -> tuple[Piece, ...]:
    return tuple(piece for row in rows for piece in row)
