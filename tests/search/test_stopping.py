from __future__ import annotations

from typing import Any

import pytest

from hpsearch.search.stopping import limit_reached
from hpsearch.spec.study import Limits
from hpsearch.spec.wire.progress import StudyProgress

EARLY = {"ended": 3, "failed": 1, "ended_since_best": 2, "epochs_done": 30, "seconds": 60.0}


@pytest.mark.parametrize(
    ("limits", "state", "why"),
    [
        ({}, None, ""),
        ({"trials": 4}, None, ""),
        ({"trials": 3}, "complete", "3 trials ended, the limit of 3 is reached"),
        ({"epochs": 31}, None, ""),
        ({"epochs": 30}, "complete", "30 epochs trained, the limit of 30 is reached"),
        ({"seconds": 61.0}, None, ""),
        ({"seconds": 60.0}, "complete", "60 seconds passed, the limit of 60 is reached"),
        ({"stall_trials": 3}, None, ""),
        ({"stall_trials": 2}, "complete", "2 trials ended since the best one, the limit of 2"),
        ({"failed_trials": 2}, None, ""),
        ({"failed_trials": 1}, "failed", "1 trial failed, which limits.failed_trials does not"),
        ({"failed_trials": None}, None, ""),
        ({"failed_trials": 1, "trials": 1}, "failed", "1 trial failed"),
    ],
)
def test_limits(limits: dict[str, Any], state: str | None, why: str) -> None:
    reached = limit_reached(Limits(**limits), StudyProgress(**EARLY), trials_planned=10)
    assert (reached is None) if state is None else reached is not None
    if reached is not None:
        assert reached[0] == state
        assert why in reached[1]


def test_a_study_whose_trials_are_all_over_is_past_its_budgets() -> None:
    limits = Limits(trials=3, epochs=1, seconds=1.0)
    assert limit_reached(limits, StudyProgress(**EARLY), trials_planned=3) is None
