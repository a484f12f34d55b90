"""Metrics against scikit-learn, trial by trial."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle

from hpsearch.spec.metrics import objective_curves
from hpsearch.training.numerics.metrics import hits, measure, metrics_for
from hpsearch.training.numerics.outputs import ClassOutputs

torch.set_num_threads(1)

NAMES = ("a", "b", "c", "d", "e", "f")
OF_NUMBERS = metrics_for("numbers")


def drawn(seed, trials=2, rows=30, classes=4, levels=None):
    rng = np.random.default_rng(seed)
    outputs = rng.normal(size=(trials, rows, classes))
    if levels:
        outputs = np.round(outputs * levels) / levels
    labels = np.concatenate([np.arange(classes), rng.integers(classes, size=rows - classes)])
    return torch.from_numpy(outputs), torch.from_numpy(rng.permutation(labels))


def measured(outputs, labels, positive=None):
    names = NAMES[: outputs.shape[2]]
    return {
        name: metric(outputs, labels)
        for name, metric in metrics_for("classes", names, positive).items()
    }


def one_against_the_rest(score, labels, scores):
    """A score's mean over the classes that have rows, and others beside them; of two the second."""
    return np.mean(
        [
            score(labels == label, scores[:, label])
            for label in range(scores.shape[1] == 2, scores.shape[1])
            if 0 < (labels == label).sum() < len(labels)
        ]
    )


def as_scikit_learn_has_it(outputs, labels, positive=None):
    """Every metric of one trial, with a positive class by its index, where two classes have one."""
    labels, classes = labels.numpy(), outputs.shape[1]
    said = outputs.argmax(-1).numpy()
    scores = outputs.T.softmax(0).T.numpy()  # a sum in another order could tell ties apart
    everything = range(classes)
    macro = oracle.f1_score(labels, said, average="macro")
    precision = [
        oracle.average_precision_score(labels == label, scores[:, label])
        for label in everything
        if (labels == label).any()
    ]
    recalls = oracle.recall_score(
        labels, said, labels=everything, average=None, zero_division=np.nan
    )
    expected = {
        "accuracy": oracle.accuracy_score(labels, said),
        "f1": macro,
        "f1_macro": macro,
        "balanced_accuracy": oracle.balanced_accuracy_score(labels, said),
        "auc": one_against_the_rest(oracle.roc_auc_score, labels, scores),
        "average_precision": np.mean(precision),
        "mcc": oracle.matthews_corrcoef(labels, said),
        "log_loss": oracle.log_loss(labels, scores, labels=everything),
        **{f"recall[{NAMES[label]}]": recalls[label] for label in everything},
    }
    if positive is not None:
        truth = labels == positive
        expected["f1"] = oracle.f1_score(truth, said == positive, zero_division=0)
        expected["average_precision"] = oracle.average_precision_score(truth, scores[:, positive])
    return expected


def check(outputs, labels, positive=None):
    found = measured(outputs, labels, None if positive is None else NAMES[positive])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what the rows do not define
        for k in range(len(outputs)):
            expected = as_scikit_learn_has_it(outputs[k], labels, positive)
            assert {n: float(v[k]) for n, v in found.items()} == pytest.approx(
                expected, abs=1e-12, nan_ok=True
            )


@pytest.mark.parametrize("target", ["classes", "numbers"])
def test_every_metric_that_may_be_an_objective_is_measured(target):
    classes = NAMES if target == "classes" else ()
    curves = objective_curves(target, classes)
    named = {name.removeprefix("val_") for name in curves if name.startswith("val_")}
    assert named == {"loss", *metrics_for(target, classes)}


@settings(max_examples=60)
@given(st.integers(0, 10_000), st.integers(2, 5), st.sampled_from([None, 1, 4]), st.integers(5, 40))
def test_classes_are_judged_as_scikit_learn_does_ties_included(seed, classes, levels, rows):
    check(*drawn(seed, classes=classes, levels=levels, rows=rows))


@settings(max_examples=60)
@given(
    st.integers(0, 10_000),
    st.integers(0, 1),
    st.sampled_from([None, 1]),
    st.floats(0, 1),
    st.integers(1, 60),
)
def test_the_positive_class_is_judged_as_scikit_learn_does(seed, positive, levels, share, rows):
    rng = np.random.default_rng(seed)
    outputs = torch.from_numpy(rng.normal(size=(2, rows, 2)))
    if levels:
        outputs = outputs.round()
    labels = torch.from_numpy((rng.random(rows) < share).astype(np.int64))
    if len(labels.unique()) == 2:  # of one class alone, see below
        check(outputs, labels, positive)


@settings(max_examples=30)
@given(st.integers(0, 10_000), st.integers(2, 6), st.integers(1, 5))
def test_classes_without_rows_are_left_out_of_means(seed, classes, there):
    outputs, _ = drawn(seed, classes=classes)
    labels = torch.from_numpy(np.random.default_rng(seed).integers(min(there, classes), size=30))
    if len(labels.unique()) > 1:
        check(outputs, labels)


