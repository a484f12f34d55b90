"""The metrics that trials are measured by: the one table of their names and directions.

metric   what is measured (`accuracy`)
curve    a metric of one part of the data, epoch by epoch (`val_accuracy`, `train_accuracy`); one
         that is measured of each class names the class in brackets (`val_recall[setosa]`)

A new metric is a line in METRICS and the function that its `implementation` names. What a study
may have as its objective, what `reduce_on_plateau` may follow and which way is better are read off
the table, as is the section of docs/catalogue.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal, TypeAlias

from hpsearch.spec.language.fields import TargetKind

Direction: TypeAlias = Literal["maximize", "minimize"]


@dataclass(frozen=True)
class Metric:
    """A row of the table."""

    name: str
    direction: Direction
    description: str
    targets: tuple[TargetKind, ...]
    """The targets of data for which it may be an objective; none where only a plug-in's may be."""
    implementation: str = ""
    """`module:name` of a function from the outputs of K trials (`ClassOutputs`, `NumberOutputs`) to
    [K]. Empty for what the training loop measures whatever the task."""
    on_training_rows: bool = False
    """Whether it is measured on training rows too, as `train_<name>`."""
    weighs_rare_classes: bool = False
    """Whether it is of the predicted classes alone, and a rare class counts for more than its rows:
    ensembles then name each class as often as the validation rows have it."""
    per_class: bool = False
    """Whether it is a number of each class: the function gives [K, C], and there is a curve for
    each class, of data with at most MOST_CLASS_CURVES."""


_IN_TRAINING = "hpsearch.training.numerics.metrics"
_IN_RANKING = "hpsearch.training.numerics.ranking_metrics"
_OF_NUMBERS = "hpsearch.training.numerics.number_metrics"

MOST_CLASS_CURVES = 10
"""Data of more classes have no curves of single classes: they would crowd out all others, and
`balanced_accuracy` is the mean of their recall."""

LONGEST_CLASS_NAME = 60
"""Characters of a class's name in a curve's name."""

METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("accuracy", "maximize", "Share of rows whose class is the target.",
               ("classes",), f"{_IN_TRAINING}:accuracy", on_training_rows=True),
        Metric("loss", "minimize", "Mean of the loss over rows; of numbers, of their standardised "
               "targets.", ("classes", "numbers", "none"), on_training_rows=True),
        Metric("objective", "minimize", "The loss with its regulariser; of training rows alone.",
               (), on_training_rows=True),
        Metric("f1", "maximize", "2tp / (2tp + fp + fn) of the positive class where there are two "
               "classes (`task.positive`), 0 where it is neither a target nor predicted; where "
               "there are more, `f1_macro`.", ("classes",), f"{_IN_TRAINING}:f1",
               weighs_rare_classes=True),
        Metric("f1_macro", "maximize", "Mean of 2tp / (2tp + fp + fn) over the classes that are "
               "targets or predicted.", ("classes",), f"{_IN_TRAINING}:f1_macro",
               weighs_rare_classes=True),
        Metric("balanced_accuracy", "maximize", "Mean of the recall over the classes with rows.",
               ("classes",), f"{_IN_TRAINING}:balanced_accuracy",
               weighs_rare_classes=True),
        Metric("auc", "maximize", "Area under the ROC curve; of more than two classes the mean "
               "over each against the rest. NaN where no class has both rows and others beside it.",
               ("classes",), f"{_IN_RANKING}:auc"),
        Metric("average_precision", "maximize", "Area under the steps of the precision-recall "
               "curve (PR-AUC) of the positive class where there are two, 0 where it has no row; "
               "of more the mean over each class with rows against the rest.",
               ("classes",), f"{_IN_RANKING}:average_precision"),
        Metric("mcc", "maximize", "Matthews correlation between targets and predictions; 0 where "
               "either are all of one class.", ("classes",), f"{_IN_TRAINING}:mcc",
               weighs_rare_classes=True),
        Metric("log_loss", "minimize", "Mean of −log of the target's probability, whatever loss is "
               "trained; probabilities below 2.2e-16 count as that.",
               ("classes",), f"{_IN_TRAINING}:log_loss"),
        Metric("recall", "maximize", "Share of the rows of a class that are predicted as it; NaN "
               "where it has none.", ("classes",), f"{_IN_TRAINING}:recall",
               weighs_rare_classes=True, per_class=True),
        Metric("rmse", "minimize", "Root of the mean squared error, in the target's unit.",
               ("numbers",), f"{_OF_NUMBERS}:rmse"),
        Metric("mae", "minimize", "Mean absolute error, in the target's unit.",
               ("numbers",), f"{_OF_NUMBERS}:mae"),
        Metric("mape", "minimize", "Mean of the error's share of the target: 0.1 is 10 %. A target "
               "of 0 counts as 2.2e-16, which makes it huge.", ("numbers",), f"{_OF_NUMBERS}:mape"),
        Metric("r2", "maximize", "1 − squared error / squared distance from the targets' mean; NaN "
               "where targets are equal.", ("numbers",), f"{_OF_NUMBERS}:r2"),
    )
}  # fmt: skip
"""Where a new metric is entered; of those for a target the first is the default objective."""

