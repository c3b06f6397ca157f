"""The kernel's commands as people type them."""

from __future__ import annotations

import pytest

from app.pages.command_words import command_of_words
from engine import commands as c


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("alloc_pages p 4", c.AllocPages(as_="p", order=4)),
        ("p = alloc_pages 0 movable", c.AllocPages(as_="p", order=0, kind="movable")),
        ("free_pages p", c.FreePages(ptr="p")),
        ("kmalloc 100", c.Kmalloc(as_="b", size=100)),
        ("kmem_cache_create thing 100 8", c.KmemCacheCreate(name="thing", size=100, align=8)),
        ("o = kmem_cache_alloc thing", c.KmemCacheAlloc(as_="o", cache="thing")),
        ("kmem_cache_free o", c.KmemCacheFree(ptr="o")),
        ("v = vmalloc 0x5000", c.Vmalloc(as_="v", size=0x5000)),
        ("vfree v", c.Vfree(ptr="v")),
    ],
)
def test_words_mean_a_command_of_the_kernels(text: str, command: c.Command) -> None:
    assert command_of_words(text, 0, frozenset("a")) == command
