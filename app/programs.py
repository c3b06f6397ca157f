"""The corpus's program language, user side (.t): one operation a line, told to the engine as commands.

    malloc 0 100            slot 0 is written s0, s0+16, s0-4 where a place is asked
    @1 write s0 65          a line for child process 1
    # a comment

Numbers may be decimal or 0x…. What each operation takes is written beside it in `_OPERATIONS`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from engine import commands as c
from engine.outcome import CommandError

if TYPE_CHECKING:
    from collections.abc import Callable

LINES_MAXIMUM: Final = 200_000
_ADDRESS_MASK: Final = 0xFFFFFFFF
_INT_BITS: Final = 32


class ProgramError(ValueError):
    """A line that is no operation: `line` counts from 0; the message says what was wrong and what would be right."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(f"line {line + 1}: {message}")
        self.line = line
        self.message = message

    def __reduce__(self) -> tuple[type[ProgramError], tuple[int, str]]:
        """As it crosses from one process to another."""
        return ProgramError, (self.line, self.message)


@dataclass(frozen=True, slots=True)
class ProgramLine:
    """One operation: its line from 0, its word in the program, and the command that it means."""

    index: int
    word: str
    text: str
    command: c.Command


def parse_program(text: str) -> list[ProgramLine]:
    """The program's operations; empty lines and comments count as lines. Raises ProgramError for the first that is none."""
    lines = text.split("\n")
    if len(lines) > LINES_MAXIMUM:
        raise ProgramError(LINES_MAXIMUM, f"the program has {len(lines)} lines; at most {LINES_MAXIMUM} are performed")
    found = []
    for index, line in enumerate(lines):
        words = line.split()
        if words and not words[0].startswith("#"):
            found.append(_parse_line(index, line.strip(), words))
    return found


def _parse_line(index: int, text: str, words: list[str]) -> ProgramLine:
    pid = 0
    if words[0].startswith("@"):
        pid = _number(index, words[0][1:])
        words = words[1:]
    if not words:
        raise ProgramError(index, f"{text!r} names a process and no operation")
    operation = _OPERATIONS.get(words[0])
    if operation is None:
        raise ProgramError(index, f"{words[0]!r} is no operation; there are {', '.join(sorted(_OPERATIONS))}")
    form, build = operation
    least, most = _arity(form)
    if not least <= len(words) - 1 <= most:
        raise ProgramError(index, f"{text!r} has {len(words) - 1} operands; it is written {words[0]} {form}".rstrip())
    try:
        return ProgramLine(index, words[0], text, build(_Operands(index, words[1:]), {"pid": pid}))
    except CommandError as error:
        raise ProgramError(index, str(error)) from None


def _arity(form: str) -> tuple[int, int]:
    """The least and most operands of a form such as "SLOT SIZE [HINT]"."""
    words = form.split()
    return sum(not word.startswith("[") for word in words), len(words)


def _number(index: int, word: str) -> int:
    try:
        return int(word, 0) if not (len(word) > 1 and word.isdigit() and word[0] == "0") else int(word, 8)
    except ValueError:
        raise ProgramError(index, f"{word!r} is no number; write 4096 or 0x1000") from None


class _Operands:
    """The words behind an operation, each read as what it stands for."""

    def __init__(self, index: int, words: list[str]) -> None:
        self._index = index
        self.words = words

    def number(self, at: int) -> int:
        return _number(self._index, self.words[at])

    def slot(self, at: int) -> str:
        number = self.number(at)
        if number < 0:
            raise ProgramError(self._index, f"slot {number} is less than 0")
        return f"s{number}"

    def place(self, at: int) -> c.Place:
        word = self.words[at]
        return word if word.startswith("s") else self.number(at) & _ADDRESS_MASK

    def prot(self, at: int) -> str:
        word = self.words[at]
        if word != "none" and set(word) - set("rwx"):
            raise ProgramError(self._index, f"the protection is {word!r}; it can be letters of rwx, or none")
        return word if word == "none" else "".join(letter for letter in "rwx" if letter in word)

    def file(self, at: int) -> int | None:
        return None if self.words[at] == "anon" else self.number(at)

    def choice(self, at: int, kinds: frozenset[str], what: str) -> Any:
        word = self.words[at]
        if word not in kinds:
            raise ProgramError(self._index, f"the {what} is {word!r}; it can be {', '.join(sorted(kinds))}")
        return word

    def flags(self, at: int) -> Any:
        words = [] if self.words[at] == "none" else self.words[at].split(",")
        for word in words:
            if word not in _FLAGS:
                raise ProgramError(self._index, f"the flag is {word!r}; it can be {', '.join(sorted(_FLAGS))}")
        return tuple(words)


_FLAGS: Final = frozenset(
    ("private", "shared", "fixed", "fixed_noreplace", "populate", "noreserve", "locked", "growsdown")
)
_ADVICE: Final = frozenset(("normal", "random", "willneed", "dontneed", "free", "dontfork", "cold", "pageout"))
_LIMITS: Final = frozenset(("as", "data", "stack", "memlock"))


def _int(value: int) -> int:
    """As C's int holds it."""
    value &= _ADDRESS_MASK
    return value - (1 << _INT_BITS) if value >> _INT_BITS - 1 else value


def _mmap(o: _Operands, k: dict[str, Any]) -> c.Command:
    return c.Mmap(
        as_=o.slot(0),
        length=o.number(1),
        prot=o.prot(2),
        flags=o.flags(3),
        file=o.file(4),
        offset=o.number(5),
        hint=o.place(6) if len(o.words) > 6 else 0,
        **k,
    )


