from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import bootstrap as oracle
from sklearn.metrics import average_precision_score, f1_score, r2_score, roc_auc_score

from hpsearch.ensemble_builder.metric_functions import trial_metrics
from hpsearch.ensembling import intervals
from hpsearch.ensembling.combining import Combined, combine
from hpsearch.ensembling.intervals import FEWEST, RESAMPLES, bootstrap, bootstrap_metric


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


CLASS_METRICS = {
    "auc": lambda y, one: roc_auc_score(y, one.values[:, 1]),
    "average_precision": lambda y, one: average_precision_score(y, one.values[:, 1]),
    "f1": lambda y, one: f1_score(y, one.labels),
}
MEASURE = trial_metrics(("common", "rare"), "rare")


def uneven(seed, rows=150):
    """Two models of a rare class, the first of which sees it better."""
    rng = np.random.default_rng(seed)
    targets = np.zeros(rows, np.int64)
    targets[: rows // 8] = 1
    both = []
    for noise in (1.0, 1.6):
        rare = 1 / (1 + np.exp(-(2.5 * targets - 1.5 + noise * rng.normal(size=rows))))
        both.append(combine(np.stack([1 - rare, rare], 1)[None], np.ones(1), "mean"))
    return *both, targets


def rows_of(one, rows):
    return Combined(one.values[rows], one.labels[rows])


@pytest.mark.parametrize("name", CLASS_METRICS)
def test_intervals_of_other_metrics_are_those_of_draws_within_classes(name):
    ensemble, single, targets = uneven(0)
    found, count = bootstrap_metric(name, ensemble, single, targets, MEASURE, seed=1)
    assert count == RESAMPLES
    rng, judge, draws = np.random.default_rng(2), CLASS_METRICS[name], []
    classes = [np.flatnonzero(targets == label) for label in (0, 1)]
    for _ in range(1500):
        rows = np.concatenate([rng.choice(own, len(own)) for own in classes])
        draws.append([judge(targets[rows], rows_of(one, rows)) for one in (ensemble, single)])
    own, alone = np.array(draws).T
    for key, values in ((name, own), (f"{name}_gain", own - alone)):
        assert found[key] == pytest.approx(np.quantile(values, (0.025, 0.975)), abs=0.02)


def test_intervals_of_r2_are_those_of_scipy():
    rng = np.random.default_rng(3)
    targets = rng.normal(size=90)
    both = [
        Combined((targets + width * rng.normal(size=90))[:, None], None) for width in (0.5, 0.7)
    ]
    found, _ = bootstrap_metric("r2", *both, targets, MEASURE)

    def score(own, alone, y):
        return r2_score(y, own) - r2_score(y, alone)

    theirs = oracle(
        (both[0].values[:, 0], both[1].values[:, 0], targets), score, n_resamples=2000,
        method="percentile", paired=True, vectorized=False, rng=0,
    )  # fmt: skip
    assert found["r2_gain"] == pytest.approx(tuple(theirs.confidence_interval), abs=0.02)


def test_equal_models_gain_nothing_and_a_seed_decides():
    ensemble, _, targets = uneven(4)
    found, _ = bootstrap_metric("auc", ensemble, ensemble, targets, MEASURE, seed=5)
    assert found["auc_gain"] == (0.0, 0.0)
    again, _ = bootstrap_metric("auc", ensemble, ensemble, targets, MEASURE, seed=5)
    assert found == again


def test_many_rows_have_fewer_draws_and_chunks_change_nothing(monkeypatch):
    ensemble, single, targets = uneven(6)
    whole = bootstrap_metric("f1", ensemble, single, targets, MEASURE)
    monkeypatch.setattr(intervals, "AT_ONCE", 1)
    monkeypatch.setattr(intervals, "WORK", 300 * ensemble.values.size)
    part, count = bootstrap_metric("f1", ensemble, single, targets, MEASURE)
    assert count == 300
    assert part["f1"] == pytest.approx(whole[0]["f1"], abs=0.05)
    monkeypatch.setattr(intervals, "WORK", 1)
    assert bootstrap_metric("f1", ensemble, single, targets, MEASURE)[1] == FEWEST


def test_what_draws_do_not_define_has_no_interval():
    ensemble, single, targets = uneven(7)
    one_class = np.zeros_like(targets)
    assert bootstrap_metric("auc", ensemble, single, one_class, MEASURE)[0] == {}
    row = slice(0, 1)
    first = rows_of(ensemble, row), rows_of(single, row), targets[row]
    assert bootstrap_metric("f1", *first, MEASURE)[0] == {}
