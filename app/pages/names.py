"""What the catalogue calls the things that several views name: a chunk's state, a frame's owner, where a walk stops."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.words import t, word

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.views.bins import Bin
    from engine.views.frame import FrameView
    from engine.views.heap import ChunkState
    from engine.views.page_walk import Stop
    from engine.views.physical_memory import Owner


def chunk_state(state: ChunkState) -> str:
    """In use, free, or on which list."""
    return word("heap.state", state)


def frame_owner(owner: Owner) -> str:
    """Whose a frame is."""
    return word("frame.owner", owner)


def frame_kind(frame: FrameView) -> str:
    """Whose a frame is, or which of the ranges that are taken at boot it is in."""
    return word("frame.detail", frame.detail, frame.detail) if frame.detail else frame_owner(frame.owner)


def listed(parts: Iterable[str]) -> str:
    """One after the other, with what the language writes between."""
    return t("page.comma").join(parts)


def walk_stop(stop: Stop) -> str:
    """Why an address reaches no frame that the program may use, and what an access does."""
    return word("walk.stop", stop)


def bin_name(found: Bin) -> str:
    """What a free list is called."""
    size = f"{found.size:#x}" if found.size else ""
    match found.kind:
        case "tcache":
            return t("bins.tcache", size=size).rstrip()
        case "fastbin":
            return t("bins.fast", size=size).rstrip()
        case "unsorted":
            return t("bins.unsorted")
        case "small":
            return t("bins.small", index=found.index, size=size)
    return t("bins.large", index=found.index)
