"""Trials in the order of their worth, as all findings see them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from hpsearch.spec.language.states import TrialState
from hpsearch.spec.wire.observation import Observation

BEST_SHARE = 0.25
"""The best quarter is compared with the rest."""


def comparable(tried: Sequence[Observation]) -> list[Observation]:
    """The trials of the stage that has most of those that count, by number.

    Complete ones count, and those that were stopped early; a failure says nothing of a trial.
    """
    counted = [trial for trial in tried if trial.state in (TrialState.COMPLETE, TrialState.PRUNED)]
    if not counted:
        return []
    sizes = Counter(trial.stage for trial in counted)
    stage = min(sizes, key=lambda stage: (-sizes[stage], stage))
    return sorted(
        (trial for trial in counted if trial.stage == stage), key=lambda trial: trial.number
    )


def score(trial: Observation) -> float:
    """Its loss; what was stopped early is worse than all that ran to the end."""
    if trial.state is not TrialState.COMPLETE or trial.loss is None or math.isnan(trial.loss):
        return math.inf
    return trial.loss


def best_of(tried: Sequence[Observation]) -> list[Observation]:
    """The best quarter, the best first; none of them stopped early."""
    valued = [trial for trial in tried if math.isfinite(score(trial))]
    ordered = sorted(valued, key=lambda trial: (score(trial), trial.number))
    return ordered[: math.ceil(BEST_SHARE * len(tried))]
