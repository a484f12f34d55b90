"""How well probabilities are calibrated, and a temperature that makes them so.

Guo et al. 2017, "On calibration of modern neural networks".

probabilities   [N, C], of the classes; shares of the votes where members vote
targets         [N], indices of the true classes
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpsearch.ensembling.measure import Floats
from hpsearch.ensembling.scores import SMALLEST_PROBABILITY

COLDEST, HOTTEST = 0.05, 20.0
"""The temperature stays between them."""
STEPS = 100
"""More than halving the range of 1/T down to the last bit takes."""
PRECISION = 1e-12
"""Of 1/T, as a share of it."""


def expected_calibration_error(
    probabilities: Floats, labels: NDArray[np.int64], targets: NDArray[Any], bins: int = 15
) -> float:
    """The mean distance between a label's probability and how often such labels are right.

    Rows are binned by that probability into equal widths, ((b − 1)/bins, b/bins]; each bin's
    distance counts by its rows.

    Args:
        probabilities: [N, C].
        labels: [N], indices of the predicted classes.
        targets: [N].
        bins: how many.

    Returns:
        A number from 0, perfectly calibrated, to 1.
    """
    stated = probabilities[np.arange(len(labels)), labels]
    bin_of_row = np.clip(np.ceil(stated * bins).astype(np.int64) - 1, 0, bins - 1)
    errors = np.bincount(bin_of_row, weights=stated - (labels == targets), minlength=bins)
    return float(np.abs(errors).sum() / len(labels))


def fit_temperature(probabilities: Floats, targets: NDArray[Any]) -> float:
    """The temperature T under which `apply_temperature` has the least log loss on the targets.

    Along b = 1/T the loss is convex: with l = log probabilities, p = softmax(b l) and t the target,
    its slope is mean(E_p[l] − l_t) and its curvature mean(Var_p[l]). Newton's steps find where the
    slope is 0; the range is halved where they would leave it.

    Returns:
        T, between 0.05 and 20. It is 1 where every row is predicted right: the loss then falls all
        the way to T = 0, and the rows do not show how sure one may be.
    """
    if (probabilities.argmax(axis=-1) == targets).all():
        return 1.0
    logs = _logs(probabilities)
    truth = float(logs[np.arange(len(logs)), targets].mean())
    low, high = 1 / HOTTEST, 1 / COLDEST
    inverse = 1.0
    for _ in range(STEPS):
        slope, curvature = _slope(logs, inverse)
        slope -= truth
        low, high = (low, inverse) if slope > 0 else (inverse, high)
        step = inverse - slope / curvature if curvature > 0 else low
        following = step if low < step < high else (low + high) / 2
        if abs(following - inverse) <= PRECISION * inverse:
            break
        inverse = following
    return 1 / inverse


def apply_temperature(probabilities: Floats, temperature: float) -> Floats:
    """softmax(log probabilities / T), [N, C]: a T above 1 takes certainty away, T < 1 adds some."""
    return _softmax(_logs(probabilities) / temperature)


def _slope(logs: Floats, inverse: float) -> tuple[float, float]:
    """Means over rows of E_p[l] and of Var_p[l]."""
    probabilities = _softmax(logs * inverse)
    mean = (probabilities * logs).sum(axis=-1, keepdims=True)
    return float(mean.mean()), float((probabilities * np.square(logs - mean)).sum(axis=-1).mean())


def _logs(probabilities: Floats) -> Floats:
    """Logarithms; a probability of 0, as votes have it, counts as the smallest one."""
    return np.log(np.maximum(probabilities, SMALLEST_PROBABILITY))


def _softmax(logits: Floats) -> Floats:
    powers: Floats = np.exp(logits - logits.max(axis=-1, keepdims=True))
    powers /= powers.sum(axis=-1, keepdims=True)
    return powers
