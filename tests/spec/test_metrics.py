"""The table of metrics: names, directions, and what may be an objective."""

from __future__ import annotations

import pytest

from hpsearch.spec.metrics import direction_of, objective_curves
from hpsearch.spec.study import Objective


@pytest.mark.parametrize(
    ("curve", "direction"),
    [
        ("val_accuracy", "maximize"),
        ("ema_val_loss", "minimize"),
        ("train_objective", "minimize"),
        ("val_my_auc", None),
        ("val_rmse", "minimize"),
        ("lr", None),
    ],
)
def test_a_curves_direction_is_that_of_the_metric_it_names(curve, direction):
    assert direction_of(curve) == direction


@pytest.mark.parametrize("target", ["classes", "numbers", "none"])
def test_the_default_objective_is_one_that_may_be_named(target):
    default = Objective.default_for(target)
    assert default.metric in objective_curves(target)
    assert default.direction == direction_of(default.metric)
