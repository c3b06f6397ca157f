"""The picture of the first page: a first malloc, done and told, from the program's call down to the page frame."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import groupby
from typing import TYPE_CHECKING, Final

from app.pages import formats
from app.scenarios import FIRST, scenarios
from engine import views
from engine.commands import Malloc
from engine.machine import Machine

if TYPE_CHECKING:
    from engine.views.address_space import Region
    from engine.views.heap import ChunkView

FRAMES_BESIDE: Final = 2


@dataclass(frozen=True, slots=True)
class Box:
    """A box of a row. `kind` is its class in the style sheet."""

    name: str
    under: str
    kind: str
    chosen: bool = False


@dataclass(frozen=True, slots=True)
class FirstPicture:
    """What one malloc(100) on a fresh machine did: rows of boxes, and the numbers that its sentences name."""

    call: str
    address: str
    chunk: str
    grown: str
    heap: tuple[Box, ...]
    space: tuple[Box, ...]
    directory: int
    table: int
    offset: str
    frame: str
    frames: tuple[Box, ...]


@cache
def first_picture() -> FirstPicture:
    """Performs the first command of the newcomer's scenario on its machine, and looks at it."""
    scenario = scenarios()[FIRST]
    machine, command = Machine(scenario.config), scenario.program.commands[0]
    assert isinstance(command, Malloc)
    address = machine.perform(command).ret
    assert address is not None
    heap, walk = views.heap(machine, 0), views.page_walk(machine, address)
    own = next(chunk for chunk in heap.chunks if chunk.mem == address)
    space = views.address_space(machine, 0)
    assert walk.pfn is not None
    return FirstPicture(
        call=f"{command.as_} = malloc({command.size})",
        address=formats.address(address),
        chunk=formats.size(own.size),
        grown=formats.pages((space.brk - heap.chunks[0].address >> formats.PAGE_SHIFT) + 1),
        heap=tuple(_chunk(chunk, chunk is own) for chunk in heap.chunks),
        space=tuple(_region(list(group), address) for _, group in groupby(space.regions, key=lambda each: each.name)),
        directory=walk.directory_index,
        table=walk.table_index,
        offset=f"{walk.offset:#x}",
        frame=formats.pfn(walk.pfn),
        frames=tuple(
            Box(formats.pfn(pfn), "", "s-in_use" if pfn == walk.pfn else "s-top", pfn == walk.pfn)
            for pfn in range(walk.pfn - FRAMES_BESIDE, walk.pfn + FRAMES_BESIDE + 1)
        ),
    )


def _chunk(chunk: ChunkView, chosen: bool) -> Box:
    name = chunk.slots[0] if chunk.slots else chunk.state.value.partition("_")[0]
    return Box(name, formats.size(chunk.size), f"s-{chunk.state.value}", chosen)


def _region(regions: list[Region], address: int) -> Box:
    first, last = regions[0], regions[-1]
    name = first.name.strip("[]").rpartition("/")[2].partition(".so")[0] or "anon"
    pages = sum(region.pages for region in regions)
    return Box(name, formats.pages(pages), f"r-{first.kind.value}", first.start <= address < last.end)
