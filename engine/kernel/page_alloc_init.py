"""mm/page_alloc.c: what is computed from the zones' sizes: watermarks, reserves, the lengths of the CPU's lists.

Linux does it at boot, and again when somebody writes to vm.min_free_kbytes and its kin.
Left out: more than one CPU, khugepaged's wish for a larger min_free_kbytes (transparent_hugepage=never).
"""

from __future__ import annotations

from math import isqrt
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from engine.kernel.gfp import MAX_NR_ZONES, ZoneType
from engine.kernel.mm_types import PAGE_SHIFT, PAGE_SIZE
from engine.kernel.mmzone import Pglist, Watermark, Zone

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

SWAP_CLUSTER_MAX: Final = 32
_KB_PER_PAGE: Final = PAGE_SIZE >> 10
_MIN_FREE_KBYTES: Final = (128, 262144)
_HIGHMEM_MIN_PAGES: Final = (SWAP_CLUSTER_MAX, 128)
_BATCH_LIMIT: Final = (1 << 20) // PAGE_SIZE
"""A batch is at most a quarter of 1 MB."""
_THRESHOLD_LIMIT: Final = 125
_ONE_CPU: Final = 1


HUGEPAGE_TOTALRAM: Final = (512 << 20) >> PAGE_SHIFT
"""mm/huge_memory.c: with less RAM there are no huge pages at all."""


def init_marks(pgdat: Pglist, borrowed: int) -> None:
    """The order of Linux's boot: the marks are computed while `borrowed` pages of initialisation are not free yet.

    They are pages of the highest zone of low memory, and become its own afterwards; the marks stay.
    """
    lender = pgdat.node_zones[ZoneType.NORMAL]
    if lender.managed_pages <= borrowed:
        lender = pgdat.node_zones[ZoneType.DMA]
    lender.managed_pages -= borrowed
    init_per_zone_wmark_min(pgdat)
    hugepage_init(pgdat)
    lender.managed_pages += borrowed


def init_per_zone_wmark_min(pgdat: Pglist) -> None:
    """init_per_zone_wmark_min(): all of it, once the zones know what they manage."""
    calculate_min_free_kbytes(pgdat)
    setup_per_zone_wmarks(pgdat)
    refresh_zone_stat_thresholds(pgdat)
    setup_per_zone_lowmem_reserve(pgdat)


def hugepage_init(pgdat: Pglist) -> None:
    """hugepage_init() with transparent_hugepage=never: computes the marks again, now below the first high watermarks."""
    if sum(zone.managed_pages for zone in pgdat.node_zones) >= HUGEPAGE_TOTALRAM:
        calculate_min_free_kbytes(pgdat)
        setup_per_zone_wmarks(pgdat)


def is_highmem(zone: Zone) -> bool:
    """is_highmem(): whether the kernel must map the zone's pages; ZONE_MOVABLE is of the kind of the highest zone there is."""
    if zone.zone_type == ZoneType.MOVABLE:
        return zone.zone_pgdat.node_zones[ZoneType.HIGHMEM].present_pages > 0
    return zone.zone_type == ZoneType.HIGHMEM


def calculate_min_free_kbytes(pgdat: Pglist) -> None:
    """calculate_min_free_kbytes(): four times the root of low memory in KB, unless somebody asked for more."""
    pages = 0
    for zone in pgdat.node_zones[: ZoneType.NORMAL + 1]:
        pages += max(zone.managed_pages - zone.high_wmark_pages, 0)
    wanted = isqrt(pages * _KB_PER_PAGE * 16)
    if wanted > pgdat.user_min_free_kbytes:
        least, most = _MIN_FREE_KBYTES
        pgdat.min_free_kbytes = min(max(wanted, least), most)


