"""The table of metrics: names, directions, and what may be an objective."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from hpsearch.spec.language.fields import Metrics
from hpsearch.spec.metrics import (
    LONGEST_CLASS_NAME,
    METRICS,
    MOST_CLASS_CURVES,
    curve_label,
    direction_of,
    is_plain_name,
    list_curves,
    metric_names,
    objective_curves,
)
from hpsearch.spec.study import Objective
from hpsearch.spec.wire.filters import parse_filter


@pytest.mark.parametrize(
    ("curve", "direction"),
    [
        ("val_accuracy", "maximize"),
        ("ema_val_loss", "minimize"),
        ("train_objective", "minimize"),
        ("val_my_auc", None),
        ("val_rmse", "minimize"),
        ("lr", None),
        ("val_f1_macro", "maximize"),
        ("val_log_loss", "minimize"),
        ("val_mape", "minimize"),
        ("val_recall[loss]", "maximize"),
        ("swa_val_recall[rmse_2]", "maximize"),
        ("val_loss[yes]", "minimize"),
        ("lr[1]", None),
    ],
)
def test_a_curves_direction_is_that_of_the_metric_it_names(curve, direction):
    assert direction_of(curve) == direction


@pytest.mark.parametrize("target", ["classes", "numbers", "none"])
def test_the_default_objective_is_one_that_may_be_named(target):
    default = Objective.default_for(target)
    assert default.metric in objective_curves(target)
    assert default.direction == direction_of(default.metric)


@given(st.lists(st.text(), min_size=1, max_size=MOST_CLASS_CURVES, unique=True))
def test_every_class_has_a_curve_of_its_own_that_filters_and_reports_can_name(classes):
    names = metric_names(METRICS["recall"], classes)
    assert len(set(names)) == len(classes)
    for name in names:
        curve = f"val_{name}"
        assert is_plain_name(curve)
        assert is_plain_name(f"{curve}_std")
        assert len(curve) < LONGEST_CLASS_NAME + 20
        assert direction_of(curve) == "maximize"
        (condition,) = parse_filter(f"{curve} >= 0.5")
        assert (condition.field, condition.op) == (curve, ">=")
        TypeAdapter(Metrics).validate_python({curve: 1.0})


def test_curves_of_many_classes_are_listed_by_the_first_and_the_last():
    few, many = (objective_curves("classes", [*"abcdefg"[:n]]) for n in (3, 7))
    assert "val_recall[a], val_recall[b], val_recall[c], train_accuracy" in list_curves(few)
    assert "val_log_loss, val_recall[a], ..., val_recall[g], train_accuracy" in list_curves(many)
    assert list_curves(objective_curves("numbers")) == ", ".join(objective_curves("numbers"))


def test_classes_past_the_bound_have_no_curves_of_their_own():
    classes = [str(i) for i in range(MOST_CLASS_CURVES + 1)]
    assert len(metric_names(METRICS["recall"], classes[:-1])) == MOST_CLASS_CURVES
    assert metric_names(METRICS["recall"], classes) == ()
    assert metric_names(METRICS["f1"], classes) == ("f1",)


@pytest.mark.parametrize("name", ["a.b", 'x"y', "", "val loss", "val_recall[a b]", "x]", "$"])
def test_other_names_are_not_plain(name):
    assert not is_plain_name(name)


@pytest.mark.parametrize(
    ("curve", "reported", "task", "standardize", "label"),
    [
        ("ema_val_loss", ["val_rmse"], "supervised", None, "ema_val_loss (standardised)"),
        ("train_objective", ["test_rmse"], "supervised", "minmax",
         "train_objective (standardised)"),
        ("val_loss_std", ["val_rmse"], "supervised", "zscore", "val_loss_std (standardised)"),
        ("val_loss", ["val_rmse"], "supervised", "none", "val_loss"),
        ("val_loss", ["val_accuracy"], "supervised", "zscore", "val_loss"),
        ("val_loss", ["val_rmse"], "plugin", None, "val_loss"),
        ("val_rmse", ["val_rmse"], "supervised", "zscore", "val_rmse"),
    ],
)  # fmt: skip
def test_a_loss_of_standardised_targets_says_so(curve, reported, task, standardize, label):
    assert curve_label(curve, reported, task=task, standardize=standardize) == label
