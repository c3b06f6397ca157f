"""What the events of glibc's heap say in plain words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from app.pages import formats, keys
from app.pages.sentence import Sentence
from app.words import t, word
from engine.events import libc

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_HEX: Final = formats.address
_UNSORTED: Final = 1


def _chunk(address: int, words: str, place: str) -> Sentence:
    return Sentence(words, place, (keys.chunk(address),))


def _bin_get(event: libc.BinGet) -> Sentence:
    chunk = _HEX(event.chunk)
    if event.bin == _UNSORTED:
        return _chunk(event.chunk, t("event.bin_get_unsorted", chunk=chunk), "_int_malloc")
    return _chunk(event.chunk, t("event.bin_get", chunk=chunk, bin=event.bin), "_int_malloc")


def _bin_put(event: libc.BinPut) -> Sentence:
    chunk, size = _HEX(event.chunk), event.size
    if event.bin == _UNSORTED:
        return _chunk(event.chunk, t("event.bin_put_unsorted", chunk=chunk, size=size), "_int_free")
    return _chunk(event.chunk, t("event.bin_put", chunk=chunk, size=size, bin=event.bin), "_int_free")


def _chunk_split(event: libc.ChunkSplit) -> Sentence:
    words = t("event.chunk_split", size=event.size, left=event.remainder_size)
    return _chunk(event.chunk, words, "_int_malloc")


def _top_split(event: libc.TopSplit) -> Sentence:
    words = t("event.top_split", size=event.size, chunk=_HEX(event.chunk), left=formats.size(event.left))
    return _chunk(event.chunk, words, "_int_malloc")


def _consolidate(event: libc.MallocConsolidate) -> Sentence:
    reason = word("event.consolidated", event.reason, event.reason)
    return Sentence(t("event.consolidate", reason=reason), "malloc_consolidate")


HEAP: Final[Mapping[type, Callable[[Any], Sentence]]] = {
    libc.TcacheGet: lambda e: Sentence(t("event.tcache_get", size=e.size), "tcache_get"),
    libc.TcachePut: lambda e: Sentence(t("event.tcache_put", size=e.size), "tcache_put"),
    libc.FastbinGet: lambda e: _chunk(e.chunk, t("event.fastbin_get", chunk=_HEX(e.chunk)), "_int_malloc"),
    libc.FastbinPut: lambda e: _chunk(e.chunk, t("event.fastbin_put", chunk=_HEX(e.chunk)), "_int_free"),
    libc.BinGet: _bin_get,
    libc.BinPut: _bin_put,
    libc.ChunkSplit: _chunk_split,
    libc.ChunkMerged: lambda e: _chunk(e.chunk, t("event.chunk_merged", size=e.size), "_int_free"),
    libc.TopSplit: _top_split,
    libc.TopMerged: lambda e: _chunk(e.chunk, t("event.top_merged", size=formats.size(e.size)), "_int_free"),
    libc.MallocConsolidate: _consolidate,
    libc.Sysmalloc: lambda e: Sentence(t("event.sysmalloc", size=e.size), "sysmalloc"),
    libc.SbrkMore: lambda e: Sentence(
        t("event.sbrk_more", size=formats.size(e.size), brk=_HEX(e.brk)), "sysmalloc", (keys.page(e.brk >> 12),)
    ),
    libc.SbrkLess: lambda e: Sentence(
        t("event.sbrk_less", size=formats.size(e.size), brk=_HEX(e.brk)), "systrim", (keys.page(e.brk >> 12),)
    ),
    libc.MmapChunk: lambda e: _chunk(e.chunk, t("event.mmap_chunk", size=formats.size(e.size)), "sysmalloc_mmap"),
    libc.MunmapChunk: lambda e: _chunk(e.chunk, t("event.munmap_chunk"), "munmap_chunk"),
    libc.MremapChunk: lambda e: _chunk(e.chunk, t("event.mremap_chunk", size=formats.size(e.size)), "mremap_chunk"),
    libc.FreeDynThresholds: lambda e: Sentence(
        t("event.thresholds", size=formats.size(e.mmap_threshold)), "__libc_free"
    ),
    libc.TcacheDoubleFree: lambda e: Sentence(t("event.double_free", address=_HEX(e.mem)), "_int_free"),
}
