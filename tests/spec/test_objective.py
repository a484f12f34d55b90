"""Which of two values is better: decided in one place."""

from __future__ import annotations

import math

import pytest

from hpsearch.spec.study import Objective

SMALL = Objective(metric="val_loss", direction="minimize")
LARGE = Objective(metric="val_accuracy", direction="maximize")


@pytest.mark.parametrize(
    ("value", "other", "small", "large"),
    [
        (1.0, 2.0, True, False),
        (2.0, 1.0, False, True),
        (1.0, 1.0, False, False),
        (math.nan, 1.0, False, False),
        (1.0, math.nan, False, False),
        (math.inf, 1.0, False, True),
    ],
)
def test_one_value_beats_another_by_the_objectives_direction(value, other, small, large):
    assert (SMALL.is_better(value, other), LARGE.is_better(value, other)) == (small, large)


@pytest.mark.parametrize("objective", [SMALL, LARGE])
def test_only_a_finite_value_improves_and_the_first_one_always_does(objective):
    assert objective.improves(3.0, None)
    assert not any(objective.improves(value, None) for value in (math.nan, math.inf, -math.inf))
    assert not objective.improves(3.0, 3.0)


@pytest.mark.parametrize(("objective", "ordered"), [(SMALL, [-1.0, 2.0]), (LARGE, [2.0, -1.0])])
def test_sorting_puts_the_best_first_and_the_unknown_last(objective, ordered):
    values = [None, 2.0, math.nan, -1.0]
    assert sorted(values, key=objective.sort_key)[:2] == ordered
    assert objective.sort_key(ordered[0]) == objective.sign * ordered[0]
