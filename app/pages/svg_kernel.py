"""Pictures of the kernel's memory, as SVG: the ledger, the buddy tree, a slab's objects with their free list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from markupsafe import Markup, escape

from app.pages import formats, keys
from app.words import t
from engine.views.buddy_tree import BlockState

if TYPE_CHECKING:
    from app.pages.marks import Marks
    from engine.views.buddy_tree import BuddyTreeView, TreeBlock
    from engine.views.ledger import LedgerView
    from engine.views.slab import SlabView

_WIDTH: Final = 1000
_LEDGER_HEIGHT: Final = 22
_ROW: Final = 24
_BAR: Final = 18
_OBJECT: Final = 26
_OBJECTS_A_ROW: Final = 32
_LEAST: Final = 1.5


def account_class(account: str) -> str:
    """The CSS class of an account's colour."""
    return "a-" + account.replace(" ", "-")


_LETTERS: Final = {
    "free": "·",
    "cpu lists": "·",
    "page cache": "F",
    "shmem": "M",
    "anonymous": "A",
    "swap cache": "A",
    "slab": "S",
    "page tables": "T",
    "reserved": "R",
}


def account_letter(account: str) -> str:
    """The letter beside an account's colour: that of its frames; K for what else the kernel has."""
    return _LETTERS.get(account, "K")


_HATCHES: Final = {
    "page cache": "file",
    "shmem": "shmem",
    "anonymous": "anonymous",
    "swap cache": "swapped",
    "slab": "slab",
    "page tables": "page_table",
    "kernel stacks": "kernel",
    "other": "kernel",
    "reserved": "reserved",
}


def _fill(account: str) -> str:
    """How an account is filled: hatched as its frames are in the other pictures, or in a colour of its own."""
    hatch = _HATCHES.get(account)
    return f'fill="url(#p-{hatch})"' if hatch else f'class="{account_class(account)}"'


def ledger_svg(view: LedgerView, label: str) -> Markup:
    """One bar, a part an account."""
    parts, x = [], 0.0
    for account in view.accounts:
        width = account.frames / view.installed * _WIDTH
        parts.append(f'<rect {_fill(account.account)} x="{x:.2f}" width="{width:.2f}" height="{_LEDGER_HEIGHT}"/>')
        x += width
    return Markup(  # noqa: S704 - numbers and our own names; the label is escaped
        f'<svg class="ledger" viewBox="0 0 {_WIDTH} {_LEDGER_HEIGHT}" preserveAspectRatio="none" role="img"'
        f' aria-label="{escape(label)}">{"".join(parts)}</svg>'
    )


def tree_svg(view: BuddyTreeView, label: str) -> Markup:
    """A row an order: the two halves of the block above that holds the frame, each as wide as it is large."""
    parts = []
    for number, row in enumerate(view.rows):
        y = number * _ROW
        parts += [_block(block, view, y) for block in row]
        if number:
            middle = (row[1].pfn - view.first) / view.frames * _WIDTH
            parts.append(f'<path class="tree-line" d="M{middle:.1f} {y - _ROW + _BAR}V{y}"/>')
    return Markup(  # noqa: S704 - numbers and our own names; the label is escaped
        f'<svg class="tree" viewBox="-1 -1 {_WIDTH + 2} {len(view.rows) * _ROW}" role="img"'
        f' aria-label="{escape(label)}">{"".join(parts)}</svg>'
    )


def _block(block: TreeBlock, view: BuddyTreeView, y: int) -> str:
    size = 1 << block.order
    x, width = (block.pfn - view.first) / view.frames * _WIDTH, max(_LEAST, size / view.frames * _WIDTH)
    kind = f"t-{block.state}" + (" t-chosen" if block.chosen else "")
    text = ""
    if width > 80:
        split = block.state is BlockState.SPLIT
        said = escape(t("tree.drawn_split", free=block.free, frames=size) if split else t("tree.drawn", frames=size))
        text = f'<text x="{x + width / 2:.1f}" y="{y + 13}" class="on-{block.state}">{said}</text>'
    data = f'data-key="{keys.block(block.pfn, block.order)}" data-go="?frame={block.pfn:#07x}"'
    return f'<rect class="{kind}" {data} x="{x:.1f}" y="{y}" width="{width:.1f}" height="{_BAR}"/>{text}'


def slab_svg(slab: SlabView, chosen: int, marks: Marks, label: str) -> Markup:
    """The slab's objects in order of their addresses; those that are free bear their number in the free list."""
    parts = []
    for number, each in enumerate(slab.objects):
        x, y = number % _OBJECTS_A_ROW * _OBJECT, number // _OBJECTS_A_ROW * _OBJECT
        free = each.free_rank is not None
        mark = marks.of(keys.slab_object(each.address), keys.kernel_object(each.address))
        following = slab.objects[number + 1].address if number + 1 < len(slab.objects) else each.address + 1
        ringed = " t-chosen" if each.address <= chosen < following else ""
        parts.append(
            f'<rect class="{"object-free" if free else "object-used"}{ringed}" data-key="{mark.key}" data-keys="{mark.keys}"'
            f' data-go="?at={each.address:#010x}" x="{x}" y="{y}" width="{_OBJECT - 3}" height="{_OBJECT - 3}"/>'
        )
        if mark.changed:
            parts.append(f'<path class="changed-mark" d="M{x + 13} {y + 1}h9v9z"/>')
        if free:
            parts.append(f'<text x="{x + 11.5}" y="{y + 16}">{each.free_rank}</text>')
    columns = min(len(slab.objects), _OBJECTS_A_ROW)
    rows = -(-len(slab.objects) // _OBJECTS_A_ROW)
    return Markup(  # noqa: S704 - numbers; the label is escaped
        f'<svg class="objects" width="{columns * _OBJECT}" viewBox="-2 -2 {columns * _OBJECT + 4}'
        f' {rows * _OBJECT + 4}" role="img" aria-label="{escape(label)}">{"".join(parts)}</svg>'
    )


def free_list_words(slab: SlabView) -> str:
    """The free list as it is linked: the first few addresses."""
    free = sorted((each.free_rank, each.address) for each in slab.objects if each.free_rank is not None)
    shown = [formats.address(address) for _, address in free[:6]]
    more = " " + t("slabs.free_more", count=len(free) - len(shown)) if len(free) > len(shown) else ""
    return " → ".join(shown) + more + (" → NULL" if shown and not more else "")
