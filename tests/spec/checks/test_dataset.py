"""What of a spec follows from its data, and which specs its data refuse."""

from __future__ import annotations

from typing import Any

import pytest

from hpsearch.errors import InvalidInput
from hpsearch.spec.checks.complete import complete
from hpsearch.spec.losses import losses_for
from hpsearch.spec.metrics import objective_curves
from hpsearch.spec.study import StudySpec, parse_study
from hpsearch.spec.wire.datasets import BUILT_IN


def completed(dataset: str = "digits", task: Any = None, **sections: Any) -> StudySpec:
    document = {
        "name": "test",
        "task": {"dataset": dataset, **(task or {})},
        "optimizer": {"lr": 0.1},
        **sections,
    }
    return complete(parse_study(document), BUILT_IN[dataset])


@pytest.mark.parametrize(
    ("dataset", "objective", "loss", "standardize"),
    [
        ("digits", ("val_accuracy", "maximize"), "cross_entropy", "minmax"),
        ("iris", ("val_accuracy", "maximize"), "cross_entropy", "zscore"),
        ("diabetes", ("val_loss", "minimize"), "mse", "zscore"),
        ("quadratic", ("val_loss", "minimize"), None, "zscore"),
    ],
)
def test_defaults_follow_from_the_target(dataset, objective, loss, standardize):
    spec = completed(dataset)
    assert (spec.objective.metric, spec.objective.direction) == objective
    assert (spec.task.loss, spec.task.standardize) == (loss, standardize)
    assert complete(spec, BUILT_IN[dataset]) == spec


@pytest.mark.parametrize("dataset", BUILT_IN)
def test_what_is_listed_is_accepted(dataset):
    target, classes = BUILT_IN[dataset].target, BUILT_IN[dataset].class_names
    for metric in objective_curves(target, classes):
        assert completed(dataset, objective={"metric": metric, "direction": "minimize"})
    for loss in losses_for(target):
        assert completed(dataset, {"loss": loss}).task.loss == loss


@pytest.mark.parametrize(
    ("dataset", "task", "sections", "path", "message"),
    [
        ("diabetes", {"loss": "hinge"}, {}, "task.loss", "must be mse, l1, huber, half_squared"),
        ("quadratic", {"loss": "mse"}, {}, "task.loss", "its own (leave the field out)"),
        ("digits", {"loss": {"choice": ["mse", "hinge"]}}, {"training": {"label_smoothing": 0.1}},
         "training.label_smoothing", "a loss other than hinge"),
        ("diabetes", {}, {"training": {"label_smoothing": {"uniform": [0.0, 0.1]}}},
         "training.label_smoothing", "needs classes"),
        ("wine", {}, {"objective": {"metric": "val_rmse", "direction": "minimize"}},
         "objective.metric", "must be one of val_accuracy, val_loss, val_f1, val_f1_macro, "),
        ("wine", {"model": {"kind": "cnn"}}, {}, "task.model.kind", "cnn needs images, and wine"),
        ("wine", {"model": {"choice": ["mlp", {"kind": "resnet"}]}}, {}, "task.model.kind",
         "resnet needs images"),
        ("wine", {"split": {"validation": 0.001}}, {}, "task.split.validation",
         "must leave at least one of 178 rows, got 0.001; give a larger share"),
        ("iris", {"split": {"validation": 0.5, "test": 0.499}}, {}, "task.split",
         "must leave one of 150 rows to train on"),
        ("wine", {}, {"training": {"augment": ["noise", "flip"]}}, "training.augment",
         "flip needs images, and wine has rows of shape [13]; use noise or mixup"),
        ("quadratic", {}, {"training": {"augment": ["noise"]}}, "training.augment", "has no rows"),
        ("quadratic", {}, {"training": {"train_fraction": 0.5}}, "training.train_fraction",
         "has no rows"),
        ("diabetes", {"class_weights": "balanced"}, {}, "task.class_weights", "needs classes"),
        ("wine", {}, {"optimizer": {"kind": "lbfgs"}, "training": {"clip": {"norm": 1.0}}},
         "training.clip", "cannot go with lbfgs"),
        ("wine", {}, {"optimizer": {"choice": ["adam", {"kind": "lbfgs"}]},
                      "training": {"accumulate": 2}}, "training.accumulate", "lbfgs"),
    ],
)  # fmt: skip
def test_what_does_not_fit_the_data_is_refused(dataset, task, sections, path, message):
    with pytest.raises(InvalidInput) as caught:
        completed(dataset, task, **sections)
    (error,) = caught.value.errors
    assert error.path == path
    assert message in error.message