def _touch(o: _Operands, k: dict[str, Any]) -> c.Command:
    value = o.number(3) & 0xFF if len(o.words) > 3 else 1
    return c.Touch(ptr=o.place(0), length=o.number(1), access=o.choice(2, frozenset("rw"), "access"), value=value, **k)


_OPERATIONS: Final[dict[str, tuple[str, Callable[[_Operands, dict[str, Any]], c.Command]]]] = {
    "malloc": ("SLOT SIZE", lambda o, k: c.Malloc(as_=o.slot(0), size=o.number(1), **k)),
    "calloc": ("SLOT N SIZE", lambda o, k: c.Calloc(as_=o.slot(0), count=o.number(1), size=o.number(2), **k)),
    "realloc": ("SLOT SIZE", lambda o, k: c.Realloc(as_=o.slot(0), size=o.number(1), **k)),
    "memalign": (
        "SLOT ALIGN SIZE",
        lambda o, k: c.Memalign(as_=o.slot(0), alignment=o.number(1), size=o.number(2), **k),
    ),
    "free": ("SLOT", lambda o, k: c.Free(ptr=o.slot(0), **k)),
    "freeaddr": ("PLACE", lambda o, k: c.Free(ptr=o.place(0), **k)),
    "usable": ("SLOT", lambda o, k: c.Usable(ptr=o.slot(0), **k)),
    "trim": ("PAD", lambda o, k: c.Trim(pad=o.number(0), **k)),
    "mallopt": ("PARAM VALUE", lambda o, k: c.Mallopt(parameter=o.number(0), value=_int(o.number(1)), **k)),
    "mallinfo": ("", lambda o, k: c.Mallinfo(**k)),
    "sbrk": ("DELTA", lambda o, k: c.Sbrk(delta=o.number(0), **k)),
    "brk": ("ADDRESS", lambda o, k: c.Brk(address=o.place(0), **k)),
    "mmap": ("SLOT LEN PROT FLAGS anon|FILE OFFSET [HINT]", _mmap),
    "munmap": ("PLACE LEN", lambda o, k: c.Munmap(ptr=o.place(0), length=o.number(1), **k)),
    "mprotect": ("PLACE LEN PROT", lambda o, k: c.Mprotect(ptr=o.place(0), length=o.number(1), prot=o.prot(2), **k)),
    "mremap": (
        "SLOT OLD NEW MAYMOVE",
        lambda o, k: c.Mremap(
            as_=o.slot(0), old_length=o.number(1), new_length=o.number(2), may_move=bool(o.number(3)), **k
        ),
    ),
    "madvise": (
        "PLACE LEN ADVICE",
        lambda o, k: c.Madvise(ptr=o.place(0), length=o.number(1), advice=o.choice(2, _ADVICE, "advice"), **k),
    ),
    "msync": ("PLACE LEN", lambda o, k: c.Msync(ptr=o.place(0), length=o.number(1), **k)),
    "mlock": ("PLACE LEN", lambda o, k: c.Mlock(ptr=o.place(0), length=o.number(1), **k)),
    "read": ("PLACE", lambda o, k: c.Read(ptr=o.place(0), **k)),
    "write": ("PLACE BYTE", lambda o, k: c.Write(ptr=o.place(0), value=o.number(1) & 0xFF, **k)),
    "read32": ("PLACE", lambda o, k: c.Read32(ptr=o.place(0), **k)),
    "write32": ("PLACE WORD", lambda o, k: c.Write32(ptr=o.place(0), value=o.number(1) & _ADDRESS_MASK, **k)),
    "touch": ("PLACE LEN r|w [BYTE]", _touch),
    "fill": ("PLACE LEN BYTE", lambda o, k: c.Fill(ptr=o.place(0), length=o.number(1), value=o.number(2) & 0xFF, **k)),
    "checktouch": (
        "PLACE LEN BYTE",
        lambda o, k: c.CheckTouch(ptr=o.place(0), length=o.number(1), value=o.number(2) & 0xFF, **k),
    ),
    "stack": ("DEPTH", lambda o, k: c.Stack(depth=o.number(0), **k)),
    "pagemap": ("PLACE PAGES", lambda o, k: c.Pagemap(ptr=o.place(0), pages=o.number(1), **k)),
    "pfn": ("PLACE PAGES", lambda o, k: c.Pfn(ptr=o.place(0), pages=o.number(1), **k)),
    "maps": ("", lambda o, k: c.Maps(**k)),
    "status": ("", lambda o, k: c.Status(**k)),
    "rss": ("", lambda o, k: c.Rss(**k)),
    "vmstat": ("", lambda o, k: c.Vmstat(**k)),
    "meminfo": ("", lambda o, k: c.Meminfo(**k)),
    "oomscore": ("", lambda o, k: c.OomScore(**k)),
    "oomadj": ("N", lambda o, k: c.OomAdj(value=o.number(0), **k)),
    "rlimit": (
        "as|data|stack|memlock BYTES",
        lambda o, k: c.Rlimit(resource=o.choice(0, _LIMITS, "limit"), limit=o.number(1), **k),
    ),
    "sysctl": (
        "NAME VALUE [VALUE] [VALUE] [VALUE]",
        lambda o, k: c.Sysctl(
            name=o.words[0], value=o.number(1), rest=tuple(map(o.number, range(2, len(o.words)))), **k
        ),
    ),
    "file": ("N PATH SIZE", lambda o, k: c.OpenFile(file=o.number(0), path=o.words[1], size=o.number(2), **k)),
    "sync": ("", lambda o, k: c.Sync(**k)),
    "fork": ("N", lambda o, k: c.Fork(child=o.number(0), **k)),
    "exit": ("CODE", lambda o, k: c.Exit(code=o.number(0), **k)),
    "wait": ("N", lambda o, k: c.Wait(child=o.number(0), **k)),
}
