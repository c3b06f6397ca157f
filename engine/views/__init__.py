"""The window out: read-only typed snapshots of a machine, for screens, checks and the API.

A view is a function (machine, …) that gives frozen dataclasses. None of them changes anything: not an accessed bit, not
the TLB, not the clock. Addresses and frame numbers are plain integers; who shows them decides how they are written.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from engine.views.address_space import address_space, resident_frames, swapped_pages
from engine.views.arena import arena
from engine.views.at import at, at_address, at_file_page, at_frame, at_swap_slot
from engine.views.bins import bins
from engine.views.buddy import buddy
from engine.views.buddy_steps import buddy_steps
from engine.views.buddy_tree import buddy_tree
from engine.views.changes import changes
from engine.views.chunk import chunk
from engine.views.damage import damage
from engine.views.fault_decisions import fault_decisions
from engine.views.file_page import file_page
from engine.views.fragmentation import fragmentation
from engine.views.frame import frame
from engine.views.heap import heap
from engine.views.leaks import leaks
from engine.views.ledger import ledger, ledger_blocks
from engine.views.lru_lists import lru_lists
from engine.views.machine import machine
from engine.views.oom import dmesg, oom
from engine.views.page_sharing import page_sharing
from engine.views.page_walk import page_walk
from engine.views.physical_memory import frame_owners, physical_memory
from engine.views.processes import processes
from engine.views.reclaim import reclaim
from engine.views.reclaim_step import reclaim_step
from engine.views.region_memory import region_memory
from engine.views.slab import slab
from engine.views.swap_slot import swap_slot, used_slots
from engine.views.tlb import tlb
from engine.views.trace_tree import trace_tree
from engine.views.would_free import would_free

__all__ = [
    "SESSION_VIEWS",
    "VIEWS",
    "address_space",
    "arena",
    "at",
    "at_address",
    "at_file_page",
    "at_frame",
    "at_swap_slot",
    "bins",
    "buddy",
    "buddy_steps",
    "buddy_tree",
    "changes",
    "chunk",
    "damage",
    "dmesg",
    "fault_decisions",
    "file_page",
    "fragmentation",
    "frame",
    "frame_owners",
    "heap",
    "leaks",
    "ledger",
    "ledger_blocks",
    "lru_lists",
    "machine",
    "oom",
    "page_sharing",
    "page_walk",
    "physical_memory",
    "processes",
    "reclaim",
    "reclaim_step",
    "region_memory",
    "resident_frames",
    "slab",
    "swap_slot",
    "swapped_pages",
    "tlb",
    "trace_tree",
    "used_slots",
    "would_free",
]

VIEWS: Final[Mapping[str, Callable[..., Any]]] = MappingProxyType(
    {
        "machine": machine,
        "processes": processes,
        "address_space": address_space,
        "region_memory": region_memory,
        "page_walk": page_walk,
        "page_sharing": page_sharing,
        "fault_decisions": fault_decisions,
        "physical_memory": physical_memory,
        "frame": frame,
        "file_page": file_page,
        "swap_slot": swap_slot,
        "buddy": buddy,
        "buddy_steps": buddy_steps,
        "buddy_tree": buddy_tree,
        "fragmentation": fragmentation,
        "slab": slab,
        "ledger": ledger,
        "heap": heap,
        "bins": bins,
        "chunk": chunk,
        "arena": arena,
        "leaks": leaks,
        "would_free": would_free,
        "trace_tree": trace_tree,
        "tlb": tlb,
        "reclaim": reclaim,
        "reclaim_step": reclaim_step,
        "lru_lists": lru_lists,
        "oom": oom,
        "dmesg": dmesg,
        "changes": changes,
        "at": at,
    }
)
"""Every view by name. The first argument is the machine; the others are the view's own."""

SESSION_VIEWS: Final[Mapping[str, Callable[..., Any]]] = MappingProxyType({"damage": damage})
"""Views that look into the past: their first argument is the session."""
