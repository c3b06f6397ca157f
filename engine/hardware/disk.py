"""A disk: pages of 4 KB by block number, kept on the host; it can be told to fail.

What a transfer costs in time is the business of whoever asks for it (engine/clock.py). Blocks of zeros cost no host memory,
and blocks that repeat one byte share it.
"""

from __future__ import annotations

from typing import Final

from engine.hardware.ram import FRAME_SIZE

_ZEROS: Final = bytes(FRAME_SIZE)
_SMALLEST: Final = 64
_UNIFORM: Final = tuple(bytes([byte]) * FRAME_SIZE for byte in range(256))


def _without_zeros(content: bytes) -> bytes:
    """The block without the zeros at its end: halves of zeros are cut off at once, for a byte at a time is slow."""
    size = len(content)
    while size > _SMALLEST and content.endswith(_ZEROS[: size >> 1], 0, size):
        size >>= 1
    return content[:size].rstrip(b"\0")


class DiskError(Exception):
    """The disk could not transfer a block."""


class Disk:
    """Blocks of FRAME_SIZE bytes. A block that was never written has no content (None)."""

    __slots__ = ("bad_blocks", "blocks", "fails_reading", "fails_writing", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self.blocks: dict[int, bytes] = {}
        """Block number -> content without the zeros at its end."""
        self.bad_blocks: set[int] = set()
        """Blocks that can be neither read nor written."""
        self.fails_reading = False
        self.fails_writing = False
        """Whether the whole disk fails."""

    def read(self, block: int) -> bytes | None:
        """The block's FRAME_SIZE bytes; None if it was never written. Raises DiskError."""
        if self.fails_reading or (self.bad_blocks and block in self.bad_blocks):
            raise DiskError(f"{self.name}: block {block} cannot be read")
        content = self.blocks.get(block)
        return None if content is None else content.ljust(FRAME_SIZE, b"\0")

    def write(self, block: int, content: bytes) -> None:
        """Puts FRAME_SIZE bytes into the block. Raises DiskError, with nothing changed."""
        if self.fails_writing or (self.bad_blocks and block in self.bad_blocks):
            raise DiskError(f"{self.name}: block {block} cannot be written")
        first = content[0]
        if first and first == content[-1] and content == _UNIFORM[first]:
            self.blocks[block] = _UNIFORM[first]
        else:
            self.blocks[block] = _without_zeros(content)

    def discard(self, block: int) -> None:
        """Nobody wants the block's content any more."""
        self.blocks.pop(block, None)
