"""What each event says in plain words, and which function of Linux or glibc it happens in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from app.pages import formats, keys
from app.pages.command_words import words_of_command
from app.pages.sentence import Sentence
from app.pages.sentences_faults import FAULTS
from app.pages.sentences_heap import HEAP
from app.pages.sentences_kernel import KERNEL
from app.pages.sentences_reclaim import RECLAIM
from app.words import t, word
from engine.events import machine, memory, page_alloc, slab
from engine.views.trace_tree import SYSTEM_CALL_NAMES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from engine.events import Event

_HEX: Final = formats.address
_FAULT_PRESENT: Final = 1
_FAULT_WRITE: Final = 2
_ERRNO_LAST: Final = -4095


def _page_fault(event: memory.PageFaultUser) -> Sentence:
    address = _HEX(event.address)
    why = t("event.fault_forbidden" if event.error_code & _FAULT_PRESENT else "event.fault_absent")
    write = event.error_code & _FAULT_WRITE
    words = t("event.page_fault_write" if write else "event.page_fault_read", address=address, why=why)
    return Sentence(words, "exc_page_fault", (keys.page(event.address >> 12),))


def _fault_done(event: memory.FaultDone) -> Sentence:
    words = t(
        "event.fault_done_major" if event.major else "event.fault_done",
        address=_HEX(event.address),
        pfn=formats.pfn(event.pfn),
        how=word("event.branch", event.branch, event.branch),
    )
    return Sentence(words, event.branch, (keys.page(event.address >> 12), keys.frame(event.pfn)))


def _system_call(event: memory.SystemCall) -> Sentence:
    arguments = ", ".join(formats.short_hex(value & 0xFFFFFFFF) for value in event.arguments)
    return Sentence(t("event.system_call", name=_call_name(event.number), arguments=arguments), "int $0x80")


def _system_call_return(event: memory.SystemCallReturn) -> Sentence:
    name = _call_name(event.number)
    if _ERRNO_LAST <= event.result < 0:
        return Sentence(t("event.system_call_fails", name=name, number=-event.result), "int $0x80")
    return Sentence(t("event.system_call_gives", name=name, value=formats.short_hex(event.result)), "int $0x80")


def _call_name(number: int) -> str:
    return SYSTEM_CALL_NAMES.get(number) or t("event.system_call_unnamed", number=number)


def _page_alloc(event: page_alloc.MmPageAlloc) -> Sentence:
    frames = 1 << event.order
    if event.pfn < 0:
        return Sentence(t("event.page_alloc_none", frames=frames), "__alloc_pages")
    words = t("event.page_alloc", frames=frames, pfn=formats.pfn(event.pfn), order=event.order)
    return Sentence(words, "__alloc_pages", (keys.frame(event.pfn),))


def _page_free(event: page_alloc.MmPageFree) -> Sentence:
    words = t("event.page_free", frames=1 << event.order, pfn=formats.pfn(event.pfn))
    return Sentence(words, "__free_pages", (keys.frame(event.pfn),))


def _zone_locked(event: page_alloc.MmPageAllocZoneLocked) -> Sentence:
    words = t(
        "event.zone_locked_refill" if event.percpu_refill else "event.zone_locked",
        pfn=formats.pfn(event.pfn),
        order=event.order,
    )
    return Sentence(words, "__rmqueue_smallest", (keys.frame(event.pfn),))


def _pcpu_drain(event: page_alloc.MmPagePcpuDrain) -> Sentence:
    words = t("event.pcpu_drain", pfn=formats.pfn(event.pfn), order=event.order)
    return Sentence(words, "free_pcppages_bulk", (keys.frame(event.pfn),))


def _expand(event: page_alloc.Expand) -> Sentence:
    words = t("event.expand", pfn=formats.pfn(event.pfn), order=event.order)
    return Sentence(words, "expand", (keys.frame(event.pfn), keys.order(event.zone, event.order)))


def _merge(event: page_alloc.BuddyMerge) -> Sentence:
    words = t("event.merge", pfn=formats.pfn(event.pfn), buddy=formats.pfn(event.buddy_pfn), order=event.order)
    return Sentence(words, "__free_one_page", (keys.frame(event.pfn), keys.order(event.zone, event.order + 1)))


def _free_one(event: page_alloc.FreeOnePage) -> Sentence:
    words = t("event.free_one", pfn=formats.pfn(event.pfn), zone=event.zone, order=event.order)
    return Sentence(words, "__free_one_page", (keys.frame(event.pfn), keys.order(event.zone, event.order)))


def _extfrag(event: page_alloc.MmPageAllocExtfrag) -> Sentence:
    return Sentence(t("event.extfrag", order=event.fallback_order), "__rmqueue_fallback", (keys.frame(event.pfn),))


def _drain_all(event: page_alloc.DrainAllPages) -> Sentence:
    return Sentence(t("event.drain_all", pages=event.pages, zone=event.zone), "drain_all_pages")


def _signal(event: machine.SignalDelivered) -> Sentence:
    if event.signal in ("SIGSEGV", "SIGBUS"):
        words = t("event.signal_at", pid=event.pid, signal=event.signal, address=_HEX(event.address))
    else:
        words = t("event.signal", pid=event.pid, signal=event.signal)
    return Sentence(words, "force_sig_fault")


def _set_pte(event: memory.SetPte) -> Sentence:
    words = t("event.set_pte", address=_HEX(event.address), entry=_HEX(event.entry))
    return Sentence(words, "set_pte", (keys.page(event.address >> 12),))


def _table(event: memory.PageTableAllocated) -> Sentence:
    words = t("event.table", pfn=formats.pfn(event.pfn), address=_HEX(event.address))
    return Sentence(words, "__pte_alloc", (keys.frame(event.pfn),))


def _table_freed(event: memory.PageTableFreed) -> Sentence:
    return Sentence(t("event.table_freed", address=_HEX(event.address)), "free_pgd_range", (keys.frame(event.pfn),))


def _slab_allocated(event: slab.SlabAllocated) -> Sentence:
    words = t("event.slab_allocated", cache=event.cache, frames=1 << event.order, objects=event.objects)
    return Sentence(words, "allocate_slab", (keys.frame(event.pfn),))


_KIND: Final[Mapping[type, Callable[[Any], Sentence]]] = {
    machine.CommandPerformed: lambda e: Sentence(words_of_command(e.command), t("event.you")),
    machine.SignalDelivered: _signal,
    machine.ProcessExit: lambda e: Sentence(t("event.exit", pid=e.pid), "do_exit"),
    machine.ProcessFork: lambda e: Sentence(t("event.fork", child=e.child, parent=e.parent), "kernel_clone"),
    memory.PageFaultUser: _page_fault,
    memory.FaultDone: _fault_done,
    memory.SystemCall: _system_call,
    memory.SystemCallReturn: _system_call_return,
    memory.SetPte: _set_pte,
    memory.PageTableAllocated: _table,
    memory.PageTableFreed: _table_freed,
    page_alloc.MmPageAlloc: _page_alloc,
    page_alloc.MmPageFree: _page_free,
    page_alloc.MmPageAllocZoneLocked: _zone_locked,
    page_alloc.MmPagePcpuDrain: _pcpu_drain,
    page_alloc.MmPageAllocExtfrag: _extfrag,
    page_alloc.Expand: _expand,
    page_alloc.BuddyMerge: _merge,
    page_alloc.FreeOnePage: _free_one,
    page_alloc.DrainAllPages: _drain_all,
    slab.KmemCacheAlloc: lambda e: Sentence(
        t("event.cache_alloc", size=e.size, cache=e.cache), "kmem_cache_alloc", (keys.kernel_object(e.address),)
    ),
    slab.KmemCacheFree: lambda e: Sentence(
        t("event.cache_free", cache=e.cache), "kmem_cache_free", (keys.kernel_object(e.address),)
    ),
    slab.SlabAllocated: _slab_allocated,
    slab.SlabFreed: lambda e: Sentence(t("event.slab_freed", cache=e.cache), "discard_slab", (keys.frame(e.pfn),)),
    **FAULTS,
    **HEAP,
    **KERNEL,
    **RECLAIM,
}


def sentence(event: Event) -> Sentence:
    """The event in words; an event without a sentence is told by its fields."""
    tell = _KIND.get(type(event))
    if tell is not None:
        return tell(event)
    values: dict[str, object] = getattr(event, "_asdict", dict)()
    return Sentence(" ".join(f"{name}={value}" for name, value in values.items()), type(event).__name__)


def told() -> frozenset[type]:
    """The events that have a sentence."""
    return frozenset(_KIND)
