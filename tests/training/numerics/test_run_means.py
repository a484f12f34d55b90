from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpsearch.training.numerics.run_means import mean_metrics

NUMBERS = st.floats(-1e6, 1e6)


@given(st.lists(NUMBERS, min_size=2, max_size=8))
def test_means_and_sample_deviations_are_numpy_s(values):
    found = mean_metrics([{"val_loss": value} for value in values])
    assert found["val_loss"] == pytest.approx(np.mean(values), rel=1e-12, abs=1e-6)
    assert found["val_loss_std"] == pytest.approx(np.std(values, ddof=1), rel=1e-9, abs=1e-6)


@given(st.floats(allow_nan=False, allow_infinity=False), st.integers(1, 7))
def test_the_mean_of_equal_values_is_their_value(value, count):
    found = mean_metrics([{"lr": value}] * count)
    assert found == {"lr": value}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_stays_so(value):
    found = mean_metrics([{"val_loss": 1.0}, {"val_loss": value}, {"val_loss": 1e308}])
    assert str(found["val_loss"]) == str(value)
    assert math.isnan(found["val_loss_std"])


def test_held_out_metrics_and_objectives_say_how_far_runs_lie_apart():
    runs = [{"val_f1": 1.0, "test_f1": 1.0, "train_loss": x, "lr": 0.1} for x in (1.0, 2.0)]
    assert set(mean_metrics(runs)) == {*runs[0], "val_f1_std", "test_f1_std"}
    assert set(mean_metrics(runs, ["train_loss"])) >= {"train_loss_std", "val_f1_std"}


def test_a_metric_that_one_run_lacks_is_the_others_mean():
    found = mean_metrics([{"swa_val_loss": 1.0, "val_loss": 2.0}, {"val_loss": 4.0}])
    assert (found["swa_val_loss"], found["val_loss"]) == (1.0, 3.0)
    assert "val_loss_std" in found
    assert "swa_val_loss_std" not in found
