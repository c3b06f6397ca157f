"""The policy lab: the same page references under several ways to choose which page must go.

Apart from the machine: no page tables, no clock, no kernel; references and frames alone. Every policy is a class that reads
as it is told (`use`, `evict`, `load`), and where a hundred thousand references are to be counted, a function that
gives the same victims faster; a test holds each pair together.
"""

from engine.policies.curve import MissCurve, miss_curve
from engine.policies.generators import GENERATORS, PATTERNS, Pattern
from engine.policies.policy import Kept, Policy
from engine.policies.references import References
from engine.policies.run import POLICIES, PolicyName, Run, Slot, Step, simulate
from engine.policies.traces import (
    PAGE_SHIFT_MAXIMUM,
    REFERENCES_MAXIMUM,
    Trace,
    TraceError,
    read_trace,
)

__all__ = [
    "GENERATORS",
    "PAGE_SHIFT_MAXIMUM",
    "PATTERNS",
    "POLICIES",
    "REFERENCES_MAXIMUM",
    "Kept",
    "MissCurve",
    "Pattern",
    "Policy",
    "PolicyName",
    "References",
    "Run",
    "Slot",
    "Step",
    "Trace",
    "TraceError",
    "miss_curve",
    "read_trace",
    "simulate",
]
