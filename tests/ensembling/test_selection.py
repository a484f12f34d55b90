from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpsearch.ensemble_builder.metric_functions import trial_metrics
from hpsearch.ensembling import additions
from hpsearch.ensembling.combining import combine, probabilities
from hpsearch.ensembling.scores import scores
from hpsearch.ensembling.selection import select
from hpsearch.errors import InvalidInput

EPS = Fraction(float(np.finfo(float).eps))


def in_eighths(rng, count, rows, classes):
    """Probabilities whose sums floats hold exactly, and which tie often."""
    drawn = rng.multinomial(8, np.full(classes, 1 / classes), (count, rows))
    return (drawn / 8).astype(np.float32)


def exact_key(metric, is_classification):
    """(mean output as fractions, targets) → what to minimise, in exact arithmetic."""

    def key(mean, targets):
        if is_classification:
            chances = [max(row[t], EPS) for row, t in zip(mean, targets, strict=True)]
            hits = sum(row.index(max(row)) == t for row, t in zip(mean, targets, strict=True))
            product = math.prod(chances)
            return (-hits, -product) if metric == "val_accuracy" else (-product,)
        off = [row[0] - t for row, t in zip(mean, targets, strict=True)]
        return (sum(map(abs, off) if metric == "val_mae" else (one * one for one in off)),)

    return key


def reference(candidates, targets, size, key):
    """Caruana's procedure, step by step, over fractions."""
    said = [[[Fraction(float(x)) for x in row] for row in one] for one in candidates]
    targets = [Fraction(float(t)) if candidates.shape[2] == 1 else int(t) for t in targets]

    def judged(chosen):
        mean = [
            [sum(column) / len(chosen) for column in zip(*rows, strict=True)]
            for rows in zip(*(said[place] for place in chosen), strict=True)
        ]
        return key(mean, targets)

    chosen, path = [], []
    for _ in range(size):
        chosen.append(min(range(len(said)), key=lambda place: judged([*chosen, place])))
        path.append(judged(chosen)[0])
    kept = chosen[: path.index(min(path)) + 1]
    return np.bincount(kept, minlength=len(said))


@settings(max_examples=150)
@given(
    st.integers(0, 100_000),
    st.integers(1, 5),
    st.integers(1, 3),
    st.integers(2, 4),
    st.integers(1, 4),
    st.sampled_from(["val_loss", "val_accuracy"]),
)
def test_classes_are_selected_as_in_exact_arithmetic(seed, count, rows, classes, size, metric):
    rng = np.random.default_rng(seed)
    candidates, targets = in_eighths(rng, count, rows, classes), rng.integers(classes, size=rows)
    expected = reference(candidates, targets, size, exact_key(metric, is_classification=True))
    assert select(candidates, targets, size, metric).counts.tolist() == expected.tolist()


@settings(max_examples=100)
@given(
    st.integers(0, 100_000),
    st.integers(1, 5),
    st.integers(1, 4),
    st.integers(1, 4),
    st.sampled_from(["val_loss", "val_rmse", "val_mae"]),
)
def test_numbers_are_selected_as_in_exact_arithmetic(seed, count, rows, size, metric):
    rng = np.random.default_rng(seed)
    candidates = rng.integers(-4, 5, (count, rows, 1)).astype(np.float32)
    targets = rng.integers(-4, 5, rows).astype(np.float64)
    expected = reference(candidates, targets, size, exact_key(metric, is_classification=False))
    assert select(candidates, targets, size, metric).counts.tolist() == expected.tolist()


def models(seed, count=40, rows=300, classes=5, noise=1.0):
    """Candidates that agree on a part of what they see."""
    rng = np.random.default_rng(seed)
    targets = rng.integers(classes, size=rows)
    shared = 1.5 * np.eye(classes)[targets] + rng.normal(size=(rows, classes))
    own = rng.normal(size=(count, rows, classes))
    return probabilities(shared + noise * rng.uniform(0.5, 2, (count, 1, 1)) * own), targets


