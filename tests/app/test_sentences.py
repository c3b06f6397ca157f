"""Every event can be told to a learner."""

from __future__ import annotations

import importlib
import pkgutil
import re
from typing import Any

import pytest

import engine.events
from app.pages.sentences import sentence, told
from engine.commands import Malloc
from engine.events import libc, memory, page_alloc, slab

SAMPLES: dict[str, Any] = {
    "int": 1,
    "str": "ext4",
    "bool": True,
    "Command": Malloc(size=1, as_="a"),
    "tuple[int, ...]": (1, 2),
    "tuple[tuple[int, int], ...]": ((0, 7),),
}


def sample(hint: Any) -> Any:
    """A value of the annotated type."""
    name = getattr(hint, "__forward_arg__", None) or (hint.__name__ if hint in (int, str, bool) else str(hint))
    return SAMPLES[name]


def event_classes() -> list[type[Any]]:
    found: list[type[Any]] = []
    for module in pkgutil.iter_modules(engine.events.__path__):
        members = vars(importlib.import_module(f"engine.events.{module.name}")).values()
        found += [
            kind
            for kind in members
            if isinstance(kind, type) and issubclass(kind, tuple) and kind.__module__.startswith("engine.events.")
        ]
    return found


@pytest.mark.parametrize("kind", event_classes(), ids=lambda kind: kind.__name__)
def test_every_event_has_a_sentence(kind: type[Any]) -> None:
    assert kind in told()
    words, place, keys = sentence(kind(*(sample(hint) for hint in kind.__annotations__.values())))
    assert place
    assert all(re.fullmatch(r"[a-z]+:\S+", key) for key in keys)
    assert words == "malloc a 1" or re.fullmatch(r"\w.* .*[.?]", words)


def test_a_page_fault_says_what_was_tried_and_why_it_failed() -> None:
    assert sentence(memory.PageFaultUser(0x0804E00C, 6)).words == (
        "Page fault: a write at 0x0804e00c, and no entry is present."
    )
    assert sentence(memory.PageFaultUser(0x0804E00C, 7)).words == (
        "Page fault: a write at 0x0804e00c, and the entry forbids it."
    )
    assert sentence(memory.PageFaultUser(0xB7FB8000, 4)).words == (
        "Page fault: a read at 0xb7fb8000, and no entry is present."
    )


def test_a_failed_system_call_says_so() -> None:
    assert sentence(memory.SystemCallReturn(45, -12)).words == "brk fails with error 12."
    assert sentence(memory.SystemCallReturn(45, 0x0804E000)).words == "brk gives 0x804e000."


def test_an_event_lights_up_what_it_names() -> None:
    assert sentence(page_alloc.Expand("Normal", 0x1D74, 2, 0)).keys == ("frame:1d74", "order:Normal:2")
    assert sentence(libc.TopSplit(0x0804E198, 0x70, 4096)).keys == ("chunk:804e198",)


def test_an_object_of_the_kernels_lights_up_its_frame() -> None:
    assert sentence(slab.KmemCacheAlloc("vm_area_struct", 0xC2010048, 72)).keys == ("frame:2010",)
    assert sentence(slab.Kmalloc(0xC1F00100, 50, 64)).keys == ("frame:1f00", "page:c1f00")
