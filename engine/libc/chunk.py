"""malloc/malloc.c: the chunk: how a block of memory carries its own size, and what a free one holds besides.

An address of a chunk is that of its prev_size; the program gets the address 8 bytes further (mem), a multiple of 16.

      chunk -> +-----------------------------------+
               | prev_size (if the one before is free) |   +0
               | size                        |A|M|P|   |   +4    A 4: not of the main arena, M 2: mmapped, P 1: previous in use
        mem -> +-----------------------------------+
               | user data, or, when free:         |
               |   fd         next in the bin      |   +8
               |   bk         previous in the bin  |   +12
               |   fd_nextsize (large bins only)   |   +16
               |   bk_nextsize                     |   +20
      next  -> +-----------------------------------+
               | prev_size: the user's last word while this chunk is in use
"""

from typing import Final

SIZE_SZ: Final = 4
MALLOC_ALIGNMENT: Final = 16
MALLOC_ALIGN_MASK: Final = MALLOC_ALIGNMENT - 1
CHUNK_HDR_SZ: Final = 2 * SIZE_SZ
MINSIZE: Final = 16
SIZEOF_CHUNK: Final = 24
"""sizeof (struct malloc_chunk): with the links of a large free chunk."""
PTRDIFF_MAX: Final = 0x7FFFFFFF
WORD: Final = 0xFFFFFFFF
PAGE: Final = 4096

PREV_INUSE: Final = 1
IS_MMAPPED: Final = 2
NON_MAIN_ARENA: Final = 4
SIZE_BITS: Final = PREV_INUSE | IS_MMAPPED | NON_MAIN_ARENA
SIZE_MASK: Final = ~SIZE_BITS & WORD

SIZE: Final = 4
FD: Final = 8
BK: Final = 12
FD_NEXTSIZE: Final = 16
BK_NEXTSIZE: Final = 20
"""Offsets of a chunk's fields from its address."""


def request2size(request: int) -> int:
    """request2size(): the chunk that `request` bytes need: a word more, rounded up to 16."""
    return request + SIZE_SZ + MALLOC_ALIGN_MASK & ~MALLOC_ALIGN_MASK


def misaligned_chunk(chunk: int) -> bool:
    """misaligned_chunk(): whether the memory behind the header is not a multiple of 16."""
    return chunk + CHUNK_HDR_SZ & MALLOC_ALIGN_MASK != 0


def protect_pointer(place: int, pointer: int) -> int:
    """PROTECT_PTR (safe-linking): a link is kept mixed with where it lies. Applied again it gives the link back."""
    return place >> 12 ^ pointer
