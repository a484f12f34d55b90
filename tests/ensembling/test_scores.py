from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle

from hpsearch.ensembling.combining import Combined, combine, probabilities
from hpsearch.ensembling.scores import row_values, scores
from hpsearch.training.numerics.metrics import metrics_for


def drawn(seed, classes, rows=30, levels=None):
    rng = np.random.default_rng(seed)
    outputs = rng.normal(size=(rows, classes))
    if levels:
        outputs = np.round(outputs * levels) / levels
    labels = np.concatenate([np.arange(classes), rng.integers(classes, size=rows - classes)])
    return outputs.astype(np.float32), rng.permutation(labels)


def alone(outputs):
    return combine(probabilities(outputs)[None], np.ones(1), "mean")


@settings(max_examples=20)
@given(st.integers(0, 10_000), st.integers(2, 5), st.sampled_from([None, 1]))
def test_classes_are_judged_as_scikit_learn_does(seed, classes, levels):
    outputs, targets = drawn(seed, classes, levels=levels)
    said = alone(outputs)
    shares = said.values[:, 1] if classes == 2 else said.values / said.values.sum(1)[:, None]
    assert scores(said, targets) == pytest.approx(
        {
            "accuracy": oracle.accuracy_score(targets, said.labels),
            "loss": oracle.log_loss(targets, said.values.astype(np.float32)),
            "f1": oracle.f1_score(targets, said.labels, average="macro"),
            "auc": oracle.roc_auc_score(targets, shares, multi_class="ovr"),
        },
        rel=1e-5,
    )


@settings(max_examples=20)
@given(st.integers(0, 10_000), st.integers(2, 6), st.integers(1, 4))
def test_classes_are_judged_as_in_training_even_where_some_are_missing(seed, classes, there):
    outputs, _ = drawn(seed, classes)
    targets = np.random.default_rng(seed).integers(min(there, classes), size=len(outputs))
    found = scores(alone(outputs), targets)
    trained = torch.from_numpy(outputs)[None], torch.from_numpy(targets)
    metrics = metrics_for("classes")
    for name in found.keys() & metrics:
        measured = metrics[name](*trained).item()
        assert found[name] == pytest.approx(measured, rel=1e-6, nan_ok=True)
    loss = torch.nn.functional.cross_entropy(trained[0][0].double(), trained[1])
    assert found["loss"] == pytest.approx(loss.item(), rel=1e-6)


@settings(max_examples=20)
@given(st.integers(0, 10_000), st.sampled_from([1e-3, 1.0, 250.0]))
def test_numbers_are_judged_as_scikit_learn_does(seed, scale):
    rng = np.random.default_rng(seed)
    targets = scale * rng.normal(3, 1, size=20)
    outputs = (targets + scale * rng.normal(size=20))[:, None]
    found = scores(Combined(outputs, None), targets, scale)
    squared = oracle.mean_squared_error(targets, outputs)
    assert found == pytest.approx(
        {
            "loss": squared / scale**2,
            "rmse": squared**0.5,
            "mae": oracle.mean_absolute_error(targets, outputs),
            "r2": oracle.r2_score(targets, outputs),
        }
    )
    trained = torch.from_numpy(outputs)[None], torch.from_numpy(targets)
    metrics = metrics_for("numbers")
    for name in found.keys() & metrics:
        assert found[name] == pytest.approx(metrics[name](*trained).item())


def test_r2_of_equal_targets_and_auc_of_one_class_are_no_numbers():
    for alike in (1.0, 0.1):  # of which the mean of three is not 0.1
        assert np.isnan(scores(Combined(np.ones((3, 1)), None), np.full(3, alike))["r2"])
    assert np.isnan(scores(alone(np.eye(3)), np.zeros(3, np.int64))["auc"])


def test_a_class_held_impossible_costs_what_scikit_learn_makes_of_it():
    shares, targets = np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([1, 1])
    found = scores(Combined(shares, shares.argmax(1)), targets)
    assert found["loss"] == pytest.approx(oracle.log_loss(targets, shares, labels=[0, 1]))


@pytest.mark.parametrize("is_classification", [True, False])
def test_scores_are_means_of_row_values(is_classification):
    outputs, targets = drawn(0, 4)
    said = alone(outputs) if is_classification else Combined(outputs.astype(np.float64), None)
    rows = row_values(said, targets, 2.0)
    assert set(rows) == ({"accuracy", "loss"} if is_classification else {"loss", "rmse", "mae"})
    found = scores(said, targets, 2.0)
    for name, row in rows.items():
        assert row.shape == targets.shape
        mean = row.mean()
        assert (np.sqrt(mean) if name == "rmse" else mean) == found[name]
