"""malloc/malloc.c: struct malloc_state (an arena) and struct malloc_par (mp_), as words in libc's data.

    struct malloc_state (main_arena)          struct malloc_par (mp_)
      +0    mutex                               +0   trim_threshold
      +4    flags                               +4   top_pad
      +8    have_fastchunks                     +8   mmap_threshold
      +12   fastbinsY[11]                       +12  arena_test, arena_max, thp_pagesize, hp_pagesize, hp_flags
      +56   top                                 +32  n_mmaps
      +60   last_remainder                      +36  n_mmaps_max
      +64   bins[254]: fd, bk of bins 1 … 127   +40  max_n_mmaps
      +1080 binmap[4]                           +44  no_dyn_threshold
      +1096 next, next_free, attached_threads   +48  mmapped_mem
      +1108 system_mem                          +52  max_mmapped_mem
      +1112 max_system_mem                      +56  sbrk_base
                                                +60  tcache_bins, tcache_max_bytes, tcache_count, tcache_unsorted_limit

A bin's header is read as if it were a chunk whose fd and bk are the bin's two words, so bin i "lies" 8 bytes before them.
"""

from typing import Final

# Where Debian 12's libc.so.6 (i386) keeps its variables, from the start of its first mapping
MAIN_ARENA_OFFSET: Final = 0x21D7C0
MP_OFFSET: Final = 0x21D1C0
PERTURB_BYTE_OFFSET: Final = 0x220B68
GLOBAL_MAX_FAST_OFFSET: Final = 0x220B6C
CURBRK_OFFSET: Final = 0x22149C

# struct malloc_state
FLAGS: Final = 4
HAVE_FASTCHUNKS: Final = 8
FASTBINS: Final = 12
TOP: Final = 56
LAST_REMAINDER: Final = 60
BINS: Final = 64
BINMAP: Final = 1080
NEXT: Final = 1096
SYSTEM_MEM: Final = 1108
MAX_SYSTEM_MEM: Final = 1112
UNSORTED: Final = BINS - 8
"""unsorted_chunks(): bin 1, as a chunk."""
NONCONTIGUOUS_BIT: Final = 2

NFASTBINS: Final = 11
NBINS: Final = 128
NSMALLBINS: Final = 64
SMALLBIN_WIDTH: Final = 16
MIN_LARGE_SIZE: Final = 1008
"""(NSMALLBINS - 1) * SMALLBIN_WIDTH: chunks from here on are large."""
BINMAP_WORDS: Final = 4
BITS_PER_MAP: Final = 32

# struct malloc_par
TRIM_THRESHOLD: Final = 0
TOP_PAD: Final = 4
MMAP_THRESHOLD: Final = 8
ARENA_TEST: Final = 12
ARENA_MAX: Final = 16
N_MMAPS: Final = 32
N_MMAPS_MAX: Final = 36
MAX_N_MMAPS: Final = 40
NO_DYN_THRESHOLD: Final = 44
MMAPPED_MEM: Final = 48
MAX_MMAPPED_MEM: Final = 52
SBRK_BASE: Final = 56
TCACHE_BINS: Final = 60
TCACHE_MAX_BYTES: Final = 64
TCACHE_COUNT: Final = 68
TCACHE_UNSORTED_LIMIT: Final = 72

DEFAULT_TRIM_THRESHOLD: Final = 128 * 1024
DEFAULT_TOP_PAD: Final = 128 * 1024
DEFAULT_MMAP_THRESHOLD: Final = 128 * 1024
DEFAULT_MMAP_THRESHOLD_MAX: Final = 512 * 1024
DEFAULT_MMAP_MAX: Final = 65536
DEFAULT_ARENA_TEST: Final = 2
DEFAULT_MAX_FAST: Final = 64
"""set_max_fast (DEFAULT_MXFAST): chunks up to this size go to fast bins."""
MAX_FAST_SIZE: Final = 80
MMAP_AS_MORECORE_SIZE: Final = 1024 * 1024
FASTBIN_CONSOLIDATION_THRESHOLD: Final = 65536
HEAP_MAX_SIZE: Final = 2 * DEFAULT_MMAP_THRESHOLD_MAX

# struct tcache_perthread_struct: counts[64] of 16 bits, then entries[64]
TCACHE_MAX_BINS: Final = 64
TCACHE_ENTRIES: Final = 2 * TCACHE_MAX_BINS
SIZEOF_TCACHE: Final = TCACHE_ENTRIES + 4 * TCACHE_MAX_BINS
TCACHE_FILL_COUNT: Final = 7
MAX_TCACHE_SIZE: Final = 1020
MAX_TCACHE_COUNT: Final = 65535


def bin_at(arena: int, index: int) -> int:
    """bin_at(): the address of bin `index` (1 … 127), as a chunk."""
    return arena + BINS + (index - 1) * 8 - 8


def fastbin_index(size: int) -> int:
    """fastbin_index(): the fast bin of a chunk size; sizes are 16 apart, so every second one is used."""
    return (size >> 3) - 2


def smallbin_index(size: int) -> int:
    """smallbin_index()."""
    return (size >> 4) + 1


def largebin_index(size: int) -> int:
    """largebin_index_32_big(): bins 64, 512, 4 K, 32 K and 256 K bytes wide; the last holds all that is larger."""
    if size >> 6 <= 45:
        return 49 + (size >> 6)
    if size >> 9 <= 20:
        return 91 + (size >> 9)
    if size >> 12 <= 10:
        return 110 + (size >> 12)
    if size >> 15 <= 4:
        return 119 + (size >> 15)
    return 124 + (size >> 18) if size >> 18 <= 2 else 126


def bin_index(size: int) -> int:
    """bin_index(): the bin of any chunk size."""
    return smallbin_index(size) if size < MIN_LARGE_SIZE else largebin_index(size)


def csize2tidx(size: int) -> int:
    """csize2tidx(): the tcache bin of a chunk size."""
    return size - 1 >> 4
