"""mm/vmstat.c: reading /proc/zoneinfo back: what a running kernel said about its zones."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_ZONE: Final = re.compile(r"^Node 0, zone +(\w+)", re.MULTILINE)
_PROTECTION: Final = re.compile(r"protection: \(([\d, ]+)\)")


class ZoneMarks(NamedTuple):
    """One zone's section of /proc/zoneinfo: its sizes, marks and limits, in pages."""

    name: str
    start_pfn: int
    spanned: int
    present: int
    managed: int
    boost: int
    watermarks: tuple[int, int, int]
    """min, low, high, without the boost (zoneinfo shows them with it)."""
    protection: tuple[int, ...]
    pcp_high: int
    pcp_batch: int
    stat_threshold: int


def read_zoneinfo(text: str) -> list[ZoneMarks]:
    """The zones that have RAM, lowest first."""
    sections = _ZONE.split(text)[1:]
    zones = [_read_zone(name, body) for name, body in zip(sections[::2], sections[1::2], strict=True)]
    return [zone for zone in zones if zone.present]


def _read_zone(name: str, body: str) -> ZoneMarks:
    boost = _number(body, "boost")
    protection = _PROTECTION.search(body)
    return ZoneMarks(
        name=name,
        start_pfn=_number(body, "start_pfn:"),
        spanned=_number(body, "spanned"),
        present=_number(body, "present"),
        managed=_number(body, "managed"),
        boost=boost,
        watermarks=(_number(body, "min") - boost, _number(body, "low") - boost, _number(body, "high") - boost),
        protection=tuple(int(pages) for pages in protection[1].split(",")) if protection else (),
        pcp_high=_number(body, "high:"),
        pcp_batch=_number(body, "batch:"),
        stat_threshold=_number(body, "vm stats threshold:"),
    )


def _number(body: str, label: str) -> int:
    """The number behind the label; 0 where the section has no such line (an empty zone's has few)."""
    found = re.search(rf"^ +(?:pages )?{re.escape(label)} +(\d+)$", body, re.MULTILINE)
    return int(found[1]) if found else 0
