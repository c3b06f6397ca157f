"""One line of a program: `a = malloc 100`, `malloc(100)`, `write a+16 7`, `@child touch m 64K`, and the command it means.

The slot that takes a result stands before `=`; it may be written first instead (`malloc a 100`), or left out, and then the
next free letter is taken. Operands follow in the order of the command's own fields.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from app.language import grammar
from app.language.names import ProcessNames
from app.language.operands import ON, converted
from app.language.tokens import Token, tokens_of
from engine.outcome import CommandError

if TYPE_CHECKING:
    from engine.commands import Command

FLAGS: Final = ("private", "shared", "fixed", "fixed_noreplace", "populate", "noreserve", "locked", "growsdown")
_STAY: Final = {"maymove": "on", "stay": "off", **{word: word for word in ON}}
_POSITIONS: Final = ("file", "offset", "hint")
"""mmap's last operands, where they are not named."""


class LineError(CommandError):
    """A line that is no command: `column` and `length` say where, from 0."""

    def __init__(self, field: str, message: str, column: int = 0, length: int = 0) -> None:
        super().__init__(field, message)
        self.column = column
        self.length = length

    def __reduce__(self) -> tuple[Any, ...]:
        """As it crosses from one process to another."""
        return LineError, (self.field, str(self), self.column, self.length)


class Parsed(NamedTuple):
    """A command, and where in its line each field stands."""

    command: Command
    places: dict[str, Token]


def parse_line(text: str, pid: int, slots: frozenset[str], names: ProcessNames) -> Parsed:
    """The command that `text` says, done by process `pid` unless it begins with @. Raises LineError."""
    tokens = tokens_of(text)
    places: dict[str, Token] = {}
    if tokens and tokens[0].text.startswith("@"):
        who = tokens.pop(0)
        places["pid"] = who
        with _At(who):
            pid = names.number("pid", who.text[1:])
    if not tokens:
        raise LineError("words", "type a command, such as: a = malloc 100", 0, len(text))
    slot = tokens.pop(0) if len(tokens) > 1 and tokens[1].text == "=" else None
    if slot is not None:
        tokens.pop(0)
        if not tokens:
            raise LineError("words", f"what is {slot.text} to be? Write {slot.text} = malloc 100", slot.end, 2)
    op = _operation(tokens.pop(0), places)
    words = _arranged(op, slot, tokens, slots, places["op"].end)
    return _built(op, pid, words, places, names)


class _At:
    """Says where a CommandError inside was: at this token."""

    def __init__(self, token: Token) -> None:
        self._token = token

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, CommandError) and not isinstance(error, LineError):
            raise LineError(error.field, str(error), self._token.column, len(self._token.text)) from None


def _operation(token: Token, places: dict[str, Token]) -> str:
    word = token.text.lower()
    op = grammar.ALIASES.get(word, word)
    places["op"] = token
    if op in grammar.CLASSES:
        return op
    known = grammar.operations()
    near = sorted(get_close_matches(word, known, 3, 0.7), key=lambda each: each[0] != word[0])
    hint = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(known)}"
    raise LineError("words", f"{token.text!r} is no command{hint}", token.column, len(token.text))


def _arranged(op: str, slot: Token | None, given: list[Token], slots: frozenset[str], behind: int) -> dict[str, Token]:
    """The words by the fields that they fill. Raises LineError when there are too few (`behind` the operation) or too many."""
    typed = grammar.typed(grammar.CLASSES[op])
    names = [name for name, _ in typed]
    takes_slot = bool(typed) and typed[0][1].name == grammar.SLOT
    if slot is not None and not takes_slot:
        raise LineError("as", f"{op} gives no pointer to keep: write {grammar.usage(op)}", slot.column, len(slot.text))
    given = [token for token in given if token.text != "="]
    if slot is not None:
        given = _with_slot(op, slot, given)
    if op == "mmap":
        return _mmap(given, slots, behind)
    if op == "sysctl" and len(given) > len(names):
        given[2:] = [Token(",".join(token.text for token in given[2:]), given[2].column)]
    needed = sum(not grammar.optional(found) for _, found in typed)
    needed -= op in ("fork", "file")
    if takes_slot and op not in grammar.SLOT_IS_READ and slot is None and len(given) == needed - 1:
        given = [Token(grammar.next_slot(slots), 0), *given]
    if not needed <= len(given) <= len(names):
        raise _wrong_count(op, given, len(names), behind)
    return dict(zip(names, given, strict=False))


