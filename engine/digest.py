"""A machine's state as one short number: equal states have equal digests, on every host and every Python.

Everything that the kernel, the processor and the processes hold is walked, attribute by attribute, so that nothing new can
be forgotten. What only serves speed or display is left out: the fast paths of the TLB, the trace, and frames of zeros.
"""

from __future__ import annotations

from array import array
from collections import OrderedDict, deque
from enum import Enum
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

from engine.allocations import Allocations
from engine.hardware.ram import ZERO_FRAME, Ram
from engine.hardware.tlb import Tlb
from engine.trace import Trace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.machine import Machine

DIGEST_BYTES: Final = 16
_PLAIN: Final = (int, str, bytes, float, type(None), Enum)
_HOST_ONLY: Final = {"__weakref__", "_flat", "read_pages", "write_pages"}


def state_digest(machine: Machine) -> str:
    """32 hexadecimal digits over RAM, processor, kernel, processes and time."""
    digest = blake2b(digest_size=DIGEST_BYTES)
    digest.update(repr((machine.config, machine.version, machine.clock.ns)).encode())
    for pfn, content in sorted(_frames(machine.kernel.ram)):
        digest.update(pfn.to_bytes(4, "little"))
        digest.update(content)
    for token in _tokens([machine.kernel, machine.processes]):
        digest.update(token)
    return digest.hexdigest()


def _frames(ram: Ram) -> Iterator[tuple[int, bytes]]:
    for pfn, frame in ram.frames.items():
        content = frame.tobytes()
        if content != ZERO_FRAME:
            yield pfn, content


def _tokens(roots: list[Any]) -> Iterator[bytes]:
    """Bytes that describe everything reachable from `roots`, each object once, in an order that only the state decides."""
    numbers: dict[int, int] = {}
    pending: list[Any] = list(reversed(roots))
    while pending:
        item = pending.pop()
        if isinstance(item, _PLAIN):
            yield repr(item.value if isinstance(item, Enum) else item).encode() + b";"
            continue
        if isinstance(item, (Ram, Trace)) or callable(item):
            continue
        known = numbers.get(id(item))
        if known is not None:
            yield b"@%d;" % known
            continue
        numbers[id(item)] = len(numbers)
        yield type(item).__name__.encode() + b"("
        pending.extend(reversed(_parts(item)))


def _parts(item: Any) -> list[Any]:
    if isinstance(item, (dict, OrderedDict)):
        return [part for pair in item.items() for part in pair]
    if isinstance(item, (list, tuple, deque)):
        return list(item)
    if isinstance(item, (set, frozenset)):
        return sorted(item)
    if isinstance(item, (array, bytearray)):
        return [bytes(item)]
    if isinstance(item, Allocations):
        return list(item.all())
    if isinstance(item, Tlb):
        return [item.entries, item.hits, item.misses, item.evictions, item.flushes]
    return [getattr(item, name) for name in _attributes(item) if name not in _HOST_ONLY]


def _attributes(item: Any) -> list[str]:
    names = {name for kind in type(item).__mro__ for name in getattr(kind, "__slots__", ())}
    names.update(getattr(item, "__dict__", ()))
    return sorted(name for name in names if hasattr(item, name))
