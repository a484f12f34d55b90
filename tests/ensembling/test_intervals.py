from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import bootstrap as oracle

from hpsearch.ensembling.intervals import bootstrap


def rows(seed, count=80):
    rng = np.random.default_rng(seed)
    right = rng.random(count) < 0.8
    return {"accuracy": right.astype(float), "loss": rng.exponential(size=count)}


def test_intervals_are_those_of_scipy():
    ensemble, single = rows(0), rows(1)
    found = bootstrap(ensemble, single, resamples=20_000)
    assert set(found) == {"accuracy", "loss", "accuracy_gain", "loss_gain"}
    for name, values in (
        ("accuracy", ensemble["accuracy"]),
        ("loss", ensemble["loss"]),
        ("accuracy_gain", ensemble["accuracy"] - single["accuracy"]),
        ("loss_gain", single["loss"] - ensemble["loss"]),
    ):
        theirs = oracle((values,), np.mean, n_resamples=20_000, method="percentile", rng=0)
        assert found[name] == pytest.approx(tuple(theirs.confidence_interval), abs=0.015)


def test_intervals_of_a_root_are_those_of_scipy():
    rng = np.random.default_rng(0)
    ensemble, single = rng.exponential(size=80), rng.exponential(2, size=80)

    def rmse(own, axis):
        return np.sqrt(own.mean(axis=axis))

    def gain(own, other, axis):
        return np.sqrt(other.mean(axis=axis)) - np.sqrt(own.mean(axis=axis))

    found = bootstrap({"rmse": ensemble}, {"rmse": single}, resamples=20_000)
    for name, values, score in (
        ("rmse", (ensemble,), rmse),
        ("rmse_gain", (ensemble, single), gain),
    ):
        theirs = oracle(values, score, n_resamples=20_000, method="percentile", rng=0, paired=True)
        assert found[name] == pytest.approx(tuple(theirs.confidence_interval), abs=0.015)


@settings(max_examples=20)
@given(st.integers(0, 10_000), st.integers(2, 60))
def test_what_was_measured_lies_within_and_a_seed_decides(seed, count):
    ensemble, single = rows(seed, count), rows(seed + 1, count)
    found = bootstrap(ensemble, single, seed=seed, resamples=400)
    for name, row in ensemble.items():
        low, high = found[name]
        assert low <= row.mean() <= high
        assert row.min() - 1e-12 <= low <= high <= row.max() + 1e-12
    assert found == bootstrap(ensemble, single, seed=seed, resamples=400)


@settings(max_examples=20)
@given(st.floats(-1e3, 1e3), st.integers(2, 50))
def test_rows_that_are_all_alike_leave_no_doubt(value, count):
    alike = {"loss": np.full(count, value), "mae": np.full(count, 2 * value)}
    found = bootstrap(alike, alike, resamples=50)
    assert found == {
        "loss": (value, value),
        "mae": (2 * value, 2 * value),
        "loss_gain": (0.0, 0.0),
        "mae_gain": (0.0, 0.0),
    }


def test_a_paired_gain_is_surer_than_the_scores():
    single = rows(0, 200)
    better = {"loss": single["loss"] - 0.01}
    found = bootstrap(better, {"loss": single["loss"]})
    assert found["loss_gain"] == pytest.approx((0.01, 0.01))
    assert found["loss"][1] - found["loss"][0] > 0.1


def test_the_truth_is_covered_about_as_often_as_promised():
    covered = 0
    for seed in range(300):
        row = {"loss": np.random.default_rng(seed).exponential(size=60)}
        low, high = bootstrap(row, row, seed=seed, resamples=200)["loss"]
        covered += low <= 1.0 <= high
    assert 0.88 < covered / 300 < 0.98


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_rows_have_no_interval(count):
    assert bootstrap(rows(0, count), rows(1, count)) == {}


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_rows_that_are_not_finite_have_no_interval_and_others_keep_theirs(broken):
    ensemble, single = rows(0), rows(1)
    expected = bootstrap(ensemble, single, resamples=50)
    for which in (ensemble, single):
        whole, which["loss"] = which["loss"], np.append(which["loss"][:-1], broken)
        found = bootstrap(ensemble, single, resamples=50)
        which["loss"] = whole
        assert found == {name: expected[name] for name in ("accuracy", "accuracy_gain")}
