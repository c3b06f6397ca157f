"""Bodies of the policy lab's requests and answers."""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from app.policy_lab import TABLE_FRAMES, TABLE_STEPS, LabError, LabQuestion, policies_named
from engine.policies import PATTERNS, REFERENCES_MAXIMUM, Pattern, PolicyName

_STRICT: Final = ConfigDict(strict=True, extra="forbid")


class PatternBody(BaseModel):
    """A string to generate: the same seed gives the same one everywhere."""

    model_config = _STRICT

    kind: str = Field(json_schema_extra={"enum": [*PATTERNS]})
    length: int
    pages: int
    seed: int = 0


class PolicyBody(BaseModel):
    """The references, in one of three ways, and what to do with them."""

    model_config = _STRICT

    references: list[int] | None = Field(default=None, description=f"Page numbers, at most {REFERENCES_MAXIMUM:,}.")
    trace: str | None = Field(default=None, description="Numbers with r or w, or what valgrind's lackey printed.")
    pattern: PatternBody | None = None
    page_shift: int = Field(default=0, description="12 where the numbers are addresses: a page is number >> 12.")
    frames: int
    policies: list[str] = Field(
        default=[*PolicyName],
        json_schema_extra={"items": {"type": "string", "enum": [*PolicyName]}},
    )
    first: int = Field(default=0, description="The first step that is wanted.")
    steps: int = Field(
        default=0,
        ge=0,
        description=f"Steps with their frames: {TABLE_STEPS} at most, of {TABLE_FRAMES} frames at most.",
    )
    curve_to: int = Field(default=0, ge=0, description="Count misses with 1, 2, … frames up to so many, too.")

    def question(self) -> LabQuestion:
        """As the lab takes it. Raises LabError."""
        sources = [given for given in (self.references, self.trace, self.pattern) if given is not None]
        if len(sources) != 1:
            raise LabError("references", "give one of references, trace and pattern")
        source: str | tuple[int, ...] | Pattern
        if self.pattern is not None:
            source = Pattern(self.pattern.kind, self.pattern.length, self.pattern.pages, self.pattern.seed)
        else:
            source = self.trace if self.trace is not None else tuple(self.references or ())
        return LabQuestion(
            source, self.frames, policies_named(self.policies), self.page_shift, self.first, self.steps, self.curve_to
        )


class FrameAnswer(BaseModel):
    """A page in a frame; `place` 0 is the one that the policy looks at first. The rest is the policy's own knowledge."""

    page: int
    place: int
    referenced: bool | None = None
    accessed: bool | None = None
    active: bool | None = None
    next_use: int | None = None


class StepAnswer(BaseModel):
    """One reference, and the frames after it; null is a free frame."""

    number: int
    page: int
    hit: bool
    frame: int
    victim: int | None
    frames: list[FrameAnswer | None]


class RunAnswer(BaseModel):
    """One policy."""

    policy: str
    hits: int
    misses: int
    evictions: int
    written_back: int = Field(description="Evicted pages that had been written.")
    steps: list[StepAnswer]


class CurveAnswer(BaseModel):
    """Misses with 1, 2, … frames; `anomalies` are the numbers of frames that miss more than one frame fewer."""

    policy: str
    misses: list[int]
    anomalies: list[int]


class PolicyAnswer(BaseModel):
    """All policies over the same references."""

    references: int
    distinct: int
    frames: int
    runs: list[RunAnswer]
    curves: list[CurveAnswer]
