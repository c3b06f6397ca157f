"""Sessions in a link: the session's text, packed; or the name under which a longer one is kept."""

from __future__ import annotations

import base64
import binascii
import zlib
from hashlib import blake2b
from typing import TYPE_CHECKING, Final, NamedTuple

from app.language import Program, read_program
from app.session_text import machine_of_words

if TYPE_CHECKING:
    from engine.config import MachineConfig

LINK_MAXIMUM: Final = 1800
"""Characters of a whole link that every program passes on."""
TEXT_MAXIMUM: Final = 1 << 22
_HELD, _KEPT = "z", "k"
_NAME_BYTES: Final = 12
_RAW: Final = -15
_BASE64_BLOCK: Final = 4


class ShareError(ValueError):
    """A link that holds no session."""


class Shared(NamedTuple):
    """A shared session."""

    text: str
    config: MachineConfig
    program: Program


def packed(text: str) -> str:
    """The code that holds the text itself."""
    squeezer = zlib.compressobj(9, zlib.DEFLATED, _RAW)
    return _HELD + base64.urlsafe_b64encode(squeezer.compress(text.encode()) + squeezer.flush()).decode().rstrip("=")


def kept_name(text: str) -> str:
    """The code under which the text is kept: the same text has the same."""
    return _KEPT + base64.urlsafe_b64encode(blake2b(text.encode(), digest_size=_NAME_BYTES).digest()).decode()


def is_kept(code: str) -> bool:
    """Whether the code is only a name."""
    return code.startswith(_KEPT)


def unpacked(code: str) -> str:
    """The text that a code holds. Raises ShareError."""
    if not code.startswith(_HELD):
        raise ShareError("this link holds no session")
    word = code[1:] + "=" * (-(len(code) - 1) % _BASE64_BLOCK)
    opener = zlib.decompressobj(_RAW)
    try:
        text = opener.decompress(base64.b64decode(word, altchars=b"-_", validate=True), TEXT_MAXIMUM)
        if opener.unconsumed_tail or not opener.eof:
            raise ShareError("this link is cut off, or holds too much")
        return text.decode()
    except (binascii.Error, zlib.error, UnicodeDecodeError):
        raise ShareError("this link is damaged: it holds no session") from None


def read_shared(text: str) -> Shared:
    """The session that a text tells. Raises ShareError, ConfigError."""
    program = read_program(text, corpus=False)
    if program.mistakes:
        raise ShareError(f"this session cannot be read: {program.mistakes[0]}")
    return Shared(text, machine_of_words(program.directive("machine")), program)
