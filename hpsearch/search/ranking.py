"""Which trials are better, where all of their states count."""

from __future__ import annotations

import math
from collections.abc import Sequence

from hpsearch.spec.language.states import TrialState
from hpsearch.spec.wire.observation import Observation


def rank_trials(trials: Sequence[Observation]) -> list[Observation]:
    """Sorts the ended trials that have a finite loss, best first.

    Complete trials come before all others, whatever those had reached; of equals the earlier one
    comes first.
    """
    ended = [
        trial
        for trial in trials
        if trial.ended and trial.loss is not None and math.isfinite(trial.loss)
    ]
    return sorted(ended, key=lambda t: (t.state != TrialState.COMPLETE, t.loss, t.number))