def plainly(candidates, targets, size, metric):
    """The same in float64, without any shortcut."""
    chosen, path, rows = [], [], np.arange(len(targets))
    for _ in range(size):
        keys = []
        for place in range(len(candidates)):
            mean = sum(candidates[one].astype(np.float64) for one in [*chosen, place])
            mean = mean / (len(chosen) + 1)
            loss = -np.log(np.maximum(mean[rows, targets], float(EPS))).mean()
            right = (mean.argmax(1) == targets).mean()
            keys.append((loss,) if metric == "val_loss" else (-right, loss))
        chosen.append(min(range(len(candidates)), key=keys.__getitem__))
        path.append(abs(keys[chosen[-1]][0]))
    best = np.argmin(path) if metric == "val_loss" else np.argmax(path)
    return np.bincount(chosen[: best + 1], minlength=len(candidates)), path


@pytest.mark.parametrize("metric", ["val_loss", "val_accuracy"])
@pytest.mark.parametrize(("seed", "classes"), [(0, 2), (1, 5)])
@pytest.mark.parametrize("chunk", [None, 700])
def test_real_numbers_are_selected_as_without_shortcuts(metric, seed, classes, chunk, monkeypatch):
    if chunk:
        monkeypatch.setattr(additions, "CHUNK", chunk)
        monkeypatch.setattr(additions, "SMALLEST_SLICE", 5 * chunk)
    candidates, targets = models(seed, classes=classes)
    found = select(candidates, targets, 8, metric)
    counts, path = plainly(candidates, targets, 8, metric)
    assert found.counts.tolist() == counts.tolist()
    assert found.path == pytest.approx(path, rel=1e-12)


@pytest.mark.parametrize("metric", ["val_loss", "val_accuracy"])
def test_nothing_depends_on_the_number_of_cores(metric, monkeypatch):
    monkeypatch.setattr(additions, "CHUNK", 500)
    monkeypatch.setattr(additions, "SMALLEST_SLICE", 1500)
    candidates, targets = models(2)
    found = []
    for cores in (1, 2, 7, None):
        monkeypatch.setattr(additions.os, "cpu_count", lambda cores=cores: cores)
        selection = select(candidates, targets, 6, metric, bags=3)
        found.append((selection.counts.tolist(), selection.path))
    assert found == found[:1] * 4


@pytest.mark.parametrize("metric", ["val_loss", "val_accuracy"])
def test_the_path_tells_the_score_of_the_ensemble(metric):
    candidates, targets = models(3)
    for bags in (0, 1):
        found = select(candidates, targets, 6, metric, bags=bags)
        together = scores(combine(candidates, found.counts, "mean"), targets, trial_metrics())
        best = found.path[-1] if bags else min(found.path, key=lambda one: one * _sign(metric))
        assert best == pytest.approx(together[metric.removeprefix("val_")], rel=1e-6)


def _sign(metric):
    return -1 if metric == "val_accuracy" else 1


@pytest.mark.parametrize("metric", ["val_loss", "val_rmse", "val_mae"])
def test_the_path_of_numbers_is_in_the_metric(metric):
    rng = np.random.default_rng(0)
    targets = rng.normal(size=50)
    candidates = (targets[:, None] + rng.normal(size=(9, 50, 1))).astype(np.float32)
    found = select(candidates, targets, 5, metric)
    together = scores(
        combine(candidates, found.counts, "mean", is_classification=False), targets, trial_metrics()
    )
    assert min(found.path) == pytest.approx(together[metric.removeprefix("val_")], rel=1e-6)


