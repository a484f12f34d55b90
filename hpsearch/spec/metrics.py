"""The metrics that trials are measured by: the one table of their names and directions.

metric   what is measured (`accuracy`)
curve    a metric of one part of the data, epoch by epoch (`val_accuracy`, `train_accuracy`)

A new metric is a line in METRICS and the function that its `implementation` names. What a study
may have as its objective, what `reduce_on_plateau` may follow and which way is better are read off
the table, as is the section of docs/catalogue.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
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
    """`module:name` of a function from outputs [K, N, C] and targets [N] of K trials to [K]. Empty
    for what the training loop measures whatever the task."""
    on_training_rows: bool = False
    """Whether it is measured on training rows too, as `train_<name>`."""


_IN_TRAINING = "hpsearch.training.numerics.metrics"

METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("accuracy", "maximize", "Share of rows whose class is the target.",
               ("classes",), f"{_IN_TRAINING}:accuracy", on_training_rows=True),
        Metric("loss", "minimize", "Mean of the loss over rows; of numbers, of their standardised "
               "targets.", ("classes", "numbers", "none"), on_training_rows=True),
        Metric("objective", "minimize", "The loss with its regulariser; of training rows alone.",
               (), on_training_rows=True),
        Metric("f1", "maximize", "Mean over classes of 2tp / (2tp + fp + fn).",
               ("classes",), f"{_IN_TRAINING}:f1"),
        Metric("auc", "maximize", "Area under the ROC curve, mean over classes of each against the "
               "rest.", ("classes",), f"{_IN_TRAINING}:auc"),
        Metric("rmse", "minimize", "Root of the mean squared error, in the target's unit.",
               ("numbers",), f"{_IN_TRAINING}:rmse"),
        Metric("mae", "minimize", "Mean absolute error, in the target's unit.",
               ("numbers",), f"{_IN_TRAINING}:mae"),
        Metric("r2", "maximize", "1 − squared error / squared distance from the targets' mean.",
               ("numbers",), f"{_IN_TRAINING}:r2"),
    )
}  # fmt: skip
"""Where a new metric is entered; of those for a target the first is the default objective."""

COSTS = ("seconds",)
"""Curves that may be an objective beside another one: an epoch's training time."""


def objective_curves(target: TargetKind) -> tuple[str, ...]:
    """The curves that may be the objective of a study of such data, the default one first."""
    metrics = [metric for metric in METRICS.values() if target in metric.targets]
    return (
        *(f"val_{metric.name}" for metric in metrics),
        *(f"train_{metric.name}" for metric in metrics if metric.on_training_rows),
    )


def training_curves() -> tuple[str, ...]:
    """The curves of training rows that every task has, plug-ins included."""
    return tuple(f"train_{metric.name}" for metric in METRICS.values() if not metric.implementation)


def endings() -> tuple[str, ...]:
    """The names by whose ending a curve's direction is known, those to be minimised first."""
    ordered = sorted(METRICS.values(), key=lambda metric: metric.direction != "minimize")
    return tuple(metric.name for metric in ordered)


def direction_of(curve: str) -> Direction | None:
    """Which way a curve gets better, by the longest metric name that it ends in; None if by none.

    >>> direction_of("val_accuracy"), direction_of("ema_val_loss"), direction_of("lr")
    ('maximize', 'minimize', None)
    """
    names = [name for name in METRICS if curve.endswith(name)]
    return METRICS[max(names, key=len)].direction if names else None
