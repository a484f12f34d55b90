"""Metrics against scikit-learn, trial by trial."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle

from hpsearch.spec.metrics import objective_curves
from hpsearch.training.numerics.metrics import auc, f1, hits, metrics_for, r2

torch.set_num_threads(1)

OF_CLASSES, OF_NUMBERS = metrics_for("classes"), metrics_for("numbers")


def drawn(seed, trials=2, rows=30, classes=4, levels=None):
    rng = np.random.default_rng(seed)
    outputs = rng.normal(size=(trials, rows, classes))
    if levels:
        outputs = np.round(outputs * levels) / levels
    labels = np.concatenate([np.arange(classes), rng.integers(classes, size=rows - classes)])
    return torch.from_numpy(outputs), torch.from_numpy(rng.permutation(labels))


def test_every_metric_that_may_be_an_objective_is_measured():
    for target, built in (("classes", OF_CLASSES), ("numbers", OF_NUMBERS)):
        named = {
            name.removeprefix("val_")
            for name in objective_curves(target)
            if name.startswith("val_")
        }
        assert named == {"loss", *built}


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.integers(2, 5))
def test_classes_are_judged_as_scikit_learn_does(seed, classes):
    outputs, labels = drawn(seed, classes=classes)
    for k in range(2):
        said, scores = outputs[k].argmax(-1), outputs[k].softmax(-1).numpy()
        expected = {
            "accuracy": oracle.accuracy_score(labels, said),
            "f1": oracle.f1_score(labels, said, average="macro"),
            "auc": oracle.roc_auc_score(
                labels, scores[:, 1] if classes == 2 else scores, multi_class="ovr"
            ),
        }
        found = {name: float(metric(outputs, labels)[k]) for name, metric in OF_CLASSES.items()}
        assert found == pytest.approx(expected)


def test_ties_count_half():
    outputs, labels = drawn(0, classes=2, levels=1)
    scores = outputs.softmax(-1)[0, :, 1].numpy()
    assert len(np.unique(scores)) < len(scores)
    assert float(auc(outputs, labels)[0]) == pytest.approx(oracle.roc_auc_score(labels, scores))
    assert auc(torch.zeros_like(outputs), labels).tolist() == [0.5, 0.5]


def test_a_class_without_rows_does_not_count():
    outputs, _ = drawn(0, classes=3)
    labels = torch.tensor([0, 1] * 15)
    binary = [
        oracle.roc_auc_score(labels == label, outputs[0].softmax(-1)[:, label]) for label in (0, 1)
    ]
    assert float(auc(outputs, labels)[0]) == pytest.approx(np.mean(binary))
    assert auc(outputs, torch.zeros(30, dtype=torch.long)).isnan().all()
    outputs[..., 2] = -9  # and is never said
    expected = oracle.f1_score(labels, outputs[0].argmax(-1), average="macro")
    assert float(f1(outputs, labels)[0]) == pytest.approx(expected)


def test_of_equal_outputs_the_first_counts():
    assert hits(torch.zeros(2, 4, 3), torch.tensor([0, 1, 2, 1])).tolist() == [1, 1]


def test_nan_spoils_only_its_own_trial():
    outputs, labels = drawn(0)
    broken = outputs.clone()
    broken[1] = torch.nan
    for metric in OF_CLASSES.values():
        assert float(metric(broken, labels)[0]) == float(metric(outputs, labels)[0])
    assert auc(broken, labels)[1].isnan()


@settings(max_examples=30)
@given(st.integers(0, 10_000))
def test_numbers_are_judged_as_scikit_learn_does(seed):
    outputs, targets = drawn(seed)[0][..., :1], drawn(seed + 1)[0][0, :, 0]
    for k in range(2):
        said = outputs[k, :, 0]
        expected = {
            "rmse": oracle.root_mean_squared_error(targets, said),
            "mae": oracle.mean_absolute_error(targets, said),
            "r2": oracle.r2_score(targets, said),
        }
        found = {name: float(metric(outputs, targets)[k]) for name, metric in OF_NUMBERS.items()}
        assert found == pytest.approx(expected)
    for value in (1.0, 0.1, 1e300):  # the mean of equal numbers may not be one of them
        equal = torch.full((30,), value, dtype=torch.float64)
        assert r2(outputs, equal).isnan().all()
