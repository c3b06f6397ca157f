"""What a command gave, on one line, as the program itself would print it: a C program can print the very same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.words import t

if TYPE_CHECKING:
    from engine.outcome import Ended, Outcome, Signal

ADDRESSES: Final = frozenset(("malloc", "calloc", "realloc", "memalign", "sbrk", "brk", "mmap", "mremap"))
"""Operations whose result is an address of the program's own."""
_KERNEL_ADDRESSES: Final = frozenset(("alloc_pages", "kmalloc", "kmem_cache_alloc", "vmalloc"))
_CODES: Final = {("SIGSEGV", 1): "MAPERR", ("SIGSEGV", 2): "ACCERR", ("SIGBUS", 1): "ADRALN", ("SIGBUS", 2): "ADRERR"}
_SIGNALS: Final = {6: "SIGABRT", 7: "SIGBUS", 9: "SIGKILL", 11: "SIGSEGV"}


def told(outcome: Outcome) -> str:
    """The result in a few words: "0x0804e1a0", "7", "SIGSEGV MAPERR at 0x40000000"; "done" where there is nothing to say."""
    if outcome.signal is not None:
        return _after_pages(outcome, _signal(outcome.signal))
    if outcome.ended is not None:
        return ended_words(outcome.ended)
    words = [_value(outcome), outcome.errno or ""]
    return " ".join(word for word in words if word) or t("outcome.done")


def ended_words(ended: Ended) -> str:
    """How a process ended: "exit 0", "killed by SIGSEGV"."""
    if ended.termsig:
        signal = _SIGNALS.get(ended.termsig) or t("outcome.signal_number", number=ended.termsig)
        return t("outcome.killed", signal=signal)
    return t("outcome.exit", code=ended.code)


def _signal(signal: Signal) -> str:
    if signal.message is not None:
        return f"{signal.name}: {signal.message}"
    code = _CODES.get((signal.name, signal.code), "")
    name = f"{signal.name} {code}".rstrip()
    return name if signal.address is None else t("outcome.signal_at", signal=name, address=f"0x{signal.address:08x}")


def _after_pages(outcome: Outcome, signal: str) -> str:
    if outcome.op == "touch" and isinstance(outcome.pages, int):
        return t("outcome.after_pages", signal=signal, pages=outcome.pages)
    return signal


def _value(outcome: Outcome) -> str:
    if outcome.op in ADDRESSES or outcome.op in _KERNEL_ADDRESSES:
        return "" if outcome.ret is None else f"0x{outcome.ret:08x}"
    if outcome.op == "fork" and outcome.errno is None:
        return t("outcome.process", pid=outcome.ret)
    if outcome.val is not None:
        return f"0x{outcome.val:08x}" if outcome.op == "read32" else str(outcome.val)
    if outcome.pages is not None:
        return t("outcome.pages", pages=outcome.pages) if isinstance(outcome.pages, int) else outcome.pages
    if outcome.bad is not None:
        return t("outcome.differ", pages=outcome.bad)
    if outcome.frames is not None:
        return " ".join(f"{pfn:#07x}" if pfn else "-" for pfn in outcome.frames)
    if outcome.maps is not None:
        lines = (f"{m.start:08x}-{m.end:08x} {m.permissions} {m.offset:08x} {m.name}".rstrip() for m in outcome.maps)
        return "".join(f"\n    {line}" for line in lines)
    if outcome.figures is not None:
        return ", ".join(f"{name} {figure}" for name, figure in outcome.figures.items())
    return "" if outcome.ret is None else str(outcome.ret)


def faults_words(outcome: Outcome) -> str:
    """The page faults that a command took: "2 minor faults, 1 major fault"; nothing where it took none."""
    parts = []
    if outcome.minflt:
        parts.append(t("outcome.minor", faults=outcome.minflt))
    if outcome.majflt:
        parts.append(t("outcome.major", faults=outcome.majflt))
    return t("page.comma").join(parts)
