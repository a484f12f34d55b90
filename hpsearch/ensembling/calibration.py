"""Whether stated probabilities are to be believed, and a temperature that mends them.

Guo et al. 2017, "On calibration of modern neural networks".

shares   [N, C], probabilities of the classes        targets   [N], places of classes
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpsearch.ensembling.scores import SMALLEST_SHARE, Floats

COLDEST, HOTTEST = 0.05, 20.0
"""The temperature stays between them."""
STEPS = 100
"""More than halving the range of 1/T down to the last bit takes."""
PRECISION = 1e-12
"""Of 1/T, as a share of it."""


def expected_calibration_error(
    shares: Floats, labels: NDArray[np.int64], targets: NDArray[Any], bins: int = 15
) -> float:
    """The mean distance between the share stated for a label and how often such labels are right.

    Rows are binned by the stated share into equal widths, ((b − 1)/bins, b/bins]; each bin's
    distance counts by its rows.
    """
    stated = shares[np.arange(len(labels)), labels]
    places = np.clip(np.ceil(stated * bins).astype(np.int64) - 1, 0, bins - 1)
    off = np.bincount(places, weights=stated - (labels == targets), minlength=bins)
    return float(np.abs(off).sum() / len(labels))


def temperature(shares: Floats, targets: NDArray[Any]) -> float:
    """The T whose `scaled` shares have the least log loss on the targets, between 0.05 and 20.

    It is 1 where every row is said right: the loss then falls all the way to T = 0, and the rows
    tell nothing of how sure one may be.

    Along b = 1/T the loss is convex: with l = log shares, p = softmax(b l) and t the target, its
    slope is mean(E_p[l] − l_t) and its curvature mean(Var_p[l]). Newton's steps find where the
    slope is 0; the range is halved where they would leave it.
    """
    if (shares.argmax(axis=-1) == targets).all():
        return 1.0
    logs = _logs(shares)
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


def scaled(shares: Floats, temperature: float) -> Floats:
    """softmax(log shares / T), [N, C]: a T above 1 takes certainty away, one below 1 adds some."""
    return _softmax(_logs(shares) / temperature)


def _slope(logs: Floats, inverse: float) -> tuple[float, float]:
    """Means over rows of E_p[l] and of Var_p[l]."""
    shares = _softmax(logs * inverse)
    mean = (shares * logs).sum(axis=-1, keepdims=True)
    return float(mean.mean()), float((shares * np.square(logs - mean)).sum(axis=-1).mean())


def _logs(shares: Floats) -> Floats:
    """Shares of 0, as votes have them, count as the smallest one."""
    return np.log(np.maximum(shares, SMALLEST_SHARE))


def _softmax(logits: Floats) -> Floats:
    powers: Floats = np.exp(logits - logits.max(axis=-1, keepdims=True))
    powers /= powers.sum(axis=-1, keepdims=True)
    return powers