def _with_slot(op: str, slot: Token, given: list[Token]) -> list[Token]:
    """Puts the slot in front. `a = realloc a 200` names it twice, and must name the same one."""
    if op not in grammar.SLOT_IS_READ or not given or given[0].text[0].isdigit():
        return [slot, *given]
    if given[0].text != slot.text:
        old = given[0]
        message = f"{op} puts the pointer back where it was: write {old.text} = {op} {old.text} …"
        raise LineError("as", message, slot.column, len(slot.text))
    return given


def _wrong_count(op: str, given: list[Token], most: int, behind: int) -> LineError:
    message = f"{op} is typed so: {grammar.usage(op)}"
    if len(given) > most:
        extra = given[most]
        return LineError("words", message, extra.column, given[-1].end - extra.column)
    return LineError("words", message, max([behind, *(token.end for token in given)]), 1)


def _mmap(given: list[Token], slots: frozenset[str], behind: int) -> dict[str, Token]:
    """[AS] LENGTH [PROT] [FLAG…] [file N [OFFSET]] [offset N] [at HINT]; FILE, OFFSET and HINT also by position."""
    words: dict[str, Token] = {}
    rest = list(given)
    if rest and (rest[0].text[0].isdigit() or rest[0].text[0] == "-"):
        rest.insert(0, Token(grammar.next_slot(slots), 0))
    if len(rest) < 2:
        raise _wrong_count("mmap", rest, 9, behind)
    words["as"], words["length"] = rest.pop(0), rest.pop(0)
    if rest and rest[0].text not in (*FLAGS, "file", "anon", "offset", "at") and not rest[0].text[0].isdigit():
        words["prot"] = rest.pop(0)
    flags: list[Token] = []
    position = 0
    while rest:
        token = rest.pop(0)
        if token.text in FLAGS or (token.text == "none" and not position):
            flags.append(token)
        elif token.text in ("file", "offset", "at"):
            name = "hint" if token.text == "at" else token.text
            if not rest:
                raise LineError(
                    name, f"{token.text} what? Write {grammar.usage('mmap')}", token.column, len(token.text)
                )
            words[name] = rest.pop(0)
            position = max(position, _POSITIONS.index(name) + 1)
            if name == "file" and rest and rest[0].text[0].isdigit():
                words["offset"] = rest.pop(0)
                position = 2
        elif position < len(_POSITIONS) and (position or token.text == "anon" or token.text[0].isdigit()):
            words[_POSITIONS[position]] = token
            position += 1
        else:
            message = f"flags is {token.text!r}; it can be {', '.join(FLAGS)}"
            raise LineError("flags", message, token.column, len(token.text))
    if flags:
        words["flags"] = Token(",".join(token.text for token in flags), flags[0].column)
    return words


def _built(op: str, pid: int, words: dict[str, Token], places: dict[str, Token], names: ProcessNames) -> Parsed:
    kind = grammar.CLASSES[op]
    arguments: dict[str, Any] = {"pid": pid}
    for name, found in grammar.typed(kind):
        token = words.get(name)
        if token is not None:
            places[name] = token
            with _At(token):
                arguments[found.name] = _value(op, name, token.text, grammar.HINTS[kind][found.name], names)
        elif op == "fork":
            arguments[found.name] = names.forked("")
        elif name == "size" and op == "file":
            arguments[found.name] = -1
    try:
        return Parsed(kind(**arguments), places)
    except CommandError as error:
        raise located(error, places) from None


def _value(op: str, name: str, word: str, hint: Any, names: ProcessNames) -> Any:
    if name == "child":
        return names.forked(word) if op == "fork" else names.number("child", word)
    if name == "prot":
        return _protection(word)
    if name == "flags" and word == "none":
        return ()
    if op == "mremap" and name == "may_move":
        if word.lower() not in _STAY:
            raise CommandError(name, f"{name} is {word!r}; it can be maymove or stay")
        word = _STAY[word.lower()]
    if op == "sysctl" and name == "name":
        return word.removeprefix("vm.")
    return converted(name, word, hint)


def _protection(word: str) -> str:
    """Letters of rwx in any order, - for one that is not there."""
    if word == "none":
        return word
    if set(word) - set("rwx-"):
        raise CommandError("prot", f"prot is {word!r}; it can be letters of rwx, such as rw, or none")
    return "".join(letter for letter in "rwx" if letter in word) or "none"


def located(error: CommandError, places: dict[str, Token]) -> LineError:
    """A refusal of the engine, at the word that is to blame; at the operation where no word is."""
    if isinstance(error, LineError):
        return error
    token = places.get(error.field) or places["op"]
    return LineError(error.field, str(error), token.column, len(token.text))
