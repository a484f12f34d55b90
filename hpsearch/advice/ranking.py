"""Which trials are compared, and which are the best, for all findings alike."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from hpsearch.spec.language.states import TrialState
from hpsearch.spec.wire.observation import Observation

BEST_SHARE = 0.25
"""The best quarter is compared with the rest."""


def comparable(tried: Sequence[Observation]) -> list[Observation]:
    """The trials that are compared, by number: those of the stage that has most of them.

    Complete trials and pruned ones count; a failed one says nothing of its parameters.
    """
    eligible = [trial for trial in tried if trial.state in (TrialState.COMPLETE, TrialState.PRUNED)]
    if not eligible:
        return []
    sizes = Counter(trial.stage for trial in eligible)
    stage = min(sizes, key=lambda stage: (-sizes[stage], stage))
    return sorted(
        (trial for trial in eligible if trial.stage == stage), key=lambda trial: trial.number
    )


def score(trial: Observation) -> float:
    """The loss of a complete trial; inf for all others, which are worse than any complete one."""
    if trial.state is not TrialState.COMPLETE or trial.loss is None or math.isnan(trial.loss):
        return math.inf
    return trial.loss


def best_of(tried: Sequence[Observation]) -> list[Observation]:
    """The best quarter of the trials, the best first; only complete ones with a value."""
    valued = [trial for trial in tried if math.isfinite(score(trial))]
    ordered = sorted(valued, key=lambda trial: (score(trial), trial.number))
    return ordered[: math.ceil(BEST_SHARE * len(tried))]
