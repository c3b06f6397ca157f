"""What is chosen and what has changed: the same marks in every diagram, by key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote_plus

from app.pages import formats, keys
from app.words import t

if TYPE_CHECKING:
    from engine.machine import Machine
    from engine.views.address_space import AddressSpaceView
    from engine.views.at import AtView, ElsewhereView
    from engine.views.changes import ChangesView
    from engine.views.frame import FrameView


@dataclass(frozen=True, slots=True)
class Chosen:
    """The one selection of the page: an address of a process, and the frame behind it or chosen by itself."""

    pid: int
    at: AtView
    frame: FrameView | None
    explicit: bool
    """Somebody chose it; otherwise it is what the last command was about, or a place to begin."""
    elsewhere: ElsewhereView | None = None
    """A frame, swap slot or page of a file that was chosen and that nobody maps."""
    words: str = ""
    """How it was chosen, if not by an address: "swap 12"."""

    def href(self, address: int) -> str:
        """The page with another address chosen."""
        return self.href_of(address, self.pid)

    def href_of(self, address: int, pid: int) -> str:
        """The page with an address of any process chosen."""
        return f"?at={address:#010x}&pid={pid}" if pid else f"?at={address:#010x}"

    def href_at(self, words: str) -> str:
        """The page with what `words` name chosen: "frame 0x1d72", "swap 12", "file /bin/student 3"."""
        return self._href("at", quote_plus(words))

    def frame_href(self, pfn: int) -> str:
        """The page with a frame chosen."""
        return self._href("frame", formats.pfn(pfn))

    def _href(self, name: str, value: str) -> str:
        return f"?{name}={value}&pid={self.pid}" if self.pid else f"?{name}={value}"


@dataclass(frozen=True, slots=True)
class Mark:
    """What a drawn thing carries: its key, the keys that it mentions, and whether it is chosen or changed."""

    key: str
    keys: str
    selected: bool
    changed: bool

    @property
    def classes(self) -> str:
        """CSS classes."""
        return (" selected" if self.selected else "") + (" changed" if self.changed else "")

    @property
    def said(self) -> str:
        """The same for who cannot see them."""
        return (t("page.said_chosen") if self.selected else "") + (t("page.said_changed") if self.changed else "")


@dataclass(frozen=True, slots=True)
class Marks:
    """The keys that are chosen, and those that the last step changed."""

    selected: frozenset[str]
    changed: frozenset[str]
    changed_chunks: frozenset[int] = frozenset()
    changed_frames: frozenset[int] = frozenset()

    def of(self, key: str, *mentioned: str) -> Mark:
        """The mark of the thing named `key`."""
        return Mark(key, keys.join(*mentioned), key in self.selected, key in self.changed)

    def among(self, *kinds: str) -> tuple[frozenset[str], frozenset[str]]:
        """Those of the kinds "frame:", "order:", …: what a part depends on that marks nothing else."""
        return (
            frozenset(key for key in self.selected if key.startswith(kinds)),
            frozenset(key for key in self.changed if key.startswith(kinds)),
        )


def marks(machine: Machine, chosen: Chosen, changes: ChangesView, space: AddressSpaceView) -> Marks:
    """The marks of one page."""
    here = machine.kernel.current.pid == chosen.pid
    return Marks(
        selected=frozenset(_selected(chosen)),
        changed=frozenset(_changed(chosen, changes, space, here=here)),
        changed_chunks=changes.chunks if here else frozenset(),
        changed_frames=changes.allocated | changes.freed,
    )


def _selected(chosen: Chosen) -> set[str]:
    at = chosen.at
    found = {keys.page(at.walk.linear >> formats.PAGE_SHIFT)}
    slot = at.swap_slot if chosen.elsewhere is None else chosen.elsewhere.swap_slot
    if slot is not None:
        found.add(keys.swap(slot.slot))
    found.update(keys.slot(slot.name) for slot in at.slots)
    if at.chunk is not None:
        found.add(keys.chunk(at.chunk.address))
        found.update(keys.slot(name) for name in at.chunk.slots)
    if at.region is not None:
        found.add(keys.region(at.region.start))
    if chosen.frame is not None:
        found.add(keys.frame(chosen.frame.pfn))
        block = chosen.frame.block
        if block is not None and block.migratetype is not None and chosen.frame.zone and not block.on_cpu_list:
            found.add(keys.order(chosen.frame.zone, block.order))
    return found


def _changed(chosen: Chosen, changes: ChangesView, space: AddressSpaceView, *, here: bool) -> set[str]:
    frames = changes.allocated | changes.freed
    found = {keys.frame(pfn) for pfn in frames}
    found.update(keys.order(zone, order) for zone, order in changes.orders)
    found.update(keys.slab_object(address) for address in changes.objects)
    found.update(keys.swap(slot) for slot in changes.swap_slots)
    if not here:
        return found
    found.update(keys.chunk(address) for address in changes.chunks)
    found.update(keys.page(vpn) for vpn in changes.pages)
    found.update(keys.slot(name) for name in changes.slots)
    touched = {place - 1 for place in changes.places} | changes.places
    touched.update(vpn << formats.PAGE_SHIFT for vpn in changes.pages)
    found.update(
        keys.region(region.start)
        for region in space.regions
        if any(region.start <= place < region.end for place in touched)
    )
    return found
