"""What was found out about a machine's kernel at an earlier look, for as long as nothing has entered the kernel since.

Most of a page is about the kernel, and most commands of a program do without it. What is kept goes when the kernel is
entered, when the machine is replaced (by a checkpoint, another branch, the journal), and with the machine.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final, TypeVar, cast
from weakref import WeakKeyDictionary

from app.words import language

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from engine.session import Session

    T = TypeVar("T")

VALUES: Final = 48
"""Kept for one machine: the views, and each part of the page as the last few selections had it."""


class Kept:
    """Views of one kernel, and parts of the page that are made from those alone, by what else they depend on."""

    __slots__ = ("_values", "mark")

    def __init__(self, mark: Hashable) -> None:
        self.mark = mark
        self._values: OrderedDict[Hashable, object] = OrderedDict()

    def view(self, key: Hashable, make: Callable[[], T]) -> T:
        """What `make` gave for `key` before, or else gives now: from the kernel and what is in the key, nothing else.

        Of the kernel, nothing that user mode changes: accessed and dirty bits, words of memory, the TLB, the clock, variables.
        """
        values = self._values
        if key in values:
            values.move_to_end(key)
        else:
            values[key] = make()
            if len(values) > VALUES:
                values.popitem(last=False)
        return cast("T", values[key])

    def part(self, key: Hashable, make: Callable[[], T]) -> T:
        """The same for what is written in the language that is spoken here."""
        return self.view((language().tag, key), make)


_KEPT: Final[WeakKeyDictionary[object, Kept]] = WeakKeyDictionary()
"""By the kernel itself: another one, however alike, is looked at anew."""


def kept(session: Session) -> Kept:
    """What is kept of the session's kernel as it stands."""
    kernel, mark = session.machine.kernel, session.kernel_mark()
    found = _KEPT.get(kernel)
    if found is None or found.mark != mark:
        found = _KEPT[kernel] = Kept(mark)
    return found