def setup_per_zone_wmarks(pgdat: Pglist) -> None:
    """setup_per_zone_wmarks(): shares min_free_kbytes out among the zones of low memory, and sets the marks above it."""
    pages_min = pgdat.min_free_kbytes >> (PAGE_SHIFT - 10)
    lowmem_pages = sum(zone.managed_pages for zone in pgdat.node_zones if not is_highmem(zone))
    for zone in pgdat.node_zones:
        share = pages_min * zone.managed_pages // lowmem_pages
        least = share
        if is_highmem(zone):
            low, high = _HIGHMEM_MIN_PAGES
            least = min(max(zone.managed_pages // 1024, low), high)
        step = max(share >> 2, zone.managed_pages * pgdat.watermark_scale_factor // 10000)
        zone.watermark_boost = 0
        zone.watermark[Watermark.MIN] = least
        zone.watermark[Watermark.LOW] = least + step
        zone.watermark[Watermark.HIGH] = least + 2 * step
        zone.watermark[Watermark.PROMO] = least + 3 * step
    calculate_totalreserve_pages(pgdat)
    for zone in pgdat.populated_zones():
        zone_set_pageset_high_and_batch(zone)


def zone_set_pageset_high_and_batch(zone: Zone) -> None:
    """zone_set_pageset_high_and_batch(): how much the CPU may keep of the zone, and how much it fetches at a time."""
    pcp = zone.per_cpu_pageset
    pcp.batch = max(1, zone_batchsize(zone))
    pcp.high = zone_highsize(zone, pcp.batch)


def zone_batchsize(zone: Zone) -> int:
    """zone_batchsize(): some 0.025 % of the zone, rounded to one less than a power of two."""
    batch = max(min(zone.managed_pages >> 10, _BATCH_LIMIT) // 4, 1)
    return (1 << (batch + batch // 2).bit_length() - 1) - 1


def zone_highsize(zone: Zone, batch: int) -> int:
    """zone_highsize(): as many pages as the low watermark guards: what the CPU keeps does not make kswapd run early."""
    fraction = zone.zone_pgdat.percpu_pagelist_high_fraction
    total_pages = zone.managed_pages // fraction if fraction else zone.low_wmark_pages
    return max(total_pages // _ONE_CPU, batch << 2)


def refresh_zone_stat_thresholds(pgdat: Pglist) -> None:
    """mm/vmstat.c: refresh_zone_stat_thresholds(): how far a CPU's own count may stray from the zone's."""
    for zone in pgdat.populated_zones():
        units = zone.managed_pages >> (27 - PAGE_SHIFT)
        zone.stat_threshold = min(2 * _ONE_CPU.bit_length() * (1 + units.bit_length()), _THRESHOLD_LIMIT)


def setup_per_zone_lowmem_reserve(pgdat: Pglist) -> None:
    """setup_per_zone_lowmem_reserve(): what each zone keeps from requests that could have been served further up."""
    zones = pgdat.node_zones
    for lower in range(MAX_NR_ZONES - 1):
        zone, ratio = zones[lower], pgdat.lowmem_reserve_ratio[lower]
        above = 0
        for upper in range(lower + 1, MAX_NR_ZONES):
            above += zones[upper].managed_pages
            zone.lowmem_reserve[upper] = above // ratio if ratio and zone.managed_pages else 0
    calculate_totalreserve_pages(pgdat)


def calculate_totalreserve_pages(pgdat: Pglist) -> None:
    """calculate_totalreserve_pages(): each zone's high watermark and largest reserve, as far as it has so many pages."""
    pgdat.totalreserve_pages = sum(
        min(max(0, *zone.lowmem_reserve[zone.zone_type :]) + zone.high_wmark_pages, zone.managed_pages)
        for zone in pgdat.node_zones
    )


# --- what a write to /proc/sys/vm does -------------------------------------------------------------------------------


def min_free_kbytes_sysctl_handler(pgdat: Pglist, kbytes: int) -> None:
    """vm.min_free_kbytes: the watermarks follow."""
    pgdat.min_free_kbytes = pgdat.user_min_free_kbytes = kbytes
    setup_per_zone_wmarks(pgdat)


def watermark_scale_factor_sysctl_handler(pgdat: Pglist, factor: int) -> None:
    """vm.watermark_scale_factor, in hundredths of a percent of a zone."""
    pgdat.watermark_scale_factor = factor
    setup_per_zone_wmarks(pgdat)


def watermark_boost_factor_sysctl(pgdat: Pglist, factor: int) -> None:
    """vm.watermark_boost_factor, in hundredths of a percent of the high watermark; 0: marks are never boosted."""
    pgdat.watermark_boost_factor = factor


def percpu_pagelist_high_fraction_sysctl_handler(pgdat: Pglist, fraction: int) -> None:
    """vm.percpu_pagelist_high_fraction: the CPU keeps at most this part of a zone; 0: as the low watermark says."""
    pgdat.percpu_pagelist_high_fraction = fraction
    for zone in pgdat.populated_zones():
        zone_set_pageset_high_and_batch(zone)


def lowmem_reserve_ratio_sysctl_handler(pgdat: Pglist, ratios: Sequence[int]) -> None:
    """vm.lowmem_reserve_ratio: a zone keeps 1/ratio of the zones above it from requests they could have served; 0: nothing.

    Fewer numbers than zones set the first ones, DMA's, Normal's, … ; those below 0 become 0.
    """
    for zone, ratio in enumerate(ratios[:MAX_NR_ZONES]):
        pgdat.lowmem_reserve_ratio[zone] = max(ratio, 0)
    setup_per_zone_lowmem_reserve(pgdat)


ZONE_SYSCTLS: Final[Mapping[str, Callable[[Pglist, int], None]]] = MappingProxyType(
    {
        "min_free_kbytes": min_free_kbytes_sysctl_handler,
        "percpu_pagelist_high_fraction": percpu_pagelist_high_fraction_sysctl_handler,
        "watermark_boost_factor": watermark_boost_factor_sysctl,
        "watermark_scale_factor": watermark_scale_factor_sysctl_handler,
    }
)
"""What the settings of one number under /proc/sys/vm do to the zones."""
