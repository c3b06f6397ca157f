"""Examples for the API's description. A test sends every one of them."""

from __future__ import annotations

from typing import Any, Final

MACHINE_BODIES: Final[dict[str, Any]] = {
    "preset": {"summary": "A ready-made machine", "value": {"preset": "64mb"}},
    "own": {"summary": "One's own", "value": {"ram_mb": 32, "swap_mb": 64, "seed": 7, "sysctls": {"swappiness": 100}}},
    "scenario": {"summary": "One of the library's", "value": {"scenario": "first-malloc"}},
}
PROGRAMME_BODIES: Final[dict[str, Any]] = {
    "list": {
        "summary": "A list of commands",
        "value": [
            {"op": "malloc", "size": 100, "as": "a"},
            {"op": "write", "ptr": "a+8", "value": 65},
            {"op": "free", "ptr": "a"},
        ],
    },
    "kernel": {
        "summary": "What the kernel does for itself: pages, objects, vmalloc",
        "value": [
            {"op": "alloc_pages", "as": "p", "order": 4, "kind": "kernel"},
            {"op": "kmalloc", "as": "k", "size": 100},
            {"op": "kmem_cache_create", "name": "session", "size": 200, "align": 0},
            {"op": "kmem_cache_alloc", "as": "o", "cache": "session"},
            {"op": "vmalloc", "as": "v", "size": 20000},
            {"op": "free_pages", "ptr": "p"},
            {"op": "kfree", "ptr": "k"},
            {"op": "kmem_cache_free", "ptr": "o"},
            {"op": "vfree", "ptr": "v"},
        ],
    },
    "conditional": {
        "summary": "Only if nobody was here meanwhile",
        "value": {"version": 0, "commands": [{"op": "mmap", "as": "m", "length": 8192}, {"op": "vmstat"}]},
    },
}
STEP_BODIES: Final[dict[str, Any]] = {"start": {"summary": "Back to the start", "value": {"version": 0}}}

MACHINE: Final[dict[str, Any]] = {
    "id": "pVqxG0PZ9cW3m3lJ1s2y3A",
    "version": 1,
    "commands": 1,
    "time_ns": 21890,
    "digest": "5f0c7d1b6f1b0a5d0f0a1e9d0c6b7a88",
    "chain": "0d9f3b0f7be04fbb9bb3c0b6d9f5f1aa",
    "created": "2026-11-23T10:00:00+00:00",
    "config": {"ram_mb": 64, "swap_mb": 256, "disk_mb": 256, "seed": 0, "tlb_entries": 1024, "sysctls": {}},
    "processes": [{"pid": 0, "slots": {"a": 134537632}, "ended": None}],
}
PERFORMED: Final[dict[str, Any]] = {
    "version": 2,
    "time_ns": 23104,
    "chain": "0d9f3b0f7be04fbb9bb3c0b6d9f5f1aa",
    "outcomes": [{"op": "malloc", "pid": 0, "ret": 134537632}, {"op": "read", "pid": 0, "val": 0}],
}
STANDING: Final[dict[str, Any]] = {
    "version": 0,
    "commands": 2,
    "time_ns": 0,
    "chain": "0d9f3b0f7be04fbb9bb3c0b6d9f5f1aa",
}
BRANCHES: Final[dict[str, Any]] = {
    "branches": [
        {
            "number": 1,
            "parent": 0,
            "base": 3,
            "length": 2,
            "first": {"pid": 0, "op": "malloc", "size": 100, "as": "a"},
        }
    ]
}
HISTORY: Final[dict[str, Any]] = {
    "first": 0,
    "commands": [{"pid": 0, "op": "malloc", "size": 100, "as": "a"}],
    "outcomes": [{"op": "malloc", "pid": 0, "ret": 134537632}],
    "next": None,
}
TRACE: Final[dict[str, Any]] = {
    "records": [
        {
            "seq": 0,
            "cause": -1,
            "time_ns": 0,
            "end_ns": 900,
            "event": "sim:command",
            "fields": {"command": {"pid": 0, "op": "malloc", "size": 100, "as": "a"}},
        }
    ],
    "next": None,
}
SCENARIOS: Final[dict[str, Any]] = {
    "scenarios": [
        {
            "name": "double-free-caught",
            "title": "A double free that glibc catches",
            "about": "A chunk in the tcache holds a key where the user's data was; free finds the key and ends the program.",
            "theme": "mistakes",
            "program": "a = malloc 100\nfree a\nfree a\n",
            "commands": [{"pid": 0, "op": "malloc", "size": 100, "as": "a"}],
        }
    ]
}
COMPLETION: Final[dict[str, Any]] = {
    "start": 4,
    "end": 7,
    "candidates": [{"text": "malloc", "what": "a = malloc SIZE: malloc(size): the pointer goes into slot `as`."}],
}
PROGRAM_READ: Final[dict[str, Any]] = {
    "commands": [{"pid": 0, "op": "malloc", "size": 100, "as": "a"}],
    "mistakes": [{"line": 2, "column": 1, "length": 4, "message": "'frea' is no command; did you mean free?"}],
}
PROBLEM: Final[dict[str, Any]] = {
    "type": "/problems#command",
    "title": "A command was refused; none was performed",
    "status": 422,
    "detail": "command 0: size is -1; it can be 0 to 4294967295",
    "errors": [
        {"field": "size", "detail": "size is -1; it can be 0 to 4294967295", "index": 0, "pointer": "/0/size"},
    ],
}