def test_bags_see_half_of_the_candidates_and_few_members_stay():
    candidates, targets = models(4, count=9)
    for seed in range(5):
        one = select(candidates, targets, 9, bags=1, seed=seed)
        assert 1 <= np.count_nonzero(one.counts) <= 5
        assert one.counts.sum() <= 9
    many = select(candidates, targets, 3, bags=20)
    assert len(many.path) == 20
    assert np.count_nonzero(many.counts) == 3
    alone = select(candidates[:1], targets, 3, bags=4)
    assert alone.counts.tolist() == [4]
    assert select(candidates, targets, 3, bags=2, seed=1).counts.tolist() == (
        select(candidates, targets, 3, bags=2, seed=1).counts.tolist()
    )


def test_an_ensemble_beats_its_best_member_on_unseen_rows():
    candidates, targets = models(5, rows=2000, noise=2.0)
    found = select(candidates[:, :1000], targets[:1000], 10, bags=10)
    unseen = candidates[:, 1000:]
    together = scores(combine(unseen, found.counts, "mean"), targets[1000:], trial_metrics())
    best = select(candidates[:, :1000], targets[:1000], 1).counts.argmax()
    single = scores(
        combine(unseen[best : best + 1], np.ones(1), "mean"), targets[1000:], trial_metrics()
    )
    assert together["loss"] < single["loss"] - 0.05
    assert together["accuracy"] > single["accuracy"]


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(
    ("metric", "bags"), [("val_loss", 0), ("val_accuracy", 0), ("val_loss", 4)]
)
def test_candidates_that_are_not_finite_are_passed_over(broken, metric, bags):
    candidates, targets = models(6, count=6)
    spoiled = np.insert(candidates, [0, 3], candidates[0], axis=0)
    spoiled[0, 5, 1] = spoiled[4, 7, 0] = broken
    found = select(spoiled, targets, 5, metric, bags=bags).counts
    assert found[0] == found[4] == 0
    if not bags:
        assert np.delete(found, [0, 4]).tolist() == (
            select(candidates, targets, 5, metric).counts.tolist()
        )
    with pytest.raises(InvalidInput, match=r"candidates: must hold one .* got none among 2"):
        select(spoiled[[0, 4]], targets, 5, metric, bags=bags)


@pytest.mark.parametrize("bags", [0, 2])
@pytest.mark.parametrize("metric", ["val_loss", "val_accuracy"])
def test_of_identical_candidates_the_first_stays_alone(bags, metric):
    candidates, targets = models(7, count=1)
    found = select(np.repeat(candidates, 3, axis=0), targets, 4, metric, bags=bags)
    # A bag by accuracy begins with all of its half, which is two of the three.
    assert found.counts.sum() == (2 * bags if metric == "val_accuracy" and bags else max(bags, 1))
    assert bags or found.counts.tolist() == [1, 0, 0]


def test_rows_on_which_all_is_settled_are_no_trouble():
    sure = np.tile(np.float32([[1, 0], [0, 1]]), (3, 1, 1))
    assert select(sure, np.array([0, 1]), 5, "val_accuracy").counts.tolist() == [1, 0, 0]
    assert select(sure, np.array([1, 0]), 5, "val_accuracy").counts.tolist() == [1, 0, 0]


def test_what_cannot_be_selected_is_refused():
    candidates, targets = models(8, count=2)
    for given_candidates, given_targets, metric, rule in (
        (candidates, targets, "val_r2", "metric: must be one of val_loss, val_accuracy, val_f1, "),
        (candidates, targets, "f1", "metric: must be one of .*, got f1"),
        (
            candidates[..., :1],
            targets * 1.0,
            "val_auc",
            "metric: must be one of val_loss, val_rmse",
        ),
        (candidates[:, 1:], targets, "val_loss", r"candidates: must be of shape \[M, N, C\]"),
        (candidates[:0], targets, "val_loss", r"candidates: must be of shape \[M, N, C\]"),
        (np.log(candidates), targets, "val_loss", "candidates: must be probabilities from 0 to 1"),
    ):
        with pytest.raises(InvalidInput, match=rule):
            select(given_candidates, given_targets, 3, metric, trial_metrics())
