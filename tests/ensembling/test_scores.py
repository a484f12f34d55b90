from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle

from hpsearch.ensemble_builder.metric_functions import trial_metrics
from hpsearch.ensembling.combining import Combined, combine, probabilities
from hpsearch.ensembling.scores import row_values, scores
from hpsearch.training.numerics.metrics import metrics_for

NAMES = ("hill", "lake", "moor", "reef", "vale")


def drawn(seed, classes, rows=30, levels=None):
    rng = np.random.default_rng(seed)
    outputs = rng.normal(size=(rows, classes))
    if levels:
        outputs = np.round(outputs * levels) / levels
    labels = np.concatenate([np.arange(classes), rng.integers(classes, size=rows - classes)])
    return outputs.astype(np.float32), rng.permutation(labels)


def alone(outputs):
    return combine(probabilities(outputs)[None], np.ones(1), "mean")


def by_scikit_learn(said, targets, positive=None):
    """What scikit-learn makes of the same labels and probabilities; None is the macro f1."""
    classes = said.values.shape[1]
    shares = said.values[:, 1] if classes == 2 else said.values / said.values.sum(1)[:, None]
    is_class = targets[:, None] == np.arange(classes)
    columns = range(classes) if positive is None else [positive]
    precisions = [
        oracle.average_precision_score(is_class[:, i], said.values[:, i]) for i in columns
    ]
    of_positive = said.labels == positive
    macro = oracle.f1_score(targets, said.labels, average="macro")
    return {
        "accuracy": oracle.accuracy_score(targets, said.labels),
        "loss": oracle.log_loss(targets, said.values.astype(np.float32)),
        "log_loss": oracle.log_loss(targets, said.values.astype(np.float32)),
        "f1": macro if positive is None else oracle.f1_score(is_class[:, positive], of_positive),
        "f1_macro": macro,
        "balanced_accuracy": oracle.balanced_accuracy_score(targets, said.labels),
        "mcc": oracle.matthews_corrcoef(targets, said.labels),
        "auc": oracle.roc_auc_score(targets, shares, multi_class="ovr"),
        "average_precision": np.mean(precisions),
        **{
            f"recall[{NAMES[i]}]": recall
            for i, recall in enumerate(oracle.recall_score(targets, said.labels, average=None))
        },
    }  # fmt: skip


@settings(max_examples=30)
@given(
    st.integers(0, 10_000),
    st.integers(2, 5),
    st.sampled_from([None, 1]),
    st.sampled_from([None, 0, 1]),
)
def test_classes_are_judged_as_scikit_learn_does(seed, classes, levels, positive):
    outputs, targets = drawn(seed, classes, levels=levels)
    positive = positive if classes == 2 else None
    names = NAMES[:classes]
    measure = trial_metrics(names, None if positive is None else names[positive])
    said = alone(outputs)
    expected = by_scikit_learn(said, targets, positive)
    assert scores(said, targets, measure) == pytest.approx(expected, rel=1e-5)


@settings(max_examples=30)
@given(st.integers(0, 10_000), st.integers(2, 4), st.integers(2, 5))
def test_votes_are_judged_by_the_classes_that_win_them(seed, members, classes):
    """Ties too: the label is not the first class of equally many votes."""
    rng = np.random.default_rng(seed)
    outputs = rng.normal(size=(members, 30, classes)).astype(np.float32)
    _, targets = drawn(seed, classes)
    said = combine(probabilities(outputs), np.ones(members), "vote")
    found = scores(said, targets, trial_metrics(NAMES[:classes]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # sums of shares that are rounded
        expected = by_scikit_learn(said, targets)
    del expected["loss"], expected["log_loss"]  # a vote gives many classes none at all
    assert {name: found[name] for name in expected} == pytest.approx(expected, rel=1e-6)


@settings(max_examples=20)
@given(st.integers(0, 10_000), st.integers(2, 6), st.integers(1, 4))
def test_classes_are_judged_as_in_training_even_where_some_are_missing(seed, classes, there):
    outputs, _ = drawn(seed, classes)
    targets = np.random.default_rng(seed).integers(min(there, classes), size=len(outputs))
    found = scores(alone(outputs), targets, trial_metrics())
    trained = torch.from_numpy(outputs)[None], torch.from_numpy(targets)
    metrics = metrics_for("classes")
    assert found.keys() == {"loss", *metrics}
    for name, metric in metrics.items():
        assert found[name] == pytest.approx(metric(*trained).item(), rel=1e-5, nan_ok=True)
    loss = torch.nn.functional.cross_entropy(trained[0][0].double(), trained[1])
    assert found["loss"] == pytest.approx(loss.item(), rel=1e-6)


@settings(max_examples=20)
@given(st.integers(0, 10_000), st.sampled_from([1e-3, 1.0, 250.0]))
def test_numbers_are_judged_as_scikit_learn_does(seed, scale):
    rng = np.random.default_rng(seed)
    targets = scale * rng.normal(3, 1, size=20)
    outputs = (targets + scale * rng.normal(size=20))[:, None]
    found = scores(Combined(outputs, None), targets, trial_metrics(), scale)
    squared = oracle.mean_squared_error(targets, outputs)
    assert found == pytest.approx(
        {
            "loss": squared / scale**2,
            "rmse": squared**0.5,
            "mae": oracle.mean_absolute_error(targets, outputs),
            "mape": oracle.mean_absolute_percentage_error(targets, outputs),
            "r2": oracle.r2_score(targets, outputs),
        }
    )
    trained = torch.from_numpy(outputs)[None], torch.from_numpy(targets)
    for name, metric in metrics_for("numbers").items():
        assert found[name] == pytest.approx(metric(*trained).item())


def test_r2_of_equal_targets_and_auc_of_one_class_are_no_numbers():
    measure = trial_metrics()
    for alike in (1.0, 0.1):  # of which the mean of three is not 0.1
        found = scores(Combined(np.ones((3, 1)), None), np.full(3, alike), measure)
        assert np.isnan(found["r2"])
    assert np.isnan(scores(alone(np.eye(3)), np.zeros(3, np.int64), measure)["auc"])


def test_a_class_held_impossible_costs_what_scikit_learn_makes_of_it():
    shares, targets = np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([1, 1])
    found = scores(Combined(shares, shares.argmax(1)), targets, trial_metrics())
    expected = oracle.log_loss(targets, shares, labels=[0, 1])
    assert found["loss"] == pytest.approx(expected)
    assert found["log_loss"] == pytest.approx(expected)


@pytest.mark.parametrize("is_classification", [True, False])
def test_scores_are_means_of_row_values(is_classification):
    outputs, targets = drawn(0, 4)
    said = alone(outputs)
    if not is_classification:
        said, targets = Combined(outputs[:, :1].astype(np.float64), None), targets.astype(float)
    rows = row_values(said, targets, 2.0)
    means = {"accuracy", "loss", "log_loss"} if is_classification else {"loss", "rmse", "mae"}
    assert set(rows) == means
    found = scores(said, targets, trial_metrics(), 2.0)
    for name, row in rows.items():
        assert row.shape == targets.shape
        mean = row.mean()
        assert (np.sqrt(mean) if name == "rmse" else mean) == pytest.approx(found[name], rel=1e-12)