def test_rows_of_one_class_alone():
    outputs, _ = drawn(0, classes=2, rows=20)
    labels = torch.zeros(20, dtype=torch.long)
    share = (outputs.argmax(-1) == 0).double().mean(-1)
    absent = measured(outputs, labels, positive="b")
    present = measured(outputs, labels, positive="a")
    for found in (absent, present):
        assert found["auc"].isnan().all()
        assert found["recall[b]"].isnan().all()
        assert found["mcc"].tolist() == [0, 0]
        assert torch.equal(found["balanced_accuracy"], share)
    assert absent["f1"].tolist() == absent["average_precision"].tolist() == [0, 0]
    assert present["average_precision"].tolist() == [1, 1]
    assert present["f1"].tolist() == pytest.approx((2 * share / (1 + share)).tolist())


def test_ties_count_half():
    outputs, labels = drawn(0, classes=2, levels=1)
    scores = outputs.softmax(-1)[0, :, 1].numpy()
    assert len(np.unique(scores)) < len(scores)
    auc = metrics_for("classes")["auc"]
    assert float(auc(outputs, labels)[0]) == pytest.approx(oracle.roc_auc_score(labels, scores))
    assert auc(torch.zeros_like(outputs), labels).tolist() == [0.5, 0.5]


def test_a_class_that_is_neither_there_nor_predicted_does_not_count():
    outputs, _ = drawn(0, classes=3)
    labels = torch.tensor([0, 1] * 15)
    outputs[..., 2] = -9
    check(outputs, labels)


@settings(max_examples=20)
@given(st.integers(0, 10_000), st.sampled_from(["a", "b"]))
def test_the_area_under_the_roc_curve_of_two_classes_is_the_same_for_both(seed, positive):
    outputs, labels = drawn(seed, classes=2)
    outputs *= 40  # probabilities of 1 in single precision
    found = measured(outputs.float(), labels, positive)["auc"]
    assert torch.equal(found, metrics_for("classes")["auc"](outputs.float(), labels))


def test_a_probability_of_nothing_costs_what_scikit_learn_makes_of_it():
    outputs = torch.tensor([[[900.0, 0.0], [0.0, 900.0]]], dtype=torch.float64)
    labels = torch.tensor([1, 1])
    expected = oracle.log_loss(labels, outputs[0].softmax(-1), labels=[0, 1])
    assert float(measured(outputs, labels)["log_loss"][0]) == pytest.approx(expected)


def test_of_equal_outputs_the_first_counts():
    assert hits(torch.zeros(2, 4, 3), torch.tensor([0, 1, 2, 1])).tolist() == [1, 1]


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_an_output_that_is_no_number_makes_its_own_trials_metrics_nan(classes, value):
    outputs, labels = drawn(0, classes=classes)
    broken = outputs.clone()
    broken[1, 3, 1] = value
    positive = "b" if classes == 2 else None
    whole, found = measured(outputs, labels, positive), measured(broken, labels, positive)
    for name in whole:
        assert float(found[name][0]) == float(whole[name][0])
        assert found[name][1].isnan()


@settings(max_examples=20)
@given(st.integers(0, 10_000), st.integers(2, 4))
def test_metrics_taken_together_are_those_taken_one_by_one(seed, classes):
    outputs, labels = drawn(seed, classes=classes)
    names = NAMES[:classes]
    together = measure(ClassOutputs.of_logits(outputs, labels), names)
    alone = measured(outputs, labels)
    assert list(together) == list(alone)
    for name, values in alone.items():
        assert torch.equal(together[name], values)


@settings(max_examples=20)
@given(st.integers(0, 10_000), st.integers(2, 4))
def test_probabilities_of_ones_own_are_judged_as_a_models(seed, classes):
    outputs, labels = drawn(seed, classes=classes)
    given_ones = ClassOutputs(outputs.softmax(-1), outputs.argmax(-1), labels)
    found, expected = measure(given_ones), measure(ClassOutputs.of_logits(outputs, labels))
    for name, values in expected.items():
        assert found[name].tolist() == pytest.approx(values.tolist())


@settings(max_examples=30)
@given(st.integers(0, 10_000), st.sampled_from([1e-3, 1.0, 1e6]))
def test_numbers_are_judged_as_scikit_learn_does(seed, scale):
    outputs, targets = drawn(seed)[0][..., :1] * scale, drawn(seed + 1)[0][0, :, 0] * scale
    for k in range(2):
        said = outputs[k, :, 0]
        expected = {
            "rmse": oracle.root_mean_squared_error(targets, said),
            "mae": oracle.mean_absolute_error(targets, said),
            "mape": oracle.mean_absolute_percentage_error(targets, said),
            "r2": oracle.r2_score(targets, said),
        }
        found = {name: float(metric(outputs, targets)[k]) for name, metric in OF_NUMBERS.items()}
        assert found == pytest.approx(expected)


@pytest.mark.parametrize("value", [1.0, 0.1, 1e300])  # whose mean may not be one of them
def test_r2_of_equal_targets_is_no_number(value):
    outputs = drawn(0)[0][..., :1]
    assert OF_NUMBERS["r2"](outputs, torch.full((30,), value, dtype=torch.float64)).isnan().all()


def test_a_target_of_zero_counts_in_shares_as_it_does_in_scikit_learn():
    outputs = torch.tensor([[[1.0], [2.0]]], dtype=torch.float64)
    targets = torch.tensor([0.0, 4.0], dtype=torch.float64)
    expected = oracle.mean_absolute_percentage_error(targets, outputs[0, :, 0])
    assert float(OF_NUMBERS["mape"](outputs, targets)[0]) == pytest.approx(expected)
