"""What an ensemble, or a model alone, is worth: predictions [N, C] and targets [N] → numbers.

The names and conventions are those of a trial's scores, so that both can stand side by side.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpsearch.ensembling.combining import Combined
from hpsearch.ensembling.measure import Floats, Measure
from hpsearch.spec.metrics import METRICS

SMALLEST_PROBABILITY = float(np.finfo(np.float64).eps)
"""Smaller probabilities count as this one in logarithms, as in scikit-learn's `log_loss`: a class
of probability 0 costs −log 2.2e-16 = 36."""


def scores(
    combined: Combined, targets: NDArray[Any], measure: Measure, target_scale: float = 1.0
) -> dict[str, float]:
    """An ensemble's scores on some rows.

    Args:
        combined: its predictions.
        targets: [N], indices of classes, or numbers in the data's own unit.
        measure: the metrics of trials.
        target_scale: what one unit of a standardised target is in the data's own unit.

    Returns:
        By name, in the order of the table of metrics: every metric that `measure` has, and the
        loss, which is the log loss of classes and the mean squared error of standardised numbers
        whatever the study trains. NaN stands for what the rows do not define: auc where they are
        of one class, r2 where their targets are equal.
    """
    labels = None if combined.labels is None else combined.labels[None]
    measured = measure(combined.values[None], labels, targets)
    found = {name: float(value[0]) for name, value in measured.items()}
    found["loss"] = float(row_values(combined, targets, target_scale)["loss"].mean())
    table = list(METRICS)
    return dict(sorted(found.items(), key=lambda item: table.index(item[0].partition("[")[0])))


def row_values(
    combined: Combined, targets: NDArray[Any], target_scale: float = 1.0
) -> dict[str, Floats]:
    """What each row adds to the scores that are means over rows, or their roots, [N] by name.

    Classes: `accuracy`, which is 1 or 0, `loss` and the same as `log_loss`. Numbers: `loss`, `mae`,
    and `rmse`, of whose mean the score is the root.
    """
    if combined.labels is not None:
        probability = combined.values[np.arange(len(targets)), targets]
        log_loss = -np.log(np.maximum(probability, SMALLEST_PROBABILITY))
        return {
            "accuracy": (combined.labels == targets).astype(np.float64),
            "loss": log_loss,
            "log_loss": log_loss,
        }
    errors = combined.values[:, 0] - targets
    return {
        "loss": np.square(errors / target_scale),
        "rmse": np.square(errors),
        "mae": np.abs(errors),
    }
