"""What an ensemble, or a model alone, is worth: predictions [N, C] and targets [N] → numbers.

The names and conventions are those of a trial's scores, so that both can stand side by side.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hpsearch.ensembling.combining import Combined

SMALLEST_PROBABILITY = float(np.finfo(np.float64).eps)
"""Smaller probabilities count as this one in logarithms, as in scikit-learn's `log_loss`: a class
of probability 0 costs −log 2.2e-16 = 36."""

Floats: TypeAlias = NDArray[np.float64]


def scores(
    combined: Combined, targets: NDArray[Any], target_scale: float = 1.0
) -> dict[str, float]:
    """An ensemble's scores on some rows.

    Args:
        combined: its predictions.
        targets: [N], indices of classes, or numbers in the data's own unit.
        target_scale: what one unit of a standardised target is in the data's own unit.

    Returns:
        By name. Classes: accuracy and f1 of the labels, loss and auc of the probabilities. Numbers:
        loss, rmse, mae and r2; the loss is the mean squared error of standardised targets. NaN
        stands for what the rows do not define: auc where they are of one class, r2 where their
        targets are equal.
    """
    means = {
        name: float(row.mean()) for name, row in row_values(combined, targets, target_scale).items()
    }
    if combined.labels is not None:
        return {
            **means,
            "f1": _f1(combined.labels, targets, combined.values.shape[1]),
            "auc": _auc(combined.values, targets),
        }
    return {**means, "rmse": means["rmse"] ** 0.5, "r2": _r2(means["rmse"], targets)}


def row_values(
    combined: Combined, targets: NDArray[Any], target_scale: float = 1.0
) -> dict[str, Floats]:
    """What each row adds to the scores that are means over rows, or their roots, [N] by name.

    Classes: `accuracy`, which is 1 or 0, and `loss`. Numbers: `loss`, `mae`, and `rmse`, of whose
    mean the score is the root.
    """
    if combined.labels is not None:
        probability = combined.values[np.arange(len(targets)), targets]
        return {
            "accuracy": (combined.labels == targets).astype(np.float64),
            "loss": -np.log(np.maximum(probability, SMALLEST_PROBABILITY)),
        }
    errors = combined.values[:, 0] - targets
    return {
        "loss": np.square(errors / target_scale),
        "rmse": np.square(errors),
        "mae": np.abs(errors),
    }


def _r2(squared: float, targets: NDArray[Any]) -> float:
    """1 − squared error / variance of the targets; NaN where they are equal.

    Their variance is then no measure: of threes of 0.1 rounding alone makes it 2e-34.
    """
    if targets.min() == targets.max():
        return float("nan")
    return 1 - squared / float(np.square(targets - targets.mean()).mean())


def _f1(labels: NDArray[np.int64], targets: NDArray[Any], classes: int) -> float:
    """Mean over classes of 2tp / (2tp + fp + fn).

    Classes that are neither among the targets nor among the labels do not count.
    """
    predicted, actual, correct = (
        np.bincount(indices, minlength=classes)
        for indices in (labels, targets, targets[labels == targets])
    )
    counted = predicted + actual > 0
    return float((2 * correct[counted] / (predicted + actual)[counted]).mean())


def _auc(probabilities: Floats, targets: NDArray[Any]) -> float:
    """Area under the ROC curve, mean over classes of each against the rest.

    The chance that a row of the class has a larger probability than another row, ties counting half
    (Mann & Whitney 1947). Classes that hold no row, or every row, do not count; NaN when none is
    left. Of two classes one is enough, as the area of both is the same.
    """
    if not np.isfinite(probabilities).all():
        return float("nan")
    areas = []
    for index in range(1 if probabilities.shape[1] == 2 else 0, probabilities.shape[1]):
        of_class, is_own = probabilities[:, index], targets == index
        own, rest = of_class[is_own], np.sort(of_class[~is_own])
        if len(own) and len(rest):
            below, upto = (np.searchsorted(rest, own, side) for side in ("left", "right"))
            areas.append((below + upto).mean() / (2 * len(rest)))
    return float(np.mean(areas)) if areas else float("nan")
