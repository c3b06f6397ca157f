"""Misses against frames: what one more frame is worth, and whether it ever hurts."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from engine.policies.run import simulate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.policies.references import References
    from engine.policies.run import PolicyName


class MissCurve(NamedTuple):
    """One policy's misses with 1, 2, 3, … frames."""

    policy: PolicyName
    misses: tuple[int, ...]

    @property
    def anomalies(self) -> tuple[int, ...]:
        """Numbers of frames that miss more than one frame fewer does: Belady's anomaly."""
        pairs = zip(self.misses, self.misses[1:], strict=False)
        return tuple(frames for frames, (fewer, more) in enumerate(pairs, 2) if more > fewer)


def miss_curve(policies: Sequence[PolicyName], references: References, most: int) -> tuple[MissCurve, ...]:
    """The curves from 1 to `most` frames: as many runs as there are frames, for each policy."""
    return tuple(
        MissCurve(policy, tuple(simulate(policy, references, frames).misses for frames in range(1, most + 1)))
        for policy in policies
    )
