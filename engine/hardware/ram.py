"""Physical memory: frames of 4 KB, each an array of 1,024 little-endian words, made when first used.

A frame that nobody has used holds zeros and costs no host memory, so a machine of 4 GB is as light as one of 16 MB.
"""

from array import array
from functools import lru_cache
from typing import Final

FRAME_SHIFT: Final = 12
FRAME_SIZE: Final = 1 << FRAME_SHIFT
WORDS_PER_FRAME: Final = FRAME_SIZE // 4
ZERO_FRAME: Final = bytes(FRAME_SIZE)
_ZERO_WORDS: Final = array("I", ZERO_FRAME)


class HostMemoryError(Exception):
    """The machine has used as many frames as the host gives it: what was going on cannot be finished."""

    def __init__(self, frames: int) -> None:
        super().__init__(
            f"this machine's frames may take {frames * FRAME_SIZE >> 20} MB of the host's memory (host_memory_mb), and do"
        )
        self.frames = frames

    def __reduce__(self) -> "tuple[type[HostMemoryError], tuple[int]]":
        """As it crosses from one process to another."""
        return HostMemoryError, (self.frames,)


class Ram:
    """The frames [0, size) of the machine, by page frame number (pfn).

    `frames[pfn]` keeps its identity as long as the machine runs: the CPU's TLB holds references to it. Whoever writes to
    a frame outside `writable`, `zero` and `copy` takes it from `own`, and adds its pfn to `written`, or the digest and
    checkpoints miss it.
    """

    __slots__ = ("frames", "most", "shared", "size", "undo", "written")

    def __init__(self, size: int, most: int | None = None) -> None:
        self.size = size
        """Number of frames, present or not."""
        self.most = size if most is None else most
        """How many frames the host holds at most: the next one that is used raises HostMemoryError."""
        self.frames: dict[int, array[int]] = {}
        self.shared: dict[int, None] = {}
        """Frames whose words other machines hold too: they are copied before anything is written to them.

        A dict: so few keys take a third of the room that they take in a set.
        """
        self.written: set[int] = set()
        """Frames written since somebody last collected them."""
        self.undo: dict[int, array[int]] | None = None
        """Where `writable` keeps a copy of each frame before it is first written, while somebody wants to go back."""

    def frame(self, pfn: int) -> "array[int]":
        """The words of frame `pfn`, for reading. Raises HostMemoryError."""
        frame = self.frames.get(pfn)
        return self._first_use(pfn) if frame is None else frame

    def _first_use(self, pfn: int) -> "array[int]":
        if len(self.frames) >= self.most:
            raise HostMemoryError(self.most)
        frame = self.frames[pfn] = _ZERO_WORDS[:]
        return frame

    def writable(self, pfn: int) -> "array[int]":
        """The words of frame `pfn`, for writing: noted as changed. Raises HostMemoryError."""
        self.written.add(pfn)
        frame = self.frames.get(pfn)
        if frame is None:
            frame = self._first_use(pfn)
        elif pfn in self.shared:
            frame = self.own(pfn)
        if self.undo is not None and pfn not in self.undo:
            self.undo[pfn] = frame[:]
        return frame

    def share(self, pfn: int) -> None:
        """From now on this machine and all others whose frame holds just this have one array for it, until they write to it.

        Only for a frame that the CPU has no page at hand in: such as page tables after the boot, which are alike in every
        machine of a kind, and mostly stay so.
        """
        if pfn in self.frames:
            self.frames[pfn] = _alike(self.frames[pfn].tobytes())
            self.shared[pfn] = None

    def own(self, pfn: int) -> "array[int]":
        """The words of frame `pfn`, which is in use, and from now on no other machine's."""
        if pfn in self.shared:
            del self.shared[pfn]
            self.frames[pfn] = self.frames[pfn][:]
        return self.frames[pfn]

    def zero(self, pfn: int) -> None:
        """clear_page(): fills frame `pfn` with zeros. One that nobody has used is zeros as it is."""
        self.written.add(pfn)
        if pfn in self.frames:
            self.own(pfn)[:] = _ZERO_WORDS

    def copy(self, destination: int, source: int) -> None:
        """copy_page(): makes frame `destination` hold what frame `source` holds."""
        if source not in self.frames:
            self.zero(destination)
            return
        self.writable(destination)[:] = self.frames[source]

    def fill(self, pfn: int, content: bytes) -> None:
        """Puts `content` (FRAME_SIZE bytes) into frame `pfn`, as a device does by DMA."""
        self.writable(pfn)[:] = array("I", content)

    def content(self, pfn: int) -> bytes:
        """The bytes of frame `pfn`; zeros where nobody has used it. Changes nothing."""
        frame = self.frames.get(pfn)
        return ZERO_FRAME if frame is None else frame.tobytes()

    def read32(self, physical: int) -> int:
        """The word at a 4-aligned physical address. Changes nothing."""
        frame = self.frames.get(physical >> FRAME_SHIFT)
        return 0 if frame is None else frame[(physical >> 2) & 1023]

    def write32(self, physical: int, value: int) -> None:
        """Stores a word at a 4-aligned physical address."""
        self.writable(physical >> FRAME_SHIFT)[(physical >> 2) & 1023] = value


@lru_cache(maxsize=128)
def _alike(content: bytes) -> "array[int]":
    """The words that all machines have for a frame that holds `content` and is shared. Nobody writes to them."""
    return array("I", content)
