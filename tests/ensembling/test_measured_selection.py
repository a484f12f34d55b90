"""Greedy selection by any metric of trials, on predictions of imbalanced classes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle

from hpsearch.ensemble_builder.metric_functions import trial_metrics
from hpsearch.ensembling import additions, measured_additions
from hpsearch.ensembling.combining import combine, probabilities
from hpsearch.ensembling.scores import scores
from hpsearch.ensembling.selection import SHORTLIST, select
from hpsearch.spec.metrics import METRICS, direction_of, objective_curves

MEASURE = trial_metrics(("common", "rare"), "rare")

ORACLES = {
    "val_auc": lambda chances, targets: oracle.roc_auc_score(targets, chances[:, 1]),
    "val_average_precision": lambda chances, targets: oracle.average_precision_score(
        targets, chances[:, 1]
    ),
    "val_f1": lambda chances, targets: oracle.f1_score(targets, chances.argmax(1)),
    "val_mcc": lambda chances, targets: oracle.matthews_corrcoef(targets, chances.argmax(1)),
    "val_balanced_accuracy": lambda chances, targets: oracle.balanced_accuracy_score(
        targets, chances.argmax(1)
    ),
}


def imbalanced(seed, count=25, rows=240, share=0.1, noise=1.2):
    """Candidates that see a rare class through a noise of their own, some better than others."""
    rng = np.random.default_rng(seed)
    targets = (rng.random(rows) < share).astype(np.int64)
    targets[:2] = 0, 1
    signal = 2.0 * targets - 1.2 + 0.6 * rng.normal(size=rows)
    own = noise * rng.uniform(0.4, 2.0, (count, 1)) * rng.normal(size=(count, rows))
    logits = np.stack([np.zeros((count, rows)), signal + own], axis=-1)
    return probabilities(logits.astype(np.float32)), targets


def plainly(candidates, targets, size, metric):
    """Caruana's procedure by scikit-learn's metric, ties by log loss, without any shortcut."""
    judge, rows = ORACLES[metric], np.arange(len(targets))
    chosen, path = [], []
    for _ in range(size):
        keys = []
        for place in range(len(candidates)):
            mean = candidates[[*chosen, place]].astype(np.float64).mean(axis=0)
            loss = -np.log(np.maximum(mean[rows, targets], 2.3e-16)).mean()
            keys.append((-round(judge(mean, targets), 12), loss))
        chosen.append(min(range(len(keys)), key=keys.__getitem__))
        path.append(-keys[chosen[-1]][0])
    return np.bincount(chosen[: int(np.argmax(path)) + 1], minlength=len(candidates)), path


@settings(max_examples=8)
@given(st.integers(0, 10_000), st.sampled_from(sorted(ORACLES)))
def test_members_are_those_of_the_plain_procedure_by_scikit_learn(seed, metric):
    candidates, targets = imbalanced(seed, count=8, rows=60)
    found = select(candidates, targets, 4, metric, MEASURE)
    counts, path = plainly(candidates, targets, 4, metric)
    assert found.path == pytest.approx(path, rel=1e-9)
    assert found.counts.tolist() == counts.tolist()


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.sampled_from(objective_curves("classes")))
def test_one_selection_is_at_least_the_best_single_candidate(seed, metric):
    """On the rows that it chooses by; as it begins with that candidate."""
    if not metric.startswith("val_"):
        return
    candidates, targets = imbalanced(seed)
    name, sign = metric.removeprefix("val_"), 1 if direction_of(metric) == "maximize" else -1
    counts = select(candidates, targets, 6, metric, MEASURE).counts
    together = scores(combine(candidates, counts, "mean"), targets, MEASURE)[name]
    alone = [
        scores(combine(one[None], np.ones(1), "mean"), targets, MEASURE)[name] for one in candidates
    ]
    assert sign * together >= max(sign * value for value in alone) - 1e-9


def test_every_metric_of_the_table_may_choose():
    candidates, targets = imbalanced(0, count=6, rows=80)
    numbers = candidates[..., 1:].astype(np.float32) * 4 + 1
    for metric in METRICS.values():
        for target, given_candidates, given_targets in (
            ("classes", candidates, targets),
            ("numbers", numbers, targets * 3.0 + 1),
        ):
            if target not in metric.targets or metric.per_class:
                continue
            for bags in (0, 2):
                found = select(
                    given_candidates, given_targets, 3, f"val_{metric.name}", MEASURE, bags=bags
                )
                assert 1 <= np.count_nonzero(found.counts) <= 3
                assert np.isfinite(found.path).all()


def test_the_recall_of_a_single_class_may_choose():
    candidates, targets = imbalanced(1)
    found = select(candidates, targets, 4, "val_recall[rare]", MEASURE)
    mean = combine(candidates, found.counts, "mean")
    recall = oracle.recall_score(targets, mean.labels)
    assert max(found.path) == pytest.approx(recall)
    assert recall >= max(oracle.recall_score(targets, one.argmax(1)) for one in candidates)


def test_bags_draw_from_the_best_candidates_alone():
    candidates, targets = imbalanced(2, count=60)
    alone = [oracle.roc_auc_score(targets, one[:, 1]) for one in candidates]
    best = np.argsort(alone)[::-1][:SHORTLIST]
    found = select(candidates, targets, 10, "val_auc", MEASURE, bags=20)
    assert set(np.flatnonzero(found.counts)) <= set(best.tolist())
    assert np.count_nonzero(found.counts) >= 5
    wide = select(candidates, targets, 30, "val_auc", MEASURE, bags=5)
    assert np.count_nonzero(wide.counts) > 10


def test_a_bag_begins_with_its_best_candidates_and_size_bounds_them():
    candidates, targets = imbalanced(3, count=10)
    for size in (1, 3):
        found = select(candidates, targets, size, "val_auc", MEASURE, bags=6)
        assert 1 <= np.count_nonzero(found.counts) <= size
    alone = select(candidates[:1], targets, 4, "val_f1", MEASURE, bags=3)
    assert np.flatnonzero(alone.counts).tolist() == [0]


@pytest.mark.parametrize("metric", ["val_auc", "val_f1"])
def test_nothing_depends_on_the_number_of_cores(metric, monkeypatch):
    monkeypatch.setattr(measured_additions, "MEASURED_AT_ONCE", 900)
    monkeypatch.setattr(additions, "SMALLEST_SLICE", 1500)
    candidates, targets = imbalanced(4)
    found = []
    for cores in (1, 2, 7):
        monkeypatch.setattr(additions.os, "cpu_count", lambda cores=cores: cores)
        selection = select(candidates, targets, 6, metric, MEASURE, bags=3)
        found.append((selection.counts.tolist(), selection.path))
    assert found == found[:1] * 3


def test_a_metric_that_rows_do_not_define_is_the_worst():
    """And all the same where no candidate has it: the log loss decides."""
    candidates, _ = imbalanced(5, count=6)
    targets = np.zeros(candidates.shape[1], np.int64)
    found = select(candidates, targets, 3, "val_auc", MEASURE)
    assert found.counts.sum() >= 1
    by_loss = select(candidates, targets, 1, "val_loss")
    assert found.counts[by_loss.counts.argmax()] >= 1