OF_POSITIVE = ("f1", "average_precision")
"""Metrics that of two classes mean the positive one."""

COMPARES_CLASSES = (*OF_POSITIVE, "auc", "mcc")
"""Metrics that say nothing of rows of a single class."""

COSTS = ("seconds",)
"""Curves that may be an objective beside another one: an epoch's training time."""


def objective_curves(target: TargetKind, classes: Sequence[str] = ()) -> tuple[str, ...]:
    """The curves that may be the objective of a study of such data, the default one first.

    Args:
        target: of the data.
        classes: the names of its classes; without them no curve of a single class is listed.
    """
    metrics = [metric for metric in METRICS.values() if target in metric.targets]
    return (
        *(f"val_{name}" for metric in metrics for name in metric_names(metric, classes)),
        *(f"train_{metric.name}" for metric in metrics if metric.on_training_rows),
    )


def metric_names(metric: Metric, classes: Sequence[str]) -> tuple[str, ...]:
    """What a metric's numbers are called: its name, or one for each class.

    In brackets stands the class's name with `_` for all that is neither letter, digit, `.`, `+` nor
    `-`, cut to LONGEST_CLASS_NAME, and with `_2`, `_3`, ... where two would be called alike: so
    filters, addresses and tables can hold it.

    >>> metric_names(METRICS["recall"], ["no", "not yet", "not, yet"])
    ('recall[no]', 'recall[not_yet]', 'recall[not__yet]')
    """
    if not metric.per_class:
        return (metric.name,)
    if len(classes) > MOST_CLASS_CURVES:
        return ()
    names: dict[str, None] = {}
    for name in classes:
        plain = re.sub(r"[^\w.+-]", "_", name)[:LONGEST_CLASS_NAME]
        unique, number = plain, 1
        while unique in names:
            number += 1
            unique = f"{plain}_{number}"
        names[unique] = None
    return tuple(f"{metric.name}[{name}]" for name in names)


def list_curves(curves: Sequence[str]) -> str:
    """Names of curves as a sentence lists them: of many classes the first and the last.

    >>> list_curves(["val_loss", *(f"val_recall[{name}]" for name in "abcd")])
    'val_loss, val_recall[a], ..., val_recall[d]'
    """
    listed: list[str] = []
    for _, group in groupby(curves, key=lambda curve: curve.partition("[")[:2]):
        names = list(group)
        listed += names if len(names) <= 3 else [names[0], "...", names[-1]]
    return ", ".join(listed)


def is_plain_name(curve: str) -> bool:
    """Whether a curve's name is of letters, digits and `_`, perhaps with a class in brackets."""
    return re.fullmatch(r"\w+(\[[\w.+-]*\]\w*)?", curve) is not None


def training_curves() -> tuple[str, ...]:
    """The curves of training rows that every task has, plug-ins included."""
    return tuple(f"train_{metric.name}" for metric in METRICS.values() if not metric.implementation)


def direction_of(curve: str) -> Direction | None:
    """Which way a curve gets better, by the metric in its name; None where the table has none.

    Before the metric may stand what it is measured on (`val_`, `train_`, `test_`), and before that
    whose weights (`ema_`, `swa_`); a class in brackets behind it.

    >>> direction_of("val_accuracy"), direction_of("ema_val_loss"), direction_of("lr")
    ('maximize', 'minimize', None)
    >>> direction_of("val_recall[loss]"), direction_of("val_weight_loss")
    ('maximize', None)
    """
    known = metric_of(curve)
    return None if known is None else known.direction


def curve_label(curve: str, reported: Iterable[str], *, task: str, standardize: str | None) -> str:
    """A curve's name as people read it: a loss of standardised targets says so.

    Of numbers the loss is that of standardised targets, while `rmse` beside it is in their own
    unit: nobody shall compare the two.

    Args:
        curve: its name.
        reported: names of metrics that trials of the study report; of numbers rmse is among them.
        task: the kind of the study's task.
        standardize: how it standardises; a task that standardises nothing has `none`.

    >>> curve_label("val_loss", ["val_rmse"], task="supervised", standardize="zscore")
    'val_loss (standardised)'
    """
    is_loss = curve.removesuffix("_std").endswith(("_loss", "_objective"))
    of_numbers = any(name.endswith("_rmse") for name in reported)
    if is_loss and of_numbers and task == "supervised" and standardize != "none":
        return f"{curve} (standardised)"
    return curve


def metric_of(curve: str) -> Metric | None:
    """The metric that a curve, or a bare name, is of; none where the table has none such.

    >>> metric_of("ema_val_recall[loss]").name, metric_of("lr")
    ('recall', None)
    """
    metric = curve.partition("[")[0] if curve.endswith("]") else curve
    return METRICS.get(re.sub(r"^((ema|swa)_)?((val|train|test)_)?", "", metric))
